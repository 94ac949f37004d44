"""The convex hull of a mask that is too large for memory."""

import numpy as np
from scipy.spatial import ConvexHull
from skimage.measure import points_in_poly
from skimage.util import unique_rows

from microtome.rasters.bands import ReadRows, band_rows, bands

# A pixel is as large as this diamond around its centre.
_DIAMOND = np.array([(-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)])


def find_hull_corners(rows: ReadRows, shape: tuple[int, int]) -> np.ndarray:
    """Corners of the convex hull of a mask: row and column, shape (n_corners, 2), float64.

    Only the first and last pixel of each row and column can be corners; an empty mask has none.
    """
    height, width = shape
    top, bottom = np.full(width, height), np.full(width, -1)
    outer = []
    for first, n in bands(height, band_rows(width)):
        band = rows(first, n).astype(bool)
        if not band.any():
            continue
        y, x = np.flatnonzero(band.any(axis=1)), np.flatnonzero(band.any(axis=0))
        filled, across = band[y], band[:, x]
        outer.append(np.column_stack([y + first, filled.argmax(axis=1)]))
        outer.append(np.column_stack([y + first, width - 1 - filled[:, ::-1].argmax(axis=1)]))
        top[x] = np.minimum(top[x], first + across.argmax(axis=0))
        bottom[x] = first + n - 1 - across[::-1].argmax(axis=0)
    if not outer:
        return np.empty((0, 2))
    x = np.flatnonzero(bottom >= 0)
    outer += [np.column_stack([top[x], x]), np.column_stack([bottom[x], x])]
    points = (np.concatenate(outer)[:, None] + _DIAMOND).reshape(-1, 2)
    hull = ConvexHull(unique_rows(points))
    return hull.points[hull.vertices]


def draw_hull(corners: np.ndarray, shape: tuple[int, int]) -> ReadRows:
    """Draw a convex hull, its border included, from the corners that `find_hull_corners` gives."""
    if not len(corners):
        return lambda _, n_rows: np.zeros((n_rows, shape[1]), bool)
    column = np.arange(shape[1])

    def draw(first: int, n_rows: int) -> np.ndarray:
        row = np.arange(first, first + n_rows)[:, None]
        left, right = _cut_rows(corners, row)
        band = (column > left + 1) & (column < right - 1)
        # Near the cuts, where rounding decides, each pixel is tested on its own.
        cut = np.hstack([left, right])
        cut[~np.isfinite(cut)] = -9
        near = (np.floor(cut)[..., None] + np.arange(-1, 3)).reshape(n_rows, -1).astype(np.int64)
        points = np.stack(np.broadcast_arrays(row, near), axis=-1)
        points = points[(near >= 0) & (near < shape[1])]
        band[points[:, 0] - first, points[:, 1]] = points_in_poly(points, corners)
        return band

    return draw


def _cut_rows(corners: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns where rows, shape (n, 1), enter and leave a convex polygon; else inf and -inf."""
    (y0, x0), (y1, x1) = corners.T, np.roll(corners, -1, axis=0).T
    crossed = (row >= np.minimum(y0, y1)) & (row <= np.maximum(y0, y1)) & (y0 != y1)
    height = np.where(y0 == y1, 1, y1 - y0)
    x = x0 + (x1 - x0) * ((row - y0) / height)
    left = np.where(crossed, x, np.inf).min(axis=1, keepdims=True)
    right = np.where(crossed, x, -np.inf).max(axis=1, keepdims=True)
    return left, right
