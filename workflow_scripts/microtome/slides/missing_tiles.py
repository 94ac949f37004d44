"""Tiles that a scanner never wrote, and tiles of coarser levels that are wrong because of them."""

from dataclasses import dataclass

import numpy as np

from microtome.slides.tile_tables import TileLevel


@dataclass(frozen=True)
class TileStates:
    """Where the pixels of each tile of a level come from, ndarrays of shape (n_tiles,), bool.

    They are the file's `own`, or `remade` from the next finer level; else it is background.
    """

    own: np.ndarray
    remade: np.ndarray


def classify_tiles(levels: tuple[TileLevel, ...], *, spoils: bool) -> list[TileStates]:
    """Find out where the pixels of each tile of each level, finest first, come from.

    If a missing tile `spoils` those of coarser levels over it, as one of Aperio's encoders writes
    them, then these tiles, and missing ones, are made from the finer level, as OpenSlide does.
    """
    states: list[TileStates] = []
    for i, level in enumerate(levels):
        own = level.counts > 0
        remade = np.zeros_like(own)
        if spoils and i:
            finer = levels[i - 1], level
            below = states[-1]
            spoilt = ~own | _over_any(~below.own, *finer)
            remade = spoilt & _over_any(below.own | below.remade, *finer)
            own = own & ~spoilt
        states.append(TileStates(own, remade))
    return states


def _over_any(marked: np.ndarray, finer: TileLevel, coarser: TileLevel) -> np.ndarray:
    """Find the tiles of a level that lie over any marked tile of the next finer level."""
    high = coarser.tile_height_px * finer.height_px / coarser.height_px / finer.tile_height_px
    wide = coarser.tile_width_px * finer.width_px / coarser.width_px / finer.tile_width_px
    rows = _join_rows(marked.reshape(finer.rows, finer.columns), coarser.rows, high)
    return _join_rows(rows.T, coarser.columns, wide).T.ravel()


def _join_rows(marked: np.ndarray, n: int, ratio: float) -> np.ndarray:
    """Mark what is marked in any row under each of `n` coarser rows, as high as `ratio` rows."""
    edges = np.round(np.arange(n + 1) * ratio, 6)
    first = np.minimum(np.floor(edges[:-1]), len(marked) - 1).astype(np.int64)
    last = np.clip(np.ceil(edges[1:]), first + 1, len(marked)).astype(np.int64)
    sums = np.zeros((len(marked) + 1, marked.shape[1]), np.int64)
    marked.cumsum(0, out=sums[1:])
    return sums[last] > sums[first]
