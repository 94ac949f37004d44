"""Morphology of masks that are too large for memory: rows in, rows out."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.morphology import disk

from microtome.rasters.bands import ReadRows, read_window


def apply_opening(rows: ReadRows, shape: tuple[int, int], radius_px: int) -> ReadRows:
    """Open a bool mask with a disc; at the border the mask counts as going on beyond it."""
    return _extend_border(ndimage.binary_opening, rows, shape, radius_px)


def apply_closing(rows: ReadRows, shape: tuple[int, int], radius_px: int) -> ReadRows:
    """Close a bool mask with a disc; at the border the mask counts as going on beyond it."""
    return _extend_border(ndimage.binary_closing, rows, shape, radius_px)


def apply_dilation(rows: ReadRows, shape: tuple[int, int], radius_px: int) -> ReadRows:
    """Grow a bool mask by a disc; at the border the mask counts as going on beyond it."""
    return _extend_border(ndimage.binary_dilation, rows, shape, radius_px)


def _extend_border(
    operation: Callable, rows: ReadRows, shape: tuple[int, int], radius_px: int
) -> ReadRows:
    if radius_px == 0:
        return rows
    margin = 2 * radius_px  # a pixel depends on others no further away
    disc = disk(radius_px)

    def apply(first: int, n_rows: int) -> np.ndarray:
        pixels, above = read_window(rows, shape[0], first, n_rows, margin=margin)
        below = len(pixels) - above - n_rows
        beyond = ((margin - above, margin - below), (margin, margin))
        padded = operation(np.pad(pixels, beyond, mode="edge"), disc)
        return padded[margin : margin + n_rows, margin : margin + shape[1]]

    return apply
