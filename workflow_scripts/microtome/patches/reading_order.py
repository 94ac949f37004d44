"""The order in which a slide's patches are read: neighbours together, in little memory."""

from collections.abc import Iterator

import numpy as np

from microtome.patches.grid import Grid


def split_into_regions(grid: Grid, *, side_px: int, repeat_px: int = 1) -> Iterator[np.ndarray]:
    """Divide a grid into squares, each read row by row.

    Tiles that neighbours share are decoded once within a region and kept for no more than one row
    of it, so memory does not grow with the slide. Tiles that two regions share, about one row or
    column in sixty, are decoded twice. Patches and tiles have common edges every `repeat_px` patch
    px; regions end there if `side_px`, the largest side of a square in patch px, allows it.

    Yields indices of patches in the grid, ndarrays of shape (n,), int64.
    """
    side = max(1, side_px // grid.stride_px)
    repeat = int(np.lcm(repeat_px, grid.stride_px)) // grid.stride_px
    if repeat <= side:
        side -= side % repeat
    across = grid.column // side
    down = grid.row // side
    order = np.lexsort((down, across))  # stable: rows and columns stay in their order
    new = np.flatnonzero((np.diff(across[order]) != 0) | (np.diff(down[order]) != 0)) + 1
    for part in np.split(order, new):
        if len(part):
            yield part
