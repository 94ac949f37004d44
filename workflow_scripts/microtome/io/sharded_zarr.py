"""Sharded Zarr v3 arrays with one chunk per patch, written and read directly.

A shard is a file: its chunks one after the other, then an index with offset and length of each
(uint64) and its CRC-32C. zarr-python writes and reads the same files 20 times more slowly: it
rewrites a shard to add a patch, and reads the index again for every patch.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from microtome.errors import InputError
from microtome.io.direct_writer import StreamWriter
from microtome.io.open_files import Handle, Handles, raise_file_limit

# The bytes of one chunk, or a C-contiguous array of them, uint8.
Chunk = bytes | bytearray | np.ndarray

# A shard is one file, of 1365 patches of 256 px: a cohort has few files, and yet many shards.
_SHARD_BYTES = 256 * 2**20
_MOST_CHUNKS = 2**14  # of tiny patches; the index is written and read as one
# All files of an array in one folder, not in a folder for each dimension: c.7.0.0.0
CHUNK_KEYS = {"name": "default", "separator": "."}

_ABSENT = 2**64 - 1
_CRC_BYTES = 4
_INDEX_CODECS = ["bytes", "crc32c"]


def chunks_per_shard(chunk_bytes: int, n_chunks: int) -> int:
    """Number of chunks of `chunk_bytes` (before compression) in each shard of an array.

    Examples
    --------
    >>> chunks_per_shard(256 * 256 * 3, n_chunks=1_000_000)
    1365
    """
    return max(1, min(_SHARD_BYTES // chunk_bytes, _MOST_CHUNKS, n_chunks))


class ShardWriter:
    """Writes the chunks of an array one after the other, `per_shard` to a file.

    It creates the array's folder, and does not write its ``zarr.json``.
    """

    def __init__(self, folder: Path, *, per_shard: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._per_shard = per_shard
        self._n_shards = 0
        self._stream = StreamWriter()
        self._lengths: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        with self._stream:
            if error is None and self._lengths:
                self._finish_shard()

    def append(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks as they are, in a thread; do not change them until the next call."""
        self._stream.settle()
        while len(chunks):
            if not self._lengths:
                self._stream.begin(self._folder / f"c.{self._n_shards}.0.0.0")
            room = self._per_shard - len(self._lengths)
            for content in _join_chunks(chunks[:room]):
                self._stream.write(content)
            self._lengths += [memoryview(chunk).nbytes for chunk in chunks[:room]]
            chunks = chunks[room:]
            if len(self._lengths) == self._per_shard:
                self._finish_shard()

    def _finish_shard(self) -> None:
        index = np.full((self._per_shard, 2), _ABSENT, "<u8")
        n = len(self._lengths)
        index[:n, 1] = self._lengths
        index[:n, 0] = np.cumsum(index[:n, 1]) - index[:n, 1]
        content = index.tobytes()
        crc = google_crc32c.value(content).to_bytes(_CRC_BYTES, "little")
        self._stream.write(np.frombuffer(content + crc, np.uint8))
        self._stream.end()
        self._n_shards += 1
        self._lengths = []


def _join_chunks(chunks: Sequence[Chunk]) -> Iterator[np.ndarray]:
    """Join chunks to few pieces, without a copy if they lie one after the other in memory."""
    if not isinstance(chunks[0], np.ndarray):
        yield np.frombuffer(b"".join(chunks), np.uint8)
        return
    contents = [chunk.reshape(-1) for chunk in chunks]
    starts = [content.__array_interface__["data"][0] for content in contents]
    first = 0
    for i, content in enumerate(contents, start=1):
        if i < len(contents) and starts[i] == starts[i - 1] + len(content):
            continue
        length = starts[i - 1] + len(content) - starts[first]
        yield np.lib.stride_tricks.as_strided(contents[first], (length,), (1,), writeable=False)
        first = i


_open_file = partial(os.open, flags=os.O_RDONLY)
# One for the process, since its limit of open files is for all arrays.
_FILES: Handles[str, int] = Handles(_open_file, os.close, raise_file_limit)


