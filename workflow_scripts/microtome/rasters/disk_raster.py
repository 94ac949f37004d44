"""Rasters kept on disk for as long as a step works on them."""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import DTypeLike

from microtome.rasters.bands import ReadRows, band_rows, bands


class Spool:
    """Rows of a raster in a file without a name; a context manager, which gives the room back.

    Read and written by plain calls, never mapped: pages of a mapped file count as memory of the
    process, and a disk that fills up under them would kill it. The room is taken at once, so a
    disk that is too small says so at the start.

    Parameters
    ----------
    shape : tuple of int
        Height, width and, where pixels have them, channels.
    dtype : dtype
        Of the pixels.
    beside : str or Path
        The file that is being made: the rows lie in its folder, and trouble names it.
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

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the room on disk back."""
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
    """Put a raster on disk, `n_rows` at a time: what is read more than once and dear to make."""
    spool = Spool(shape, dtype, beside=beside)
    try:
        for first, n in bands(shape[0], n_rows or band_rows(shape[1])):
            spool.write(first, rows(first, n))
    except BaseException:
        spool.close()
        raise
    return spool
