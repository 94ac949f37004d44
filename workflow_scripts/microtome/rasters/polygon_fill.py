"""Filling polygons exactly, a band of rows at a time.

A pixel belongs to a polygon if its centre does, by the even-odd rule: scanline filling as in
Foley, van Dam et al., "Computer Graphics: Principles and Practice". Every row cuts the edges that
cross it; between the first and second cut, the third and fourth and so on lies the inside.
Coordinates are compared, not rounded, so that bands fit together without seams.
"""

from collections.abc import Sequence

import numpy as np


def fill_rings(
    rings: Sequence[np.ndarray], *, first_row: int, n_rows: int, width_px: int, scale: float
) -> np.ndarray:
    """Fill rings by the even-odd rule in the rows `first_row` to `first_row + n_rows`.

    Rings, each (n, 2), are corners x, y in level-0 px, anywhere; the last point may repeat the
    first. `scale` are level-0 px per pixel of the mask: (r, c) has its centre at
    ((c + .5) * scale, (r + .5) * scale). The result has the shape (n_rows, width_px), bool.

    Examples
    --------
    >>> square = np.array([[1, 1], [3, 1], [3, 2], [1, 2]])
    >>> fill_rings([square], first_row=0, n_rows=3, width_px=4, scale=1).astype(int)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    band = np.zeros((n_rows, width_px), dtype=bool)
    paint_edges(band, list_edges(rings), value=True, first_row=first_row, scale=scale)
    return band


def list_edges(rings: Sequence[np.ndarray]) -> np.ndarray:
    """List the edges of rings, each (n, 2), which `paint_edges` needs for each band.

    The result is an ndarray of shape (n_edges, 4), float64: x, y of the upper end (smaller y), then
    of the lower; sorted by the upper y, horizontal edges left out.
    """
    each = [np.hstack([ring, np.roll(ring, -1, axis=0)]) for ring in rings]
    edges = np.concatenate([np.empty((0, 4)), *each])
    edges = edges[edges[:, 1] != edges[:, 3]].astype(np.float64)
    # Always from the upper end, so that two polygons sharing an edge cut a row at the same x.
    edges = np.where(edges[:, 1:2] > edges[:, 3:4], edges[:, [2, 3, 0, 1]], edges)
    return edges[np.argsort(edges[:, 1], kind="stable")]


def paint_edges(
    band: np.ndarray, edges: np.ndarray, *, value: bool, first_row: int, scale: float
) -> None:
    """Set the pixels inside closed rings to `value`, in place; only edges in the band cost time.

    The band, (n_rows, width), bool, are the rows of the mask from `first_row` on, at `scale`
    level-0 px per pixel; the edges come from `list_edges`.
    """
    n_rows, width = band.shape
    if band.size == 0:
        return
    row_y = (np.arange(first_row, first_row + n_rows) + 0.5) * scale
    edges = edges[: np.searchsorted(edges[:, 1], row_y[-1], side="right")]
    edges = edges[edges[:, 3] > row_y[0]]
    row, x = _cut_edges(edges, row_y)
    if len(row) == 0:
        return
    # A pixel is right of a cut if its centre is at or right of it.
    column = np.searchsorted((np.arange(width) + 0.5) * scale, x)
    top, bottom, left, right = row.min(), row.max() + 1, column.min(), column.max()
    window = band[top:bottom, left:right]
    # Read row after row, inside and outside alternate from cut to cut: every row has an even
    # number of cuts, so each starts outside.
    cuts = np.sort((row - top) * (right - left) + column - left)
    lengths = np.diff(cuts, prepend=0, append=window.size)
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(window.shape)
    if value:
        window |= inside
    else:
        window &= ~inside


def is_inside_rings(points: np.ndarray, rings: Sequence[np.ndarray]) -> np.ndarray:
    """Tell which points, (n, 2), lie inside rings, each (m, 2), by the even-odd rule: (n,), bool.

    Memory grows with points times edges: ask for few points.
    """
    x, y = np.asarray(points, dtype=np.float64).T[:, :, None]
    x_top, y_top, x_bottom, y_bottom = list_edges(rings).T
    crossed = (y_top <= y) & (y < y_bottom)
    cut_x = x_top + (x_bottom - x_top) * ((y - y_top) / (y_bottom - y_top))
    return np.count_nonzero(crossed & (cut_x <= x), axis=1) % 2 == 1


def _cut_edges(edges: np.ndarray, row_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut each edge with the rows that cross it: row index and x of each cut.

    An edge takes the rows from its upper end up to but without its lower end, so that a row
    through a corner cuts exactly one of the two edges that pass through it.
    """
    start = np.searchsorted(row_y, edges[:, 1])
    count = np.searchsorted(row_y, edges[:, 3]) - start
    edge = np.repeat(np.arange(len(edges)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - start, count)
    x_top, y_top, x_bottom, y_bottom = edges[edge].T
    return row, x_top + (x_bottom - x_top) * ((row_y[row] - y_top) / (y_bottom - y_top))
