"""The slide's own tiles become patches as they are, where they can."""

import numpy as np
import pytest
import simplejpeg

from helpers.pictures import grid_of
from helpers.slide_files import texture, write_tiled
from microtome.errors import InputError
from microtome.patches.pass_through import choose_codec, read_streams
from microtome.slides.slide import Slide

PIXELS = texture(300, 420)
WHOLE = [(row, column) for row in range(4) for column in range(6)]  # four of six are cut below


@pytest.fixture(params=["jpeg rgb", "jpeg 4:2:0"])
def slide(tmp_path, request):
    """Open a slide of 420 x 300 px in JPEG tiles of 64 px, two of them never scanned."""
    path = write_tiled(tmp_path / "a.svs", PIXELS, request.param, absent=[(0, 1), (0, 15)])
    with Slide(path, name="a") as opened:
        yield opened


def streams_of(slide, grid):
    """Read all patches as JPEGs, by their number in the grid."""
    return {
        i: bytes(stream)
        for index, streams in read_streams(slide, grid)
        for i, stream in zip(index.tolist(), streams, strict=True)
    }


def test_tiles_decode_to_what_is_read(slide):
    """Each stream is a JPEG of the very pixels that reading gives; nothing is lost."""
    grid = grid_of(WHOLE, patch_px=64)
    found = streams_of(slide, grid)
    assert list(found) == list(range(len(WHOLE)))
    for i, (row, column) in enumerate(WHOLE):
        expected = slide.read(column * 64, row * 64, 64, 64, scale=1)
        np.testing.assert_array_equal(simplejpeg.decode_jpeg(found[i]), expected)


def test_tiles_of_a_coarser_level(tmp_path):
    """A level that has the spacing gives its tiles."""
    grid = grid_of([(0, 0)], patch_px=64, scale=4.0)
    with Slide(write_tiled(tmp_path / "a.svs", PIXELS, "jpeg 4:2:0"), name="a") as slide:
        stream = streams_of(slide, grid)[0]
        expected = slide.read(0, 0, 64, 64, scale=4)
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(stream), expected)


def test_tiles_over_the_edge_are_white_beyond_it(slide):
    """Padding could be anything: outside is white, inside the picture is nearly what it was."""
    grid = grid_of([(4, 6), (4, 9)], patch_px=64)
    found = streams_of(slide, grid)
    inside = simplejpeg.decode_jpeg(found[0]).astype(int)
    expected = slide.read(6 * 64, 4 * 64, 64, 64, scale=1)
    assert np.abs(inside - expected).mean() < 1
    assert (simplejpeg.decode_jpeg(found[1]) == 255).all()


def test_unreadable_tile_is_left_out(slide, caplog):
    """A tile that is no JPEG costs itself, with a warning."""
    with slide.path.open("r+b") as file:
        file.seek(int(slide.source.tables[0].offsets[0]))
        file.write(b"\0\0")
    slide._opened = slide._state()  # it was changed on purpose
    assert 0 not in streams_of(slide, grid_of(WHOLE, patch_px=64))
    assert "cannot be read at x=0, y=0, level 0" in caplog.text


@pytest.mark.parametrize(
    ("patch_px", "stride_px", "scale", "why"),
    [
        (32, 32, 1.0, "tiles have 64 x 64 px, patches 32"),
        (64, 32, 1.0, "patches every 32 px do not begin where tiles do"),
        (64, 64, 2.0, "no level has 1 µm/px"),
        (64, 64, 1.37, "patches do not lie on the tiles' pixels"),
    ],
)
def test_auto_stores_pixels_where_patches_are_no_tiles(slide, patch_px, stride_px, scale, why):
    """The reason is given; asking for pass-through all the same is an error."""
    grid = grid_of([(0, 0), (1, 1)], patch_px=patch_px, stride_px=stride_px, scale=scale)
    assert choose_codec("auto", slide, grid) == ("raw", f"tiles cannot be passed through: {why}")
    with pytest.raises(InputError, match=f"^slide a: .*{why}; set patches: codec to auto"):
        choose_codec("pass-through", slide, grid)


def test_auto_passes_jpeg_tiles_through(slide, tmp_path):
    """Patches that are JPEG tiles are passed through, unless several spacings are wanted."""
    grid = grid_of(WHOLE, patch_px=64)
    assert choose_codec("auto", slide, grid)[0] == "pass-through"
    assert choose_codec("jpeg", slide, grid)[0] == "jpeg"
    assert choose_codec("auto", slide, grid, spacings_um=[1.0])[0] == "raw"
    with Slide(write_tiled(tmp_path / "b.svs", PIXELS, "deflate"), name="b") as other:
        assert "tiles are no JPEG" in choose_codec("auto", other, grid)[1]
