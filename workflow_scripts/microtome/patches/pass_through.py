"""Patches that are compressed tiles of the slide, copied as they are."""

from collections.abc import Iterator, Sequence

import numpy as np

from microtome.errors import InputError
from microtome.io.jpeg import encode_jpeg
from microtome.logs import log
from microtome.patches.grid import Grid
from microtome.patches.tile_plan import View, plan_views
from microtome.slides.slide import Slide

_BLOCK = 256
# Of tiles over the edge: what lies outside is made white, so they are encoded again.
_EDGE_QUALITY = 95


def choose_codec(
    codec: str, slide: Slide, grid: Grid, *, spacings_um: Sequence[float] = ()
) -> tuple[str, str]:
    """Decide how the patches of a grid are stored, and say why, for the log.

    The config asks for 'raw', 'jpeg', 'pass-through', or 'auto': 'pass-through' if that is
    possible, else 'raw'. Patches may have further spacings, see `read_patches`. Raises InputError
    if 'pass-through' is asked for and not possible.
    """
    if codec in ("raw", "jpeg"):
        return codec, "as the config says"
    _, obstacle = _whole_tiles(slide, grid)
    if spacings_um:
        obstacle = "several spacings are taken from one tile"
    if not obstacle:
        return "pass-through", "every patch is a whole JPEG tile of the slide"
    if codec == "auto":
        return "raw", f"tiles cannot be passed through: {obstacle}"
    raise InputError(
        f"slide {slide.name}: its tiles cannot be passed through: {obstacle}; set patches: codec to"
        " auto, raw or jpeg"
    )


def read_streams(slide: Slide, grid: Grid) -> Iterator[tuple[np.ndarray, list[bytes]]]:
    """Read the patches of a grid as JPEGs, without decoding them.

    The pixels are those that `read_patches` gives: nothing is lost. Only a tile over the slide's
    edge is decoded, made white outside and encoded again, since its padding may be anything. The
    patches must be tiles, see `choose_codec`.

    Yields indices of patches in the grid, ndarray of shape (n,), int64, and a JPEG of each. Patches
    that cannot be read are left out, with a warning in the log. Raises InputError if the file has
    changed since the slide was opened.
    """
    view, obstacle = _whole_tiles(slide, grid)
    if obstacle:
        raise ValueError(obstacle)
    if not len(grid):
        return
    source, side = slide.source, grid.patch_px
    table = source.tables[view.level]
    row, column = view.y // side, view.x // side
    inside = (row < table.rows) & (column < table.columns)
    tiles = np.where(inside, row * table.columns + column, -1)
    is_absent = ~inside | source.is_absent(view.level, tiles)
    # As lists: looking a value up in an array takes as long as reading a patch.
    absent, cut = is_absent.tolist(), source.is_cut(view.level, tiles).tolist()
    n_anew = 0
    for first in range(0, len(grid), _BLOCK):
        block = tiles[first : first + _BLOCK]
        source.prefetch(view.level, block[block >= 0])
        index, streams = [], []
        for i, tile in enumerate(block.tolist(), start=first):
            try:
                if absent[i]:
                    stream = _encode(np.full((side, side, 3), 255, np.uint8))
                    n_anew += 1
                elif cut[i]:
                    stream = _encode(source.read_tile(view.level, tile))
                    n_anew += 1
                else:
                    stream = source.read_stream(view.level, tile)
            except InputError as error:
                log.warning("%s", error)
                continue
            index.append(i)
            streams.append(stream)
        yield np.array(index, np.int64), streams
    if n_anew:
        log.info("%d patches over the edge or never scanned: encoded anew", n_anew)
    slide.require_unchanged()


def _encode(pixels: np.ndarray) -> bytes:
    return encode_jpeg(np.ascontiguousarray(pixels), quality=_EDGE_QUALITY, subsampling="444")


def _whole_tiles(slide: Slide, grid: Grid) -> tuple[View | None, str]:
    """Find the tile of each patch, or say why patches are not tiles."""
    views = plan_views(slide, grid, [grid.scale])
    if not views:
        return None, "patches do not lie on the tiles' pixels"
    (view,) = views
    table = slide.source.tables[view.level]
    if not table.is_jpeg:
        return None, "tiles are no JPEG"
    if view.reduce != 1:
        return None, f"no level has {grid.spacing_um:g} µm/px"
    if table.tile_shape != (grid.patch_px, grid.patch_px):
        width, height = table.tile_width_px, table.tile_height_px
        return None, f"tiles have {width} x {height} px, patches {grid.patch_px}"
    if np.any(view.x % grid.patch_px) or np.any(view.y % grid.patch_px):
        return None, f"patches every {grid.stride_px} px do not begin where tiles do"
    return view, ""
