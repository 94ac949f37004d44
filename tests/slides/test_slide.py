"""Slides are read at any place and spacing, and bad ones are told apart with one line."""

import re

import numpy as np
import pytest
from PIL import Image

from helpers.pictures import TILE_PX, break_tile, noise, shrunk, write_slide
from microtome.errors import InputError
from microtome.slides.scales import scale_for
from microtome.slides.slide import Slide

PIXELS = noise(300, 420)


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """Open a slide of 420 x 300 px at 0.5 µm/px with levels 1 and 4."""
    path = write_slide(tmp_path_factory.mktemp("slides") / "a.svs", PIXELS)
    with Slide(path, name="a") as opened:
        yield opened


def test_scale_below_a_level_uses_the_level(slide):
    """At scale 8 the level of downsample 4 is averaged, two by two."""
    read = slide.read(64, 32, 20, 15, scale=8)
    level = np.floor(shrunk(PIXELS, 4) + 0.5)
    assert np.abs(read - shrunk(level[8:, 16:], 2)[:15, :20]).max() <= 0.51


@pytest.mark.parametrize("scale", [1.0, 1.37, 2.0, 4.0, 4.3, 7.0])
def test_a_region_in_parts_is_the_region(slide, scale):
    """Read in two halves, side by side, a region has no seam between them."""
    whole = slide.read(12, 8, 40, 30, scale=scale)
    left = slide.read(12, 8, 17, 30, scale=scale)
    right = slide.read(12 + 17 * scale, 8, 23, 30, scale=scale)
    parts = np.hstack([left, right]).astype(int)
    assert np.abs(parts - whole).max() <= 1


def test_level_of_odd_size_counts_as_its_whole_downsample(tmp_path):
    """A level that lost the last rows of an odd size has downsample 4, not 4.0015."""
    pixels = noise(1203, 1201)
    with Slide(write_slide(tmp_path / "odd.svs", pixels), name="odd") as slide:
        assert slide.downsamples == [1.0, 4.0]
        read = slide.read(0, 0, 30, 30, scale=4)
    assert np.abs(read - shrunk(pixels, 4)[:30, :30]).max() <= 1.01


def test_no_slide(tmp_path):
    """A file that is not there, and one of another kind, are named."""
    gone, text = tmp_path / "gone.svs", tmp_path / "text.svs"
    text.write_text("no slide")
    with pytest.raises(InputError, match=f"^slide x: the file {gone} does not exist$"):
        Slide(gone, name="x")
    with pytest.raises(InputError, match=f"^slide x: {text} cannot be opened as a slide"):
        Slide(text, name="x")


def test_broken_tile_is_named_and_costs_no_other_read(tmp_path):
    """A tile that cannot be decoded is an error with its place; other tiles can still be read."""
    path = write_slide(tmp_path / "a.svs", PIXELS)
    break_tile(path, row=1, column=2)
    with Slide(path, name="a") as slide:
        with pytest.raises(InputError, match=r"^slide a: .* cannot be read at x=128, y=64, level"):
            slide.read(128, 64, TILE_PX, TILE_PX, scale=1)
        read = slide.read(0, 0, 2 * TILE_PX, TILE_PX, scale=1)
    np.testing.assert_array_equal(read, PIXELS[:TILE_PX, : 2 * TILE_PX])


@pytest.mark.parametrize(
    ("asked_um", "own_um", "tolerance", "scale"),
    [
        (0.5, 0.5, 0.02, 1.0),
        (0.5, 0.499, 0.02, 1.0),  # the slide's own, within 2 %
        (0.5, 0.499, 0, 0.5 / 0.499),
        (0.499, 0.5, 0.02, 1.0),  # finer, but within 2 %
        (1.0, 0.2527, 0.02, 4.0),
        (1.0, 0.4, 0.02, 2.5),
        (8.0, 0.25, 0.02, 32.0),
        # CAMELYON's scanners: level 0 for 40x, level 1 for 20x, and maps of 8 µm are of level 5.
        (0.25, 0.243, 0.02, 0.25 / 0.243),
        *((0.25, own_um, "native", 1.0) for own_um in (0.2265, 0.243, 0.25, 0.275)),
        *((0.5, own_um, "native", 2.0) for own_um in (0.2265, 0.243, 0.25, 0.275)),
        (8.0, 0.243, 0.02, 33.0),
        (8.0, 0.243, "native", 32.0),
        (0.75, 0.243, "native", 3.0),  # no power of two is near
        (0.5, 0.345, "native", 0.5 / 0.345),  # between 20x and 40x: neither
        (0.25, 0.28, "native", 1.0),
    ],
)
def test_scale_for(asked_um, own_um, tolerance, scale):
    """A whole multiple is taken within the tolerance, else the exact ratio; native: 15 %."""
    found = scale_for(asked_um, slide_spacing_um=own_um, spacing_tolerance=tolerance, name="a")
    assert found == pytest.approx(scale, abs=1e-12)


@pytest.mark.parametrize("tolerance", [0.02, "native"])
def test_finer_than_the_slide(tolerance):
    """A spacing that the slide does not have is refused, with both spacings."""
    text = re.escape(
        "slide a: 0.25 µm/px is asked for, but the slide has only 0.5 µm/px; choose a coarser"
        " spacing, or set slide.upsample"
    )
    with pytest.raises(InputError, match=f"^{text}$"):
        scale_for(0.25, slide_spacing_um=0.5, spacing_tolerance=tolerance, name="a")


def test_upsampling_where_it_is_asked_for(tmp_path):
    """Half the slide's spacing: interpolated px that agree with Pillow's enlargement."""
    pixels = np.kron(noise(16, 16, seed=3), np.ones((8, 8, 1), np.uint8)).astype(np.uint8)
    path = write_slide(tmp_path / "a.svs", pixels, spacing_um=0.5, downsamples=(1,))
    with Slide(path, name="a", upsample=True) as slide:
        scale = slide.scale_for(0.25)
        assert scale == 0.5
        found = slide.read(32, 16, 96, 64, scale=scale)
    image = Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR)
    expected = np.asarray(image)[32:96, 64:160]
    assert np.abs(found.astype(int) - expected).max() <= 1
