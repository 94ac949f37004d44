"""Regions of a mask about seeds, each as far as the next one's, and their outlines.

A watershed from the same seeds would divide what touches as well, but how it divides two regions
may depend on a third that touches one of them, and so on without end. Here it depends on what is
near, so a mask may be cut into windows that overlap.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from scipy import ndimage

from microtome.rasters.bands import rows_of
from microtome.rasters.outlines import trace_outlines

# Steps to a neighbour of a side and of a corner: whole numbers, so that sums are exact. Distances
# are at most 8 % too long and 1 % too short.
_SIDE, _CORNER, _STRAIGHTER = 5, 7, 1.01
_NEIGHBOURS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
_NONE = -1
# A path and the rank of its seed, in one number: the shorter path counts, then the first seed.
_RANK_BITS = 32
_FAR = np.int64(1) << 62
# Outlines pass the middles of px at sqrt(1/8) = 0.354 px; less than that moves none across.
_TOLERANCE_PX = 0.34
_AT_A_TIME = 256
_SIDES_ALONE = np.zeros((3, 3, 3), bool)
_SIDES_ALONE[1] = ndimage.generate_binary_structure(2, 1)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far regions reach, in px.

    Attributes
    ----------
    shift_px : float
        A region begins at the deepest px of the mask so far from its seed: none has it there, and
        there is no region.
    deep_px : float
        Radius up to which discs in the mask count.
    beyond_px : float
        How far a region goes beyond the largest disc in the mask about its beginning.
    """

    shift_px: float
    deep_px: float
    beyond_px: float

    @property
    def radius_px(self) -> int:
        """No region goes farther from where it begins."""
        return math.ceil((self.deep_px + self.beyond_px) * _STRAIGHTER) + 1

    @property
    def seeds_px(self) -> int:
        """On seeds so far away a region may depend."""
        return 2 * (self.radius_px + math.ceil(self.shift_px))

    @property
    def margin_px(self) -> int:
        """On px of the mask so far away from its seed a region may depend."""
        return self.seeds_px + math.ceil(self.shift_px) + math.ceil(self.deep_px)


@dataclass(frozen=True)
class Regions:
    """Regions of a mask.

    Attributes
    ----------
    owner : ndarray of shape (height, width), int32
        Number of the seed to whose region a px belongs; -1: to none.
    row, column : ndarray of shape (n,), int64
        Where the region of each seed begins.
    """

    owner: np.ndarray
    row: np.ndarray
    column: np.ndarray


def grow_regions(mask: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, reach: Reach) -> Regions:
    """Divide a mask among seeds.

    A px belongs to the seed of the shortest way to it through the mask, less the radius of the
    largest disc in the mask about where that seed's region begins. So two discs that touch are
    divided where they touch, also discs of two sizes. Of seeds as near the first one counts.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
    x_px, y_px : ndarray of shape (n,), float64
        Seeds, on the mask or beside it; the middle of a px is +0.5.
    reach : Reach

    Examples
    --------
    >>> mask = np.ones((1, 7), bool)
    >>> mask[0, 5] = False
    >>> reach = Reach(shift_px=0, deep_px=1, beyond_px=4)
    >>> grow_regions(mask, np.array([0.5, 3.5]), np.array([0.5, 0.5]), reach).owner
    array([[ 0,  0,  1,  1,  1, -1, -1]], dtype=int32)
    """
    spare = math.ceil(reach.shift_px) + 1
    wide = np.pad(mask, spare)
    depth = np.minimum(ndimage.distance_transform_edt(wide), reach.deep_px)
    row, column = (np.floor(place).astype(np.int64) + spare for place in (y_px, x_px))
    row, column = _find_deepest(depth, row, column, reach.shift_px)
    deepest = depth[row, column]
    cost = np.rint(_SIDE * (reach.deep_px - deepest)).astype(np.int64)
    owner = np.full(wide.shape, _NONE, np.int32)
    at, found = _grow(
        wide,
        (row * wide.shape[1] + column)[deepest > 0],
        np.flatnonzero(deepest > 0),
        cost[deepest > 0],
        limit=round(_SIDE * (reach.deep_px + reach.beyond_px)),
    )
    owner.reshape(-1)[at] = found
    inside = slice(spare, -spare)
    return Regions(owner[inside, inside], row - spare, column - spare)


