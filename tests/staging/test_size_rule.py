"""The length of the largest lesion, and the class that goes with it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cdist, pdist
from skimage.measure import label, regionprops

from microtome.errors import InputError
from microtome.rasters.convex_hull import find_hull_corners
from microtome.staging.size_rule import largest_lesion_um, size_class

EDGES = np.array([(-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)])
MASKS = array_shapes(min_dims=2, max_dims=2, max_side=16).flatmap(lambda s: arrays(bool, s))
# Few px, so that there are gaps.
SPARSE = array_shapes(min_dims=2, max_dims=2, max_side=16).flatmap(
    lambda s: arrays(bool, s, elements=st.integers(0, 15).map(lambda i: i == 0))
)


def heatmap_of(mask: np.ndarray) -> np.ndarray:
    """Sure tumour in a mask, free tissue elsewhere."""
    return np.where(mask, 255, 1).astype(np.uint8)


def length(mask: np.ndarray, *, spacing_um: float = 8.0, **options: float) -> float:
    """The length of the largest lesion of a mask."""
    return largest_lesion_um(heatmap_of(mask), spacing_um=spacing_um, threshold=0.5, **options)


def row_of(*runs: tuple[int, int], width: int = 60) -> np.ndarray:
    """A mask of one row with the runs [first, after)."""
    mask = np.zeros((1, width), bool)
    for first, after in runs:
        mask[0, first:after] = True
    return mask


def by_brute_force(mask: np.ndarray, near_px: float) -> float:
    """The same by all distances of all px, on a mask with room on every side."""
    mask = np.pad(mask, 12)
    tumour = np.argwhere(mask)
    if not len(tumour):
        return 0.0
    every = np.argwhere(np.ones_like(mask))
    near = (cdist(every, tumour).min(axis=1) < near_px).reshape(mask.shape) | mask
    lesions = label(near, connectivity=2)[tuple(tumour.T)]
    return max(
        pdist((tumour[lesions == k][:, None] + EDGES).reshape(-1, 2)).max()
        for k in np.unique(lesions)
    )


def test_nothing():
    """Without tumour there is no length, whether tissue was scored or not."""
    for code in (0, 1, 127):
        heatmap = np.full((4, 5), code, np.uint8)
        assert largest_lesion_um(heatmap, spacing_um=8.0, threshold=0.5) == 0.0


@pytest.mark.parametrize(("n_px", "expected"), [(1, 8.0), (2, 16.0), (25, 200.0), (250, 2000.0)])
def test_px_in_a_line(n_px, expected):
    """So many px in a row or a column are so many px long, one too."""
    row = row_of((3, 3 + n_px), width=300)
    assert length(row) == length(row.T) == expected


def test_threshold():
    """A px of the threshold counts; of 0.9 it is code 230 and not 229."""
    heatmap = np.array([[229, 230, 1, 1, 128, 128, 128]], np.uint8)
    found = {
        t: largest_lesion_um(heatmap, spacing_um=1.0, threshold=t, merge_um=0)
        for t in (0.5, 127 / 254, 0.501, 0.9)
    }
    assert found == {0.5: 3.0, 127 / 254: 3.0, 0.501: 2.0, 0.9: 1.0}


@pytest.mark.parametrize(
    ("runs", "um", "options", "n_px"),
    [
        # 75 µm: 4 px of 8 µm from each side, 37 px of 1 µm.
        ([(0, 5), (13, 20)], 8.0, {}, 20),
        ([(0, 5), (14, 20)], 8.0, {}, 6),
        ([(0, 10), (84, 94)], 1.0, {}, 94),
        ([(0, 10), (85, 95)], 1.0, {}, 10),
        # Nearer than half of what is merged, not as near: of 4 px, 3 from each side.
        ([(0, 5), (11, 20)], 8.0, {"merge_um": 64}, 20),
        ([(0, 5), (12, 20)], 8.0, {"merge_um": 64}, 8),
        ([(0, 4), (5, 8)], 1.0, {"merge_um": 0}, 4),
        # A chain of specks is one lesion from end to end, and another is not added to it.
        ([*((k, k + 1) for k in range(0, 40, 8)), (50, 57)], 8.0, {}, 33),
    ],
)
def test_gaps(runs, um, options, n_px):
    """What is nearer than `merge_um`, 75 if unset, to within two px is one lesion."""
    assert length(row_of(*runs, width=120), spacing_um=um, **options) == n_px * um


def test_island_in_a_ring():
    """Holes need no filling: an island in a ring is within its length."""
    y, x = np.mgrid[:81, :81] - 40
    ring = (abs(y) <= 40) & (abs(x) <= 40) & ~((abs(y) < 38) & (abs(x) < 38))
    island = ring | (abs(y) + abs(x) == 0)
    assert length(island) == length(ring) == pytest.approx(8 * (80**2 + 81**2) ** 0.5)


@pytest.mark.parametrize(
    ("other", "expected"),
    [(np.s_[30, 2:15], 13), (np.s_[15:23, 15:23], 11), (np.s_[0, 0], 11), (np.s_[38, 20:38], 18)],
    ids=["shorter box", "longer box", "within its box", "fewer px"],
)
def test_the_longest_counts_whatever_its_box_and_area(other, expected):
    """Beside a cross of 11 px, whose box is longer than it."""
    mask = np.zeros((40, 40), bool)
    mask[5, :11] = mask[:11, 5] = mask[other] = True
    assert length(mask, spacing_um=1.0, merge_um=0) == expected


def test_specks_are_not_measured(monkeypatch):
    """Beside a large lesion no hull is made of the specks, of which there may be thousands."""
    mask = np.zeros((60, 60), bool)
    mask[::6, ::6] = True
    mask[20:40, 20:40] = True
    calls = []
    counted = lambda *a: calls.append(1) or find_hull_corners(*a)  # noqa: E731
    monkeypatch.setattr("microtome.staging.size_rule.find_hull_corners", counted)
    length(mask, merge_um=0)
    assert len(calls) == 1


def test_longest_and_not_largest():
    """A thin lesion is longer than a thick one of more px."""
    mask = np.zeros((40, 60), bool)
    mask[:20, :20] = True
    mask[38, 20:55] = True
    assert length(mask, spacing_um=1.0, merge_um=0) == 35.0


@settings(max_examples=60)
@given(st.one_of(SPARSE, MASKS), st.sampled_from([0, 1, 2, 3, 5.5, 9]))
def test_against_all_distances(mask, merge_px):
    """Crop, hull and order change nothing about what all distances between all px give."""
    found = length(mask, spacing_um=0.5, merge_um=merge_px / 2)
    assert found == pytest.approx(by_brute_force(mask, merge_px / 2) / 2)


@settings(max_examples=60)
@given(MASKS)
def test_against_scikit_image(mask):
    """It measures between the same points, of a hull up to a px larger, of convex lesions none."""
    found = length(mask, spacing_um=1.0, merge_um=0)
    regions = regionprops(label(mask, connectivity=2))
    theirs = max((region.feret_diameter_max for region in regions), default=0.0)
    assert found - 1e-9 <= theirs <= found + 1
    (region,) = regionprops(np.ones_like(mask, int))
    assert length(np.ones_like(mask), spacing_um=1.0) == pytest.approx(region.feret_diameter_max)


def test_large_lesion():
    """A lesion of a million px takes a few bytes a px, and not the square of their number."""
    y, x = np.ogrid[-600:601, -600:601]
    heatmap = heatmap_of(y**2 + x**2 <= 590**2)
    tracemalloc.start()
    found = largest_lesion_um(heatmap, spacing_um=8.0, threshold=0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == pytest.approx(1181 * 8, rel=1e-4)
    assert peak < 60 * heatmap.size


@pytest.mark.parametrize(
    ("length_um", "expected"),
    [
        (0, "negative"),
        (0.1, "itc"),
        (200.0, "itc"),
        (np.nextafter(200, 201), "micro"),
        (2000.0, "micro"),
        (np.nextafter(2000, 2001), "macro"),
        (float("inf"), "macro"),
    ],
)
def test_classes(length_um, expected):
    """200 µm are isolated tumour cells still, 2000 µm a micrometastasis."""
    assert size_class(length_um) == expected


@pytest.mark.parametrize("length_um", [-1.0, float("nan")])
def test_no_length(length_um):
    """What is no length is no class either."""
    with pytest.raises(InputError, match="no length of a lesion"):
        size_class(length_um)
