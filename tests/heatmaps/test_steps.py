"""Scores become maps: which part of them, whose, how weighed, and at what temperature."""

import numpy as np
import pytest

from helpers.pictures import grid_of
from microtome.heatmaps.codes import decode
from microtome.heatmaps.step import stitch_heatmap, stitch_uncertainty
from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import write_scores
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import open_raster, write_array

PLACES = [(r, c) for r in range(3) for c in range(5)]
GRID = grid_of(PLACES, patch_px=8, stride_px=4)
SIZE_PX = 24, 16


@pytest.fixture
def files(tmp_path):
    """Write the scores of an ensemble and its members, each part different everywhere."""
    rng = np.random.default_rng(0)
    parts = ("probability", "aleatoric", "epistemic", "a.probability", "b.probability")
    maps = {part: rng.random((len(PLACES), 2, 2)).astype(np.float32) for part in parts}
    maps |= {f"{member}.aleatoric": maps["aleatoric"] for member in "ab"}
    write_scores(tmp_path / "s.zarr", [(np.arange(len(PLACES)), maps)], GRID, origin={})
    write_json(tmp_path / "a.json", {"width_px": 24, "height_px": 16, "spacing_um": 0.5})
    write_array(tmp_path / "tissue.tif", np.ones((16, 24), np.uint8), spacing_um=0.5)
    return tmp_path, maps


def settings(folder, **changes: object) -> dict:
    """Arguments of both steps: a map of level 0, all members together, plain means."""
    plain = {"inspected": folder / "a.json", "name": "a", "spacing_um": 0.5, "member": None}
    slide = {"spacing_tolerance": 0.02, "upsample": False}
    return plain | {"slide_settings": slide, "blending": "mean"} | changes


def expected_rows(patches: np.ndarray, blending: str = "mean") -> np.ndarray:
    """Stitch the patches themselves."""
    stitcher = Stitcher(GRID, patches, size_px=SIZE_PX, scale=1.0, blending=blending)
    return stitcher.rows(0, 16)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, "probability"),
        ({"member": "b"}, "b.probability"),
        ({"blending": "gaussian"}, "probability"),
    ],
    ids=["all together", "one member", "gaussian"],
)
def test_a_heatmap_is_of_whom_and_weighed_as_asked(files, changes, part):
    """The probability of all members or of one, to the half step of a code."""
    folder, maps = files
    given = settings(folder, **changes)
    stitch_heatmap(folder / "h.tif", folder / "s.zarr", tissue=folder / "tissue.tif", **given)
    found = open_raster(folder / "h.tif")
    assert found.spacing_um == 0.5
    wanted = expected_rows(maps[part], given["blending"])
    np.testing.assert_allclose(decode(found.rows(0, 16)), wanted, rtol=0, atol=0.5 / 254 + 1e-6)


def test_a_heatmap_has_the_temperature_of_its_calibration(files):
    """Logits are divided by it."""
    folder, maps = files
    write_json(folder / "c.json", {"temperature": 2.0})
    given = settings(folder, tissue=folder / "tissue.tif", calibration=folder / "c.json")
    stitch_heatmap(folder / "h.tif", folder / "s.zarr", **given)
    p = expected_rows(maps["probability"])
    wanted = 1 / (1 + np.sqrt((1 - p) / p))
    found = decode(open_raster(folder / "h.tif").rows(0, 16))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.5 / 254 + 1e-6)


@pytest.mark.parametrize("part", ["aleatoric", "epistemic"])
def test_a_map_of_variance_is_of_its_part(files, part):
    """Float32, as stitched."""
    folder, maps = files
    stitch_uncertainty(folder / "u.tif", folder / "s.zarr", part=part, **settings(folder))
    found = open_raster(folder / "u.tif").rows(0, 16)
    np.testing.assert_array_equal(found, expected_rows(maps[part]).astype(np.float32))
