"""Felt pen on a slide, by the shares of R, G and B in its optical density and by its evenness.

Of their density haematoxylin has about .4, .4 and .2 in R, G and B, eosin .1, .57 and .33, blood
.1, .5 and .4, diaminobenzidine .2, .33 and .47, a blue counterstain .4, .35 and .25. Pen may have
none of these: green, yellow, blue. Red, navy and purple pen come near some; but pen lies on the
cover, out of focus, and has none of the texture of a section.
"""

from pathlib import Path

import numpy as np
from scipy import ndimage

from microtome.rasters.bands import ReadRows
from microtome.rasters.components import drop_small, keep_seeded
from microtome.rasters.disk_raster import Spool, spool_rows
from microtome.rasters.morphology import apply_closing, apply_dilation, apply_opening

# A stroke is no thinner (radius) and no smaller; its blur reaches beyond it; lumina are no glass.
_THIN_UM, _LEAST_UM2, _BLUR_UM, _GLASS_UM = 16, 20_000, 24, 40
_WINDOW_PX, _EVEN_PX, _EDGE_PX, _MOST_UNEVEN = 5, 2, 3, 0.04
# Added to the code of a px: its colour is no stain's; or it is rare, and even.
FOREIGN, EVEN = 1 << 15, 1 << 14
PEN_REACH_PX = _WINDOW_PX // 2 + 2 * _EVEN_PX + _EDGE_PX


def find_pen(
    codes: ReadRows,
    shape: tuple[int, int],
    least: int,
    *,
    spacing_um: float,
    beside: Path,
    n_rows: int,
) -> Spool:
    """Find strokes of pen, with their blur: (height, width), bool; the caller closes the Spool.

    `codes` are those of `measure_absorbance`, and so is `least`. Dashes are joined; what is thin or
    small is left out, and so is what touches no glass unless it has a colour that no stain has.
    """
    thin_px, blur_px, glass_px = (round(um / spacing_um) for um in (_THIN_UM, _BLUR_UM, _GLASS_UM))

    def find(flags: int) -> ReadRows:
        return apply_opening(lambda y, n: codes(y, n) & flags != 0, shape, thin_px)

    glass = apply_opening(lambda y, n: codes(y, n) <= least, shape, glass_px)
    foreign, near_glass = find(FOREIGN), apply_dilation(glass, shape, glass_px + blur_px)
    strokes = apply_closing(find(FOREIGN | EVEN), shape, blur_px)
    with spool_rows(strokes, shape, bool, beside=beside, n_rows=n_rows) as pen:
        drop_small(pen, _LEAST_UM2 / spacing_um**2, n_rows=n_rows)
        keep_seeded(pen, lambda y, n: foreign(y, n) | near_glass(y, n), n_rows=n_rows)
        blurred = apply_dilation(pen.rows, shape, max(blur_px, 2))
        return spool_rows(blurred, shape, bool, beside=beside, n_rows=n_rows)


def flag_pen(density: np.ndarray, light: np.ndarray, glass: np.ndarray) -> np.ndarray:
    """Flag px that look like pen, uint16: by `FOREIGN` and `EVEN`.

    `density` is the optical density of R, G and B beside `glass`, smoothed, (3, height, width);
    `light` the sum of their light, int. A px depends on others at most `PEN_REACH_PX` away.
    """
    total = density.sum(axis=0)
    red, green, blue = density / np.maximum(total, 1e-6)
    foreign = (green < 0.28) & ((red > green) | (red < 0.08))  # green, yellow, orange
    foreign |= (red > 0.95 * green) & (blue < 0.17)  # blue
    foreign |= (red > green) & (total > 3)  # blue and green on tissue
    foreign |= (red < 0.065) & (blue > 0.33) & (total > 2.2)  # red
    rare = (red > green) | (blue < 0.165)  # blue, navy, purple
    rare |= (red > 0.36) & (total > 3)  # navy
    rare |= (red < 0.13) & (blue > 0.33) & ((total > 1.8) | (blue > 0.75 * green))  # red
    mean = np.maximum(sum_windows(light, _WINDOW_PX), 1) / _WINDOW_PX**2
    # A share of the density: where that is low, light varies less.
    most = _MOST_UNEVEN * np.log(glass.sum() / mean).clip(0)
    even = rare & (total > 0.5) & find_even(light, _WINDOW_PX, most)
    even = ndimage.binary_erosion(even, iterations=_EVEN_PX, border_value=1)
    even = ndimage.binary_dilation(even, iterations=_EVEN_PX + _EDGE_PX)
    flags = np.where(foreign & (total > 0.35), np.uint16(FOREIGN), np.uint16(0))
    return flags | np.where(even, np.uint16(EVEN), np.uint16(0))


def find_even(light: np.ndarray, side: int, most: float | np.ndarray) -> np.ndarray:
    """Find px about which, over `side` px, light has a standard deviation below `most` of its mean.

    `most` may differ from px to px.
    """
    sums, squares = sum_windows(light, side), sum_windows(light**2, side)
    return side**2 * squares - sums**2 < (most * sums) ** 2


def sum_windows(values: np.ndarray, side: int) -> np.ndarray:
    """Sum whole numbers over windows: the same in bands of any height."""
    for axis in (0, 1):
        values = ndimage.correlate1d(values, np.ones(side, int), axis=axis, mode="nearest")
    return values
