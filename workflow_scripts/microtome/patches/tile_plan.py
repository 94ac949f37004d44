"""Planning which tiles the patches of a grid are pieced together from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from microtome.patches.grid import Grid
from microtome.patches.reading_order import split_into_regions
from microtome.slides.slide import Slide
from microtome.slides.tiled_source import REDUCTIONS, TiledSource

_ROUNDING_PX = 1e-6
# Large enough that only one row or column of tiles in sixty belongs to two regions.
_REGION_PX = 16384


@dataclass(frozen=True)
class View:
    """How the patches of one spacing lie on the tiles of one level.

    A patch px is `reduce` px of the level a side: 1, 2, 4 or 8. The corners are in level px /
    `reduce`, ndarrays of shape (n_patches,), int64.
    """

    level: int
    reduce: int
    x: np.ndarray
    y: np.ndarray


def plan_views(slide: Slide, grid: Grid, scales: list[float]) -> list[View] | None:
    """Lay co-centred patches of several scales, level-0 px per patch px, on the slide's tiles.

    Gives None if the slide has no tiles to read, or patches do not lie on whole pixels that a
    decoder can give; then they have to be resampled.
    """
    if not isinstance(slide.source, TiledSource):
        return None
    views = []
    for scale in scales:
        level = slide.level_for(scale)
        zoom = scale / slide.downsamples[level]
        if zoom not in REDUCTIONS or slide.source.states[level].remade.any():
            return None
        corners = np.divide(find_corners(grid, scale), scale)
        whole = np.rint(corners)
        if np.abs(corners - whole).max(initial=0) > _ROUNDING_PX:
            return None
        views.append(View(level, int(zoom), *whole.astype(np.int64)))
    return views


def find_corners(grid: Grid, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners in level-0 px of the patches of another scale with the same centres."""
    shift = grid.patch_px * (grid.scale - scale) / 2
    return grid.x_px + shift, grid.y_px + shift


@dataclass(frozen=True)
class Pieces:
    """The pieces of tiles that patches are made of, sorted by block of patches, level and tile.

    Each is an ndarray of shape (n_pieces,), int64. A piece is the part of tile `tile` of `level`
    that lies in patch `slot` of `block`, at the spacing of `view`; the tile's corner is at
    (left, top) px of the patch; `first` and `last` are the blocks between which it is needed.
    """

    block: np.ndarray
    level: np.ndarray
    tile: np.ndarray
    slot: np.ndarray
    view: np.ndarray
    left: np.ndarray
    top: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def __len__(self) -> int:
        return len(self.block)

    def part(self, which: slice | np.ndarray) -> "Pieces":
        """Select some of the pieces."""
        return Pieces(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def plan_blocks(
    source: TiledSource, grid: Grid, views: list[View], *, per_block: int
) -> Iterator[tuple[np.ndarray, Pieces]]:
    """Divide the patches of a grid into blocks, in the order in which they are read.

    Gives which patches a block has, an ndarray of shape (n,), int64, and what they are made of.
    Only blocks of one region share a tile; a tile in two regions counts as two.
    """
    sides = [side // v.reduce for v in views for side in source.tables[v.level].tile_shape]
    n_before = 0
    # The edges of all tiles coincide at multiples of the least common multiple of their sides.
    repeat_px = int(np.lcm.reduce(sides))
    for region in split_into_regions(grid, side_px=_REGION_PX, repeat_px=repeat_px):
        block = n_before + np.arange(len(region)) // per_block
        pieces = _pieces_of(source, views, region, block, patch_px=grid.patch_px)
        n_blocks = -(-len(region) // per_block)
        edges = np.searchsorted(pieces.block, n_before + np.arange(n_blocks + 1)).tolist()
        for n in range(n_blocks):
            which = region[n * per_block : (n + 1) * per_block]
            yield which, pieces.part(slice(edges[n], edges[n + 1]))
        n_before += n_blocks


def _pieces_of(
    source: TiledSource, views: list[View], which: np.ndarray, block: np.ndarray, *, patch_px: int
) -> Pieces:
    """Cut the patches `which` of a grid, each in a block, into pieces of tiles.

    Absent tiles, and what lies outside the slide, have no pieces.
    """
    slot = np.arange(len(which)) - np.searchsorted(block, block)
    found = []
    for number, view in enumerate(views):
        table = source.tables[view.level]
        height, width = (side // view.reduce for side in table.tile_shape)
        x, y = view.x[which], view.y[which]
        row, column = y // height, x // width
        for down in range(int(((y + patch_px - 1) // height - row).max(initial=-1)) + 1):
            for right in range(int(((x + patch_px - 1) // width - column).max(initial=-1)) + 1):
                r, c = row + down, column + right
                inside = (r >= 0) & (r < table.rows) & (c >= 0) & (c < table.columns)
                left, top = c * width - x, r * height - y
                inside &= (left < patch_px) & (top < patch_px)
                keep = np.flatnonzero(inside)
                tile = r[keep] * table.columns + c[keep]
                there = source.states[view.level].own[tile]
                keep, tile = keep[there], tile[there]
                level, place = (np.full(len(keep), n) for n in (view.level, number))
                which_tile = (block[keep], level, tile)
                found.append((*which_tile, slot[keep], place, left[keep], top[keep]))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    columns = [column[order] for column in columns]
    return Pieces(*columns, *_first_and_last(*columns[:3]))


def _first_and_last(
    block: np.ndarray, level: np.ndarray, tile: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each piece, the first and the last block that have one of the same tile."""
    order = np.lexsort((block, tile, level))
    level, tile, block = level[order], tile[order], block[order]
    new = (np.diff(level) != 0) | (np.diff(tile) != 0)
    one = np.ones(min(len(block), 1), bool)
    starts, ends = np.flatnonzero(np.r_[one, new]), np.flatnonzero(np.r_[new, one])
    number = np.searchsorted(ends, np.arange(len(block)))
    first, last = np.empty_like(block), np.empty_like(block)
    first[order], last[order] = block[starts[number]], block[ends[number]]
    return first, last
