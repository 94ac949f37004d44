"""Filling patches from tiles, each decoded once."""

import itertools
from collections.abc import Iterator

import numpy as np

from microtome.errors import InputError
from microtome.tile_decoding import shrunk
from microtome.tile_plan import Pieces, View
from microtome.tiled_source import TiledSource, paste

# (slot, view, left, top): the patch, the spacing, and where the tile's corner lies in it.
_Target = tuple[int, int, int, int]


class Filler:
    """Fills blocks of patches one after the other, and keeps decoded what later ones need.

    Parameters
    ----------
    source : TiledSource
        Where tiles come from.
    views : list of View
        The spacings.
    """

    def __init__(self, source: TiledSource, views: list[View]) -> None:
        self._source, self._views = source, views
        self._finest: dict[int, int] = {}
        for view in views:
            finest = self._finest.get(view.level, view.reduce)
            self._finest[view.level] = min(view.reduce, finest)
        # Of each tile the last block that needs it, and its pixels or why there are none.
        self._kept: dict[tuple[int, int], tuple[int, np.ndarray | InputError]] = {}

    def fill(self, pieces: Pieces, pixels: np.ndarray) -> dict[int, str]:
        """Fill patches of a block.

        Parameters
        ----------
        pieces : Pieces
            What to fill them with, all of one block, blocks coming in their order.
        pixels : ndarray of shape (n, n_views, patch_px, patch_px, 3), uint8
            The block.

        Returns
        -------
        dict of int to str
            Slots that a tile is missing in, and why.
        """
        if not len(pieces):
            return {}
        block = int(pieces.block[0])
        for key in [key for key, (last, _) in self._kept.items() if last < block]:
            del self._kept[key]
        unreadable: dict[int, str] = {}
        for key, last, targets in _by_tile(pieces):
            if key in self._kept:
                _, decoded = self._kept[key]
            else:
                decoded = self._decoded(*key, targets, pixels, keep=last > block)
                if last > block:
                    self._kept[key] = last, decoded
            if isinstance(decoded, InputError):
                unreadable |= {slot: str(decoded) for slot, *_ in targets}
            elif decoded is not None:
                self._paste(decoded, self._finest[key[0]], targets, pixels)
        return unreadable

    def _decoded(
        self, level: int, tile: int, targets: list[_Target], pixels: np.ndarray, *, keep: bool
    ) -> np.ndarray | InputError | None:
        """Give a tile's pixels, or None where they went straight into their patch."""
        source, reduce = self._source, self._finest[level]
        height, width = (side // reduce for side in source.tables[level].tile_shape)
        try:
            if keep:
                return source.tile(level, tile, reduce)
            if len(targets) == 1 and pixels.shape[1:4] == (1, height, width):
                slot, _, left, top = targets[0]
                if left == top == 0 and not source.is_cut(level, tile):
                    decoded = source.tile(level, tile, reduce, out=pixels[slot])
                    return None if source.tables[level].is_jpeg else decoded
            return source.tile(level, tile, reduce, out=source.scratch(height * width * 3))
        except InputError as error:
            return error

    def _paste(
        self, decoded: np.ndarray, finest: int, targets: list[_Target], pixels: np.ndarray
    ) -> None:
        sizes = {finest: decoded}
        for slot, view, left, top in targets:
            reduce = self._views[view].reduce
            if reduce not in sizes:
                sizes[reduce] = shrunk(decoded, reduce // finest)
            paste(pixels[slot, view], sizes[reduce], left, top)


def _by_tile(pieces: Pieces) -> Iterator[tuple[tuple[int, int], int, list[_Target]]]:
    """Yield level and number of each tile, the last block that needs it, and where it goes."""
    tiles = zip(pieces.level.tolist(), pieces.tile.tolist(), strict=True)
    places = (pieces.slot, pieces.view, pieces.left, pieces.top)
    targets = zip(*(place.tolist() for place in places), strict=True)
    rows = zip(tiles, pieces.last.tolist(), targets, strict=True)
    for (key, last), group in itertools.groupby(rows, key=lambda row: row[:2]):
        yield key, last, [target for *_, target in group]
