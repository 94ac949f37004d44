"""Cutting the patches of a grid out of a slide."""

from collections.abc import Iterator

import numpy as np

from microtome.errors import InputError
from microtome.grids import Grid
from microtome.logs import log
from microtome.slides import Slide

# Neighbours are read as one strip, so that pixels they share are decoded once; so many at most.
_STRIP_PATCHES = 32


def read_patches(slide: Slide, grid: Grid) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the patches of a grid, in the grid's order.

    Parameters
    ----------
    slide : Slide
        Opened slide.
    grid : Grid
        Its patches.

    Yields
    ------
    index : ndarray of shape (n,), int64
        Which patches of the grid these are.
    pixels : ndarray of shape (n, patch_px, patch_px, 3), uint8
        RGB. Patches that cannot be decoded are left out, with a warning in the log.
    """
    side, stride = grid.patch_px, grid.stride_px
    for index in _strips(grid):
        column = grid.column[index]
        width = int(column[-1] - column[0]) * stride + side
        corner = float(grid.x_px[index[0]]), float(grid.y_px[index[0]])
        try:
            strip = slide.read(*corner, width, side, scale=grid.scale)
        except InputError as error:
            if len(index) == 1:
                log.warning("%s", error)
                continue
            # One broken tile must not cost its neighbours: read the strip patch by patch.
            for i in index:
                yield from (
                    (np.array([i]), pixels)
                    for _, pixels in read_patches(slide, grid.subset(np.array([i])))
                )
            continue
        left = (column - column[0]) * stride
        # Views into the strip, copied once: (n, side, side, 3).
        windows = np.lib.stride_tricks.sliding_window_view(strip, side, axis=1)[:, left]
        yield index, np.ascontiguousarray(np.moveaxis(windows, (1, 3), (0, 2)))


def _strips(grid: Grid) -> Iterator[np.ndarray]:
    """Runs of patches of one row whose neighbours touch or overlap."""
    if not len(grid):
        return
    gap = -(-grid.patch_px // grid.stride_px)  # so many columns on, patches no longer overlap
    new = (np.diff(grid.row) != 0) | (np.diff(grid.column) > gap)
    for run in np.split(np.arange(len(grid)), np.flatnonzero(new) + 1):
        for first in range(0, len(run), _STRIP_PATCHES):
            yield run[first : first + _STRIP_PATCHES]
