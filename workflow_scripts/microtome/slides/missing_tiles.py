"""Tiles that a scanner never wrote, and tiles of coarser levels that are wrong because of them."""

from dataclasses import dataclass

import numpy as np

from microtome.slides.tile_tables import TileLevel


@dataclass(frozen=True)
class TileStates:
    """Where the pixels of each tile of a level come from; a tile that is neither is background.

    Attributes
    ----------
    own : ndarray of shape (n_tiles,), bool
        The tile's pixels are in the file.
    remade : ndarray of shape (n_tiles,), bool
        The tile has to be made from the next finer level.
    """

    own: np.ndarray
    remade: np.ndarray


def classify_tiles(levels: tuple[TileLevel, ...], *, spoils: bool) -> list[TileStates]:
    """Find out where the pixels of each tile come from.

    Parameters
    ----------
    levels : tuple of TileLevel
        Finest first.
    spoils : bool
        Whether the tiles of coarser levels over a missing tile are wrong, as one of Aperio's
        encoders writes them. Then these tiles, and missing ones, are made from the finer level,
        as OpenSlide does.

    Returns
    -------
    list of TileStates
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
    if not marked.any():
        return np.zeros(coarser.rows * coarser.columns, bool)
    sums = np.zeros((finer.rows + 1, finer.columns + 1), np.int64)
    sums[1:, 1:] = marked.reshape(finer.rows, finer.columns).cumsum(0).cumsum(1)
    top, bottom = _under(
        coarser.rows,
        coarser.tile_height_px * finer.height_px / coarser.height_px / finer.tile_height_px,
        finer.rows,
    )
    left, right = _under(
        coarser.columns,
        coarser.tile_width_px * finer.width_px / coarser.width_px / finer.tile_width_px,
        finer.columns,
    )
    count = (
        sums[np.ix_(bottom, right)]
        - sums[np.ix_(top, right)]
        - sums[np.ix_(bottom, left)]
        + sums[np.ix_(top, left)]
    )
    return (count > 0).ravel()


def _under(n: int, ratio: float, n_finer: int) -> tuple[np.ndarray, np.ndarray]:
    """First finer tile under each of `n` coarser ones, and the one after the last.

    A coarser tile is as wide as `ratio` finer ones.
    """
    edges = np.round(np.arange(n + 1) * ratio, 6)
    first = np.minimum(np.floor(edges[:-1]), n_finer - 1)
    return first.astype(np.int64), np.clip(np.ceil(edges[1:]), first + 1, n_finer).astype(np.int64)
