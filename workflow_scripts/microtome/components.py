"""Pieces and holes of a mask that is too large for memory."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.bands import band_rows, bands
from microtome.spools import Spool


def drop_small(mask: Spool, min_px: float, *, of: bool = True, n_rows: int | None = None) -> None:
    """Turn the pieces (4-connected) of fewer than `min_px` pixels into their surroundings.

    Every band is labelled for itself, twice. A piece that touches neither the first nor the last
    row of its band is judged there; only the others are remembered, and joined where two bands
    meet.

    Parameters
    ----------
    mask : Spool
        bool; changed in place.
    min_px : float
        The least area that stays.
    of : bool
        True for the pieces of the mask, False for its holes, those at its border too.
    n_rows : int, optional
        Rows of a band.
    """
    if min_px <= 1:
        return
    height, width = mask.shape
    n_rows = n_rows or band_rows(width)
    found: list[_Ends] = []
    joints = []
    last = np.empty(0, np.int64)  # number, among all remembered pieces, at each px of a last row
    n_pieces = 0
    for band in bands(height, n_rows):
        ends, first, after = _ends(mask.rows(*band) == of, min_px, n_pieces)
        if found:
            joints.append(_joints(last, first))
        found.append(ends)
        last, n_pieces = after, n_pieces + len(ends.label)
    kept = _large_enough(found, joints, min_px)
    for band, ends, keep_ends in zip(bands(height, n_rows), found, kept, strict=True):
        if keep_ends.all() and not ends.has_small:
            continue
        rows = mask.rows(*band)
        labels, n = ndimage.label(rows == of)
        keep = np.bincount(labels.ravel(), minlength=n + 1) >= min_px
        keep[ends.label] = keep_ends
        keep[0] = True
        rows[~keep[labels]] = not of
        mask.write(band[0], rows)


@dataclass(frozen=True)
class _Ends:
    """What is remembered of a band.

    Attributes
    ----------
    label, area : ndarray of shape (n,)
        The pieces that touch its first or last row: their number in the band, and pixels.
    has_small : bool
        Whether a piece that touches neither is too small.
    """

    label: np.ndarray
    area: np.ndarray
    has_small: bool


def _ends(band: np.ndarray, min_px: float, start: int) -> tuple[_Ends, np.ndarray, np.ndarray]:
    """The pieces at the ends of a band, numbered from `start`, and where they lie: -1 is none."""
    labels, n = ndimage.label(band)
    area = np.bincount(labels.ravel(), minlength=n + 1)
    outer = labels[[0, -1]]
    label = np.unique(outer)
    label = label[label > 0]
    number = np.full(n + 1, -1, np.int64)
    number[label] = np.arange(start, start + len(label))
    large = area >= min_px
    large[label] = large[0] = True
    first, last = number[outer]
    return _Ends(label, area[label], not large.all()), first, last


def _joints(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Pairs of pieces that meet where two bands do, each once: shape (2, n)."""
    pair = np.stack([above, below])[:, (above >= 0) & (below >= 0)]
    pair = pair[:, np.lexsort(pair)]
    return pair[:, np.any(np.diff(pair, axis=1, prepend=-1) != 0, axis=0)]


def _large_enough(found: list[_Ends], joints: list[np.ndarray], min_px: float) -> list[np.ndarray]:
    """For every band, which of the pieces at its ends are part of something large enough."""
    area = np.concatenate([np.empty(0, np.int64), *(ends.area for ends in found)])
    above, below = np.concatenate([np.empty((2, 0), np.int64), *joints], axis=1)
    graph = coo_array((np.ones(len(above), bool), (above, below)), shape=(len(area),) * 2)
    if not len(area):
        return [np.empty(0, bool)] * len(found)
    _, piece = connected_components(graph, directed=False)
    large = np.bincount(piece, weights=area)[piece] >= min_px
    return np.split(large, np.cumsum([len(ends.label) for ends in found])[:-1])
