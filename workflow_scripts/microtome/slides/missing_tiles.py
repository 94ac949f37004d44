"""Tiles that a scanner never wrote, and those of coarser levels that it spoiled thereby."""

from dataclasses import dataclass

import numpy as np

from microtome.slides.tile_tables import TileLevel


@dataclass(frozen=True)
class TileStates:
    """What the tiles of a level are, each ndarray of shape (n_tiles,), bool.

    Attributes
    ----------
    own : ndarray
        They have pixels of their own.
    remade : ndarray
        They have to be made from the finer level. What is neither is background.
    """

    own: np.ndarray
    remade: np.ndarray


def classify_tiles(levels: tuple[TileLevel, ...], *, spoils: bool) -> list[TileStates]:
    """Tell which tiles are there.

    Parameters
    ----------
    levels : tuple of TileLevel
        Finest first.
    spoils : bool
        Whether a missing tile spoils those above it, as an encoder of Aperio's is known to do:
        these, and missing ones, are made from the finer level then, as OpenSlide does.

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
    """Which tiles of a level lie over any marked tile of the next finer one."""
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
    """First finer tile under each of `n` tiles that are `ratio` of them wide, and the one after."""
    edges = np.round(np.arange(n + 1) * ratio, 6)
    first = np.minimum(np.floor(edges[:-1]), n_finer - 1)
    return first.astype(np.int64), np.clip(np.ceil(edges[1:]), first + 1, n_finer).astype(np.int64)
