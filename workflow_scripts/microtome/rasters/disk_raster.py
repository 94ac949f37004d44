"""Rasters kept in a temporary file for as long as a step works on them."""

import os
import tempfile
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from microtome.rasters.bands import ReadRows, band_rows, bands


class Spool:
    """A raster in a temporary file without a name; a context manager that deletes the file.

    The file is read and written by plain calls, never memory-mapped: mapped pages count as memory
    of the process, and a full disk would kill it. All space is allocated at once, so a disk that
    is too small is an error at the start.

    `shape` are height, width, and the number of channels if pixels have several. The file lies in
    the folder of the output that is being made, `beside`, and errors name that.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Spool((4, 3), np.uint8, beside=Path(folder) / "mask.tif") as spool:
    ...         spool.write(1, np.full((2, 3), 7))
    ...         spool.rows(0, 3)
    array([[0, 0, 0],
           [7, 7, 7],
           [7, 7, 7]], dtype=uint8)
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, *, beside: str | Path) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._beside = Path(beside)
        self._row_bytes = int(np.prod(shape[1:])) * self.dtype.itemsize
        self._beside.parent.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._beside.parent)  # noqa: SIM115 (closed by `close`)
        try:
            if size := shape[0] * self._row_bytes:
                os.posix_fallocate(self._file.fileno(), 0, size)
        except OSError as error:
            self._file.close()
            error.filename = str(beside)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()

    def write(self, first_row: int, rows: np.ndarray) -> None:
        """Write rows, ndarray of shape (n_rows, ...), from `first_row` on."""
        data = np.ascontiguousarray(rows, self.dtype).reshape(-1).view(np.uint8)
        offset = first_row * self._row_bytes
        try:
            while len(data):
                n = os.pwrite(self._file.fileno(), data, offset)
                data, offset = data[n:], offset + n
        except OSError as error:
            error.filename = str(self._beside)
            raise

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Read rows, ndarray of shape (n_rows, ...); fewer at the end."""
        n_rows = min(n_rows, self.shape[0] - first_row)
        found = np.empty((n_rows, *self.shape[1:]), self.dtype)
        data, offset = found.reshape(-1).view(np.uint8), first_row * self._row_bytes
        while len(data):
            n = os.preadv(self._file.fileno(), [data], offset)
            data, offset = data[n:], offset + n
        return found


def spool_rows(
    rows: ReadRows,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    *,
    beside: str | Path,
    n_rows: int | None = None,
) -> Spool:
    """Copy a raster to disk, `n_rows` at a time, if it is read repeatedly and expensive to make."""
    spool = Spool(shape, dtype, beside=beside)
    try:
        for first, n in bands(shape[0], n_rows or band_rows(shape[1])):
            spool.write(first, rows(first, n))
    except BaseException:
        spool.close()
        raise
    return spool
