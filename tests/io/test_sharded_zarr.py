"""Shards are those of Zarr, whoever writes them; damage is found and named."""

import multiprocessing
import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.child_process import child_reads
from helpers.pictures import stained, write_store
from microtome.errors import InputError
from microtome.io import sharded_zarr as shards
from microtome.io.open_files import Handles, raise_file_limit
from microtome.io.sharded_zarr import ShardedArray, ShardWriter, chunks_per_shard, read_column
from microtome.io.zarr_jpeg import JpegCodec
from microtome.patches.store import open_patches

SIDE = 4
CUT_OFF = "shard . is cut off or changed"


def drawn(n: int) -> np.ndarray:
    """Draw `n` patches of noise, none of them black."""
    return np.random.default_rng(0).integers(1, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def read(array: ShardedArray, i: int) -> np.ndarray:
    """Read one chunk."""
    out = np.full(array.shape[1:], 9, np.uint8)
    array.read_into(i, out)
    return out


@pytest.fixture
def small_shards(monkeypatch):
    """Make a shard of four patches, and forget files that are open."""
    monkeypatch.setattr(shards, "_MOST_CHUNKS", 4)
    limited(monkeypatch, 100)


def limited(monkeypatch, most: int) -> Handles:
    """Let shards keep so many files open."""
    files = Handles(shards._open_file, os.close, lambda: most)
    monkeypatch.setattr(shards, "_FILES", files)
    return files


def store_of(path: Path, n: int, *, codec: str = "raw", side: int = SIDE) -> Path:
    """Write a store of `n` patches."""
    return write_store(path, stained([0] * n, side=side), [0] * n, codec=codec)


def create_array(path: Path, n: int, per_shard: int, shape: tuple, **settings) -> zarr.Array:
    """Make the array of `n` chunks of one patch each by zarr itself."""
    sizes = {"shape": (n, *shape), "chunks": (1, *shape), "shards": (per_shard, *shape)}
    return zarr.create_array(path, dtype=np.uint8, compressors=None, **sizes, **settings)


def n_open() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@settings(max_examples=30)
@given(st.integers(0, 20), st.integers(1, 6), st.sets(st.integers(0, 19)), st.sampled_from("/."))
def test_shards_that_zarr_wrote(tmp_path_factory, n, per_shard, black, separator):
    """Chunks in zarr's own order, and black ones that zarr leaves out, are read as zarr does."""
    path = tmp_path_factory.mktemp("zarr") / "pixels"
    pixels = drawn(n)
    pixels[[i for i in black if i < n and n > per_shard]] = 0
    settings = {
        "chunk_key_encoding": {"name": "default", "separator": separator},
        "config": {"write_empty_chunks": False},
    }
    array = create_array(path, n, per_shard, (SIDE, SIDE, 3), **settings)
    for first in range(0, n, per_shard):
        whole = pixels[first : first + per_shard]
        if not whole.any():  # zarr would write no file at all
            whole[0] = 1
        array[first : first + per_shard] = whole
    found = ShardedArray(path)
    assert found.shape == pixels.shape
    for i, expected in enumerate(pixels):
        np.testing.assert_array_equal(read(found, i), expected)


@settings(max_examples=30)
@given(st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=8)), st.integers(1, 6))
def test_chunks_of_any_length_come_back(tmp_path_factory, parts, per_shard):
    """However many chunks are given at once, and however long each, it is found again."""
    path = tmp_path_factory.mktemp("any") / "pixels"
    with ShardWriter(path, per_shard=per_shard) as writer:
        for part in parts:
            writer.append(part)
    chunks = [chunk for part in parts for chunk in part]
    settings = {"serializer": JpegCodec(), "chunk_key_encoding": shards.CHUNK_KEYS}
    create_array(path, len(chunks), per_shard, (1, 1, 3), **settings)
    array = ShardedArray(path)
    assert [array.read_bytes(i) for i in range(len(chunks))] == chunks


def test_a_write_that_stops_half_way_goes_on(tmp_path, monkeypatch):
    """Where the system takes only a part, the rest is written after it."""
    pwrite = os.pwrite
    asked = []

    def reluctant(file, data, offset):
        asked.append(offset)
        return pwrite(file, bytes(data)[:70], offset)

    monkeypatch.setattr(os, "pwrite", reluctant)
    pixels = drawn(10)
    store = write_store(tmp_path / "a.zarr", pixels, [0] * 10)
    assert len(asked) > 2
    np.testing.assert_array_equal(zarr.open_group(store, mode="r")["pixels"][:], pixels)


def test_shards_of_256_mib():
    """A shard is 256 MiB of pixels; few where there are few patches, and one if they are large."""
    assert chunks_per_shard(256 * 256 * 3, 10**6) == 2**28 // (256 * 256 * 3)
    assert chunks_per_shard(256 * 256 * 3, 10) == 10
    assert chunks_per_shard(20000 * 20000 * 3, 10) == 1
    assert chunks_per_shard(48, 0) == 1


