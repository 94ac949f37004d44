"""Writing large files from beginning to end in a thread, at the speed of the disk."""

import errno
import fcntl
import mmap
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import numpy as np

# Whole pages, and enough at once that a parallel file system gets no small requests.
_PAGE_BYTES = 4096
_BUFFER_BYTES = 4 * 2**20
_N_BUFFERS = 2


class StreamWriter:
    """Writes files one after the other in a thread of its own.

    Data bypasses the page cache if the file system allows it (O_DIRECT): copying pixels there and
    writing them out again takes a third of the time of decoding them. Written data is on the disk,
    so a node that crashes leaves no store that only looks complete.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._free: SimpleQueue[mmap.mmap] = SimpleQueue()
        for _ in range(_N_BUFFERS):
            self._free.put(mmap.mmap(-1, _BUFFER_BYTES))  # begins at a page, as O_DIRECT needs
        self._file: int | None = None
        self._under_way: deque[Future] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._thread.shutdown()
        if self._file is not None:
            os.close(self._file)
        if error is None:
            self.settle()

    def begin(self, path: Path) -> None:
        """Begin a file that does not exist yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            self._file = os.open(path, flags | os.O_DIRECT, 0o666)
        except OSError:  # a file system without O_DIRECT; any other error is raised again
            path.unlink(missing_ok=True)
            self._file = os.open(path, flags, 0o666)
        self._handed_over = 0
        self._buffer, self._filled = self._free.get(), 0

    def write(self, data: np.ndarray) -> None:
        """Add bytes to the file, ndarray of shape (n,), uint8; do not change it until `settle`.

        Whole pages of memory are written without a copy; other data is copied first.
        """
        address = data.__array_interface__["data"][0]
        if not (self._filled or address % _PAGE_BYTES or len(data) % _PAGE_BYTES):
            work = _write_at, self._file, memoryview(data), self._handed_over
            self._under_way.append(self._thread.submit(*work))
            self._handed_over += len(data)
            return
        while len(data):
            room = np.frombuffer(self._buffer, np.uint8)[self._filled :]
            n = min(len(data), len(room))
            room[:n] = data[:n]
            self._filled += n
            data = data[n:]
            if self._filled == _BUFFER_BYTES:
                self._hand_over(_BUFFER_BYTES)
                self._buffer, self._filled = self._free.get(), 0

    def end(self) -> None:
        """Finish the file; it is on the disk when the context has ended."""
        n_bytes = self._handed_over + self._filled
        self._hand_over(-(-self._filled // _PAGE_BYTES) * _PAGE_BYTES)
        self._under_way.append(self._thread.submit(_finish, self._file, n_bytes))
        self._file = None

    def _hand_over(self, n_bytes: int) -> None:
        """Have the buffer's first bytes written; raise errors of earlier writes."""
        while self._under_way and self._under_way[0].done():
            self._under_way.popleft().result()
        work = self._write_out, self._file, self._buffer, n_bytes, self._handed_over
        self._under_way.append(self._thread.submit(*work))
        self._handed_over += n_bytes

    def _write_out(self, file: int, buffer: mmap.mmap, n_bytes: int, offset: int) -> None:
        try:
            with memoryview(buffer) as view:
                _write_at(file, view[:n_bytes], offset)
        finally:
            self._free.put(buffer)

    def settle(self) -> None:
        """Wait for all writes; raise their errors."""
        while self._under_way:
            self._under_way.popleft().result()


def _write_at(file: int, view: memoryview, offset: int) -> None:
    done = 0
    # A disk that fills up writes a part first, and raises the error in the next call.
    while done < len(view):
        try:
            done += os.pwrite(file, view[done:], offset + done)
        except OSError as error:
            flags = fcntl.fcntl(file, fcntl.F_GETFL)
            if error.errno != errno.EINVAL or not flags & os.O_DIRECT:
                raise
            # Not aligned as this file system needs it: write through the page cache.
            fcntl.fcntl(file, fcntl.F_SETFL, flags & ~os.O_DIRECT)


def _finish(file: int, n_bytes: int) -> None:
    """Cut off the padding of the last page, and flush the rest to the disk."""
    try:
        os.ftruncate(file, n_bytes)
        os.fsync(file)
    finally:
        os.close(file)
