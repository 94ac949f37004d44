"""Labels of one raster at the pixels of another raster of the same slide."""

import numpy as np

from microtome.rasters.bands import ReadRows, rows_of


def resample_rows(
    rows: ReadRows, source_shape: tuple[int, int], shape: tuple[int, int], *, ratio: float
) -> ReadRows:
    """Take the label at each pixel's centre of another raster of the same slide, in bands.

    `ratio` is the px of the other raster, of `source_shape`, per px of the result, of `shape`.
    """
    if ratio == 1 and tuple(shape) == tuple(source_shape):
        return rows
    column = _find_centres(0, shape[1], source_shape[1], ratio)

    def take(first: int, n_rows: int) -> np.ndarray:
        row = _find_centres(first, n_rows, source_shape[0], ratio)
        found = rows(int(row[0]), int(row[-1] - row[0]) + 1)
        return found[np.ix_(row - row[0], column)]

    return take


def resample(labels: np.ndarray, shape: tuple[int, int], *, ratio: float) -> np.ndarray:
    """Take the label at each pixel's centre of another raster of the same slide.

    `labels`, (height, width), have `ratio` px per px of the result, of `shape` and the same dtype.

    Examples
    --------
    >>> resample(np.array([[1, 2, 3]]), (1, 6), ratio=0.5)
    array([[1, 1, 2, 2, 3, 3]])
    """
    return resample_rows(rows_of(labels), labels.shape, shape, ratio=ratio)(0, shape[0])


def _find_centres(first: int, n: int, side: int, ratio: float) -> np.ndarray:
    """Index, in a raster of `side` px, under the centres of `n` px from `first` on."""
    return np.minimum(((np.arange(first, first + n) + 0.5) * ratio).astype(np.int64), side - 1)
