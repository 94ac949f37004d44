"""How blue nuclei are: the optical density of haematoxylin around each."""

import math

import numpy as np
from skimage.color import hed_from_rgb

# Share of each channel's optical density (to base 10) that is haematoxylin: Ruifrok and Johnston's
# stain vectors, as in scikit-image's `rgb2hed`, whose values are these divided by 6.
_SHARES = hed_from_rgb[:, 0]
# Optical density of each value of 8 bits; a px without any light counts as the darkest with some.
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255)
_OF_VALUE = (_DENSITY[:, None] * _SHARES).astype(np.float32)  # (value, channel)


def measure_haematoxylin(
    pixels: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, *, radius_px: float
) -> np.ndarray:
    """Mean optical density of haematoxylin in a disc around each place.

    It is at least 0 in each px, as in scikit-image, and counts where a px's middle is in the disc.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB; holds all discs whole.
    x_px, y_px : ndarray of shape (n,), float64
        Places; the middle of a px is +0.5.
    radius_px : float
        Radius of the disc, at least 1.

    Returns
    -------
    ndarray of shape (n,), float32

    Examples
    --------
    >>> pixels = np.full((9, 9, 3), (90, 60, 140), np.uint8)
    >>> measure_haematoxylin(pixels, np.array([4.5]), np.array([4.5]), radius_px=3).round(3)
    array([0.651], dtype=float32)
    """
    column, row = np.floor(x_px).astype(np.int64), np.floor(y_px).astype(np.int64)
    right, down = x_px - column - 0.5, y_px - row - 0.5  # from the px's middle to the place
    flat, width = pixels.reshape(-1, 3), pixels.shape[1]
    total, n = np.zeros(len(x_px)), np.zeros(len(x_px), np.int64)
    reach = math.ceil(radius_px)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            if math.hypot(max(0, abs(dx) - 0.5), max(0, abs(dy) - 0.5)) > radius_px:
                continue
            inside = np.flatnonzero((dx - right) ** 2 + (dy - down) ** 2 <= radius_px**2)
            colours = flat[(row[inside] + dy) * width + column[inside] + dx]
            density = sum(_OF_VALUE[colours[:, channel], channel] for channel in range(3))
            total[inside] += np.maximum(density, 0)
            n[inside] += 1
    return (total / n).astype(np.float32)