def _find_deepest(
    depth: np.ndarray, row: np.ndarray, column: np.ndarray, radius_px: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find the px of the greatest depth within a distance of each px, of equal ones the nearest."""
    most = math.floor(radius_px)
    down, right = np.mgrid[-most : most + 1, -most : most + 1].reshape(2, -1)
    near = np.argsort(np.hypot(down, right), kind="stable")
    near = near[np.hypot(down, right)[near] <= radius_px]
    rows, columns = row[:, None] + down[near], column[:, None] + right[near]
    best = depth[rows, columns].argmax(axis=1)[:, None]
    return tuple(np.take_along_axis(places, best, axis=1)[:, 0] for places in (rows, columns))


def _grow(
    mask: np.ndarray, starts: np.ndarray, numbers: np.ndarray, cost: np.ndarray, *, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find the px that a way of at most `limit` leads to, flat, and the number of its seed.

    `mask` has no px at its border; `starts` are flat places of the seeds of these `numbers`, and
    `cost` what the way of each has to begin with.
    """
    flat, width = mask.reshape(-1), mask.shape[1]
    px = np.flatnonzero(flat)
    place = np.full(flat.shape, len(px), np.int32)  # that of no px: behind the last
    place[px] = np.arange(len(px), dtype=np.int32)
    ways = []
    for down, right in _NEIGHBOURS:
        to = place[px + down * width + right]
        if down and right:  # not between two px that touch by their corners alone
            is_open = flat[px + down * width] | flat[px + right]
            to = np.where(is_open, to, np.int32(len(px)))
        ways.append((to, np.int64(_CORNER if down and right else _SIDE) << _RANK_BITS))
    best = np.full(len(px) + 1, _FAR)
    np.minimum.at(best, place[starts], (cost << _RANK_BITS) + numbers)
    most = (np.int64(limit + 1) << _RANK_BITS) - 1
    before = np.empty(0)
    while not np.array_equal(best, before):
        before = best.copy()
        for to, step in ways:
            np.minimum(best[:-1], best[to] + step, out=best[:-1])
        best[best > most] = _FAR
    is_reached = best[:-1] <= most
    return px[is_reached], (best[:-1][is_reached] & ((1 << _RANK_BITS) - 1)).astype(np.int32)


def outline_regions(
    regions: Regions, numbers: np.ndarray, reach: Reach
) -> tuple[np.ndarray, np.ndarray]:
    """Outline the regions of some seeds, and measure them.

    A region is what hangs together, side by side, with where it begins; its holes are filled.

    Parameters
    ----------
    regions : Regions
    numbers : ndarray of shape (m,), int64
        Of the seeds.
    reach : Reach
        That with which the regions were grown.

    Returns
    -------
    outlines : ndarray of shape (m,), object
        Corners x, y, x, y ... in px, float64, at least three, clockwise as seen on the screen; no
        px's middle is on another side than its region has it. Empty where there is no region.
    area_px : ndarray of shape (m,), float64
        Px of the region; NaN where there is none.

    Examples
    --------
    >>> mask = np.zeros((6, 6), bool)
    >>> mask[1:4, 1:5] = True
    >>> reach = Reach(shift_px=0, deep_px=2, beyond_px=4)
    >>> regions = grow_regions(mask, np.array([2.5]), np.array([2.5]), reach)
    >>> outlines, area_px = outline_regions(regions, np.array([0]), reach)
    >>> outlines[0].reshape(-1, 2)[:3].tolist(), area_px.tolist()
    ([[1.0, 3.5], [1.0, 1.5], [1.5, 1.0]], [12.0])
    """
    outlines = make_empty(len(numbers))
    area_px = np.full(len(numbers), np.nan)
    half = reach.radius_px + 1
    wide = np.pad(regions.owner, half, constant_values=_NONE)
    crops = np.lib.stride_tricks.sliding_window_view(wide, (2 * half + 1,) * 2)
    row, column = regions.row[numbers], regions.column[numbers]
    has_one = np.flatnonzero(regions.owner[row, column] == numbers)
    for first in range(0, len(has_one), _AT_A_TIME):
        some = has_one[first : first + _AT_A_TIME]
        pieces = crops[row[some], column[some]] == numbers[some, None, None]
        corner = np.stack([column[some], row[some]], axis=1) - half
        rings, area_px[some] = _trace(pieces, half)
        for i, ring in enumerate(rings):
            outlines[some[i]] = (ring + corner[i]).ravel()
    return outlines, area_px


def make_empty(n: int) -> np.ndarray:
    """Make `n` outlines of nothing.

    Examples
    --------
    >>> make_empty(2).tolist()
    [array([], dtype=float64), array([], dtype=float64)]
    """
    outlines = np.empty(n, object)
    for i in range(n):
        outlines[i] = np.empty(0)
    return outlines


def _trace(masks: np.ndarray, half: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Trace the piece of each mask (n, side, side) that holds its middle px; measure it, too."""
    pieces, _ = ndimage.label(masks, _SIDES_ALONE)
    alone = pieces == pieces[:, half, half, None, None]
    side = alone.shape[1]
    strip = alone.reshape(-1, side)
    traced = trace_outlines(rows_of(strip), strip.shape)
    n_points = np.diff(traced.ring_ends)
    outer = np.zeros(len(n_points), bool)
    outer[traced.piece_ends[:-1]] = True
    points = traced.points[np.repeat(outer, n_points)]
    n_points = n_points[outer]
    first = np.cumsum(n_points) - n_points
    order = np.argsort(points[first, 1])  # down the strip
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(first)), n_points))[order]
    # A ring has four corners more that stand out than that go in, and an eighth of a px is cut off
    # each.
    area_px = np.rint(shapely.area(shapely.polygons(rings)) + 0.5)
    rings = shapely.simplify(rings, _TOLERANCE_PX, preserve_topology=True)
    corners = [shapely.get_coordinates(ring)[:-1] for ring in rings]
    return [ring - (0, side * i) for i, ring in enumerate(corners)], area_px
