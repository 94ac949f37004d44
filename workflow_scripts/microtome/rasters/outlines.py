"""The outlines of a mask's pieces, traced from the ends of its runs.

Memory grows with the outline, not with the area: for each row only the columns are kept where the
mask begins and ends. Straight sides are joined to one edge, edges are linked corner to corner into
rings, and rings that bound the same run of pixels belong to the same piece.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from microtome.rasters.bands import ReadRows, band_rows, bands


@dataclass(frozen=True)
class Outlines:
    """The pieces (4-connected) of a mask, their corners cut.

    A ring runs through the middles of the first and the last pixel side of every straight part,
    so a corner is cut by half a pixel each way. Every pixel's centre stays on its side, and at
    least 0.35 px away; no two rings touch, whatever pieces meet at a corner.

    Attributes
    ----------
    points : ndarray of shape (n_points, 2), float64
        x and y in px, ring after ring; pixel (r, c) covers c to c + 1 and r to r + 1. The last
        point of a ring repeats its first. Outer rings run clockwise as seen on the screen, holes
        the other way round.
    ring_ends : ndarray of shape (n_rings + 1,), int64
        Ring i is ``points[ring_ends[i] : ring_ends[i + 1]]``.
    piece_ends : ndarray of shape (n_pieces + 1,), int64
        Piece i has the rings ``piece_ends[i]`` to ``piece_ends[i + 1]``, the outer one first.
        The pieces are in the order of their leftmost pixels.
    area_px : ndarray of shape (n_pieces,), int64
        Pixels of every piece.
    """

    points: np.ndarray
    ring_ends: np.ndarray
    piece_ends: np.ndarray
    area_px: np.ndarray


def trace_outlines(
    rows: ReadRows, shape: tuple[int, int], *, n_rows: int | None = None
) -> Outlines:
    """Trace the pieces of a mask, rows of bool, in bands of `n_rows`.

    Examples
    --------
    A single pixel becomes a diamond, since its corners are cut:

    >>> mask = np.array([[False, False], [False, True]])
    >>> found = trace_outlines(lambda first, n: mask[first : first + n], mask.shape)
    >>> found.points.tolist(), found.area_px.tolist()
    ([[1.0, 1.5], [1.5, 1.0], [2.0, 1.5], [1.5, 2.0], [1.0, 1.5]], [1])
    """
    y, x = _find_run_ends(rows, shape, n_rows or band_rows(shape[1]))
    is_right = np.arange(len(x)) % 2 == 1  # of its run: start, end, start, end ...
    if not len(x):
        nowhere = np.zeros(1, np.int64)
        return Outlines(np.empty((0, 2)), nowhere, nowhere, np.empty(0, np.int64))
    edges, edge_of_end = _join_edges(x, y, is_right)
    following = _find_next_edges(edges)
    ring, order = _find_rings(following)
    ring_of_end = ring[edge_of_end]
    piece = _find_pieces(ring_of_end)
    points, n_points = _cut_corners(edges, following, order)
    area_px = np.bincount(piece[ring_of_end[::2]], x[1::2] - x[::2]).astype(np.int64)
    # Edges are sorted by x, and components numbered by their first members: of a piece's rings the
    # outer one comes first.
    by_piece = np.argsort(piece, kind="stable")
    n_of_ring = np.bincount(ring[order], n_points, minlength=len(piece)).astype(np.int64)
    taken, ring_ends = _regroup(n_of_ring, by_piece)
    points = points[taken]
    # The first point of every ring is repeated behind its last.
    points = np.insert(points, ring_ends[1:], points[ring_ends[:-1]], axis=0)
    ring_ends += np.arange(len(ring_ends))
    return Outlines(points, ring_ends, _sum_to_ends(np.bincount(piece)), area_px)


class _Edges(NamedTuple):
    """Vertical edges, each ndarray of shape (n,); by x, then from the top down."""

    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    is_right: np.ndarray  # of its piece


def _find_run_ends(
    rows: ReadRows, shape: tuple[int, int], n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (int64) where runs start and end, from left to right in each row."""
    found = [np.empty((2, 0), np.int64)]
    for first, n in bands(shape[0], n_rows):
        padded = np.pad(rows(first, n), ((0, 0), (1, 1)))
        y, x = np.nonzero(padded[:, 1:] != padded[:, :-1])
        found.append(np.stack([y + first, x]))
    return tuple(np.concatenate(found, axis=1))


