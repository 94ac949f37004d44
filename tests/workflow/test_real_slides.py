"""Slides as scanners and other programs wrote them; skipped where they are not at hand."""

from functools import cache

import numpy as np
import openslide
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.pictures import shrunk
from microtome.errors import InputError
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide

MARGIN = 60
READ_BY_TILES = "tile by tile"
READ_BY_OPENSLIDE = "by OpenSlide"
SLIDES = {
    "CMU-1-Small-Region.svs": ("aperio", READ_BY_TILES),
    "TCGA-CR-7395-01A-01-TS1.svs": ("aperio", READ_BY_TILES),
    "boxes.tiff": ("generic-tiff", READ_BY_TILES),
    "small.svs": ("aperio", READ_BY_TILES),
    "boxes_0.dcm": ("dicom", READ_BY_OPENSLIDE),
    "boxes_1.dcm": ("dicom", READ_BY_OPENSLIDE),
    "fluorescence_dapi.ndpi": ("hamamatsu", READ_BY_OPENSLIDE),
}


@pytest.fixture(scope="module", params=SLIDES)
def both(request, real_slides):
    """Open a slide here and in OpenSlide."""
    path = real_slides / request.param
    with Slide(path, name="a", spacing_um=0.5) as slide, openslide.OpenSlide(path) as reference:
        yield request.param, slide, reference


@cache
def on_white(reference: openslide.OpenSlide, level: int) -> np.ndarray:
    """A whole level by OpenSlide, on white, with a white margin."""
    region = reference.read_region((0, 0), level, reference.level_dimensions[level])
    white = Image.new("RGB", [side + 2 * MARGIN for side in region.size], "white")
    white.paste(region, (MARGIN, MARGIN), region.getchannel("A"))
    return np.asarray(white)


def test_what_they_are(both):
    """Levels are OpenSlide's; it is known who reads them."""
    name, slide, reference = both
    assert (slide.vendor, slide.source.read_by) == SLIDES[name]
    assert slide.levels == list(reference.level_dimensions)
    for own, its, size in zip(
        slide.downsamples, reference.level_downsamples, slide.levels, strict=True
    ):
        assert abs(own / its - 1) * max(size) < 1  # px of the level


@settings(max_examples=20)
@given(data=st.data())
def test_every_byte_is_openslides(both, data):
    """Any region of any level, over its edges too, at its own spacing."""
    _, slide, reference = both
    level = data.draw(st.integers(0, len(slide.levels) - 1))
    canvas = on_white(reference, level)
    height, width = canvas.shape[:2]
    x, y = data.draw(st.tuples(st.integers(0, width - 1), st.integers(0, height - 1)))
    w = data.draw(st.integers(1, min(width - x, 300)))
    h = data.draw(st.integers(1, min(height - y, 300)))
    corner = [(n - MARGIN) * slide.downsamples[level] for n in (x, y)]
    read = slide.read(*corner, w, h, scale=slide.downsamples[level])
    np.testing.assert_array_equal(read, canvas[y : y + h, x : x + w])


def test_spacing_and_a_coarse_region(real_slides):
    """A JPEG scan: its spacing is found, a coarse region is the mean of a fine one."""
    path = real_slides / "CMU-1-Small-Region.svs"
    with Slide(path, name="cmu") as slide:
        assert slide.spacing_um == pytest.approx(0.499)
        fine = slide.read(301, 503, 400, 240, scale=1)
        coarse = slide.read(301, 503, 100, 60, scale=slide.scale_for(2.0))
    assert np.abs(coarse - shrunk(fine, 4)).max() <= 0.6


def test_a_plain_picture_is_a_slide_of_one_level(real_slides):
    """A TIFF in strips opens, once its spacing is given, and has the pixels Pillow sees."""
    path = real_slides / "kidney-48-5.tif"
    found = inspect(name="x", row={"path": str(path), "spacing_um": 0.5}, spacing_tolerance=0.02)
    assert (found["vendor"], found["read_by"]) == ("image", "as one image")
    assert found["levels"] == [[1493, 901]]
    with Slide(path, name="x", spacing_um=0.5) as slide, Image.open(path) as picture:
        expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(slide.read(0, 0, 1493, 901, scale=1), expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TCGA-CR-7395-01A-01-TS1.svs", "does not say its spacing"),
        ("kidney-48-5.tif", "does not say its spacing"),
        ("broken.svs", "cannot be opened as a slide"),
        ("unopenable.tiff", r"is compressed as unknown \(52479\)"),
        ("unreadable.svs", "cannot be read at x=0, y=0, level 0"),
    ],
)
def test_slides_that_cannot_be_used(real_slides, name, text):
    """Files as they come in: refused with one line that says why."""
    with pytest.raises(InputError, match=f"^slide x: {real_slides / name} {text}") as caught:
        inspect(name="x", row={"path": str(real_slides / name)}, spacing_tolerance=0.02)
    assert "\n" not in str(caught.value)


def test_a_slide_that_opens_but_cannot_be_read(real_slides):
    """Each read is refused with the place of the tile, again and again."""
    with Slide(real_slides / "unreadable.svs", name="x", spacing_um=0.5) as slide:
        for x_px in (0, 4):
            with pytest.raises(InputError, match=r"cannot be read at x=0, y=0, level 0"):
                slide.read(x_px, 0, 8, 8, scale=1)
