"""What a TIFF says of itself is read and checked before any tile is."""

import numpy as np
import pytest
import tifffile

from helpers.slide_files import texture, write_tiled
from microtome.errors import InputError
from microtome.slides.slide import Slide
from microtome.slides.tile_tables import read_tile_tables

PIXELS = texture(300, 420)
APERIO = "Aperio Image Library v12.0.0\r\n420x300|AppMag = 20"


def sizes(path) -> list[tuple[int, int]]:
    """The sizes of the levels that are found."""
    return [(level.width_px, level.height_px) for level in read_tile_tables(path, name="a").levels]


def test_levels_and_tiles(tmp_path):
    """Levels are found finest first, with their tiles, and which of them are absent."""
    options = {"absent": {(0, 3)}, "downsamples": (1, 2, 4), "tile": (64, 80)}
    path = write_tiled(tmp_path / "a.svs", PIXELS, "deflate predictor", **options)
    found = read_tile_tables(path, name="a")
    first = found.levels[0]
    assert sizes(path) == [(420, 300), (210, 150), (105, 75)]
    assert (first.rows, first.columns, first.tile_shape) == (5, 6, (64, 80))
    assert (first.compression, first.predictor, first.header) == (8, 2, b"")
    np.testing.assert_array_equal(np.flatnonzero(first.counts == 0), [3])
    assert found.spacing.um == 0.5


def test_other_pictures_are_no_levels(tmp_path):
    """Thumbnail, label and macro, in strips or tiles, are passed over."""
    path = tmp_path / "a.svs"
    tile = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib", "metadata": None}
    strips = {"rowsperstrip": 16, "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(PIXELS, description=f"{APERIO}|MPP = 0.5", **tile)
        tiff.write(np.ascontiguousarray(PIXELS[::4, ::4]), **strips)  # the thumbnail
        tiff.write(np.ascontiguousarray(PIXELS[::2, ::2]), **tile)
        tiff.write(np.ascontiguousarray(PIXELS[:200, :200]), **tile)  # another shape
        tiff.write(np.ascontiguousarray(PIXELS[::2, ::2]), **tile)  # the level again
    with Slide(path, name="a") as slide:
        assert slide.levels == [(420, 300), (210, 150)]


def test_small_levels_may_be_rounded(tmp_path):
    """The aspect ratio of a level of a few px is only about that of the slide."""
    pixels = texture(601, 1203)
    path = write_tiled(tmp_path / "a.svs", pixels, "deflate", downsamples=(1, 4, 16, 64))
    assert sizes(path) == [(1203, 601), (300, 150), (75, 37), (18, 9)]


@pytest.mark.parametrize(
    "options",
    [
        {"data": PIXELS, "photometric": "rgb", "planarconfig": "separate"},
        {"data": PIXELS, "photometric": "rgb", "compression": "packbits"},
        {"data": np.dstack([PIXELS, PIXELS[..., :1]]), "photometric": "rgb", "extrasamples": [2]},
        {"data": PIXELS, "photometric": "rgb", "tile": None},
    ],
    ids=["planes", "packbits", "alpha", "strips"],
)
def test_what_is_not_read_tile_by_tile(tmp_path, options):
    """Other kinds of TIFF are left to others."""
    options = {"tile": (64, 64), "metadata": None} | options
    if "planarconfig" in options:
        options["data"] = options["data"].transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", **options)
    assert read_tile_tables(tmp_path / "a.tif", name="a") is None


def test_files_that_are_no_tiff_or_gone(tmp_path):
    """A file of another kind has no tile tables; one that cannot be read is an error."""
    (tmp_path / "a.svs").write_text("no slide")
    assert read_tile_tables(tmp_path / "a.svs", name="a") is None
    with pytest.raises(InputError, match=r"^slide a: .* cannot be read \(.*No such file"):
        read_tile_tables(tmp_path / "gone.svs", name="a")


def test_tables_cut_off(tmp_path):
    """A file that ends before its tiles do says how much is missing."""
    path = write_tiled(tmp_path / "a.svs", PIXELS, "none", downsamples=(1,))
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    text = f"is cut off: it has {len(content) - 1} bytes, its tile table needs {len(content)}"
    with pytest.raises(InputError, match=f"^slide a: {path} {text}; copy the file again$"):
        read_tile_tables(path, name="a")
