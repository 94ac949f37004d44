"""Distances between outlines, against scikit-image, SciPy and by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.metrics import hausdorff_distance

from microtome.evaluation import boundaries
from microtome.evaluation.boundaries import (
    boundary_f,
    boundary_metrics,
    boundary_points,
    hausdorff95,
)
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=14))
PAIRS = array_shapes(min_dims=2, max_dims=2, max_side=14).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def square(top: int, left: int, side: int, *, shape: tuple[int, int] = (30, 30)) -> np.ndarray:
    """Draw a filled square."""
    mask = np.zeros(shape, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def measured(
    folder, truth: np.ndarray, labels: np.ndarray, *, um=(1.0, 1.0), tolerance_um: float = 2
) -> dict:
    """Measure two label arrays as rasters."""
    for name, array, spacing_um in zip(("truth", "map"), (truth, labels), um, strict=True):
        write_array(folder / f"{name}.tif", array, spacing_um=spacing_um)
    return boundary_metrics(
        *(open_raster(folder / f"{name}.tif") for name in ("truth", "map")),
        tolerance_um=tolerance_um,
    )


def edt_distances(truth: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each outline to the other, by SciPy's erosion and distance transform."""
    truth, labels = (mask & ~binary_erosion(mask) for mask in (truth, labels))
    return distance_transform_edt(~truth)[labels], distance_transform_edt(~labels)[truth]


@given(MASKS, st.integers(1, 20))
def test_boundary_is_the_mask_without_its_erosion(mask, n_rows):
    """Beyond the slide's edge is outside; bands of any height give the same points in order."""
    found = boundary_points(rows_of(mask), mask.shape, n_rows=n_rows)
    np.testing.assert_array_equal(found, np.argwhere(mask & ~binary_erosion(mask)))


def test_boundary_of_squares_by_hand():
    """A square of 5 px has 16 boundary pixels; so has one that fills its slide."""
    assert len(boundary_points(rows_of(square(3, 4, 5)), (30, 30))) == 16
    assert len(boundary_points(rows_of(np.ones((5, 5), bool)), (5, 5))) == 16
    assert len(boundary_points(rows_of(np.zeros((5, 5), bool)), (5, 5))) == 0


def test_a_square_in_a_square_by_hand(tmp_path):
    """Sides of 9 and 5 px, 2 px apart: all 16 of the smaller are near, and 20 of 32."""
    truth, labels = VIABLE * square(5, 5, 9), VIABLE * square(7, 7, 5)
    found = measured(tmp_path, truth, labels)
    # A corner of the larger lies sqrt(8) px from the nearest of the smaller, the px on either side
    # of it sqrt(5).
    near = 32 - 4 - 8
    assert found["boundary_f"] == pytest.approx(2 * near / 32 / (1 + near / 32))
    far = [2.0] * near + [5**0.5] * 8 + [8**0.5] * 4
    assert found["hausdorff95_um"] == pytest.approx(np.percentile(far, 95))


def test_shifted_square_by_hand(tmp_path):
    """A row of 11 px, moved by 3 px along itself: 3 px at each end lie 1, 2 and 3 px away."""
    truth, labels = np.zeros((2, 30), np.uint8), np.zeros((2, 30), np.uint8)
    truth[0, 5:16] = labels[0, 8:19] = VIABLE
    found = measured(tmp_path, truth, labels, tolerance_um=1)
    assert found["boundary_f"] == pytest.approx(9 / 11)
    assert found["hausdorff95_um"] == pytest.approx(2.5)  # halfway between 2 and 3


@given(PAIRS, st.integers(0, 4))
def test_distances_are_those_of_the_distance_transform(tmp_path_factory, pair, tolerance):
    """F-score and 95 % Hausdorff distance from SciPy's exact distance transform."""
    assume(all(mask.any() for mask in pair))
    to_truth, to_map = edt_distances(*pair)
    precision, recall = (to_truth <= tolerance).mean(), (to_map <= tolerance).mean()
    both = precision + recall
    found = measured(
        tmp_path_factory.mktemp("a"), *(VIABLE * mask for mask in pair), tolerance_um=tolerance
    )
    assert found["boundary_f"] == pytest.approx(2 * precision * recall / both if both else 0)
    expected = max(np.percentile(to_truth, 95), np.percentile(to_map, 95))
    assert found["hausdorff95_um"] == pytest.approx(expected)


@given(PAIRS)
def test_all_distances_are_within_scikit_images_hausdorff(pair):
    """The largest distance is scikit-image's; the 95 % one is no larger."""
    assume(all(mask.any() for mask in pair))
    outlines = [boundary_points(rows_of(mask), mask.shape) for mask in pair]
    to_truth, to_map = (boundaries._distances(a, b) for a, b in (outlines[::-1], outlines))
    full = hausdorff_distance(*(mask & ~binary_erosion(mask) for mask in pair))
    assert max(to_truth.max(), to_map.max()) == pytest.approx(full)
    assert hausdorff95(to_truth, to_map) <= full + 1e-12


