"""Connected components of a mask that is too large for memory: its pieces and holes."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.disk_raster import Spool


def drop_small(mask: Spool, min_px: float, *, of: bool = True, n_rows: int | None = None) -> None:
    """Remove the small pieces (4-connected) of a bool mask, or fill its small holes, in place.

    Pieces, or with `of` False holes, also those at the border, stay from an area of `min_px` on.
    Bands have `n_rows`.
    """
    if min_px > 1:
        _drop_light(mask, min_px, of=of, counted=None, n_rows=n_rows or band_rows(mask.shape[1]))


def keep_seeded(mask: Spool, seeds: ReadRows, *, n_rows: int | None = None) -> None:
    """Remove the pieces (4-connected) of a bool mask that contain no seed, in place.

    `seeds` gives rows of bool; seeds outside the mask are ignored. Bands have `n_rows`.
    """
    _drop_light(mask, 1, of=True, counted=seeds, n_rows=n_rows or band_rows(mask.shape[1]))


def _drop_light(
    mask: Spool, least: float, *, of: bool, counted: ReadRows | None, n_rows: int
) -> None:
    """Remove the pieces with fewer than `least` px; if `counted` is given, only its px count.

    Each band is labelled on its own, twice. A piece that touches neither the first nor the last
    row of its band is judged there; only the others are remembered, and joined where two bands
    meet.
    """
    height = mask.shape[0]
    found: list[_Ends] = []
    joints = []
    last = np.empty(0, np.int64)  # number, among all remembered pieces, at each px of a last row
    n_pieces = 0
    for band in bands(height, n_rows):
        labels, weight = _label_band(mask.rows(*band) == of, counted and counted(*band))
        ends, first, after = _number_ends(labels, weight, least, n_pieces)
        if found:
            touching = (last >= 0) & (first >= 0)
            joints.append(np.unique(np.stack([last, first])[:, touching], axis=1))
        found.append(ends)
        last, n_pieces = after, n_pieces + len(ends.label)
    kept = _find_heavy(found, joints, least)
    for band, ends, keep_ends in zip(bands(height, n_rows), found, kept, strict=True):
        if keep_ends.all() and not ends.has_light:
            continue
        rows = mask.rows(*band)
        labels, weight = _label_band(rows == of, counted and counted(*band))
        keep = weight >= least
        keep[ends.label] = keep_ends
        keep[0] = True
        rows[~keep[labels]] = not of
        mask.write(band[0], rows)


class _Ends(NamedTuple):
    """What is remembered about a band: its pieces that touch its first or last row."""

    label: np.ndarray  # their numbers in the band
    weight: np.ndarray  # their counted px
    has_light: bool  # whether a piece that touches neither has too few px


def _label_band(band: np.ndarray, counted: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Number the pieces of a band from 1 on, and count the px of the background and of each."""
    labels, n = ndimage.label(band)
    taken = labels.ravel() if counted is None else labels[counted]
    return labels, np.bincount(taken, minlength=n + 1)


def _number_ends(
    labels: np.ndarray, weight: np.ndarray, least: float, start: int
) -> tuple[_Ends, np.ndarray, np.ndarray]:
    """Number the pieces at both ends of a band from `start`; also give the first and last row.

    In these rows each px holds the number of its piece, or -1.
    """
    outer = labels[[0, -1]]
    label = np.unique(outer)
    label = label[label > 0]
    number = np.full(len(weight), -1, np.int64)
    number[label] = np.arange(start, start + len(label))
    heavy = weight >= least
    heavy[label] = heavy[0] = True
    first, last = number[outer]
    return _Ends(label, weight[label], not heavy.all()), first, last


def _find_heavy(found: list[_Ends], joints: list[np.ndarray], least: float) -> list[np.ndarray]:
    """For each band, which pieces at its ends belong to a whole of at least `least` px."""
    weight = np.concatenate([np.empty(0, np.int64), *(ends.weight for ends in found)])
    above, below = np.concatenate([np.empty((2, 0), np.int64), *joints], axis=1)
    graph = coo_array((np.ones(len(above), bool), (above, below)), shape=(len(weight),) * 2)
    if not len(weight):
        return [np.empty(0, bool)] * len(found)
    _, piece = connected_components(graph, directed=False)
    heavy = np.bincount(piece, weights=weight)[piece] >= least
    return np.split(heavy, np.cumsum([len(ends.label) for ends in found])[:-1])
