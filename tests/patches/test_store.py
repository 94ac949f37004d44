"""Patches are stored as Zarr that anyone can open, and come back as they were."""

import resource
from itertools import pairwise

import imagecodecs
import numpy as np
import pytest
import simplejpeg
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.pictures import files_of, grid_of, stained, write_store
from microtome.errors import InputError
from microtome.patches.regrouping import regroup
from microtome.patches.store import open_patches, write_patches
from microtome.patches.white_filter import is_kept, white_shares

SIDE = 16
KEEP_SOME = {
    "origin": {"slide": "a"},
    "codec": "raw",
    "jpeg_quality": 90,
    "threads": 1,
    "white_from": 210,
    "max_white_fraction": 0.7,
}
KEEP_ALL = {**KEEP_SOME, "white_from": 256}


def row_of(n: int, *, patch_px: int = SIDE, labels: list[int] | None = None):
    """Make a grid of `n` patches side by side."""
    return grid_of([(0, i) for i in range(n)], patch_px=patch_px, labels=labels)


def drawn(n: int, *, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Draw `n` patches of noise."""
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def write(path, block, **changes) -> int:
    """Write a block of patches side by side, all in one part."""
    n = len(block)
    return write_patches(path, [(np.arange(n), block)], row_of(n), **{**KEEP_SOME, **changes})


def jpegs(pixels: np.ndarray, subsampling: str = "444") -> list[bytes]:
    """Compress patches as a scanner would; "rgb" without a change of colour space."""
    if subsampling == "rgb":
        return [imagecodecs.jpeg8_encode(p, colorspace="RGB", outcolorspace="RGB") for p in pixels]
    return [simplejpeg.encode_jpeg(image, 80, "RGB", subsampling) for image in pixels]


def reused(parts):
    """Give parts as the reader does: in one buffer that the next part overwrites."""
    room = None
    for index, pixels in parts:
        if room is None:
            room = np.empty((1000, *pixels.shape[1:]), np.uint8)
        room[: len(pixels)] = pixels
        yield index, room[: len(pixels)]
        room[:] = 77


def read(store, row: int) -> np.ndarray:
    """Read one patch of an opened store."""
    out = np.empty(store.shape, np.uint8)
    store.read(row, out)
    return out


@pytest.fixture
def small_shards(monkeypatch):
    """Make a shard of four patches, so that few patches are several shards."""
    monkeypatch.setattr("microtome.io.sharded_zarr._MOST_CHUNKS", 4)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
def test_batches_lose_nothing(sizes, size):
    """Parts of any length, in one buffer used again, become full batches in order."""
    ends = np.cumsum([0, *sizes])
    parts = [(np.arange(a, b), np.arange(a, b)[:, None]) for a, b in pairwise(ends)]
    found = list(regroup(reused(parts), size))
    total = int(ends[-1])
    rest = [total % size] if total % size else []
    assert [len(index) for index, _ in found] == [size] * (total // size) + rest
    assert [int(i) for index, _ in found for i in index] == list(range(total))
    for index, pixels in found:
        np.testing.assert_array_equal(pixels[:, 0], index)


@given(
    st.integers(1, 40) | st.sampled_from([180, 181, 300]),
    st.integers(0, 256),
    st.sampled_from([0.0, 0.2, 0.5, 0.7, 0.99, 1.0, 1.5]),
    st.integers(0, 2**32 - 1),
)
def test_keep_rule_is_the_share_of_white_pixels(side, white_from, most, seed):
    """For patches of any size and rule, the decision is that of counting every pixel."""
    rng = np.random.default_rng(seed)
    light = rng.integers(0, 256, (6, 1, 1, 1)) + rng.integers(-40, 40, (6, side, side, 3))
    patches = light.clip(0, 255).astype(np.uint8)
    kept = is_kept(patches, white_from=white_from, max_white_fraction=most)
    share = (patches >= white_from).all(axis=3).mean(axis=(1, 2))
    np.testing.assert_array_equal(kept, share < most)
    np.testing.assert_array_equal(
        white_shares(patches, white_from=white_from), share.astype(np.float32)
    )


@settings(max_examples=40)
@given(st.lists(st.lists(st.booleans(), max_size=7), max_size=6), st.integers(1, 5))
def test_any_patches_come_back(tmp_path_factory, parts, per_shard):
    """Whatever is kept and dropped, and wherever shards end, plain zarr finds what was kept."""
    path = tmp_path_factory.mktemp("any") / "a.zarr"
    kept = np.array([k for part in parts for k in part], bool)
    pixels = drawn(len(kept), side=4) // 2
    pixels[~kept] = 255
    ends = np.cumsum([0, *map(len, parts)])
    given_parts = [(np.arange(a, b), pixels[a:b]) for a, b in pairwise(ends)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("microtome.io.sharded_zarr._MOST_CHUNKS", per_shard)
        grid = row_of(len(kept), patch_px=4, labels=[i % 2 for i in range(len(kept))])
        assert write_patches(path, reused(given_parts), grid, **KEEP_SOME) == kept.sum()
    group = zarr.open_group(path, mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["pixels"][:], pixels[kept])
    np.testing.assert_array_equal(group["column"][:], np.flatnonzero(kept))
    store = open_patches(path)
    assert len(store) == kept.sum()
    np.testing.assert_array_equal(store.label, np.flatnonzero(kept) % 2)
    assert store.attributes["unreadable_patches"] == 0
    for row, expected in enumerate(pixels[kept]):
        np.testing.assert_array_equal(read(store, row)[0], expected)


def test_what_a_store_says(tmp_path):
    """Beside the pixels: labels, places, geometry, and how and from where they were stored."""
    labels = [i % 3 - 1 for i in range(7)]
    path = write_store(tmp_path / "a.zarr", drawn(7), labels, codec="jpeg")
    group = zarr.open_group(path, mode="r", zarr_format=3)
    np.testing.assert_array_equal(group["label"][:], labels)
    np.testing.assert_array_equal(group["x_px"][:], np.arange(7) * SIDE)
    about = {"slide": "a", "unreadable_patches": 0, "codec": "jpeg", "jpeg_quality": 90}
    assert {**about, "patch_px": SIDE, "spacing_um": 0.5}.items() <= dict(group.attrs).items()
    store = open_patches(path)
    np.testing.assert_array_equal(store.label, labels)
    assert store.attributes == dict(group.attrs)


def test_few_files(tmp_path):
    """Thousands of patches are a handful of files: cluster file systems choke on many."""
    pixels = drawn(3000, side=4)
    path = write_store(tmp_path / "a.zarr", pixels, [0] * 3000)
    assert sum(path.is_file() for path in path.rglob("*")) < 25
    np.testing.assert_array_equal(zarr.open_group(path, mode="r")["pixels"][:], pixels)


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_the_same_patches_give_the_same_bytes(tmp_path, codec, small_shards):
    """Two stores of the same patches hold the same files, on any number of threads."""
    pixels = drawn(30)
    for name, threads, cut in (("a", 1, 30), ("b", 3, 7)):
        parts = [(np.arange(30)[i : i + cut], pixels[i : i + cut]) for i in range(0, 30, cut)]
        settings = {**KEEP_ALL, "codec": codec, "threads": threads}
        write_patches(tmp_path / name, parts, row_of(30), **settings)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_jpeg_stores_are_read_by_zarr(tmp_path, small_shards):
    """Compressed patches come back alike through zarr, this library and another JPEG decoder."""
    pixels = stained([0, 1] * 5, side=SIDE)
    path = write_store(tmp_path / "a.zarr", pixels, [0, 1] * 5, codec="jpeg")
    array = zarr.open_group(path, mode="r")["pixels"]
    store = open_patches(path)
    for row in range(10):
        np.testing.assert_array_equal(array[row], read(store, row)[0])
        other = imagecodecs.jpeg8_decode(store.pixels[0].read_bytes(row))
        np.testing.assert_array_equal(array[row], other)
        assert abs(array[row].mean() - pixels[row].mean()) < 2


def test_zarr_writes_jpeg_chunks_too(tmp_path):
    """The codec encodes as well, so that zarr can copy or change such an array."""
    path = write_store(tmp_path / "a.zarr", stained([0, 1], side=SIDE), [0, 1], codec="jpeg")
    array = zarr.open_group(path)["pixels"]
    array[1] = 0
    np.testing.assert_array_equal(read(open_patches(path), 1), 0)
    assert array.metadata.codecs[0].codecs[0].level == 90


@pytest.mark.parametrize("subsampling", ["444", "420", "rgb"])
def test_what_is_passed_through_is_the_slides_own(tmp_path, subsampling, small_shards):
    """A slide's JPEGs are stored to the byte, and read by zarr and by this library."""
    streams = jpegs(stained([0, 1] * 3, side=SIDE), subsampling)
    path = tmp_path / "a.zarr"
    assert write(path, streams, codec="pass-through") == 6
    store = open_patches(path)
    array = zarr.open_group(path, mode="r")["pixels"]
    for row, stream in enumerate(streams):
        assert store.pixels[0].read_bytes(row) == stream
        np.testing.assert_array_equal(array[row], imagecodecs.jpeg8_decode(stream))
        np.testing.assert_array_equal(read(store, row)[0], array[row])
    assert "jpeg_quality" not in store.attributes


def test_what_is_passed_through_obeys_the_keep_rule(tmp_path, caplog):
    """Mostly white JPEGs are dropped, and those that cannot be decoded count as unreadable."""
    pixels = stained([0] * 6, side=SIDE)
    pixels[[1, 4]] = 255
    streams = jpegs(pixels)
    streams[3] = streams[3][: len(streams[3]) // 2]
    path = tmp_path / "a.zarr"
    assert write(path, streams, codec="pass-through", threads=2) == 3
    np.testing.assert_array_equal(zarr.open_group(path)["column"][:], [0, 2, 5])
    assert open_patches(path).attributes["unreadable_patches"] == 1
    assert "cannot be decoded" in caplog.text


def test_nothing_is_decoded_where_every_patch_is_kept(tmp_path, monkeypatch):
    """Without a keep rule JPEGs pass undecoded; one of another size is left out all the same."""
    monkeypatch.setattr("microtome.patches.store.decode_jpeg_into", None)
    streams = jpegs(np.full((3, SIDE, SIDE, 3), 255, np.uint8))
    streams[1] = jpegs(drawn(1, side=8))[0]
    path = tmp_path / "a.zarr"
    assert write(path, streams, codec="pass-through", max_white_fraction=1.0) == 2
    assert open_patches(path).attributes["unreadable_patches"] == 1


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
def test_several_spacings(tmp_path, codec, small_shards):
    """Co-centred patches of further spacings are arrays beside, kept and dropped together."""
    pixels = np.stack([drawn(9, seed=seed) // 2 for seed in range(3)], axis=1)
    pixels[2, 1:] = 255  # white around it: no reason to drop a patch
    pixels[5, 0] = 255
    kept = [i for i in range(9) if i != 5]
    path = tmp_path / "a.zarr"
    assert write(path, pixels, codec=codec, spacings_um=(1.0, 2.5)) == 8
    group = zarr.open_group(path, mode="r")
    assert group.attrs["spacings_um"] == [0.5, 1.0, 2.5]
    names = ["pixels", "pixels_1um", "pixels_2.5um"]
    if codec == "raw":
        for spacing, name in enumerate(names):
            np.testing.assert_array_equal(group[name][:], pixels[kept, spacing])
    store = open_patches(path, spacings_um=(2.5, 1.0))
    assert store.shape == (3, SIDE, SIDE, 3)
    found = read(store, 4)
    for spacing, name in enumerate(["pixels", "pixels_2.5um", "pixels_1um"]):
        np.testing.assert_array_equal(found[spacing], group[name][4])
    assert open_patches(path).shape == (1, SIDE, SIDE, 3)


def test_a_spacing_that_was_not_stored(tmp_path):
    """A store without a spacing is named, with what to do."""
    path = write_store(tmp_path / "a.zarr", drawn(2), [0, 1])
    text = f"^{path} has no pixels_2um; delete it and run again with these spacings$"
    with pytest.raises(InputError, match=text):
        open_patches(path, spacings_um=(2.0,))


@pytest.mark.parametrize("codec", ["raw", "jpeg", "pass-through"])
@pytest.mark.parametrize("n", [0, 3])
def test_a_store_without_patches_is_valid(tmp_path, n, codec):
    """No patch in the grid, or none worth keeping: a store of length zero that opens."""
    white = np.full((n, SIDE, SIDE, 3), 255, np.uint8)
    path = tmp_path / "a.zarr"
    assert write(path, jpegs(white) if codec == "pass-through" else white, codec=codec) == 0
    group = zarr.open_group(path, mode="r")
    assert group["pixels"][:].shape == (0, SIDE, SIDE, 3)
    assert group["x_px"][:].shape == (0,)
    assert len(open_patches(path)) == 0


def test_unreadable_patches_are_counted(tmp_path):
    """A store says how many patches of its grid could not be read."""
    path, pixels = tmp_path / "a.zarr", drawn(3)
    parts = [(np.array([1]), pixels[1:2]), (np.array([], int), pixels[:0])]
    assert write_patches(path, parts, row_of(3), **KEEP_ALL) == 1
    store = open_patches(path)
    assert store.attributes["unreadable_patches"] == 2
    np.testing.assert_array_equal(read(store, 0)[0], pixels[1])
    np.testing.assert_array_equal(zarr.open_group(path)["column"][:], [1])


def test_a_full_disk_is_told(tmp_path):
    """Where no more can be written the error names the store, of which nothing is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path = tmp_path / "a.zarr"
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write(path, drawn(20), white_from=256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_no_store(tmp_path):
    """A folder that is no store, a store of something else, and none at all are named."""
    (tmp_path / "folder.zarr").mkdir()
    zarr.create_group(tmp_path / "other.zarr")
    write_store(tmp_path / "old.zarr", drawn(2), [0, 1])
    group = zarr.open_group(tmp_path / "old.zarr")
    sizes = {"shape": (2, 4, 4, 3), "chunks": (1, 4, 4, 3)}
    group.create_array("pixels", dtype="u1", overwrite=True, **sizes)
    for name in ("folder.zarr", "gone.zarr", "other.zarr", "old.zarr"):
        text = f"^{tmp_path / name} is no store of this workflow; delete it and run again$"
        with pytest.raises(InputError, match=text):
            open_patches(tmp_path / name)
