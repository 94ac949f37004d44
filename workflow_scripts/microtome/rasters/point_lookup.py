"""What a raster of labels says at points."""

import numpy as np

from microtome.rasters.bands import ReadRows

_BAND_ROWS = 512


def look_up(
    rows: ReadRows, shape: tuple[int, int], places: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Look up the px in which points lie, in bands; 0 for those beyond the raster.

    Parameters
    ----------
    rows : ReadRows
        Of a raster of `shape`, height and width; uint8.
    places : tuple of ndarray of shape (n,)
        y and x in px of the raster, from its upper left corner, in any order. Those that lie near
        each other are found fastest.

    Returns
    -------
    ndarray of shape (n,), uint8

    Examples
    --------
    >>> from microtome.rasters.bands import rows_of
    >>> raster = np.array([[1, 2], [3, 4]], np.uint8)
    >>> look_up(rows_of(raster), (2, 2), (np.array([0.5, 1.9, 2.0]), np.array([1.0, 0.2, 0.0])))
    array([2, 3, 0], dtype=uint8)
    """
    row, column = (np.floor(place).astype(np.int64) for place in places)
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    found = np.zeros(len(row), np.uint8)
    band = np.where(inside, row // _BAND_ROWS, -1)
    for number in np.unique(band[inside]).tolist():
        first = number * _BAND_ROWS
        pixels = rows(first, min(_BAND_ROWS, shape[0] - first))
        chosen = band == number
        found[chosen] = pixels[row[chosen] - first, column[chosen]]
    return found
