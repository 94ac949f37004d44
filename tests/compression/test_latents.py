"""Latents read back: any patch, any region, and what is not there."""

import re
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.test_encoding import PLACES, drawn, write_and_open
from helpers.pictures import grid_of
from microtome.compression.encoding import quantize
from microtome.compression.latents import Latents, open_latents
from microtome.errors import InputError
from microtome.inference.score_store import write_scores

# Patches of 32 px are 2 x 2 cells, at 2 level-0 px a px; the slide ends within the last ones.
SCALE = 2.0
GRID = grid_of(PLACES, patch_px=32, scale=SCALE)
SIZE_PX = (432, 288)
VALUES = drawn(len(PLACES)) + 1  # never 0


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Latents:
    """Write and open the latents of a slide of 5 x 7 patches."""
    path = tmp_path_factory.mktemp("latents") / "a.zarr"
    return write_and_open(path, VALUES, GRID, size_px=SIZE_PX)


def whole_slide() -> tuple[np.ndarray, np.ndarray]:
    """Lay all cells out, with a margin of 10 cells in which nothing lies."""
    values, there = np.zeros((30, 34, 64), np.float32), np.zeros((30, 34), bool)
    for (r, c), patch in zip(PLACES, VALUES.astype(np.float16), strict=True):
        place = slice(10 + 2 * r, 12 + 2 * r), slice(10 + 2 * c, 12 + 2 * c)
        values[place], there[place] = patch, True
    return values, there


def test_levels_come_back_as_what_they_stand_for(tmp_path):
    """In uint8 each patch has its own low and step, and is off by half a step at most."""
    values = VALUES * np.arange(1, len(PLACES) + 1, dtype=np.float32)[:, None, None, None]
    latents = write_and_open(tmp_path / "a.zarr", values, GRID, precision="uint8", size_px=SIZE_PX)
    levels, low, step = (a.astype(np.float32) for a in quantize(values))
    low, step = low[:, None, None], step[:, None, None]
    found = latents.patches(np.arange(len(PLACES)))
    np.testing.assert_allclose(found, low + levels * step, rtol=1e-6)
    assert (np.abs(found - values) <= step / 2 + 1e-5).all()


def test_any_patches_in_any_order(latents):
    """All, neighbours, single ones, backwards and twice: each has its own latents, exactly."""
    for index in (np.arange(len(PLACES)), np.array([5, 4, 4, 0, 1, 2, 3, 20, len(PLACES) - 1])):
        found = latents.patches(index)
        np.testing.assert_array_equal(found, VALUES[index].astype(np.float16))
        assert found.dtype == np.float32
    assert latents.patches(np.array([], np.int64)).shape == (0, 2, 2, 64)


def test_the_store_knows_its_slide(latents):
    """Size, grid and where patches are come from the store alone."""
    assert latents.size_px == SIZE_PX
    assert latents.grid.scale == SCALE
    assert latents.present.shape == (5, 7)
    assert [tuple(p) for p in np.argwhere(latents.present).tolist()] == PLACES
    assert latents.attributes["unreadable_patches"] == 0


