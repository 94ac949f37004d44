"""Distances between outlines, against SciPy and by hand."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_erosion, distance_transform_edt

from microtome.evaluation.boundaries import boundary_metrics, find_boundary
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


def edt_metrics(truth: np.ndarray, labels: np.ndarray, *, near_px: int) -> tuple[float, float]:
    """F-score and 95 % Hausdorff distance in px by SciPy's erosion and distance transform."""
    truth, labels = (mask & ~binary_erosion(mask) for mask in (truth, labels))
    to_truth = distance_transform_edt(~truth)[labels]
    to_map = distance_transform_edt(~labels)[truth]
    precision, recall = (to_truth <= near_px).mean(), (to_map <= near_px).mean()
    f_score = 2 * precision * recall / (precision + recall) if precision + recall else 0
    return f_score, max(np.percentile(to_truth, 95), np.percentile(to_map, 95))


@given(MASKS, st.integers(1, 20))
def test_boundary_is_the_mask_without_its_erosion(mask, n_rows):
    """Beyond the slide's edge is outside; bands of any height give the same points in order."""
    found = find_boundary(rows_of(mask), mask.shape, n_rows=n_rows)
    np.testing.assert_array_equal(found, np.argwhere(mask & ~binary_erosion(mask)))


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


@given(PAIRS, st.integers(0, 4))
def test_distances_are_those_of_the_distance_transform(tmp_path_factory, pair, tolerance):
    """F-score and 95 % Hausdorff distance from SciPy's exact distance transform."""
    assume(all(mask.any() for mask in pair))
    expected = edt_metrics(*pair, near_px=tolerance)
    found = measured(
        tmp_path_factory.mktemp("a"), *(VIABLE * mask for mask in pair), tolerance_um=tolerance
    )
    assert tuple(found.values()) == pytest.approx(expected)


@given(PAIRS)
def test_truth_and_map_may_be_exchanged(tmp_path_factory, pair):
    """Both measures are symmetric; a map that is the truth has 1 and 0 µm."""
    first, second = (VIABLE * mask for mask in pair)
    folder = tmp_path_factory.mktemp("a")
    assert measured(folder, first, second) == measured(folder, second, first)
    same = measured(folder, first, first, tolerance_um=0)
    assert same == {"boundary_f": 1.0, "hausdorff95_um": 0.0 if first.any() else None}


@pytest.mark.parametrize(("in_truth", "in_map", "f_score"), [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
def test_no_tumour(tmp_path, in_truth, in_map, f_score):
    """Neither has any: 1. Only one has: 0. A distance is not defined in either case."""
    some = VIABLE * square(3, 3, 9)
    found = measured(tmp_path, in_truth * some, in_map * some)
    assert found == {"boundary_f": f_score, "hausdorff95_um": None}


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
    f_score, far_px = edt_metrics(truth, labels, near_px=round(24 / max(um)))
    assert tuple(found.values()) == pytest.approx((f_score, far_px * max(um)))


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
