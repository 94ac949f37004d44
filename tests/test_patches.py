"""Patches are cut where the grid says, and stored in Zarr that anyone can open."""

from itertools import pairwise

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.batching import batches
from microtome.errors import InputError
from microtome.patch_stores import is_kept, open_patches, write_patches
from microtome.patches import read_patches
from microtome.score_stores import open_scores, score_attributes, write_scores
from microtome.slides import Slide
from pictures import break_tile, grid_of, noise, shrunk, write_slide

PIXELS = noise(200, 420)
KEEP_ALL = {"codec": "none", "white_from": 256, "max_white_fraction": 0.5}


@pytest.fixture
def slide(tmp_path):
    """Open a slide of 420 x 200 px."""
    with Slide(write_slide(tmp_path / "a.svs", PIXELS), name="a") as opened:
        yield opened


def all_of(slide, grid) -> tuple[np.ndarray, np.ndarray]:
    """Read all patches of a grid: their indices and pixels."""
    parts = list(read_patches(slide, grid))
    return np.concatenate([i for i, _ in parts]), np.concatenate([p for _, p in parts])


@pytest.mark.parametrize("stride", [16, 11, 32, 40])
def test_patches_are_the_slide_at_their_places(slide, stride):
    """Patches that overlap, touch or lie apart are the slide's own pixels, in the grid's order."""
    places = [(r, c) for r in range(3) for c in range(8) if (r, c) not in {(0, 3), (0, 4), (2, 0)}]
    grid = grid_of(places, patch_px=32, stride_px=stride)
    index, pixels = all_of(slide, grid)
    np.testing.assert_array_equal(index, np.arange(len(places)))
    for (row, column), patch in zip(places, pixels, strict=True):
        y, x = row * stride, column * stride
        np.testing.assert_array_equal(patch, PIXELS[y : y + 32, x : x + 32])


def test_patches_at_a_coarser_scale(slide):
    """At scale 2 patches are the slide averaged two by two."""
    grid = grid_of([(0, 0), (0, 1), (1, 5)], patch_px=32, stride_px=16, scale=2.0)
    _, pixels = all_of(slide, grid)
    coarse = shrunk(PIXELS, 2)
    assert np.abs(pixels[2] - coarse[16:48, 80:112]).max() <= 0.51


def test_a_long_row_is_not_cut_short(tmp_path):
    """A row of more patches than are read in one go has all of them."""
    pixels = noise(16, 80 * 8 + 8)
    with Slide(write_slide(tmp_path / "a.svs", pixels, downsamples=(1,)), name="a") as slide:
        index, found = all_of(slide, grid_of([(0, c) for c in range(80)], patch_px=16, stride_px=8))
    np.testing.assert_array_equal(index, np.arange(80))
    np.testing.assert_array_equal(found[79], pixels[:, 632:648])


def test_what_hangs_over_the_edge_is_white(slide):
    """A patch over the right and lower edge has the slide's pixels, and white beyond them."""
    grid = grid_of([(1, 3)], patch_px=128)  # from (384, 128) on, of 420 x 200
    _, pixels = all_of(slide, grid)
    np.testing.assert_array_equal(pixels[0, :72, :36], PIXELS[128:, 384:])
    assert (pixels[0, 72:] == 255).all()
    assert (pixels[0, :, 36:] == 255).all()


def test_no_patches_of_an_empty_grid(slide):
    """A grid without patches reads nothing."""
    assert not list(read_patches(slide, grid_of([], patch_px=32)))


def test_unreadable_patches_are_left_out_their_neighbours_are_not(tmp_path, caplog):
    """One broken tile of 64 px costs the patches that touch it and no other."""
    path = write_slide(tmp_path / "a.svs", PIXELS)
    break_tile(path, row=1, column=2)  # x 128-192, y 64-128
    places = [(r, c) for r in range(6) for c in range(12)]
    touched = {(r, c) for r in (2, 3) for c in (4, 5)}
    grid = grid_of(places, patch_px=32)
    with Slide(path, name="a") as slide:
        index, pixels = all_of(slide, grid)
    assert [places[i] for i in index] == [p for p in places if p not in touched]
    for i, patch in zip(index, pixels, strict=True):
        y, x = (32 * n for n in places[i])
        np.testing.assert_array_equal(patch, PIXELS[y : y + 32, x : x + 32])
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 4
    assert all("cannot be read at x=" in line for line in warned)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 7))
