"""Plain pictures are slides of one level, with the pixels that Pillow sees."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.slide_files import texture
from microtome.errors import InputError
from microtome.slides.slide import Slide

PIXELS = texture(150, 210)


WRITERS = {
    "a.png": lambda path: Image.fromarray(PIXELS).save(path),
    "a.jpg": lambda path: Image.fromarray(PIXELS).save(path, quality=90),
    "a.bmp": lambda path: Image.fromarray(PIXELS).save(path),
    "a.tif": lambda path: tifffile.imwrite(path, PIXELS, rowsperstrip=16, compression="lzw"),
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


def test_transparent_is_white(tmp_path):
    """What shows nothing is background."""
    alpha = np.zeros((150, 210, 1), np.uint8)
    alpha[:, 100:] = 255
    Image.fromarray(np.dstack([PIXELS, alpha])).save(tmp_path / "a.png")
    with Slide(tmp_path / "a.png", name="a", spacing_um=0.5) as slide:
        read = slide.read(0, 0, 210, 150, scale=1)
    assert (read[:, :100] == 255).all()
    np.testing.assert_array_equal(read[:, 100:], PIXELS[:, 100:])


def _require_refused(path, text: str, spacing_um: float | None = 0.5) -> None:
    with pytest.raises(InputError, match=text):
        Slide(path, name="a", spacing_um=spacing_um)


def test_pictures_that_are_refused(tmp_path, monkeypatch):
    """Grey ones, for H&E has colours; those without spacing, which is no dpi; those too large."""
    grey, small = tmp_path / "grey.png", tmp_path / "a.png"
    Image.fromarray(PIXELS[..., 0]).save(grey)
    Image.fromarray(PIXELS).save(small, dpi=(300, 300))
    _require_refused(grey, r"^slide a: .*grey\.png has px of one grey channel \(L\); H&E is told")
    _require_refused(small, r"does not say its spacing; add it to the column", None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    _require_refused(small, r"is too large for an image in one piece; convert it to a tiled TIFF$")
