"""The order of patches keeps neighbours together and loses none."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.pictures import grid_of
from microtome.patches.reading_order import split_into_regions

SIDE_PX = 16384


@given(
    places=st.sets(st.tuples(st.integers(0, 900), st.integers(0, 900)), max_size=60),
    stride_px=st.sampled_from([1, 7, 64, 256, 300, 5000, 20000]),
    repeat_px=st.sampled_from([1, 240, 256, 120, 1920, 30000]),
)
def test_every_patch_is_in_one_region(places, stride_px, repeat_px):
    """Regions divide the grid; each is small, and read row by row."""
    grid = grid_of(sorted(places), patch_px=32, stride_px=stride_px)
    parts = list(split_into_regions(grid, side_px=SIDE_PX, repeat_px=repeat_px))
    assert all(len(part) for part in parts)
    together = np.concatenate([np.zeros(0, int), *parts])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(grid)))
    for part in parts:
        assert (np.diff(part) > 0).all()  # as in the grid: row by row
        for place in (grid.row[part], grid.column[part]):
            assert (int(place.max()) - int(place.min())) * stride_px < SIDE_PX


@given(places=st.sets(st.tuples(st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=60))
def test_regions_end_where_patches_and_tiles_do(places):
    """Patches of 256 px on tiles of 240 px: no two regions share a tile."""
    grid = grid_of(sorted(places), patch_px=256, stride_px=256)
    seen: set[tuple[int, int]] = set()
    for part in split_into_regions(grid, side_px=SIDE_PX, repeat_px=240):
        tiles = {
            (y, x)
            for row, column in zip(grid.row[part].tolist(), grid.column[part].tolist(), strict=True)
            for y in range(row * 256 // 240, (row * 256 + 255) // 240 + 1)
            for x in range(column * 256 // 240, (column * 256 + 255) // 240 + 1)
        }
        assert not seen & tiles
        seen |= tiles


def test_a_small_slide_is_one_region():
    """What fits into one region is read in the grid's own order."""
    grid = grid_of([(r, c) for r in range(20) for c in range(30)], patch_px=256)
    (part,) = split_into_regions(grid, side_px=SIDE_PX)
    np.testing.assert_array_equal(part, np.arange(600))
