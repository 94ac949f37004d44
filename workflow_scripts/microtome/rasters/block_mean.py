"""Pictures at a whole fraction of their size: each pixel is the mean of a square of pixels."""

import numpy as np

from microtome.rasters.bands import bands

# Rows of the result made at a time: the sums of a whole slide would not stay in the CPU's cache.
_BAND_ROWS = 64


def block_mean(pixels: np.ndarray, side: int) -> np.ndarray:
    """Average squares of `side` x `side` pixels; halves are rounded up.

    From (height, width, 3), uint8, to (height // side, width // side, 3), uint8: last rows and
    columns that do not fill a square are dropped. With a side of 1 the result is `pixels` itself.

    Examples
    --------
    >>> block_mean(np.array([[[0, 0, 9], [1, 0, 9]], [[1, 0, 9], [0, 3, 9]]], np.uint8), 2)
    array([[[1, 1, 9]]], dtype=uint8)
    """
    if side == 1:
        return pixels
    height, width = (n // side for n in pixels.shape[:2])
    mean = np.empty((height, width, 3), np.uint8)
    dtype = np.uint16 if side <= 16 else np.uint32  # 16 * 16 * 255 is less than 2**16
    for top, n in bands(height, _BAND_ROWS):
        band = pixels[top * side : (top + n) * side, : width * side]
        # Sums of whole planes: a reduction over five axes is many times slower.
        rows = band[::side].astype(dtype)
        for k in range(1, side):
            rows += band[k::side]
        total = rows[:, ::side].copy()
        for k in range(1, side):
            total += rows[:, k::side]
        mean[top : top + n] = (total + side * side // 2) // (side * side)
    return mean
