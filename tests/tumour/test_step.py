"""From the scores of patches that do not overlap to the tumour map, as recipes ask for it."""

import numpy as np
import pytest
import yaml

from conftest import REPOSITORY
from helpers.pictures import grid_of
from microtome.heatmaps.step import stitch_heatmap
from microtome.inference.score_store import write_scores
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.slides.scales import scale_for
from microtome.tumour.step import map_tumour

N_ROWS, N_COLUMNS, PATCH_PX = 5, 6, 256
SLIDE = {"spacing_tolerance": 0.02, "upsample": False}


# Heatmap px of 16 px of level 0, 32 a patch; and of 30 px, which 948.1 are no multiple of.
@pytest.mark.parametrize("slide_um", [0.5, 0.27])
@pytest.mark.parametrize("recipe", ["histocae", "histocae mr_histocae", "joint_liver"])
def test_the_mask_is_the_patches_put_back(tmp_path, recipe, slide_um):
    """Without overlap each px of tissue is tumour if its patch is, alone, in a hole or barely."""
    config = {}
    for name in recipe.split():
        config |= yaml.safe_load((REPOSITORY / "recipes" / f"{name}.yaml").read_text())
    assert config["inference"]["overlap"] == 0
    scales = [scale_for(um, slide_spacing_um=slide_um, name="a", **SLIDE) for um in (1.0, 8.0)]
    places = [*np.ndindex(N_ROWS, N_COLUMNS)]
    places.remove((1, 2))  # no tissue, no patch
    rng = np.random.default_rng(0)
    probability = rng.choice(np.float32([0.1, 0.4985, 0.4999999, 0.5, 0.6, 0.99]), len(places))
    grid = grid_of(places, patch_px=PATCH_PX, scale=scales[0])
    maps = {"probability": probability[:, None, None]}
    write_scores(tmp_path / "s.zarr", [(np.arange(len(places)), maps)], grid, origin={})
    height_px, width_px = (round(n * PATCH_PX * scales[0]) for n in (N_ROWS, N_COLUMNS))
    info = {"width_px": width_px, "height_px": height_px, "spacing_um": slide_um}
    write_json(tmp_path / "a.json", info)
    # The patch in which the centre of a heatmap px lies; none beyond the slide's edge.
    shape = [int(np.ceil(side / scales[1])) for side in (height_px, width_px)]
    row, column = (
        ((np.arange(n) + 0.5) * scales[1] // (PATCH_PX * scales[0])).astype(int) for n in shape
    )
    of_patches = np.full((N_ROWS + 1, N_COLUMNS + 1), np.nan)
    of_patches[tuple(np.transpose(places))] = probability
    of_px = of_patches[row][:, column]
    tissue = (rng.random(shape) < 0.9) & ~np.isnan(of_px)
    um = slide_um * scales[1]
    write_array(tmp_path / "tissue.tif", tissue.astype(np.uint8), spacing_um=um)
    settings = {"inspected": tmp_path / "a.json", "name": "a", "spacing_um": 8.0, "member": None}
    settings |= {"slide_settings": SLIDE, "blending": "mean", "tissue": tmp_path / "tissue.tif"}
    stitch_heatmap(tmp_path / "h.tif", tmp_path / "s.zarr", **settings)
    files = {"heatmap": tmp_path / "h.tif", "tissue": tmp_path / "tissue.tif"}
    map_tumour(tmp_path / "t.tif", **files, segmentation=config["segmentation"])
    found = open_raster(tmp_path / "t.tif").rows(0, shape[0]) == VIABLE
    np.testing.assert_array_equal(found, tissue & (of_px >= 0.5))
    assert 0.2 < found.mean() < 0.8
