"""From a heatmap to viable tumour, whole tumour and tumour burden.

Generalized framework, "viable tumour burden": threshold, morphology, convex hull of what is left;
whole tumour = hull AND tissue; burden = viable area / whole area.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from microtome.bands import ReadRows, band_rows, bands
from microtome.components import drop_small, keep_seeded
from microtome.hulls import hull_corners, hull_rows
from microtome.masks import opened_rows
from microtome.spools import Spool, spooled

NONE, WHOLE, VIABLE = 0, 1, 2  # the labels of a tumour map and of a truth map


def viable_mask(
    probability: ReadRows,
    tissue: ReadRows,
    shape: tuple[int, int],
    *,
    spacing_um: float,
    threshold: float,
    opening_um: float,
    max_hole_um2: float,
    min_area_um2: float,
    beside: str | Path,
    low_threshold: float | None = None,
    n_rows: int | None = None,
) -> Spool:
    """Segment viable tumour.

    Parameters
    ----------
    probability : callable
        ``probability(first_row, n_rows)`` gives the tumour probability at `spacing_um`, ndarray
        of shape (n_rows, width), float; NaN where nothing was scored.
    tissue : callable
        The same of tissue, bool or 0/1.
    shape : tuple of int
        Height and width of both.
    threshold : float
        Tumour from this probability on.
    opening_um : float
        Radius of the disc of the opening that removes thin false positives.
    max_hole_um2, min_area_um2 : float
        Smaller holes are filled, smaller pieces dropped.
    beside : str or Path
        The mask is kept on disk beside it.
    low_threshold : float, optional
        Not above `threshold`: tumour from this probability on too, in the pieces (4-connected)
        that hold a px of `threshold` or more. Hysteresis as in Canny, "A computational approach to
        edge detection", 1986.
    n_rows : int, optional
        Rows of a band; the mask does not depend on it.

    Returns
    -------
    Spool of shape (height, width), bool
        Viable tumour; inside the tissue; to be closed.
    """

    def from_on(least: float) -> ReadRows:
        return lambda first, n: np.nan_to_num(probability(first, n), nan=-1.0) >= least

    radius_px = round(opening_um / spacing_um)
    n_rows = n_rows or max(band_rows(shape[1]), 4 * radius_px)
    likely = from_on(threshold)
    with ExitStack() as until_opened:
        if low_threshold is not None:
            joined = spooled(from_on(low_threshold), shape, bool, beside=beside, n_rows=n_rows)
            until_opened.enter_context(joined)
            keep_seeded(joined, likely, n_rows=n_rows)
            likely = joined.rows
        opened = opened_rows(likely, shape, radius_px)
        mask = spooled(opened, shape, bool, beside=beside, n_rows=n_rows)
    try:
        drop_small(mask, max_hole_um2 / spacing_um**2, of=False, n_rows=n_rows)
        for band in bands(shape[0], n_rows):
            mask.write(band[0], mask.rows(*band) & (tissue(*band) != 0))
        drop_small(mask, min_area_um2 / spacing_um**2, n_rows=n_rows)
    except BaseException:
        mask.close()
        raise
    return mask


def tumour_map(viable: ReadRows, tissue: ReadRows, shape: tuple[int, int]) -> ReadRows:
    """Label every pixel 0 no tumour, 1 whole tumour but not viable, 2 viable tumour.

    Parameters
    ----------
    viable, tissue : callable
        Rows of viable tumour and of tissue, bool or 0/1. The first is read twice: once here.
    shape : tuple of int
        Height and width of both.

    Returns
    -------
    callable
        Rows of the map, uint8. Viable tumour is clipped to the whole tumour, so the burden is in
        [0, 1] by construction.
    """
    hull = hull_rows(hull_corners(viable, shape), shape)

    def labels(first: int, n: int) -> np.ndarray:
        whole = hull(first, n) & (tissue(first, n) != 0)
        return np.where(whole & (viable(first, n) != 0), np.uint8(VIABLE), whole * np.uint8(WHOLE))

    return labels


def burden(labels: ReadRows, shape: tuple[int, int], *, spacing_um: float) -> dict[str, float]:
    """Areas and tumour burden of a tumour map.

    Returns
    -------
    dict
        ``viable_mm2``, ``whole_mm2`` and ``burden`` (viable / whole; 0 where there is no tumour).
    """
    counts = np.zeros(VIABLE + 1, np.int64)
    for band in bands(shape[0], band_rows(shape[1])):
        counts += np.bincount(labels(*band).ravel(), minlength=len(counts))
    n_viable, n_whole = int(counts[VIABLE]), int(counts[WHOLE] + counts[VIABLE])
    mm2 = spacing_um**2 / 1e6
    return {
        "viable_mm2": n_viable * mm2,
        "whole_mm2": n_whole * mm2,
        "burden": n_viable / n_whole if n_whole else 0.0,
    }
