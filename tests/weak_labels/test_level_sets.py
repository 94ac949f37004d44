"""Level sets outline the nuclei of DAPI images."""

import doctest

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk

from drawn_dapi import draw_dapi
from microtome.weak_labels import level_sets
from microtome.weak_labels.dapi_images import scale_robustly
from microtome.weak_labels.level_sets import segment_nuclei
from weak_labels.drawn_nuclei import scatter_nuclei


def measure_dice(found: np.ndarray, truth: np.ndarray) -> float:
    """Twice what two masks share over what they have."""
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_examples():
    """The example of the docstring gives what it says."""
    found = doctest.testmod(level_sets)
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("spacing_um", [0.5, 1.0])
def test_nuclei_of_any_brightness_are_outlined(spacing_um):
    """Noise, corners darker by half, nuclei from 0.5 to 1: Dice .9, nearly each of them once."""
    rng = np.random.default_rng(1)
    labels = scatter_nuclei((128, 160), rng, n=70, radius_px=4 / spacing_um)
    dapi = scale_robustly(draw_dapi(labels, rng, vignette=0.5, lost=0))
    found = segment_nuclei(dapi, spacing_um=spacing_um)
    assert measure_dice(found > 0, labels > 0) > 0.9
    assert found.max() == pytest.approx(labels.max(), abs=0.1 * labels.max())


def test_bright_surroundings_are_no_nuclei():
    """Stroma as bright as a dim nucleus, but as wide as the image is high."""
    rng = np.random.default_rng(2)
    labels = scatter_nuclei((120, 160), rng, n=30, radius_px=7)
    dapi = draw_dapi(labels, rng, noise=0.02, lost=0)
    dapi += 0.5 * ndimage.gaussian_filter((np.arange(160) > 80).astype(float), 25)
    found = segment_nuclei(scale_robustly(dapi), spacing_um=0.5)
    assert measure_dice(found > 0, labels > 0) > 0.93


@pytest.mark.parametrize("brighter_half", [False, True])
def test_nuclei_may_cover_most_of_an_image(brighter_half):
    """Whichever phase is the larger, the bright one is labelled."""
    dapi = np.zeros((60, 60))
    dapi[:, 20:] = brighter_half
    dapi[:, :20] = not brighter_half
    found = segment_nuclei(dapi, spacing_um=0.1)
    bright = dapi > 0
    assert measure_dice(found > 0, bright) > 0.95


def test_specks_are_left_out_and_holes_filled():
    """By area in µm²: of two discs of 12 and of 2 px across at 0.5 µm, and a ring."""
    dapi = np.zeros((60, 60))
    for centre, radius in (((15, 15), 6), ((15, 45), 1.5), ((42, 30), 9)):
        dapi[disk(centre, radius)] = 1
    dapi[disk((42, 30), 3)] = 0
    found = segment_nuclei(dapi, spacing_um=0.5)
    assert found.max() == 2
    assert found[15, 45] == 0
    assert found[42, 30] == found[42, 36] > 0


def test_nuclei_that_touch_are_one():
    """No rule of the paper parts them."""
    dapi = np.zeros((40, 60))
    for column in (20, 31):
        dapi[disk((20, column), 7)] = 1
    assert segment_nuclei(dapi, spacing_um=0.5).max() == 1


def test_where_there_is_no_nucleus_none_is_found():
    """An even image."""
    found = segment_nuclei(np.full((20, 30), 0.3), spacing_um=0.5)
    assert found.dtype == np.int32
    assert not found.any()
