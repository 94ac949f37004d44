"""Patches are cut where the grid says, and stored in Zarr that anyone can open."""

import numpy as np
import pytest

from helpers.pictures import break_tile, grid_of, noise, shrunk, write_slide
from microtome.patches.reading import read_patches
from microtome.slides.slide import Slide

PIXELS = noise(200, 420)


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