@given(PAIRS)
def test_truth_and_map_may_be_exchanged(tmp_path_factory, pair):
    """Both measures are symmetric; a map that is the truth has 1 and 0 µm."""
    first, second = (VIABLE * mask for mask in pair)
    folder = tmp_path_factory.mktemp("a")
    assert measured(folder, first, second) == measured(folder, second, first)
    same = measured(folder, first, first, tolerance_um=0)
    assert same == {"boundary_f": 1.0, "hausdorff95_um": 0.0 if first.any() else None}


def test_no_tumour(tmp_path):
    """Neither has any: 1. Only one has: 0. A distance is not defined in either case."""
    none, some = np.zeros((30, 30), np.uint8), VIABLE * square(3, 3, 9)
    assert measured(tmp_path, none, none) == {"boundary_f": 1.0, "hausdorff95_um": None}
    assert measured(tmp_path, none, some) == {"boundary_f": 0.0, "hausdorff95_um": None}
    assert measured(tmp_path, some, none) == {"boundary_f": 0.0, "hausdorff95_um": None}


def test_nothing_near_is_zero():
    """No boundary pixel within the tolerance, on either side: 0, not a division by it."""
    far = np.array([9.0, 8.0])
    assert boundary_f(far, far, tolerance_px=2) == 0
    assert boundary_f(far, far, tolerance_px=8) == 0.5


def test_the_larger_direction_counts():
    """Distances 0 to 100 one way, 7 the other: the 95th percentile of the first."""
    assert hausdorff95(np.arange(101.0), np.array([7.0])) == 95
    assert hausdorff95(np.array([7.0]), np.arange(101.0)) == 95


def test_only_viable_tumour_has_a_boundary(tmp_path):
    """Whole tumour that is not viable (1) is outside."""
    truth = square(5, 5, 9) * np.uint8(1)
    truth[7:12, 7:12] = VIABLE
    found = measured(tmp_path, truth, VIABLE * square(7, 7, 5), tolerance_um=0)
    assert found == {"boundary_f": 1.0, "hausdorff95_um": 0.0}


@pytest.mark.parametrize("um", [(1.0, 8.0), (8.0, 1.0), (1.0, 2.7), (2.0, 2.0)])
def test_measured_on_the_coarser_grid(tmp_path, um):
    """Truth finer or coarser than the map, over several bands: as on whole arrays."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 3, (2, 7, 9)), np.ones((96, 96), np.uint8))
    steps = [round(spacing_um) for spacing_um in um]
    arrays_um = [b[::n, ::n].astype(np.uint8) for b, n in zip(blocks, steps, strict=True)]
    found = measured(tmp_path, *arrays_um, um=um, tolerance_um=24)
    coarser = int(np.argmax(um))
    truth, labels = (
        resample(array, arrays_um[coarser].shape, ratio=max(um) / spacing_um) == VIABLE
        for array, spacing_um in zip(arrays_um, um, strict=True)
    )
    to_truth, to_map = edt_distances(truth, labels)
    near = round(24 / max(um))
    precision, recall = (to_truth <= near).mean(), (to_map <= near).mean()
    assert found["boundary_f"] == pytest.approx(2 * precision * recall / (precision + recall))
    far = max(np.percentile(to_truth, 95), np.percentile(to_map, 95)) * max(um)
    assert found["hausdorff95_um"] == pytest.approx(far)


@pytest.mark.parametrize("spacing_um", [7.984, 8.0, 8.016])
def test_slides_of_almost_the_same_spacing_are_measured_alike(tmp_path, spacing_um):
    """4 px are within 32 µm, whether a pixel is a little smaller or larger than 8 µm."""
    truth, labels = VIABLE * square(3, 3, 3), VIABLE * square(3, 7, 3)
    um = (spacing_um, spacing_um)
    assert measured(tmp_path, truth, labels, um=um, tolerance_um=32)["boundary_f"] == 1


def test_few_rows_of_a_finer_truth_are_held(tmp_path, monkeypatch):
    """However coarse the map: what is asked of the truth at once does not grow with its height."""
    write_array(tmp_path / "truth.tif", np.zeros((20_000, 400), np.uint8), spacing_um=1)
    write_array(tmp_path / "map.tif", np.zeros((313, 7), np.uint8), spacing_um=64)
    truth = open_raster(tmp_path / "truth.tif")
    asked = []
    rows = truth.rows
    monkeypatch.setattr(truth, "rows", lambda first, n: asked.append(n) or rows(first, n))
    boundary_metrics(truth, open_raster(tmp_path / "map.tif"), tolerance_um=64)
    assert len(asked) > 1
    assert max(asked) <= 64 * (16 + 2)
