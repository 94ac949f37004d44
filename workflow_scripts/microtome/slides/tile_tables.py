"""Tile tables, levels and spacing of a TIFF slide, read and checked before anything is decoded."""

import operator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import tifffile

from microtome.errors import InputError
from microtome.slides.level_places import Place, Size
from microtome.slides.pixel_forms import require_rgb_tiff
from microtome.slides.spacing import Spacing, read_spacing
from microtome.slides.tiff_pictures import find_pictures, place_pictures, size_of
from microtome.slides.tile_decoding import (
    JPEG,
    LOSSLESS,
    PICTURES,
    PREDICTORS,
    RGB,
    YCBCR,
    make_jpeg_header,
)

# More than any scanner writes; a file that claims more is broken, and would cost memory.
_MAX_SIDE_PX = 2**21
_MAX_TILE_PX = 8192


@dataclass(frozen=True)
class TileLevel:
    """One level of a tiled slide; all tiles have one size, and may hang over its edges.

    Width and height are those of what lies on the slide; the file may have more rows and `columns`.
    Offsets and counts are bytes of each tile, row by row, ndarrays of shape (n_tiles,), int64; a
    count of 0 is an absent tile. Compression and predictor are as TIFF numbers them. The header is
    that of `make_jpeg_header`, and empty if the level is not JPEG.
    """

    width_px: int
    height_px: int
    tile_width_px: int
    tile_height_px: int
    offsets: np.ndarray
    counts: np.ndarray
    compression: int
    predictor: int
    header: bytes
    columns: int

    @cached_property
    def rows(self) -> int:
        """Number of rows of tiles."""
        return len(self.offsets) // self.columns

    @cached_property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of a tile in px."""
        return self.tile_height_px, self.tile_width_px

    @cached_property
    def is_jpeg(self) -> bool:
        """Whether tiles can be decoded at a fraction of their size."""
        return self.compression == JPEG


@dataclass(frozen=True)
class TileTables:
    """What a TIFF slide says of itself: its levels, finest first, and its spacing.

    The places are those of the levels; a picture that has several may be a level at one of them.
    Width and height in px of all `pictures` of the file, by their number.
    """

    levels: tuple[TileLevel, ...]
    places: tuple[Place, ...]
    pictures: tuple[Size, ...]
    spacing: Spacing


def read_tile_tables(path: str | Path, *, name: str) -> TileTables | None:
    """Read the tile tables of a slide.

    Gives None if the file is no TIFF, or a TIFF that is not read tile by tile here: in strips, with
    alpha or a palette, or of another compression.

    Raises
    ------
    InputError
        If the tables are cut off or contradict themselves, or the px are no RGB of 8 bits.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.tif"
    ...     tifffile.imwrite(path, np.zeros((64, 80, 3), np.uint8), tile=(32, 32))
    ...     (level,) = read_tile_tables(path, name="a").levels
    >>> level.width_px, level.height_px, level.rows, level.columns
    (80, 64, 2, 3)
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            pictures = find_pictures(tiff)
            first = pictures[0]
            require_rgb_tiff(tiff, first, about=f"slide {name}: {path}")
            if not _is_plain_rgb(first):
                if first is tiff.pages[0]:
                    return None
                # Whatever else reads the file would take its first page for the slide.
                raise InputError(
                    f"slide {name}: the largest picture of {path},"
                    f" {first.imagewidth} x {first.imagelength} px, is not its first, and cannot be"
                    " read tile by tile; convert it to a tiled TIFF in RGB"
                )
            size = Path(path).stat().st_size
            levels, places = [], []
            for place in place_pictures(pictures):
                page = pictures[place.number]
                if _is_plain_rgb(page):
                    level = _level(page, size, path, name)
                    width_px, height_px = place.size_px
                    levels.append(replace(level, width_px=width_px, height_px=height_px))
                    places.append(place)
            sizes = tuple(map(size_of, pictures))
            return TileTables(tuple(levels), tuple(places), sizes, _read_spacing(tiff, first))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"slide {name}: {path} cannot be read ({error})") from error
    except Exception:
        return None  # OpenSlide or the reader of plain images will give the reason


def _is_plain_rgb(page: tifffile.TiffPage) -> bool:
    """Whether the tiles of a page can be read here."""
    known = page.compression == JPEG or (
        page.photometric == RGB
        and page.compression in LOSSLESS | PICTURES
        and page.predictor in PREDICTORS
    )
    return bool(
        known
        and page.is_tiled
        and page.photometric in (RGB, YCBCR)
        and page.samplesperpixel == 3
        and page.planarconfig == 1
        and page.fillorder == 1
        and page.bitspersample == 8
        and page.sampleformat == 1
        and page.imagedepth == 1
        and not (page.tilewidth % 8 or page.tilelength % 8)
    )


def _level(page: tifffile.TiffPage, size: int, path: str | Path, name: str) -> TileLevel:
    where = f"slide {name}: {path}"
    sides = (page.imagewidth, page.imagelength, page.tilewidth, page.tilelength)
    width, height, tile_width, tile_height = (operator.index(side) for side in sides)
    if not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX):
        raise InputError(f"{where} says it has {width} x {height} px, which cannot be")
    if not (0 < tile_width <= _MAX_TILE_PX and 0 < tile_height <= _MAX_TILE_PX):
        raise InputError(f"{where} says its tiles have {tile_width} x {tile_height} px")
    n_tiles = -(-width // tile_width) * -(-height // tile_height)
    if len(page.dataoffsets) != n_tiles or len(page.databytecounts) != n_tiles:
        raise InputError(
            f"{where} has a tile table of {len(page.dataoffsets)} offsets and"
            f" {len(page.databytecounts)} sizes, its {width} x {height} px need {n_tiles};"
            " copy the file again"
        )
    offsets = np.array(page.dataoffsets, np.uint64)
    counts = np.array(page.databytecounts, np.uint64)
    # As floats: sums of hostile numbers must not wrap around.
    ends = offsets.astype(float) + counts.astype(float)
    end = ends[counts > 0].max(initial=0)
    if end > size:
        raise InputError(
            f"{where} is cut off: it has {size} bytes, its tile table needs {end:.0f};"
            " copy the file again"
        )
    is_jpeg = page.compression == JPEG
    return TileLevel(
        width,
        height,
        tile_width,
        tile_height,
        offsets.astype(np.int64),
        np.where(offsets > 0, counts, 0).astype(np.int64),
        int(page.compression),
        int(page.predictor),
        make_jpeg_header(page.jpegtables, page.photometric) if is_jpeg else b"",
        -(-width // tile_width),
    )


def read_tiff_spacing(path: str | Path) -> Spacing:
    """Read what the first page of a TIFF says of its spacing; of another file, nothing is known."""
    try:
        with tifffile.TiffFile(path) as tiff:
            return _read_spacing(tiff, tiff.pages[0])
    except Exception:  # tifffile raises anything for broken bytes; opening the file will tell
        return Spacing()


def _read_spacing(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Spacing:
    """Read what the description and the tags of a page say of its spacing.

    OME describes all images of a file in its first page, which may be a macro.
    """
    resolution = None
    with suppress(TypeError, ValueError, ZeroDivisionError):  # no tag, no numbers, no denominator
        x, y = (page.tags.valueof(name) for name in ("XResolution", "YResolution"))
        resolution = (x[0] / x[1], y[0] / y[1])
    return read_spacing(
        str(tiff.ome_metadata or page.description),
        resolution=resolution,
        resolution_unit=page.resolutionunit,
        size_px=(page.imagewidth, page.imagelength),
    )
