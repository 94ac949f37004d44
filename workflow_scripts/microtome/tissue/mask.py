"""The tissue mask of a slide: what is coloured, then morphology.

Variants `otsu` and `camelyon` are the generalized framework's, to the letter. Its threshold of
saturation keeps felt pen and loses fat and pale tissue; `absorbance` is ours and is not so blind.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.logs import log
from microtome.rasters.bands import ReadRows, band_rows, bands, count_true
from microtome.rasters.components import drop_small, keep_seeded
from microtome.rasters.disk_raster import Spool, spool_rows
from microtome.rasters.morphology import apply_closing, apply_opening
from microtome.tissue.absorbance import SURELY_COLOURED, measure_absorbance
from microtome.tissue.pen import EVEN, find_pen
from microtome.tissue.saturation import find_saturated

_COLOUR_BAND_PX = 2**17


def find_tissue(
    rows: ReadRows,
    shape: tuple[int, int],
    *,
    spacing_um: float,
    variant: str,
    black_below: int,
    saturation_bounds: tuple[float, float],
    opening_um: float,
    closing_um: float,
    min_area_um2: float,
    max_hole_um2: float,
    beside: str | Path,
    n_rows: int | None = None,
    tell: Callable[[str], None] = log.warning,
) -> Spool:
    """Find tissue.

    Parameters
    ----------
    rows : callable
        ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width, 3), uint8: RGB at
        `spacing_um` µm/px.
    shape : tuple of int
        Height and width.
    variant : {'absorbance', 'otsu', 'camelyon'}
        'absorbance' takes what is coloured beside the slide's glass, and leaves felt pen out.
        'otsu' is Otsu's threshold of HSV saturation; 'camelyon' takes a 7 x 7 median first.
    black_below : int
        Pixels with R, G and B below it are padding.
    saturation_bounds : tuple of float
        Of 'otsu' and 'camelyon': the threshold is held between these (0 to 1).
    opening_um, closing_um : float
        Radii of the discs that remove specks and close gaps.
    min_area_um2, max_hole_um2 : float
        Smaller pieces are removed, smaller holes are filled.
    beside : str or Path
        The mask is kept in a temporary file in the folder of this output.
    n_rows : int, optional
        Rows of a band; the mask does not depend on it.
    tell : callable
        Is given what a person should know: pen, a bound that replaced a threshold.

    Returns
    -------
    Spool of shape (height, width), bool
        True on tissue; the caller closes it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> pixels = np.full((90, 90, 3), 245, np.uint8)
    >>> pixels[30:60, 30:60] = 205, 120, 170
    >>> settings = {"variant": "absorbance", "black_below": 30, "saturation_bounds": (0, 1),
    ...             "opening_um": 8, "closing_um": 24, "min_area_um2": 20000,
    ...             "max_hole_um2": 10000}
    >>> with TemporaryDirectory() as folder, find_tissue(
    ...     lambda first, n: pixels[first : first + n], (90, 90), spacing_um=8.0,
    ...     beside=Path(folder) / "a.tif", **settings
    ... ) as mask:
    ...     print(mask.rows(45, 1).sum())
    30
    """
    opening_px, closing_px = round(opening_um / spacing_um), round(closing_um / spacing_um)
    min_px, max_hole_px = min_area_um2 / spacing_um**2, max_hole_um2 / spacing_um**2
    # Colours take thirty times the memory of a mask; discs need bands larger than themselves.
    colour_rows = n_rows or band_rows(shape[1], band_px=_COLOUR_BAND_PX)
    n_rows = n_rows or max(band_rows(shape[1]), 4 * (opening_px + closing_px))
    kept = {"beside": beside, "n_rows": n_rows}
    colours = {"n_rows": colour_rows, "black_below": black_below, "tell": tell}
    with Spool(shape, np.uint16, beside=beside) as codes:
        least = measure_absorbance(rows, codes, spacing_um=spacing_um, **colours)
        with find_pen(codes.rows, shape, least, spacing_um=spacing_um, **kept) as pen:
            _tell_pen(pen, variant, tell)
            if variant == "absorbance":
                return _find_coloured(
                    codes,
                    pen,
                    least,
                    opening_px=opening_px,
                    closing_px=closing_px,
                    min_px=min_px,
                    max_hole_px=max_hole_px,
                    **kept,
                )
        mask_rows = find_saturated(
            rows, codes, bounds=saturation_bounds, is_smoothed=variant == "camelyon", **colours
        )
        if mask_rows is None:
            return Spool(shape, bool, beside=beside)  # of zeros
        mask_rows = apply_opening(mask_rows, shape, opening_px)
        mask_rows = apply_closing(mask_rows, shape, closing_px)
        mask = spool_rows(mask_rows, shape, bool, **kept)
    try:
        drop_small(mask, min_px, n_rows=n_rows)
        drop_small(mask, max_hole_px, of=False, n_rows=n_rows)
    except BaseException:
        mask.close()
        raise
    return mask


def require_tissue(tissue_px: int, *, name: str) -> None:
    """Raise InputError if the mask of slide `name` has no pixel of tissue."""
    if not tissue_px:
        raise InputError(
            f"slide {name}: no tissue found; look at the slide, and at `tissue` in the config"
            " if it has some"
        )


def _tell_pen(pen: Spool, variant: str, tell: Callable[[str], None]) -> None:
    share = count_true(pen.rows, pen.shape) / (pen.shape[0] * pen.shape[1])
    if share:
        fate = "left out" if variant == "absorbance" else f"tissue to variant {variant}"
        tell(f"felt pen on {share:.1%} of the slide: {fate}")


def _find_coloured(
    codes: Spool,
    pen: Spool,
    least: int,
    *,
    opening_px: int,
    closing_px: int,
    min_px: float,
    max_hole_px: float,
    beside: str | Path,
    n_rows: int,
) -> Spool:
    """Join what is coloured, without pen, to pieces that hold something surely coloured.

    Gaps are closed before specks are removed: the walls of fat cells are one px thick.
    """
    shape = codes.shape

    def find_above(limit: float) -> ReadRows:
        return lambda y, n: ((codes.rows(y, n) & (EVEN - 1)) > limit) & ~pen.rows(y, n)

    closed = apply_closing(find_above(least), shape, closing_px)
    with spool_rows(closed, shape, bool, beside=beside, n_rows=n_rows) as solid:
        drop_small(solid, max_hole_px, of=False, n_rows=n_rows)
        opened = apply_opening(lambda y, n: solid.rows(y, n) & ~pen.rows(y, n), shape, opening_px)
        mask = spool_rows(opened, shape, bool, beside=beside, n_rows=n_rows)
    try:
        sure = find_above(_find_sure(codes, find_above(least), least))
        keep_seeded(mask, apply_opening(sure, shape, 1), n_rows=n_rows)
        drop_small(mask, min_px, n_rows=n_rows)
    except BaseException:
        mask.close()
        raise
    return mask


def _find_sure(codes: Spool, is_coloured: ReadRows, least: int) -> float:
    """Find the code from which on a px is surely coloured; less on a slide that is all pale."""
    height, width = codes.shape
    counts = np.zeros(EVEN, np.int64)
    for band in bands(height, band_rows(width)):
        counts += np.bincount(codes.rows(*band)[is_coloured(*band)] & (EVEN - 1), minlength=EVEN)
    strongest = np.searchsorted(np.cumsum(counts), 0.99 * counts.sum())
    return max(least, min(SURELY_COLOURED, strongest / 2))
