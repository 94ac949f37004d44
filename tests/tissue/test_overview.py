"""A slide is read once at low resolution, in blocks, and drawn as a picture of bounded size."""

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from helpers.pictures import noise, shrunk, write_slide
from microtome.errors import InputError
from microtome.rasters.bands import rows_of
from microtome.slides.slide import Slide
from microtome.tissue.overview import (
    picture_step,
    read_overview,
    require_brightfield,
    write_picture,
)


@pytest.mark.parametrize("block_px", [2**24, 2**15, 2**12])
def test_overview_is_the_whole_slide_in_blocks(tmp_path, block_px):
    """The overview covers the slide, the last row and column too, without seams of its blocks."""
    pixels = noise(1203, 70)
    path = write_slide(tmp_path / "a.svs", pixels, downsamples=(1,))
    with Slide(path, name="a") as slide:
        spool, scale = read_overview(
            slide, spacing_um=1.0, beside=tmp_path / "a.jpg", block_px=block_px
        )
    with spool:
        overview = spool.rows(0, 602)
    assert scale == 2.0
    assert overview.shape == (602, 35, 3)
    assert np.abs(overview[:601] - shrunk(pixels, 2)).max() <= 0.51
    beyond = np.full((1, 70, 3), 255)  # below the last row lies white
    assert np.abs(overview[601] - shrunk(np.vstack([pixels[1202:], beyond]), 2)[0]).max() <= 0.51
    assert [path.name for path in tmp_path.iterdir()] == ["a.svs"]


def test_every_place_is_read_once_and_in_blocks():
    """A slide without coarse levels is read in blocks that hold no more px than asked for."""
    asked = np.zeros((300, 400), int)

    class Stub:
        size_px = (3200, 2400)
        downsamples = (1.0,)

        def scale_for(self, spacing_um):
            return spacing_um

        def level_for(self, scale):
            return 0

        def read(self, x, y, width, height, *, scale):
            assert width * height * scale**2 <= 2**19
            asked[int(y / scale) :, int(x / scale) :][:height, :width] += 1
            return np.zeros((height, width, 3), np.uint8)

    spool, _ = read_overview(Stub(), spacing_um=8.0, beside="/tmp/a.jpg", block_px=2**19)  # noqa: S108
    spool.close()
    assert (asked == 1).all()


def test_fluorescence_is_told():
    """A dark slide is no brightfield image, and said so; one with some light is."""
    dark = np.full((50, 50, 3), (10, 10, 20), np.uint8)
    dark[0] = 255  # 2 % of it
    require_brightfield(rows_of(dark), dark.shape, name="a")
    dark[0, 0] = 0
    with pytest.raises(InputError, match=r"^slide a: 98.0% of it is dark: fluorescence or"):
        require_brightfield(rows_of(dark), dark.shape, name="a")


def test_a_slide_without_colours_is_told():
    """Channels that are equal in all px, but for rounding, are no H&E; glass alone may be."""
    grey = np.repeat(noise(50, 60)[..., :1], 3, axis=2)
    grey[..., 0] += (grey[..., 0] < 250) * np.uint8(3)
    with pytest.raises(InputError, match=r"^slide a: its red, green and blue are equal; H&E is"):
        require_brightfield(rows_of(grey), grey.shape, name="a")
    grey[5, 7] = 150, 150, 154
    require_brightfield(rows_of(grey), grey.shape, name="a")
    glass = np.full_like(grey, 243)
    require_brightfield(rows_of(glass), glass.shape, name="a")
    glass[3, 3] = 199
    with pytest.raises(InputError, match="are equal"):
        require_brightfield(rows_of(glass), glass.shape, name="a")


@pytest.mark.parametrize(("side", "step"), [(1, 1), (1536, 1), (1537, 2), (3072, 2), (6250, 5)])
def test_step_of_the_picture(side, step):
    """A whole number that brings the longer side to 1536 px or less."""
    assert picture_step((100, side, 3)) == picture_step((side, 100)) == step


@pytest.mark.parametrize("shape", [(40, 60), (4203, 50), (30, 5000)])
def test_picture_is_the_mean_of_the_overview(tmp_path, shape):
    """A large overview is drawn by the mean of its px, whatever bands that is done in."""
    pixels = noise(*shape)
    write_picture(tmp_path / "a.jpg", rows_of(pixels), pixels.shape)
    expected = Image.fromarray(pixels).reduce(picture_step(shape))
    stream = simplejpeg.encode_jpeg(np.asarray(expected), quality=90, colorsubsampling="420")
    assert max(expected.size) <= 1536
    assert (tmp_path / "a.jpg").read_bytes() == stream