@settings(max_examples=30)
@given(st.integers(1, 68), st.integers(1, 255))
def test_a_byte_changed_in_an_index_is_damage(tmp_path_factory, place, by):
    """Whichever byte of a shard's index or its checksum is another, it is found."""
    store = store_of(tmp_path_factory.mktemp("crc") / "a.zarr", 4)
    shard = store / "pixels" / "c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[-place] ^= by
    shard.write_bytes(content)
    with pytest.raises(InputError, match=CUT_OFF):
        open_patches(store)


def point_beyond_the_end(shard: Path) -> None:
    """Change an index and its checksum."""
    content = shard.read_bytes()
    index = np.frombuffer(content[-68:-4], "<u8").copy()
    index[6] = 2**63
    crc = google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    shard.write_bytes(content[:-68] + index.tobytes() + crc)


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (Path.unlink, r".*c\.1\.0\.0\.0 is not there"),
        (point_beyond_the_end, "shard 1 points beyond its end"),
        *(
            (lambda shard, left=left: os.truncate(shard, int(left * shard.stat().st_size)), CUT_OFF)
            for left in (0.0, 0.7, 0.999)
        ),
    ],
)
def test_a_damaged_shard_is_named_when_its_store_is_opened(
    tmp_path, small_shards, codec, damage, fault
):
    """A missing file, a copy that stopped early, and an index of chunks that cannot be there."""
    store = store_of(tmp_path / "a.zarr", 10, codec=codec)
    damage(store / "pixels" / "c.1.0.0.0")
    text = rf"^{store} is damaged \({fault}\); delete it and run again$"
    with pytest.raises(InputError, match=text):
        open_patches(store)


def black_out(shard: Path) -> None:
    """Overwrite the first bytes of a shard."""
    with shard.open("r+b") as file:
        file.write(bytes(200))


@pytest.mark.parametrize(
    ("codec", "damage", "fault"),
    [
        ("raw", lambda shard: os.truncate(shard, 10), "patch 0 is cut off"),
        ("jpeg", lambda shard: os.truncate(shard, 10), "patch 0 is cut off"),
        ("jpeg", black_out, "patch 0: .*"),
    ],
)
def test_a_store_that_changes_while_it_is_read(tmp_path, codec, damage, fault):
    """A shard cut off or overwritten after it was opened is an error that names the patch."""
    path = store_of(tmp_path / "a.zarr", 4, codec=codec, side=16)
    store = open_patches(path)
    damage(path / "pixels" / "c.0.0.0.0")
    text = rf"^{path} is damaged \({fault}\); delete it and run again$"
    with pytest.raises(InputError, match=text):
        store.read(0, np.empty(store.shape, np.uint8))


def test_open_files_are_few(tmp_path, monkeypatch, small_shards):
    """Many shards, read in any order by many threads, keep so many files open and no more."""
    pixels = drawn(400)
    path = write_store(tmp_path / "a.zarr", pixels, [0] * 400)
    before = n_open()
    files = limited(monkeypatch, 7)
    array = ShardedArray(path / "pixels")
    order = np.random.default_rng(0).integers(0, 400, 3000).tolist()
    most = 0

    def check(i: int) -> bool:
        nonlocal most
        most = max(most, n_open())
        return bool((read(array, i) == pixels[i]).all())

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(check, order))
    assert len(files) == 7
    assert most <= before + 7 + 4 * 3  # a thread holds one, opens another, and lists the folder
    del files
    monkeypatch.undo()
    assert n_open() <= before + 1


def test_a_file_in_use_is_not_closed():
    """What somebody still holds stays open when others push it out."""
    closed = []
    handles = Handles(str, closed.append, lambda: 1)
    held = handles[1]
    handles[2]
    assert closed == []
    assert held.value == "1"
    del held
    assert closed == ["1"]
    assert handles[2] is handles[2]


def test_as_many_files_as_the_system_gives():
    """The limit on open files is raised as far as it goes, and half of it used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert raise_file_limit() == min(hard, 65536) // 2
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 65536)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_read_too(tmp_path, method):
    """A store opened before a fork, or sent to a new process, is read there, locks or not."""
    store = open_patches(store_of(tmp_path / "a.zarr", 4))
    expected = np.empty(store.shape, np.uint8)
    store.read(3, expected)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=child_reads, args=(store, 3, queue))
    with shards._FILES._lock:
        child.start()
    np.testing.assert_array_equal(queue.get(timeout=300), expected)
    child.join()


@pytest.mark.parametrize("chunk", [3, 7, 10])
@pytest.mark.parametrize("compressor", ["auto", None])
@pytest.mark.parametrize("dtype", ["int8", "int32", "float64", ">i4"])
def test_columns(tmp_path, chunk, compressor, dtype):
    """A small array is read as zarr does, in one piece or several, also where it is all zero."""
    values = np.arange(10).astype(dtype)
    values[3:7] = 0
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array("x", shape=10, dtype=dtype, chunks=(chunk,), compressors=compressor)
    array[:] = values
    found = read_column(tmp_path / "a.zarr" / "x")
    np.testing.assert_array_equal(found, values)
    assert found.dtype == values.dtype.newbyteorder("=")
