"""One heatmap from overlapping patch scores, blended by windows, a band of rows at a time."""

import numpy as np
import zarr

from microtome.heatmaps.codes import apply_temperature, encode
from microtome.patches.grid import Grid
from microtome.rasters.bands import band_rows, bands

# Px of a band whose sums are formed at a time.
_SUM_BAND_PX = 2**19
_SIGMA = 1 / 8  # of the Gaussian window, in sides of a patch


def _weigh_gaussian(pixel: np.ndarray, start: float, side: float) -> np.ndarray:
    """A Gaussian about the middle of a patch, never quite 0: a px may have no other patch."""
    offset = (pixel + 0.5 - start) / side - 0.5
    return np.exp(-(offset**2) / (2 * _SIGMA**2))


# By the name that `inference.blending` of the config has for it, the weights of px along one side
# of a patch; None: all count alike.
_WINDOWS = {"mean": None, "gaussian": _weigh_gaussian}


class Stitcher:
    """Weighted mean of the patches' maps wherever they overlap.

    Memory is that of one band and of the patches that lie in it: it does not grow with the slide's
    area.

    Parameters
    ----------
    grid : Grid
        The patches.
    maps : zarr.Array or ndarray of shape (n_patches, h, w), float32
        Their maps; one value (1, 1) covers the whole patch. A patch of NaN has no score.
    size_px : tuple of int
        Width and height of level 0.
    scale : float
        Level-0 px per heatmap px.
    blending : {'mean', 'gaussian'}
        All px of a patch count alike (generalized framework, "inference pipeline"), or those at
        its border less: a Gaussian about its centre, sigma an eighth of its side.

    Examples
    --------
    Two patches of 4 px that overlap by 2:

    >>> place, share = np.array([0, 1]), np.ones(2)
    >>> grid = Grid(place * 0, place, share, share, place, 1.0, 0.5, patch_px=4, stride_px=2)
    >>> maps = np.array([0.2, 0.8]).reshape(2, 1, 1)
    >>> Stitcher(grid, maps, size_px=(6, 4), scale=1.0).rows(0, 1)
    array([[0.2, 0.2, 0.5, 0.5, 0.8, 0.8]])
    """

    def __init__(
        self,
        grid: Grid,
        maps: zarr.Array | np.ndarray,
        *,
        size_px: tuple[int, int],
        scale: float,
        blending: str = "mean",
    ) -> None:
        self.shape = tuple(int(np.ceil(side / scale)) for side in size_px[::-1])
        # Px whose centres lie on the slide.
        self._inside = tuple(int(np.ceil(side / scale - 0.5 - 1e-6)) for side in size_px[::-1])
        self._maps = maps
        self._per_chunk = maps.chunks[0] if isinstance(maps, zarr.Array) else max(1, maps.shape[0])
        self._weigh = _WINDOWS[blending]
        self._side = grid.patch_px * grid.scale / scale
        self._y, self._x = grid.y_px / scale, grid.x_px / scale
        # A heatmap pixel belongs to a patch when its centre lies inside.
        self._top, self._bottom = _find_span(self._y, self._side)
        self._left, self._right = _find_span(self._x, self._side)

    def encoded_rows(
        self, first_row: int, n_rows: int, *, temperature: float | None = None
    ) -> np.ndarray:
        """Stitch probabilities, (n_rows, width), into the codes of a heatmap, uint8."""
        found = np.empty((n_rows, self.shape[1]), np.uint8)
        # A patch is decoded anew in each band that it touches: not many, of half its height.
        height = max(band_rows(self.shape[1], band_px=_SUM_BAND_PX), int(self._side / 2))
        for first, n in bands(n_rows, height):
            mean = self.rows(first_row + first, n)
            if temperature is not None:
                mean = apply_temperature(mean, temperature)
            found[first : first + n] = encode(mean)
        return found

    def float_rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Stitch values that are no probabilities: (n_rows, width), float32."""
        return self.rows(first_row, n_rows).astype(np.float32)

    def is_covered(self, first_row: int, n_rows: int) -> np.ndarray:
        """Find px with a patch, scored or not, or beyond the slide: (n_rows, width), bool."""
        width = self.shape[1]
        # The corners of rectangles, summed along both axes.
        steps = np.zeros((n_rows + 1, width + 1), np.int64)
        touched = self._find_touched(first_row, n_rows)
        top = np.maximum(self._top[touched] - first_row, 0)
        bottom = np.minimum(self._bottom[touched] - first_row, n_rows)
        left = np.clip(self._left[touched], 0, width)
        right = np.clip(self._right[touched], 0, width)
        corners = ((top, left, 1), (bottom, right, 1), (top, right, -1), (bottom, left, -1))
        for rows, columns, step in corners:
            np.add.at(steps, (rows, columns), step)
        found = steps.cumsum(0).cumsum(1)[:-1, :-1] > 0
        found[max(0, self._inside[0] - first_row) :] = True
        found[:, self._inside[1] :] = True
        return found

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Weighted mean, ndarray of shape (n_rows, width), float64; NaN where no patch lies."""
        total, weights = np.zeros((2, n_rows, self.shape[1]))
        touched = self._find_touched(first_row, n_rows)
        # Neighbours in the grid are neighbours in the store, whose chunks are decoded whole.
        chunk = touched // self._per_chunk
        for number in np.unique(chunk):
            chosen = touched[chunk == number]
            maps = self._maps[int(chosen[0]) : int(chosen[-1]) + 1]
            for k in chosen.tolist():
                patch = maps[k - int(chosen[0])]
                if not np.isnan(patch[0, 0]):
                    self._add(k, patch, total, weights, first_row)
        with np.errstate(invalid="ignore"):
            return total / weights

    def _find_touched(self, first_row: int, n_rows: int) -> np.ndarray:
        return np.flatnonzero((self._bottom > first_row) & (self._top < first_row + n_rows))

    def _add(
        self, k: int, patch: np.ndarray, total: np.ndarray, weights: np.ndarray, first_row: int
    ) -> None:
        """Add the part of a patch that lies in a band.

        Patch by patch: adding to a slice takes a nanosecond a px, gathering and scattering the px
        of many patches at once twenty.
        """
        top = max(int(self._top[k]), first_row)
        bottom = min(int(self._bottom[k]), first_row + len(total))
        left, right = max(int(self._left[k]), 0), min(int(self._right[k]), total.shape[1])
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        at = np.s_[top - first_row : bottom - first_row, left:right]
        values = patch
        if patch.size > 1:
            values = patch[_find_places(rows, self._y[k], self._side, patch.shape[0])]
            values = values[:, _find_places(columns, self._x[k], self._side, patch.shape[1])]
        weight = 1
        if self._weigh:
            of_rows = self._weigh(rows, self._y[k], self._side)
            weight = np.outer(of_rows, self._weigh(columns, self._x[k], self._side))
        total[at] += weight * values
        weights[at] += weight


def _find_span(start: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """First pixel and the pixel after the last whose centres lie in [start, start + side)."""
    # Rounded first: 63.99999 of a fractional scale is meant to be 64.
    first = np.ceil(np.round(start - 0.5, 6)).astype(np.int64)
    after = np.ceil(np.round(start + side - 0.5, 6)).astype(np.int64)
    return first, after


def _find_places(pixel: np.ndarray, start: float, side: float, n: int) -> np.ndarray | slice:
    """Where the centres of pixels fall in a patch's own map of `n`."""
    places = np.clip(((pixel + 0.5 - start) * n / side).astype(np.int64), 0, n - 1)
    # Places one after the other are a slice, which copies nothing.
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