class ShardedArray:
    """A sharded array with one chunk per element, opened for reading.

    Safe to use from several threads, and in processes forked from the one that opened it. The
    first number of its `shape` counts the chunks; `codec` is the name of the codec of a chunk.

    Raises InputError if it is damaged; ValueError, KeyError, TypeError or FileNotFoundError if it
    is no such array.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        about = read_metadata(folder)
        sharding, *others = about["codecs"]
        settings = sharding["configuration"]
        self.shape = tuple(about["shape"])
        self._per_shard, *rest = about["chunk_grid"]["configuration"]["chunk_shape"]
        if (
            about["data_type"] != "uint8"
            or sharding["name"] != "sharding_indexed"
            or others
            or len(settings["codecs"]) != 1
            or rest != list(self.shape[1:])
            or settings["chunk_shape"] != [1, *rest]
            or [codec["name"] for codec in settings["index_codecs"]] != _INDEX_CODECS
            or settings.get("index_location", "end") != "end"
        ):
            raise ValueError(f"{folder} is sharded in another way")
        self.codec: str = settings["codecs"][0]["name"]
        self._fill = about["fill_value"]
        self._file_name = _file_names(about, n_dimensions=len(self.shape))
        shards = [self._read_index(i) for i in range(-(-len(self) // self._per_shard))]
        joined = np.concatenate([np.empty((0, 2), np.uint64), *shards])[: len(self)]
        if self.codec == "bytes" and not np.isin(joined[:, 1], (0, math.prod(rest))).all():
            raise self.damaged("its patches have another size than it says")
        # 8 bytes per chunk: 80 MB for ten million.
        self._offset, self._length = (
            column.astype(np.uint32 if column.max(initial=0) < 2**32 else np.uint64)
            for column in joined.T
        )

    def __len__(self) -> int:
        return self.shape[0]

    def read_bytes(self, i: int) -> bytes:
        """Read the bytes of chunk `i` as they are stored; none if it was never written."""
        length = int(self._length[i])
        if not length:
            return b""
        handle = self._open(i // self._per_shard)
        content = os.pread(handle.value, length, int(self._offset[i]))
        if len(content) != length:
            raise self.damaged(f"patch {i} is cut off")
        return content

    def read_into(self, i: int, out: np.ndarray) -> None:
        """Read the bytes of chunk `i` straight into a C-contiguous array of their size."""
        length = int(self._length[i])
        if not length:
            out[...] = self._fill
            return
        if length != out.nbytes:
            raise self.damaged(f"patch {i} has {length} bytes")
        handle = self._open(i // self._per_shard)
        if os.preadv(handle.value, [out], int(self._offset[i])) != length:
            raise self.damaged(f"patch {i} is cut off")

    def damaged(self, fault: str) -> InputError:
        """Make the error for a damaged store."""
        store = Path(self._folder).parent
        return InputError(f"{store} is damaged ({fault}); delete it and run again")

    def _open(self, shard: int) -> Handle[int]:
        path = f"{self._folder}/{self._file_name.format(shard)}"
        try:
            return _FILES[path]
        except FileNotFoundError as error:
            raise self.damaged(f"{path} is not there") from error

    def _read_index(self, shard: int) -> np.ndarray:
        """Read offset and length of each chunk of a shard, uint64; 0 and 0 if it is missing."""
        handle = self._open(shard)
        size = 16 * self._per_shard + _CRC_BYTES
        start = os.fstat(handle.value).st_size - size
        content = os.pread(handle.value, size, start) if start >= 0 else b""
        crc = google_crc32c.value(content[:-_CRC_BYTES])
        if len(content) != size or content[-_CRC_BYTES:] != crc.to_bytes(_CRC_BYTES, "little"):
            raise self.damaged(f"shard {shard} is cut off or changed")
        index = np.frombuffer(content, "<u8", 2 * self._per_shard).reshape(-1, 2)
        offset, length = np.where((index == _ABSENT).all(1)[:, None], 0, index).T
        if ((length > start) | (offset > start - length)).any():
            raise self.damaged(f"shard {shard} points beyond its end")
        return np.stack([offset, length], axis=1)


def read_column(folder: Path) -> np.ndarray:
    """Read a small array of one dimension, stored without shards, in one chunk or several.

    Raises ValueError, KeyError, TypeError, FileNotFoundError or RuntimeError if it is none.
    """
    about = read_metadata(folder)
    (n,), (size,) = about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"]
    as_bytes, *compressors = about["codecs"]
    if as_bytes["name"] != "bytes" or [c["name"] for c in compressors] not in ([], ["zstd"]):
        raise ValueError(f"{folder} is stored in another way")
    order = as_bytes.get("configuration", {}).get("endian", "little")
    dtype = np.dtype(about["data_type"]).newbyteorder({"little": "<", "big": ">"}[order])
    values = np.full(n, about["fill_value"], dtype.newbyteorder("="))
    file_name = _file_names(about, n_dimensions=1)
    for first in range(0, n, size):
        # Zarr does not write a file that would hold only the fill value.
        with suppress(FileNotFoundError):
            content = (folder / file_name.format(first // size)).read_bytes()
            piece = np.frombuffer(Zstd().decode(content) if compressors else content, dtype)
            values[first : first + size] = piece[: n - first]
    return values


def read_metadata(folder: Path) -> dict:
    """Read the ``zarr.json`` of a store, or of an array in one."""
    about = json.loads((folder / "zarr.json").read_bytes())
    if about["zarr_format"] != 3:
        raise ValueError(f"{folder} is no Zarr of version 3")
    return about


def _file_names(about: dict, *, n_dimensions: int) -> str:
    """The name of a chunk's file, with {} for its place along the first dimension."""
    encoding = about["chunk_key_encoding"]
    if encoding["name"] != "default":
        raise ValueError(f"chunk keys are encoded as {encoding['name']}")
    separator = encoding.get("configuration", {}).get("separator", "/")
    return separator.join(["c", "{}", *["0"] * (n_dimensions - 1)])
