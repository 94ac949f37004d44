"""Tissue by Otsu's threshold of HSV saturation (generalized framework, section "tissue mask").

The paper's CAMELYON variant turns black background pixels white and takes a 7 x 7 median first.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from microtome.rasters.bands import ReadRows, bands, read_window
from microtome.rasters.disk_raster import Spool
from microtome.slides.brightfield import strongest, weakest

# JPEG ringing makes a saturated seam along padding, as wide as the blur of the downsampling.
_SEAM_PX = 2
_MEDIAN_PX = 7
_N_CODES = 256 * 256  # by strongest and weakest channel, which give a pixel's saturation


def find_saturated(
    rows: ReadRows,
    codes: Spool,
    *,
    n_rows: int,
    is_smoothed: bool,
    black_below: int,
    bounds: tuple[float, float],
    tell: Callable[[str], None],
) -> ReadRows | None:
    """Give the rows of px, (n_rows, width), bool, that are more saturated than Otsu's threshold.

    None if all have one saturation. `codes`, (height, width), uint16, is filled and read again. A
    threshold beyond `bounds` is replaced by the nearer of them, of which `tell` is told.
    """
    measured = np.zeros(_N_CODES, np.int64)
    for first, n in bands(codes.shape[0], n_rows):
        found, counts = _encode_colours(
            rows, codes.shape[0], first, n, is_smoothed=is_smoothed, black_below=black_below
        )
        codes.write(first, found)
        measured += counts
    threshold = _find_otsu(measured)
    if threshold is None:
        return None
    bound = float(np.clip(threshold, *bounds))
    if bound != threshold:
        tell(f"Otsu's threshold {threshold:.3f} replaced by {bound:g} of tissue.saturation_bounds")
    is_tissue = _make_saturations() > bound
    return lambda first, n: is_tissue[codes.rows(first, n)]


def _encode_colours(
    rows: ReadRows, height: int, first: int, n_rows: int, *, is_smoothed: bool, black_below: int
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce the colours of a band to codes of two bytes per pixel, which give the saturation.

    Codes, (n_rows, width), uint16, are 256 times the strongest channel plus the weakest. Also gives
    how often each occurs, without padding: (65536,), int64.
    """
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
    return codes, np.bincount(codes[~black], minlength=_N_CODES)


def decode_saturation(codes: np.ndarray) -> np.ndarray:
    """Read the HSV saturation of px, float32 in [0, 1], from codes of `find_saturated`."""
    return _make_saturations()[codes]


@cache
def _make_saturations() -> np.ndarray:
    """HSV saturation by 256 * strongest channel + weakest, shape (65536,), float32."""
    high, low = np.divmod(np.arange(_N_CODES), 256)
    colours = np.stack([np.maximum(high, low), low, low], axis=1)
    return rgb2hsv(colours.astype(np.float32) / 255)[:, 1]


def _find_otsu(counts: np.ndarray) -> float | None:
    """Find Otsu's threshold; None if all pixels have one saturation.

    The histogram is the one that `threshold_otsu` makes of an image.
    """
    seen = counts > 0
    measured = _make_saturations()[seen]
    if measured.size == 0 or measured.max() == measured.min():
        return None
    histogram, edges = np.histogram(measured, bins=256, weights=counts[seen])
    return float(threshold_otsu(hist=(histogram, (edges[:-1] + edges[1:]) / 2.0)))