def test_batches_lose_nothing(sizes, size):
    """Parts of any length become full batches in order, the last with what is left."""
    ends = np.cumsum([0, *sizes])
    parts = [(np.arange(a, b), np.arange(a, b)[:, None] * 10) for a, b in pairwise(ends)]
    found = list(batches(iter(parts), size))
    total = int(ends[-1])
    rest = [total % size] if total % size else []
    assert [len(index) for index, _ in found] == [size] * (total // size) + rest
    flat = [int(i) for index, _ in found for i in index]
    assert flat == list(range(total))
    for index, pixels in found:
        np.testing.assert_array_equal(pixels[:, 0], index * 10)


def test_keep_rule():
    """White means R, G and B all from 210 on; a patch with 70 % of it is dropped."""
    patches = np.full((4, 10, 10, 3), 100, np.uint8)
    patches[0].reshape(-1, 3)[:69] = 210
    patches[1].reshape(-1, 3)[:70] = 210
    patches[2] = (255, 255, 209)  # pink is not white
    patches[3] = 255
    kept = is_kept(patches, white_from=210, max_white_fraction=0.7)
    np.testing.assert_array_equal(kept, [True, False, True, False])


@pytest.mark.parametrize("codec", ["none", "zstd"])
@pytest.mark.parametrize("n", [1, 255, 256, 257, 600])
def test_stored_patches_come_back(tmp_path, codec, n):
    """Any number of patches, in parts of any size, is read back with plain Zarr v3."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    labels = [i % 3 - 1 for i in range(n)]
    grid = grid_of([(0, i) for i in range(n)], patch_px=4, labels=labels)
    parts = [(np.arange(n)[i : i + 50], pixels[i : i + 50]) for i in range(0, n, 50)]
    path = tmp_path / "a.zarr"
    stored = write_patches(path, parts, grid, origin={"slide": "a"}, **{**KEEP_ALL, "codec": codec})
    group = zarr.open_group(path, mode="r", zarr_format=3)
    assert stored == n
    np.testing.assert_array_equal(group["pixels"][:], pixels)
    np.testing.assert_array_equal(group["label"][:], labels)
    np.testing.assert_array_equal(group["x_px"][:], np.arange(n) * 4)
    assert group.attrs["slide"] == "a"
    assert group.attrs["unreadable_patches"] == 0
    assert (group.attrs["patch_px"], group.attrs["spacing_um"]) == (4, 0.5)


def test_few_files(tmp_path):
    """A thousand patches are a handful of files: cluster file systems choke on many."""
    n = 1000
    grid = grid_of([(0, i) for i in range(n)], patch_px=4)
    pixels = np.zeros((n, 4, 4, 3), np.uint8) + np.arange(n, dtype=np.uint8)[:, None, None, None]
    write_patches(tmp_path / "a.zarr", [(np.arange(n), pixels)], grid, origin={}, **KEEP_ALL)
    assert sum(path.is_file() for path in (tmp_path / "a.zarr").rglob("*")) < 25


def test_the_same_patches_give_the_same_bytes(tmp_path):
    """Two stores of the same patches hold the same files."""
    grid = grid_of([(0, i) for i in range(300)], patch_px=4, labels=[1] * 300)
    pixels = np.random.default_rng(1).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)
    for name in ("a", "b"):
        parts = [(np.arange(300), pixels)]
        write_patches(tmp_path / name, parts, grid, origin={"slide": "a"}, **KEEP_ALL)

    def content(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_mostly_white_patches_are_not_stored(tmp_path):
    """What the keep rule drops is neither stored nor counted as unreadable."""
    pixels = np.full((5, 4, 4, 3), 100, np.uint8)
    pixels[[1, 3]] = 255
    grid = grid_of([(0, i) for i in range(5)], patch_px=4, labels=[0, 0, 1, 1, 1])
    rule = {"codec": "none", "white_from": 210, "max_white_fraction": 0.7}
    path = tmp_path / "a.zarr"
    assert write_patches(path, [(np.arange(5), pixels)], grid, origin={}, **rule) == 3
    store = open_patches(path)
    np.testing.assert_array_equal(store.label, [0, 1, 1])
    assert store.pixels.shape == (3, 4, 4, 3)
    assert store.attributes["unreadable_patches"] == 0
    np.testing.assert_array_equal(zarr.open_group(path)["column"][:], [0, 2, 4])


@pytest.mark.parametrize("n", [0, 3])
def test_a_store_without_patches_is_valid(tmp_path, n):
    """No patch in the grid, or none worth keeping: a store of length zero that opens."""
    white = np.full((n, 4, 4, 3), 255, np.uint8)
    grid = grid_of([(0, i) for i in range(n)], patch_px=4)
    rule = {"codec": "none", "white_from": 210, "max_white_fraction": 0.7}
    path = tmp_path / "a.zarr"
    assert write_patches(path, [(np.arange(n), white)], grid, origin={}, **rule) == 0
    store = open_patches(path)
    assert store.pixels[:].shape == (0, 4, 4, 3)
    assert len(store.label) == 0
    assert zarr.open_group(path, mode="r")["x_px"][:].shape == (0,)


def test_unreadable_patches_are_counted(tmp_path):
    """A broken tile leaves a store that says how many patches it lacks."""
    slide_path = write_slide(tmp_path / "a.svs", PIXELS)
    break_tile(slide_path, row=0, column=0)
    grid = grid_of([(r, c) for r in range(2) for c in range(4)], patch_px=64)
    path = tmp_path / "a.zarr"
    with Slide(slide_path, name="a") as slide:
        assert write_patches(path, read_patches(slide, grid), grid, origin={}, **KEEP_ALL) == 7
    store = open_patches(path)
    assert store.attributes["unreadable_patches"] == 1
    np.testing.assert_array_equal(store.pixels[0], PIXELS[:64, 64:128])
    np.testing.assert_array_equal(zarr.open_group(path)["row"][:], [0, 0, 0, 1, 1, 1, 1])


def test_failure_leaves_no_store(tmp_path):
    """Reading that fails half way leaves the old store, and no half of a new one."""
    grid = grid_of([(0, 0), (0, 1)], patch_px=4)
    pixels = np.full((1, 4, 4, 3), 7, np.uint8)
    path = tmp_path / "a.zarr"
    write_patches(path, [(np.array([0]), pixels)], grid, origin={}, **KEEP_ALL)

    def failing():
        yield np.array([0]), pixels + 1
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_patches(path, failing(), grid, origin={}, **KEEP_ALL)
    assert open_patches(path).pixels[0].max() == 7
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_scores_come_back_in_the_order_of_the_grid(tmp_path):
    """Scores given in any order are stored by patch; those that are missing are counted."""
    grid = grid_of(
        [(0, i) for i in range(6)], patch_px=8, stride_px=4, scale=1.5, labels=[0, 1] * 3
    )
    maps = np.random.default_rng(0).random((6, 2, 2)).astype(np.float32)
    parts = [(np.array([4, 3]), maps[[4, 3]]), (np.array([0]), maps[[0]])]
    path = tmp_path / "a.zarr"
    write_scores(path, parts, grid, origin={"model": "m"})
    scores = open_scores(path)
    np.testing.assert_array_equal(scores.probability, maps[[0, 3, 4]])
    np.testing.assert_array_equal(scores.grid.column, [0, 3, 4])
    np.testing.assert_array_equal(scores.grid.label, [0, 1, 0])
    assert (scores.grid.scale, scores.grid.patch_px, scores.grid.stride_px) == (1.5, 8, 4)
    assert score_attributes(path) == scores.attributes
    assert (scores.attributes["model"], scores.attributes["unreadable_patches"]) == ("m", 3)


def test_no_scores_at_all(tmp_path):
    """A slide none of whose patches could be read has an empty store of scores."""
    grid = grid_of([(0, 0)], patch_px=8)
    write_scores(tmp_path / "a.zarr", [], grid, origin={})
    scores = open_scores(tmp_path / "a.zarr")
    assert len(scores.grid) == 0
    assert scores.attributes["unreadable_patches"] == 1


def test_a_patch_scored_twice_is_a_fault(tmp_path):
    """Scoring a patch twice would weight it twice: it stops the program."""
    part = (np.array([0]), np.zeros((1, 1, 1), np.float32))
    with pytest.raises(ValueError, match="scored twice"):
        write_scores(tmp_path / "a.zarr", [part, part], grid_of([(0, 0)], patch_px=8), origin={})


def test_no_store(tmp_path):
    """A folder that is no store, and one that is not there, are named with what to do."""
    (tmp_path / "folder.zarr").mkdir()
    for name in ("folder.zarr", "gone.zarr"):
        text = f"^{tmp_path / name} is no store of this workflow; delete it and run again$"
        with pytest.raises(InputError, match=text):
            open_patches(tmp_path / name)
        with pytest.raises(InputError, match=text):
            open_scores(tmp_path / name)
