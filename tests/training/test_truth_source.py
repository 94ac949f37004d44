"""The truth of patches: the right px of the map, small holes closed as in the whole map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.morphology import remove_small_holes

from helpers.pictures import grid_of
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.training.truth_source import TruthPatches

OTHER = 3 - VIABLE


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Write a truth map of 90 x 700 px, wider than a tile, with holes of all sizes."""
    generator = np.random.default_rng(3)
    mask = generator.random((90, 700)) < 0.62
    labels = np.where(mask, VIABLE, np.where(generator.random(mask.shape) < 0.5, OTHER, 0))
    path = tmp_path_factory.mktemp("truth") / "a.tif"
    write_array(path, labels, spacing_um=1.0)
    return mask, open_raster(path)


def patches(raster, places, *, stride_px, scale=1.0, max_blob_px=0) -> TruthPatches:
    """Lay patches at (row, column) of the lattice over a truth map."""
    # Of 0.5 µm/px at scale 1; the map is of 1 µm/px.
    grid = grid_of(places, patch_px=32, stride_px=stride_px, scale=2 * scale)
    return TruthPatches(raster, grid, max_blob_px=max_blob_px)


def read(found: TruthPatches, row: int, side: int) -> np.ndarray:
    """Read one patch into memory that holds something else."""
    out = np.full((side, side), 77, np.uint8)
    found.read(row, out)
    return out


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_at_another_spacing(truth, scale):
    """Each px takes the value of the map at its centre: repeated, or every second one."""
    mask, raster = truth
    found = read(patches(raster, [(1, 1)], stride_px=20, scale=scale), 0, 20)
    finer, coarser = np.kron(mask[10:20, 10:20], np.ones((2, 2))), mask[41:81:2, 41:81:2]
    expected = finer if scale < 1 else coarser
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=30)
@given(st.integers(0, 6), st.integers(0, 45), st.sampled_from([0, 1, 3, 12, 50]))
def test_a_patch_is_a_window_of_the_whole_map(truth, row, column, max_blob_px):
    """Over edges too; holes of so many px are closed, also those of which it shows only a part."""
    mask, raster = truth
    padded = np.pad(mask, 60)  # beyond the slide there is no tumour
    closed = remove_small_holes(padded, max_size=max_blob_px)[60:, 60:]
    closed = np.pad(closed, ((0, 60), (0, 60)))
    found = patches(raster, [(row, column)], stride_px=16, max_blob_px=max_blob_px)
    y, x = row * 16, column * 16
    np.testing.assert_array_equal(read(found, 0, 24), closed[y : y + 24, x : x + 24])


def test_a_hole_of_fifty_is_closed_and_one_of_fifty_one_is_not(tmp_path):
    """The limit itself is closed."""
    labels = np.full((64, 64), VIABLE, np.uint8)
    labels[5:10, 5:15] = 0
    labels[30:33, 10:27] = 0
    write_array(tmp_path / "a.tif", labels, spacing_um=1.0)
    found = read(
        patches(open_raster(tmp_path / "a.tif"), [(0, 0)], stride_px=64, max_blob_px=50), 0, 64
    )
    assert found[5:10, 5:15].all()
    assert not found[30:33, 10:27].any()
