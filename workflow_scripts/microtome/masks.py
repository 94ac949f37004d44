"""Small helpers of binary masks."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.morphology import disk


def opened(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Open a bool mask with a disc; what touches the border is taken to go on beyond it."""
    return _beyond_border(ndimage.binary_opening, mask, radius_px)


def closed(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Close a bool mask with a disc; what touches the border is taken to go on beyond it."""
    return _beyond_border(ndimage.binary_closing, mask, radius_px)


def _beyond_border(operation: Callable, mask: np.ndarray, radius_px: int) -> np.ndarray:
    margin = 2 * radius_px  # so far a pixel's fate depends on others
    padded = operation(np.pad(mask, margin, mode="edge"), disk(radius_px))
    return padded[margin : margin + mask.shape[0], margin : margin + mask.shape[1]]


def without_small(mask: np.ndarray, min_px: float) -> np.ndarray:
    """Drop the pieces (4-connected) of fewer than `min_px` pixels from a bool mask."""
    labels, n = ndimage.label(mask)
    keep = np.bincount(labels.ravel(), minlength=n + 1) >= min_px
    keep[0] = False
    return keep[labels]


def resampled(labels: np.ndarray, shape: tuple[int, int], *, ratio: float) -> np.ndarray:
    """Take the label at each pixel's centre of another raster of the same slide.

    Parameters
    ----------
    labels : ndarray of shape (height, width)
        Labels.
    shape : tuple of int
        Height and width of the result.
    ratio : float
        Px of `labels` per px of the result.

    Returns
    -------
    ndarray of `shape`, same dtype
    """
    if ratio == 1 and shape == labels.shape:
        return labels
    y, x = (
        np.minimum(((np.arange(n) + 0.5) * ratio).astype(np.int64), side - 1)
        for n, side in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(y, x)]
