"""Grids and stores from files to files: what masks, spacings and fractions mean for patches."""

import numpy as np
import pytest

from helpers.pictures import noise
from helpers.training_runs import inspected_slide
from microtome.io.atomic import write_json
from microtome.patches.grid import Grid
from microtome.patches.grid_spec import GridSpec
from microtome.patches.grid_step import write_grid
from microtome.patches.store import open_patches
from microtome.patches.store_step import extract_patches
from microtome.rasters.label_tiff import write_array
from microtome.rasters.labels import VIABLE, WHOLE

SLIDE = {"spacing_tolerance": 0.02, "upsample": False}


@pytest.fixture
def grid(tmp_path):
    """Lay a grid of 1 µm/px over a slide of 256 x 128 px of 0.5 µm/px: two patches of 128 px.

    The left one is tissue and tumour that is not viable; the right one is half tissue, and all of
    it viable tumour. Masks are of 4 µm/px, 16 x 32 px.
    """
    write_json(tmp_path / "a.json", inspected_slide(tmp_path / "a.svs", noise(128, 256)))
    tissue = np.ones((16, 32), np.uint8)
    tissue[:, 24:] = 0
    truth = np.full((16, 32), WHOLE, np.uint8)
    truth[:, 16:] = VIABLE
    for name, mask in (("tissue", tissue), ("truth", truth)):
        write_array(tmp_path / f"{name}.tif", mask, spacing_um=4.0)
    found = write_grid(
        name="a",
        spec=GridSpec(spacing_um=1.0, patch_px=64, stride_px=64),
        inspected=tmp_path / "a.json",
        tissue=tmp_path / "tissue.tif",
        truth=tmp_path / "truth.tif",
        grid=tmp_path / "a.npz",
        slide_settings=SLIDE,
        label_rule="any",
        min_tumour_fraction=0.0,
    )
    assert found == {"patches": 2, "tumour_patches": 1}
    return tmp_path


def test_a_patch_is_tumour_where_the_truth_is_viable(grid):
    """Masks are read at their own spacing; tumour that is not viable is none."""
    made = Grid.load(grid / "a.npz")
    np.testing.assert_array_equal(made.x_px, [0, 128])
    np.testing.assert_array_equal(made.label, [0, 1])
    np.testing.assert_array_equal(made.tissue_fraction, [1.0, 0.5])


@pytest.mark.parametrize(("least", "columns"), [(0.4, [0, 1]), (0.5, [0])])
def test_patches_with_more_tissue_than_asked_for_are_stored(grid, least, columns):
    """A patch with just as much is not."""
    extract_patches(
        grid / "a.zarr",
        name="a",
        slide_path=grid / "a.svs",
        inspected=grid / "a.json",
        grid=grid / "a.npz",
        threads=1,
        slide_settings=SLIDE,
        min_tissue_fraction=least,
        codec="raw",
        store_settings={"jpeg_quality": 90, "white_from": 256, "max_white_fraction": 0.9},
        code="c",
    )
    assert len(open_patches(grid / "a.zarr")) == len(columns)
