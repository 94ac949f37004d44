"""The stages of a tissue mask, and where patches lie on the picture of a slide."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from helpers.drawn.overviews import OVERVIEWS, SETTINGS
from helpers.pictures import grid_of
from microtome.rasters.label_tiff import write_array
from microtome.tissue.figure import draw_tissue, find_centres
from microtome.tissue.stages import find_stages


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Tissue with a stroke of pen."""
    return OVERVIEWS["red pen on tissue"]().pixels


def stages_of(pixels, folder, variant: str):
    """Measure a picture of 8 µm/px."""
    settings = {**SETTINGS, "variant": variant}
    return find_stages(pixels, spacing_um=8.0, settings=settings, beside=folder / "a.png")


def test_saturation_and_what_is_above_otsus_threshold(pixels, tmp_path):
    """As scikit-image has both."""
    found = stages_of(pixels, tmp_path, "otsu")
    saturation = rgb2hsv(pixels / np.float32(255))[..., 1]
    np.testing.assert_allclose(found.measured, saturation, atol=1e-6)
    np.testing.assert_array_equal(found.above, saturation > threshold_otsu(saturation))


def test_colour_without_pen(pixels, tmp_path):
    """Tissue is more coloured than glass, and pen is above the threshold to Otsu alone."""
    found = stages_of(pixels, tmp_path, "absorbance")
    assert found.measured[found.above].min() > 0.02
    assert np.median(found.measured[found.above]) > 10 * np.median(found.measured[~found.above])
    assert (stages_of(pixels, tmp_path, "otsu").above & ~found.above).mean() > 0.01


def test_centres_of_patches():
    """A patch of 32 px of 0.5 µm is two px of 8 µm; its middle is between these."""
    grid = grid_of([(0, 0), (0, 1), (2, 0)], patch_px=32)
    stride = grid.stride_px * 0.5 / 8
    expected = [[0.5, 0.5], [0.5 + stride, 0.5], [0.5, 0.5 + 2 * stride]]
    np.testing.assert_allclose(find_centres(grid, 8.0), expected)


def test_the_figure_shows_mask_and_centres(pixels, tmp_path):
    """The colours of both are in the picture."""
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[40:120, 30:150] = 1
    write_array(tmp_path / "a.tif", mask, spacing_um=8.0)
    grid_of([(r, c) for r in range(3, 7) for c in range(3, 7)], patch_px=320).save(
        tmp_path / "a.npz"
    )
    draw_tissue(
        tmp_path / "a.png",
        name="a",
        overview=tmp_path / "a.jpg",
        tissue=tmp_path / "a.tif",
        grid=tmp_path / "a.npz",
        settings=SETTINGS,
    )
    drawn = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    for colour in ((0, 131, 143), (194, 24, 91)):
        assert (abs(drawn - colour).max(axis=2) < 30).sum() > 50
