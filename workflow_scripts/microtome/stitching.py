"""One heatmap from overlapping patch scores, a band of rows at a time."""

import numpy as np
import zarr

from microtome.bands import ReadRows, band_rows, bands
from microtome.grids import Grid

# A heatmap pixel holds 0 where nothing was scored, else 1 + 254 * probability, rounded.
NO_DATA = 0
_STEPS = 254
# Px of a band whose sums are formed at a time, and of the patches that are added at a time.
_SUM_BAND_PX, _GATHERED_PX = 2**19, 2**20


def encode(probability: np.ndarray) -> np.ndarray:
    """Probabilities in [0, 1], NaN where unknown -> uint8, 0 where unknown."""
    known = ~np.isnan(probability)
    return np.where(known, np.rint(np.where(known, probability, 0) * _STEPS) + 1, NO_DATA).astype(
        np.uint8
    )


def decode(pixels: np.ndarray) -> np.ndarray:
    """The inverse of `encode`, to 1/508: uint8 -> float32, NaN where nothing was scored."""
    return np.where(pixels == NO_DATA, np.float32(np.nan), (pixels.astype(np.float32) - 1) / _STEPS)


def decoded(rows: ReadRows) -> ReadRows:
    """The probabilities that the rows of a heatmap stand for."""
    return lambda first, n: decode(rows(first, n))


class Stitcher:
    """Mean of the patches' probabilities wherever they overlap.

    Memory is that of one band and of the patches that lie in it: it does not grow with the slide's
    area.

    Parameters
    ----------
    grid : Grid
        The patches.
    probability : zarr.Array or ndarray of shape (n_patches, h, w), float32
        Their maps; one value (1, 1) covers the whole patch. A patch of NaN has no score.
    size_px : tuple of int
        Width and height of level 0.
    scale : float
        Level-0 px per heatmap px.
    """

    def __init__(
        self,
        grid: Grid,
        probability: zarr.Array | np.ndarray,
        *,
        size_px: tuple[int, int],
        scale: float,
    ) -> None:
        self.shape = tuple(int(np.ceil(side / scale)) for side in size_px[::-1])
        self._probability = probability
        side = grid.patch_px * grid.scale / scale
        # A heatmap pixel belongs to a patch when its centre lies inside.
        self._top, self._bottom = _span(grid.y_px / scale, side)
        self._left, self._right = _span(grid.x_px / scale, side)
        self._y, self._x, self._side = grid.y_px / scale, grid.x_px / scale, side

    def encoded_rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """What a heatmap holds, see `encode`: ndarray of shape (n_rows, width), uint8."""
        found = np.empty((n_rows, self.shape[1]), np.uint8)
        for first, n in bands(n_rows, band_rows(self.shape[1], band_px=_SUM_BAND_PX)):
            found[first : first + n] = encode(self.rows(first_row + first, n))
        return found

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Mean probability, ndarray of shape (n_rows, width), float64; NaN where no patch lies."""
        width = self.shape[1]
        total, count = np.zeros(n_rows * width), np.zeros(n_rows * width, np.int32)
        touched = np.flatnonzero((self._bottom > first_row) & (self._top < first_row + n_rows))
        span = int(np.ceil(self._side)) + 1
        down, across = np.arange(min(span, n_rows)), np.arange(span)
        height_of, width_of = self._probability.shape[1:]
        each_px = max(len(down) * span, height_of * width_of)
        n_chosen = min(256, max(1, _GATHERED_PX // each_px))
        for start, n in bands(len(touched), n_chosen):
            chosen = touched[start : start + n]
            maps = self._probability[int(chosen[0]) : int(chosen[-1]) + 1][chosen - chosen[0]]
            scored = ~np.isnan(maps[:, 0, 0])
            maps, chosen = maps[scored], chosen[scored]
            rows = np.maximum(self._top[chosen, None], first_row) + down  # (n, down)
            columns = self._left[chosen, None] + across
            # Where a heatmap pixel's centre falls in the patch's own map.
            i = _inside(rows, self._y[chosen, None], self._side, height_of)
            j = _inside(columns, self._x[chosen, None], self._side, width_of)
            values = maps[np.arange(len(maps))[:, None, None], i[:, :, None], j[:, None, :]]
            rows_in = rows < np.minimum(self._bottom[chosen, None], first_row + n_rows)
            columns_in = (columns < np.minimum(self._right[chosen, None], width)) & (columns >= 0)
            valid = rows_in[:, :, None] & columns_in[:, None, :]
            at = ((rows - first_row)[:, :, None] * width + columns[:, None, :])[valid]
            total += np.bincount(at, values[valid], minlength=total.size)
            count += np.bincount(at, minlength=count.size)
        with np.errstate(invalid="ignore"):
            return (total / count).reshape(n_rows, width)


def _span(start: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """First pixel and the pixel after the last whose centres lie in [start, start + side)."""
    # Rounded first: 63.99999 of a fractional scale is meant to be 64.
    first = np.ceil(np.round(start - 0.5, 6)).astype(np.int64)
    after = np.ceil(np.round(start + side - 0.5, 6)).astype(np.int64)
    return first, after


def _inside(pixel: np.ndarray, start: np.ndarray, side: float, n: int) -> np.ndarray:
    return np.clip(((pixel + 0.5 - start) * n / side).astype(np.int64), 0, n - 1)
