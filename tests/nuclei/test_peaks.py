"""Peaks of detection maps: against scikit-image, SciPy, PyTorch and brute force, and in parts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import gaussian_filter
from skimage.feature import peak_local_max
from skimage.morphology import disk
from torch.nn.functional import interpolate

from microtome.nuclei.peaks import PeakFinder, Peaks, PeakSettings, weigh_locations

SPACING_UM = 0.5
RAW = {"min_distance_um": 1.5, "smoothing_um": 0.0, "threshold": 0.0}
AS_PAPER = {"min_distance_um": 3.0, "smoothing_um": 1.0, "threshold": 0.5}


def finder(reduction: int = 1, spacing_um: float = SPACING_UM, **values: float) -> PeakFinder:
    """Make a finder; peaks are those of the map itself where nothing else is said."""
    return PeakFinder(PeakSettings(**RAW | values), reduction=reduction, spacing_um=spacing_um)


def places(peaks: Peaks) -> list[tuple[float, float]]:
    """(y, x) of each peak, sorted."""
    return sorted(zip(peaks.y_px.tolist(), peaks.x_px.tolist(), strict=True))


def rows(peaks: Peaks) -> list[tuple[float, float, float]]:
    """(y, x, confidence) of each peak."""
    columns = (peaks.y_px, peaks.x_px, peaks.confidence)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def shuffled(height: int, width: int, *, seed: int) -> np.ndarray:
    """Draw a map in which no two px are as high, even to within rounding."""
    values = np.arange(1, height * width + 1) / 2048
    return np.random.default_rng(seed).permutation(values).reshape(height, width)


@pytest.mark.parametrize("seed", range(4))
def test_without_ties_peaks_are_those_of_scikit_image(seed):
    """Highest of all px within the distance, edges included."""
    image = shuffled(40, 50, seed=seed)
    found = finder().find_whole(image)
    expected = peak_local_max(image, footprint=disk(3), exclude_border=False) + 0.5
    assert len(expected) > 30
    assert places(found) == sorted(map(tuple, expected.tolist()))


def test_heights_are_those_of_torch_and_scipy():
    """Bilinear with the middles of px where they are, then a Gaussian cut off at 3 sigma."""
    image = np.random.default_rng(3).random((12, 15))
    spot = np.zeros((12, 15))
    spot[6, 7] = 1
    two = torch.from_numpy(np.stack([image, spot]))[None]
    resized = interpolate(two, scale_factor=4, mode="bilinear")[0].numpy()
    heights, of_spot = (gaussian_filter(m, 2.0, truncate=3, mode="nearest") for m in resized)
    found = finder(4, smoothing_um=1.0).find_whole(image)
    row, column = found.y_px.astype(int), found.x_px.astype(int)
    assert len(row) > 10
    np.testing.assert_allclose(found.confidence, heights[row, column] / of_spot.max(), rtol=2e-4)


@pytest.mark.parametrize(("reduction", "side"), [(4, 1), (2, 2), (1, 4)])
def test_a_spot_of_2_um_has_confidence_1_in_its_middle(reduction, side):
    """Whatever the reduction: one location of the paper's, or the px in its place."""
    image = np.zeros((40, 40))
    image[20 : 20 + side, 12 : 12 + side] = 1
    found = finder(reduction, **AS_PAPER).find_whole(image)
    middle = [((n + side / 2) * reduction) for n in (20, 12)]
    assert places(found) == [tuple(middle)]
    np.testing.assert_allclose(found.confidence, 1, rtol=1e-6)


@pytest.mark.parametrize(("down", "right"), [(0, 1), (1, 0), (1, 1)])
def test_neighbours_that_both_fire_are_one_nucleus_between_them(down, right):
    """A nucleus that lies across the edge of two locations is not counted twice."""
    image = np.zeros((16, 16))
    image[7, 8] = image[7 + down, 8 + right] = 1
    found = finder(4, **AS_PAPER).find_whole(image)
    assert places(found) == [(30 + 2 * down, 34 + 2 * right)]


def test_locations_8_um_apart_are_two_nuclei():
    """What is farther apart than the least distance stays apart."""
    image = np.zeros((16, 16))
    image[7, 4] = image[7, 8] = 1
    found = finder(4, **AS_PAPER).find_whole(image)
    assert places(found) == [(30, 18), (30, 34)]


def test_a_plateau_is_one_nucleus_in_its_middle():
    """Where scikit-image finds nine."""
    image = np.zeros((16, 16))
    image[5:8, 6:9] = 0.75
    assert len(peak_local_max(image)) == 9
    found = finder().find_whole(image)
    assert places(found) == [(6.5, 7.5)]


def test_the_threshold_is_the_least_confidence():
    """Peaks below it are left out, one that is just as high is kept; 0 alone is no peak."""
    image = np.zeros((20, 20))
    image[3, 3], image[3, 12], image[12, 3] = 0.25, 0.5, 0.49995
    unit = finder().find_whole(np.pad(np.ones((4, 4)), 9)).confidence.max()
    assert unit == 1
    assert places(finder(threshold=0.5).find_whole(image)) == [(3.5, 12.5)]
    assert len(finder().find_whole(image).x_px) == 3


@given(
    arrays(np.int8, (9, 11), elements=st.integers(0, 3)),
    st.sampled_from([0.5, 1.0, 1.5]),
)
def test_with_ties_peaks_are_what_nothing_within_the_distance_precedes(image, distance_um):
    """By brute force over all pairs of px of a map full of ties."""
    found = finder(min_distance_um=distance_um).find_whole(np.pad(image, 5) / 4)
    radius, expected = distance_um / SPACING_UM, []
    every = [(y, x) for y in range(9) for x in range(11) if image[y, x]]
    for y, x in every:
        near = [(v, u) for v, u in every if (v - y) ** 2 + (u - x) ** 2 <= radius**2]
        if (y, x) == min(near, key=lambda place: (-image[place], place)):
            equal = [place for place in near if image[place] == image[y, x]]
            expected.append(tuple(np.mean(equal, axis=0) + 5.5))
    np.testing.assert_allclose(places(found), sorted(expected), atol=1 / 128)


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 4]),
    st.integers(5, 24),
    st.integers(3, 20),
    st.booleans(),
)
def test_parts_find_what_the_whole_finds(seed, reduction, height, width, is_binary):
    """Nuclei at the seams are neither lost nor doubled, to the bit, whatever the parts."""
    image = np.random.default_rng(seed).random((24, 20)).astype(np.float32)
    image = np.where(image > 0.85, 1, 0) if is_binary else image**6
    found = finder(reduction, **AS_PAPER)
    whole = found.find_whole(image)
    wide = np.pad(image, found.halo, mode="edge")
    parts = []
    for top in range(0, 24, height):
        for left in range(0, 20, width):
            part = np.s_[
                top : min(top + height, 24) + 2 * found.halo,
                left : min(left + width, 20) + 2 * found.halo,
            ]
            corner = {"x_px": left * reduction, "y_px": top * reduction}
            size_px = (20 * reduction, 24 * reduction)
            parts += rows(found.find(wide[part], size_px=size_px, **corner))
    assert sorted(parts) == sorted(rows(whole))


@given(st.sampled_from([1, 2, 4]), st.floats(0, 4))
def test_smoothing_keeps_what_is_constant(reduction, sigma_px):
    """The weights of every px sum to 1."""
    np.testing.assert_allclose(weigh_locations(reduction, sigma_px).sum(axis=1), 1, rtol=1e-6)
