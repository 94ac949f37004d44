"""From a heatmap to viable tumour: threshold, then morphology.

Generalized framework, "viable tumour burden".
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.components import drop_small, keep_seeded
from microtome.rasters.disk_raster import Spool, spool_rows
from microtome.rasters.morphology import apply_opening


def segment_viable(
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
        Rows of tissue, bool or 0/1.
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

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from microtome.rasters.bands import rows_of
    >>> probability = np.array([[0.9, 0.4, 0.6, 0.2, 0.4]])
    >>> rows, tissue = rows_of(probability), rows_of(np.ones((1, 5), bool))
    >>> settings = {"spacing_um": 1, "opening_um": 0, "max_hole_um2": 0, "min_area_um2": 0}
    >>> with TemporaryDirectory() as folder:
    ...     settings["beside"] = f"{folder}/tumour.tif"
    ...     with segment_viable(rows, tissue, (1, 5), threshold=0.5, **settings) as mask:
    ...         mask.rows(0, 1)
    array([[ True, False,  True, False, False]])
    """

    def at_least(least: float) -> ReadRows:
        return lambda first, n: np.nan_to_num(probability(first, n), nan=-1.0) >= least

    radius_px = round(opening_um / spacing_um)
    n_rows = n_rows or max(band_rows(shape[1]), 4 * radius_px)
    likely = at_least(threshold)
    with ExitStack() as until_opened:
        if low_threshold is not None:
            joined = spool_rows(at_least(low_threshold), shape, bool, beside=beside, n_rows=n_rows)
            until_opened.enter_context(joined)
            keep_seeded(joined, likely, n_rows=n_rows)
            likely = joined.rows
        opened = apply_opening(likely, shape, radius_px)
        mask = spool_rows(opened, shape, bool, beside=beside, n_rows=n_rows)
    try:
        drop_small(mask, max_hole_um2 / spacing_um**2, of=False, n_rows=n_rows)
        for band in bands(shape[0], n_rows):
            mask.write(band[0], mask.rows(*band) & (tissue(*band) != 0))
        drop_small(mask, min_area_um2 / spacing_um**2, n_rows=n_rows)
    except BaseException:
        mask.close()
        raise
    return mask
