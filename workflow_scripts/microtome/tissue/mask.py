"""The tissue mask of a slide: Otsu's threshold of HSV saturation, then morphology.

Generalized framework, section "tissue mask"; its CAMELYON variant turns black background pixels
white and takes a 7 x 7 median first.
"""

from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from microtome.errors import InputError
from microtome.rasters.bands import ReadRows, band_rows, bands, read_window
from microtome.rasters.components import drop_small
from microtome.rasters.disk_raster import Spool, spool_rows
from microtome.rasters.morphology import apply_closing, apply_opening
from microtome.tissue.overview import strongest, weakest

# JPEG ringing makes a saturated seam along padding, as wide as the blur of the downsampling.
_SEAM_PX = 2
_MEDIAN_PX = 7
_COLOUR_BAND_PX = 2**17
_N_CODES = 256 * 256  # by strongest and weakest channel, which give a pixel's saturation


def find_tissue(
    rows: ReadRows,
    shape: tuple[int, int],
    *,
    spacing_um: float,
    variant: str,
    black_below: int,
    saturation_bounds: tuple[float, float],
    pen_hues: tuple[float, float],
    pen_saturation: float,
    opening_um: float,
    closing_um: float,
    min_area_um2: float,
    max_hole_um2: float,
    beside: str | Path,
    n_rows: int | None = None,
) -> Spool:
    """Find tissue, and no glass, padding or pen.

    Parameters
    ----------
    rows : callable
        ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width, 3), uint8: RGB at
        `spacing_um` µm/px.
    shape : tuple of int
        Height and width.
    variant : {'plain', 'camelyon'}
        'camelyon' smooths with a 7 x 7 median first.
    black_below : int
        Pixels with R, G and B below it are padding; they are made white first.
    saturation_bounds : tuple of float
        Otsu's threshold is clipped to these bounds (0 to 1). Below the first is the noise of white
        glass; above the second a slide that is all tissue would lose its pale parts.
    pen_hues : tuple of float
        Hues (0 to 1) between these two are felt pen if more saturated than `pen_saturation`.
    opening_um, closing_um : float
        Radii of the discs that remove specks and close gaps.
    min_area_um2, max_hole_um2 : float
        Smaller pieces are removed, smaller holes are filled.
    beside : str or Path
        The mask is kept in a temporary file in the folder of this output.
    n_rows : int, optional
        Rows of a band; the mask does not depend on it.

    Returns
    -------
    Spool of shape (height, width), bool
        True on tissue; the caller closes it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> pixels = np.full((90, 90, 3), 245, np.uint8)
    >>> pixels[30:60, 30:60] = 205, 120, 170
    >>> settings = {"variant": "plain", "black_below": 30, "saturation_bounds": (0.05, 0.12),
    ...             "pen_hues": (0.1, 0.64), "pen_saturation": 0.2, "opening_um": 8,
    ...             "closing_um": 24, "min_area_um2": 20000, "max_hole_um2": 10000}
    >>> with TemporaryDirectory() as folder, find_tissue(
    ...     lambda first, n: pixels[first : first + n], (90, 90), spacing_um=8.0,
    ...     beside=Path(folder) / "a.tif", **settings
    ... ) as mask:
    ...     print(mask.rows(45, 1).sum())
    30
    """
    opening_px, closing_px = round(opening_um / spacing_um), round(closing_um / spacing_um)
    # HSV takes thirty times the memory of a mask; discs need bands larger than themselves.
    colour_rows = n_rows or band_rows(shape[1], band_px=_COLOUR_BAND_PX)
    n_rows = n_rows or max(band_rows(shape[1]), 4 * (opening_px + closing_px))
    colours = {
        "variant": variant,
        "black_below": black_below,
        "pen_hues": pen_hues,
        "pen_saturation": pen_saturation,
    }
    measured = np.zeros(_N_CODES, np.int64)
    with Spool(shape, np.uint16, beside=beside) as codes:
        for first, n in bands(shape[0], colour_rows):
            found, counts = _encode_colours(rows, shape[0], first, n, **colours)
            codes.write(first, found)
            measured += counts
        is_tissue = _find_above_otsu(measured, saturation_bounds)
        if is_tissue is None:
            return Spool(shape, bool, beside=beside)  # of zeros
        mask_rows = apply_opening(lambda y, n: is_tissue[codes.rows(y, n)], shape, opening_px)
        mask_rows = apply_closing(mask_rows, shape, closing_px)
        mask = spool_rows(mask_rows, shape, bool, beside=beside, n_rows=n_rows)
    try:
        drop_small(mask, min_area_um2 / spacing_um**2, n_rows=n_rows)
        drop_small(mask, max_hole_um2 / spacing_um**2, of=False, n_rows=n_rows)
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


def _encode_colours(
    rows: ReadRows,
    height: int,
    first: int,
    n_rows: int,
    *,
    variant: str,
    black_below: int,
    pen_hues: tuple[float, float],
    pen_saturation: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce the colours of a band to codes of two bytes per pixel, which give the saturation.

    Codes, (n_rows, width), uint16, are 256 times the strongest channel plus the weakest; 0 for pen.
    Also gives how often each occurs, without padding and pen: (65536,), int64.
    """
    is_smoothed = variant == "camelyon"
    margin = _SEAM_PX + (_MEDIAN_PX // 2 if is_smoothed else 0)
    pixels, above = read_window(rows, height, first, n_rows, margin=margin)
    black = strongest(pixels) < black_below
    if black.any():
        black = ndimage.binary_dilation(black, iterations=_SEAM_PX)
        pixels = np.where(black[..., None], np.uint8(255), pixels)
    if is_smoothed:
        pixels = ndimage.median_filter(pixels, size=(_MEDIAN_PX, _MEDIAN_PX, 1))
    band = slice(above, above + n_rows)
    pixels, black = pixels[band], black[band]
    codes = strongest(pixels).astype(np.uint16) << 8 | weakest(pixels)
    pen = _make_saturations()[codes] > pen_saturation
    hue = rgb2hsv(pixels[pen].astype(np.float32) / 255)[:, 0] if pen.any() else np.empty(0)
    pen[pen] = (hue > pen_hues[0]) & (hue < pen_hues[1])
    codes[pen] = 0
    return codes, np.bincount(codes[~(black | pen)], minlength=_N_CODES)


@cache
def _make_saturations() -> np.ndarray:
    """HSV saturation by 256 * strongest channel + weakest, shape (65536,), float32."""
    high, low = np.divmod(np.arange(_N_CODES), 256)
    colours = np.stack([np.maximum(high, low), low, low], axis=1)
    return rgb2hsv(colours.astype(np.float32) / 255)[:, 1]


def _find_above_otsu(counts: np.ndarray, bounds: tuple[float, float]) -> np.ndarray | None:
    """Find the codes above Otsu's threshold, clipped to `bounds`: shape (65536,), bool.

    None if all pixels have one saturation. The histogram is the one that `threshold_otsu` makes of
    an image.
    """
    saturation, seen = _make_saturations(), counts > 0
    measured = saturation[seen]
    if measured.size == 0 or measured.max() == measured.min():
        return None
    histogram, edges = np.histogram(measured, bins=256, weights=counts[seen])
    threshold = threshold_otsu(hist=(histogram, (edges[:-1] + edges[1:]) / 2.0))
    return saturation > np.clip(threshold, *bounds)