@settings(max_examples=60)
@given(st.integers(-300, 480), st.integers(-300, 340), st.integers(1, 140), st.integers(1, 140))
def test_any_region(latents, x_px, y_px, width_px, height_px):
    """Across patch borders and beyond the slide: the cells touched, 0 where there is none."""
    values, known = whole_slide()
    found, there = latents.region(x_px, y_px, width_px, height_px)
    top, left = y_px // 32, x_px // 32
    bottom, right = -(-(y_px + 2 * height_px) // 32), -(-(x_px + 2 * width_px) // 32)
    assert found.dtype == np.float32
    assert found.shape == (bottom - top, right - left, 64)
    assert there.shape == found.shape[:2]
    assert (found[~there] == 0).all()
    rows, columns = np.arange(top, bottom) + 10, np.arange(left, right) + 10
    inside = np.ix_((rows >= 0) & (rows < 30), (columns >= 0) & (columns < 34))
    cells = np.ix_(rows[(rows >= 0) & (rows < 30)], columns[(columns >= 0) & (columns < 34)])
    np.testing.assert_array_equal(found[inside], values[cells])
    np.testing.assert_array_equal(there[inside], known[cells])
    assert there.sum() == known[cells].sum()


# With these, floats put a corner a little before its patch, or an end a little behind it.
@pytest.mark.parametrize("scale", [1.9, 1.334])
def test_regions_of_patches_touch_no_others(tmp_path, scale):
    """What falls on a patch's edges, but for rounding, is that patch alone."""
    grid = grid_of(PLACES, patch_px=32, scale=scale)
    size_px = int(7 * 32 * scale), int(5 * 32 * scale)
    latents = write_and_open(tmp_path / "a.zarr", VALUES, grid, size_px=size_px)
    for i in range(len(grid)):
        found, there = latents.region(grid.x_px[i], grid.y_px[i], 32, 32)
        np.testing.assert_array_equal(found, VALUES[i].astype(np.float16))
        assert there.all()


def test_only_what_is_touched_is_read(tmp_path):
    """A damaged patch is an error for those who ask for it, and for nobody else."""
    whole = write_and_open(tmp_path / "a.zarr", VALUES, GRID, size_px=SIZE_PX)
    lost = PLACES.index((2, 3))
    shard = tmp_path / "a.zarr" / "latents" / "c.0.0.0"
    start, end = np.cumsum(whole.n_bytes - 16)[lost - 1 : lost + 1].tolist()
    content = shard.read_bytes()
    shard.write_bytes(content[:start] + b"\xff" * (end - start) + content[end:])
    latents = open_latents(tmp_path / "a.zarr")
    others = np.delete(np.arange(len(PLACES)), lost)
    for i in others:
        np.testing.assert_array_equal(
            latents.patches(np.array([i]))[0], VALUES[i].astype(np.float16)
        )
    values, _ = whole_slide()
    np.testing.assert_array_equal(latents.region(0, 0, 216, 64)[0][:, :13], values[10:14, 10:23])
    text = f"{tmp_path / 'a.zarr'} is damaged"
    with pytest.raises(InputError, match=f"^{re.escape(text)} .*; delete it and run again$"):
        latents.region(192, 128, 1, 1)
    with pytest.raises(InputError, match="is damaged"):
        latents.patches(np.array([lost]))


def test_a_missing_file_is_no_glass(tmp_path):
    """A shard that is gone is an error, not a part of the slide without tissue."""
    write_and_open(tmp_path / "a.zarr", VALUES, GRID, size_px=SIZE_PX)
    (tmp_path / "a.zarr" / "latents" / "c.0.0.0").unlink()
    with pytest.raises(InputError, match=r"is damaged \(c\.0\.0\.0 is not there\); delete it"):
        open_latents(tmp_path / "a.zarr")


def test_other_stores_hold_no_latents(tmp_path):
    """A store of scores, or none at all, is said to be none of latents."""
    grid = grid_of([(0, 0)], patch_px=32)
    parts = [(np.array([0]), {"probability": np.ones((1, 1, 1))})]
    write_scores(tmp_path / "s.zarr", parts, grid, origin={})
    with pytest.raises(InputError, match=r"s\.zarr holds no latents; delete it and run again$"):
        open_latents(tmp_path / "s.zarr")
    shutil.rmtree(tmp_path / "s.zarr")
    with pytest.raises(InputError, match="is no store of this workflow"):
        open_latents(tmp_path / "s.zarr")


def test_a_slide_of_which_nothing_could_be_read(tmp_path):
    """Without any patch there is a store, empty, that says so."""
    latents = write_and_open(tmp_path / "a.zarr", VALUES, GRID, parts=[], size_px=SIZE_PX)
    assert len(latents.grid) == 0
    assert latents.attributes["unreadable_patches"] == len(PLACES)
    found, there = latents.region(0, 0, 224, 160)
    assert not found.any()
    assert not there.any()
