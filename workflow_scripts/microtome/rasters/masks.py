"""Operations on masks that are too large for memory: rows in, rows out."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.morphology import disk

from microtome.rasters.bands import ReadRows, window


def opened_rows(rows: ReadRows, shape: tuple[int, int], radius_px: int) -> ReadRows:
    """Open a bool mask with a disc; what touches the border is taken to go on beyond it."""
    return _beyond_border(ndimage.binary_opening, rows, shape, radius_px)


def closed_rows(rows: ReadRows, shape: tuple[int, int], radius_px: int) -> ReadRows:
    """Close a bool mask with a disc; what touches the border is taken to go on beyond it."""
    return _beyond_border(ndimage.binary_closing, rows, shape, radius_px)


def _beyond_border(
    operation: Callable, rows: ReadRows, shape: tuple[int, int], radius_px: int
) -> ReadRows:
    if radius_px == 0:
        return rows
    margin = 2 * radius_px  # so far a pixel's fate depends on others
    disc = disk(radius_px)

    def changed(first: int, n_rows: int) -> np.ndarray:
        pixels, above = window(rows, shape[0], first, n_rows, margin=margin)
        below = len(pixels) - above - n_rows
        beyond = ((margin - above, margin - below), (margin, margin))
        padded = operation(np.pad(pixels, beyond, mode="edge"), disc)
        return padded[margin : margin + n_rows, margin : margin + shape[1]]

    return changed


def resampled_rows(
    rows: ReadRows, source_shape: tuple[int, int], shape: tuple[int, int], *, ratio: float
) -> ReadRows:
    """Take the label at each pixel's centre of another raster of the same slide.

    Parameters
    ----------
    rows : callable
        The other raster, of `source_shape`.
    shape : tuple of int
        Height and width of the result.
    ratio : float
        Px of the other raster per px of the result.
    """
    if ratio == 1 and tuple(shape) == tuple(source_shape):
        return rows
    column = _centres(0, shape[1], source_shape[1], ratio)

    def taken(first: int, n_rows: int) -> np.ndarray:
        row = _centres(first, n_rows, source_shape[0], ratio)
        found = rows(int(row[0]), int(row[-1] - row[0]) + 1)
        return found[np.ix_(row - row[0], column)]

    return taken


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
    y, x = (_centres(0, n, side, ratio) for n, side in zip(shape, labels.shape, strict=True))
    return labels[np.ix_(y, x)]


def _centres(first: int, n: int, side: int, ratio: float) -> np.ndarray:
    """Index, in a raster of `side` px, under the centres of `n` px from `first` on."""
    return np.minimum(((np.arange(first, first + n) + 0.5) * ratio).astype(np.int64), side - 1)
