"""Plain pictures are slides of one level, with the pixels that Pillow sees."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.pictures import grid_of
from helpers.slide_files import texture
from microtome.errors import InputError
from microtome.patches.reading import read_patches
from microtome.slides.slide import Slide

PIXELS = texture(150, 210)


def _strips(path):
    tifffile.imwrite(path, PIXELS, photometric="rgb", rowsperstrip=16, compression="lzw")


WRITERS = {
    "a.png": lambda path: Image.fromarray(PIXELS).save(path),
    "a.jpg": lambda path: Image.fromarray(PIXELS).save(path, quality=90),
    "a.bmp": lambda path: Image.fromarray(PIXELS).save(path),
    "a.tif": _strips,
    "palette.png": lambda path: Image.fromarray(PIXELS).quantize(64).save(path),
}


@pytest.fixture(scope="module", params=WRITERS)
def both(request, tmp_path_factory):
    """Open a picture as a slide, and give its pixels in a white margin."""
    path = tmp_path_factory.mktemp("pictures") / request.param
    WRITERS[request.param](path)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    canvas = np.pad(pixels, ((50, 50), (50, 50), (0, 0)), constant_values=255)
    with Slide(path, name="a", spacing_um=0.5) as slide:
        yield slide, canvas


@settings(max_examples=40)
@given(x=st.integers(-50, 230), y=st.integers(-50, 180), w=st.integers(1, 30), h=st.integers(1, 20))
def test_any_region(both, x, y, w, h):
    """Every region is the picture's own pixels, white outside."""
    slide, canvas = both
    assert (slide.vendor, slide.source.read_by) == ("image", "as one image")
    assert slide.levels == [(210, 150)]
    expected = canvas[y + 50 : y + 50 + h, x + 50 : x + 50 + w]
    np.testing.assert_array_equal(slide.read(x, y, w, h, scale=1), expected)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_patches(both, threads, scale):
    """Patches are cut from a picture as from any slide."""
    slide, _ = both
    grid = grid_of([(r, c) for r in range(3) for c in range(4)], patch_px=24, scale=scale)
    for index, pixels in read_patches(slide, grid, threads=threads):
        for i, patch in zip(index, pixels, strict=True):
            x_px, y_px = float(grid.x_px[i]), float(grid.y_px[i])
            np.testing.assert_array_equal(patch, slide.read(x_px, y_px, 24, 24, scale=scale))


def test_transparent_is_white(tmp_path):
    """What shows nothing is background."""
    alpha = np.zeros((150, 210, 1), np.uint8)
    alpha[:, 100:] = 255
    Image.fromarray(np.dstack([PIXELS, alpha])).save(tmp_path / "a.png")
    with Slide(tmp_path / "a.png", name="a", spacing_um=0.5) as slide:
        read = slide.read(0, 0, 210, 150, scale=1)
    assert (read[:, :100] == 255).all()
    np.testing.assert_array_equal(read[:, 100:], PIXELS[:, 100:])


def test_grey_pictures_are_refused(tmp_path):
    """H&E has colours; a grey picture is another thing."""
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "a.png")
    with pytest.raises(
        InputError, match=r"^slide a: .*a\.png has no colours \(L\); H&E needs RGB$"
    ):
        Slide(tmp_path / "a.png", name="a", spacing_um=0.5)


def test_pictures_without_spacing_ask_for_it(tmp_path):
    """What a picture says of dots per inch is no spacing of a microscope."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png", dpi=(300, 300))
    with pytest.raises(InputError, match=r"does not say its spacing; add it to the column"):
        Slide(tmp_path / "a.png", name="a")


def test_too_large_for_one_piece(tmp_path, monkeypatch):
    """A picture that would not fit into memory is refused with what to do."""
    WRITERS["a.png"](tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    with pytest.raises(InputError, match=r"is too large for an image in one piece; convert it to"):
        Slide(tmp_path / "a.png", name="a", spacing_um=0.5)
