"""Filling patches from tiles, each of which is decoded once."""

import itertools
from collections.abc import Iterator

import numpy as np

from microtome.errors import InputError
from microtome.patches.tile_plan import Pieces, View
from microtome.rasters.block_mean import block_mean
from microtome.slides.tiled_source import TiledSource, paste

# (slot, view, left, top): the patch, the spacing, and where the tile's corner lies in it.
_Target = tuple[int, int, int, int]


class Filler:
    """Fills blocks of patches one after the other, and keeps decoded tiles that later ones need."""

    def __init__(self, source: TiledSource, views: list[View]) -> None:
        self.source, self._views = source, views
        self._finest: dict[int, int] = {}
        for view in views:
            finest = self._finest.get(view.level, view.reduce)
            self._finest[view.level] = min(view.reduce, finest)
        # Tiles that are needed again, by level and number: pixels, or why they cannot be read.
        self._kept: dict[tuple[int, int], np.ndarray | InputError] = {}

    def fill(self, pieces: Pieces, pixels: np.ndarray) -> dict[int, str]:
        """Fill patches of a block, (n, n_views, patch_px, patch_px, 3), from its pieces of tiles.

        If several blocks share a tile, all its pieces must come to this filler, in the order of
        the blocks. Returns the slots that lack a tile, and why.
        """
        unreadable: dict[int, str] = {}
        for key, again, later, targets in _by_tile(pieces):
            if again:
                decoded = self._kept.pop(key)
            else:
                decoded = self._decode(*key, targets, pixels, keep=later)
            if later:
                self._kept[key] = decoded
            if isinstance(decoded, InputError):
                unreadable |= {slot: str(decoded) for slot, *_ in targets}
            elif decoded is not None:
                self._paste(decoded, self._finest[key[0]], targets, pixels)
        return unreadable

    def _decode(
        self, level: int, tile: int, targets: list[_Target], pixels: np.ndarray, *, keep: bool
    ) -> np.ndarray | InputError | None:
        """Decode a tile; None if it was decoded straight into its patch."""
        source, reduce = self.source, self._finest[level]
        tile_height, tile_width = source.tables[level].tile_shape
        height, width = tile_height // reduce, tile_width // reduce
        try:
            if keep:
                return source.read_tile(level, tile, reduce)
            if len(targets) == 1 and pixels.shape[1:4] == (1, height, width):
                slot, _, left, top = targets[0]
                if left == top == 0 and not source.is_cut(level, tile):
                    decoded = source.read_tile(level, tile, reduce, out=pixels[slot])
                    return None if source.tables[level].is_jpeg else decoded
            return source.read_tile(level, tile, reduce, out=source.scratch(height * width * 3))
        except InputError as error:
            return error

    def _paste(
        self, decoded: np.ndarray, finest: int, targets: list[_Target], pixels: np.ndarray
    ) -> None:
        sizes = {finest: decoded}
        for slot, view, left, top in targets:
            reduce = self._views[view].reduce
            if reduce not in sizes:
                sizes[reduce] = block_mean(decoded, reduce // finest)
            paste(pixels[slot, view], sizes[reduce], left, top)


def _by_tile(pieces: Pieces) -> Iterator[tuple[tuple[int, int], bool, bool, list[_Target]]]:
    """Group pieces by tile.

    Gives level and number of each tile, whether earlier blocks had pieces of it, whether later
    blocks will, and its places in this block.
    """
    again, later = pieces.first < pieces.block, pieces.block < pieces.last
    tiles = zip(pieces.level.tolist(), pieces.tile.tolist(), strict=True)
    places = (pieces.slot, pieces.view, pieces.left, pieces.top)
    targets = zip(*(place.tolist() for place in places), strict=True)
    rows = zip(tiles, again.tolist(), later.tolist(), targets, strict=True)
    for about, group in itertools.groupby(rows, key=lambda row: row[:3]):
        yield *about, [target for *_, target in group]
