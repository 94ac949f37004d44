"""Patches cut from strips, if they have to be resampled or the slide has no tiles to read."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import numpy as np

from microtome.errors import InputError
from microtome.logs import log
from microtome.parallel.prefetch import map_ahead
from microtome.patches.grid import Grid
from microtome.patches.reading_order import split_into_regions
from microtome.patches.tile_plan import find_corners
from microtome.slides.slide import Slide

# Most neighbours that are read as one strip, so that shared pixels are decoded once.
_STRIP_PATCHES = 16
# Narrow enough that tiles of a row are still in the slide's cache when the next row needs them.
_REGION_PX = 4096


def read_strips(
    slide: Slide, grid: Grid, scales: list[float], *, threads: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the patches of a grid, at one or several level-0 px per patch px, row by row.

    Gives what `microtome.patches.reading.read_patches` does, of shape
    (n, n_scales, patch_px, patch_px, 3), the grid's own scale first.
    """
    regions = split_into_regions(grid, side_px=_REGION_PX)
    strips = (strip for region in regions for strip in _strips(grid, region))
    work = partial(_read, slide, grid, scales)
    with closing(map_ahead(work, strips, workers=threads if threads > 1 else 0)) as results:
        for parts in results:
            yield from parts


def _read(
    slide: Slide, grid: Grid, scales: list[float], index: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    side = grid.patch_px
    pixels = np.empty((len(index), len(scales), side, side, 3), np.uint8)
    left = (grid.column[index] - grid.column[index[0]]) * grid.stride_px
    part = grid.subset(index)
    try:
        for i, scale in enumerate(scales):
            x_px, y_px = find_corners(part, scale)
            if scale == scales[0]:
                strip = slide.read(x_px[0], y_px[0], int(left[-1]) + side, side, scale=scale)
                windows = np.lib.stride_tricks.sliding_window_view(strip, side, axis=1)[:, left]
                pixels[:, i] = np.moveaxis(windows, (1, 3), (0, 2))
            else:
                for n, corner in enumerate(zip(x_px, y_px, strict=True)):
                    pixels[n, i] = slide.read(*corner, side, side, scale=scale)
    except InputError as error:
        if len(index) == 1:
            log.warning("%s", error)
            return []
        # One broken tile must not affect its neighbours: read the strip patch by patch.
        return [part for i in index for part in _read(slide, grid, scales, np.array([i]))]
    return [(index, pixels)]


def _strips(grid: Grid, region: np.ndarray) -> Iterator[np.ndarray]:
    """Divide a region into runs of patches in one row that touch or overlap."""
    gap = -(-grid.patch_px // grid.stride_px)  # patches this many columns apart do not overlap
    row, column = grid.row[region], grid.column[region]
    new = (np.diff(row) != 0) | (np.diff(column) > gap)
    for run in np.split(region, np.flatnonzero(new) + 1):
        for first in range(0, len(run), _STRIP_PATCHES):
            yield run[first : first + _STRIP_PATCHES]
