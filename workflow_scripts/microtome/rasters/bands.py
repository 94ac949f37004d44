"""Rasters too large for memory, as functions that give any band of their rows.

One idea everywhere: a raster is ``rows(first_row, n_rows)``, which gives an ndarray of shape
(n_rows, width), and an operation turns such a function into another.
"""

from collections.abc import Callable, Iterator

import numpy as np

ReadRows = Callable[[int, int], np.ndarray]

# Px of a band, whatever the width: little memory beside that of the libraries.
_BAND_PX = 2**18
_LEAST_ROWS, _MOST_ROWS = 16, 512


def band_rows(width: int, *, band_px: int = _BAND_PX) -> int:
    """Rows of a band of about `band_px` px: a power of two, 16 to 512."""
    fitting = min(max(band_px // max(width, 1), _LEAST_ROWS), _MOST_ROWS)
    return 2 ** (fitting.bit_length() - 1)


def bands(height: int, n_rows: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each band of `n_rows`; the last may have fewer.

    Examples
    --------
    >>> list(bands(10, 4))
    [(0, 4), (4, 4), (8, 2)]
    """
    for first in range(0, height, n_rows):
        yield first, min(n_rows, height - first)


def rows_of(array: np.ndarray) -> ReadRows:
    """Turn an array in memory into a function that gives its rows.

    Examples
    --------
    >>> rows_of(np.eye(3))(1, 2)
    array([[0., 1., 0.],
           [0., 0., 1.]])
    """
    return lambda first, n: array[first : first + n]


def read_window(
    rows: ReadRows, height: int, first: int, n_rows: int, *, margin: int
) -> tuple[np.ndarray, int]:
    """Read a band with up to `margin` more rows above and below, as far as the raster goes.

    Returns the rows, and how many of them lie above row `first`.
    """
    top = max(0, first - margin)
    bottom = min(height, first + n_rows + margin)
    return rows(top, bottom - top), first - top


def count_true(rows: ReadRows, shape: tuple[int, int]) -> int:
    """Count the pixels of a raster that are not 0."""
    height, width = shape
    return sum(int(np.count_nonzero(rows(*band))) for band in bands(height, band_rows(width)))