def _join_edges(x: np.ndarray, y: np.ndarray, is_right: np.ndarray) -> tuple[_Edges, np.ndarray]:
    """Join the ends of runs below each other to vertical edges; also give the edge of each end."""
    order = np.lexsort((y, x))
    x, y, is_right = x[order], y[order], is_right[order]
    goes_on = (np.diff(x) == 0) & (np.diff(y) == 1) & (is_right[1:] == is_right[:-1])
    starts = np.concatenate([[True], ~goes_on])
    stops = np.concatenate([~goes_on, [True]])
    edge_of_end = np.empty(len(order), np.int64)
    edge_of_end[order] = np.cumsum(starts) - 1
    return _Edges(x[starts], y[starts], y[stops] + 1, is_right[starts]), edge_of_end


def _find_next_edges(edges: _Edges) -> np.ndarray:
    """Find the vertical edge that follows each one around its ring.

    Rings run down the right side of a piece and up its left side. Along a line between two rows
    of pixels, corners from left to right are the two ends of one horizontal edge, then of the
    next. If two pixels touch only by a corner, the left one comes first, so the two stay apart.
    """
    n = len(edges.x)
    corner_y = np.concatenate([edges.top, edges.bottom])
    order = np.lexsort((np.tile(~edges.is_right, 2), np.tile(edges.x, 2), corner_y))
    partner = np.empty(2 * n, np.int64)
    partner[order[::2]], partner[order[1::2]] = order[1::2], order[::2]
    head = np.arange(n) + np.where(edges.is_right, n, 0)
    return partner[head] % n


def _find_rings(following: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the ring of each edge, and put the edges in order ring after ring."""
    n = len(following)
    graph = coo_array((np.ones(n, bool), (np.arange(n), following)), shape=(n, n))
    _, ring = connected_components(graph, directed=False)
    first = np.unique(ring, return_index=True)[1]
    # List ranking by pointer jumping (Wyllie 1979): count the steps to the last edge of the ring,
    # which is the one before its first.
    is_first = np.zeros(n, bool)
    is_first[first] = True
    is_last = is_first[following]
    jump = np.where(is_last, np.arange(n), following)
    steps = (~is_last).astype(np.int64)
    while (ahead := steps[jump]).any():
        steps += ahead
        jump = jump[jump]
    return ring, np.lexsort((-steps, ring))


def _find_pieces(ring_of_end: np.ndarray) -> np.ndarray:
    """Find the piece of each ring: both ends of a run of pixels belong to the same piece."""
    left, right = ring_of_end[::2], ring_of_end[1::2]
    n = int(ring_of_end.max()) + 1
    graph = coo_array((np.ones(len(left), bool), (left, right)), shape=(n, n))
    _, piece = connected_components(graph, directed=False)
    return piece


def _cut_corners(
    edges: _Edges, following: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the edges in `order` and of the horizontal edge after each, and their numbers."""
    x, top, bottom, is_right = edges
    down = np.where(is_right, 1, -1)
    tail, head = np.where(is_right, top, bottom), np.where(is_right, bottom, top)
    to_x = x[following]
    across = np.sign(to_x - x)
    points = np.stack(
        [
            np.stack([x, tail + down / 2], axis=1),
            np.stack([x, head - down / 2], axis=1),
            np.stack([x + across / 2, head], axis=1),
            np.stack([to_x - across / 2, head], axis=1),
        ],
        axis=1,
    )[order]
    # A side of one pixel has one middle, not two.
    keep = np.ones(points.shape[:2], bool)
    keep[:, 1::2] = (points[:, 1::2] != points[:, ::2]).any(axis=2)
    return points[keep], keep.sum(axis=1)


def _sum_to_ends(sizes: np.ndarray) -> np.ndarray:
    """Where groups of these sizes end, preceded by 0."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _regroup(sizes: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices that put groups of these sizes in another order, and where the groups then end."""
    ends = _sum_to_ends(sizes[order])
    shift = _sum_to_ends(sizes)[:-1][order] - ends[:-1]
    return np.arange(ends[-1]) + np.repeat(shift, sizes[order]), ends
