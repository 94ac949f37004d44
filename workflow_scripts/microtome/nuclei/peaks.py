"""From a detection map to the places of nuclei: one for each peak of the smoothed map.

As in the paper the map is resized to the size of the image by bilinear interpolation, smoothed by a
Gaussian, and of peaks that are too near to each other only the highest remains.
"""

import math
from dataclasses import dataclass

import numpy as np

# Of a Gaussian's reach, in standard deviations.
_TRUNCATE = 3.0
# Side of the spot whose peak has confidence 1: a location of the paper's network at its spacing.
_SPOT_UM = 2.0
# Confidences that agree to within 1 / _RANKS are equal, so rounding does not choose between them.
_RANKS = 4096
# Places are rounded to 1/64 px, so that they are the same numbers wherever they are counted from.
_PARTS_OF_PX = 64


@dataclass(frozen=True)
class PeakSettings:
    """How peaks are found.

    Attributes
    ----------
    min_distance_um : float
        Two nuclei are farther apart than this.
    smoothing_um : float
        Standard deviation of the Gaussian; 0 smooths nothing.
    threshold : float
        Least confidence. With 0 every peak counts, however low.
    """

    min_distance_um: float
    smoothing_um: float
    threshold: float


@dataclass(frozen=True)
class Peaks:
    """Peaks of a map.

    Attributes
    ----------
    x_px, y_px : ndarray of shape (n,), float64
        Places in px of the image, from its upper left corner; the middle of a px is +0.5.
    confidence : ndarray of shape (n,), float32
        Height of the smoothed map, in units of the peak of a spot of 2 µm that is 1 where all else
        is 0. Where neighbours are high too it may exceed 1.
    """

    x_px: np.ndarray
    y_px: np.ndarray
    confidence: np.ndarray


class PeakFinder:
    """Finds peaks of maps of one reduction and spacing.

    A px is a peak if no px within the least distance ranks before it: none that is higher, and none
    as high that comes first in reading order. So a plateau is one nucleus; its place is the middle
    of what is as high within that distance. Whether a px is a peak depends on `halo` locations
    around it alone: an image may be cut into regions whose maps overlap, and nothing changes.

    Parameters
    ----------
    settings : PeakSettings
    reduction : int
        Px of the image per location of the map.
    spacing_um : float
        µm per px of the image.

    Attributes
    ----------
    halo : int
        Locations around a region on which its peaks depend.
    """

    def __init__(self, settings: PeakSettings, *, reduction: int, spacing_um: float) -> None:
        self._reduction = reduction
        self._threshold = settings.threshold
        self._offsets = list_offsets(settings.min_distance_um / spacing_um)
        self._reach_px = max([1, *(abs(down) for down, _ in self._offsets)])
        self._weights = weigh_locations(reduction, settings.smoothing_um / spacing_um)
        taps = self._weights.shape[1] // 2
        self.halo = -(-self._reach_px // reduction) + taps
        self._unit = 1.0
        side = max(1, round(_SPOT_UM / spacing_um / reduction))
        spot = np.zeros((side + 4 * taps + 2,) * 2, np.float32)
        spot[2 * taps + 1 : 2 * taps + 1 + side, 2 * taps + 1 : 2 * taps + 1 + side] = 1
        self._unit = float(self._smooth(spot).max())

    def find(
        self, detection: np.ndarray, *, size_px: tuple[int, int], x_px: int = 0, y_px: int = 0
    ) -> Peaks:
        """Find the peaks of a region of an image.

        Parameters
        ----------
        detection : ndarray of shape (h, w), float
            The map, at least 0, with `halo` locations more on each side than the region has.
        size_px : tuple of int
            Width and height of the whole image; what lies beyond is no peak, however high.
        x_px, y_px : int
            Upper left corner of the region in the image.
        """
        taps = self._weights.shape[1] // 2
        reach = self._reach_px
        spare = (self.halo - taps) * self._reduction - reach
        heights = self._smooth(detection.astype(np.float32, copy=False))
        heights = heights[spare : len(heights) - spare, spare : heights.shape[1] - spare]
        ranks = np.rint(heights * np.float32(_RANKS)).astype(np.int32)
        for values, first, side in ((ranks, y_px, size_px[1]), (ranks.T, x_px, size_px[0])):
            values[: max(0, reach - first)] = 0
            values[max(0, side - first + reach) :] = 0
        least = max(1, math.ceil(self._threshold * _RANKS - 0.5))
        row, column = np.nonzero(ranks[reach:-reach, reach:-reach] >= least)
        at = (row + reach) * ranks.shape[1] + column + reach
        flat = ranks.reshape(-1)
        for down, right in self._offsets:
            other = flat[at + (down * ranks.shape[1] + right)]
            is_before = (down, right) < (0, 0)
            at = at[flat[at] > other] if is_before else at[flat[at] >= other]
        # A rank may be that of the threshold and the height just below it.
        heights = np.ascontiguousarray(heights).reshape(-1)
        at = at[heights[at] >= self._threshold]
        row, column = np.divmod(at, ranks.shape[1])
        down, right = self._find_middles(ranks, at)
        return Peaks(
            x_px=column + (x_px - reach + 0.5) + right,
            y_px=row + (y_px - reach + 0.5) + down,
            confidence=heights[at],
        )

    def find_whole(self, detection: np.ndarray) -> Peaks:
        """Find the peaks of a map of which nothing is known beyond its edge: it goes on as there.

        Examples
        --------
        >>> settings = PeakSettings(min_distance_um=3.0, smoothing_um=1.0, threshold=0.5)
        >>> finder = PeakFinder(settings, reduction=4, spacing_um=0.5)
        >>> detection = np.zeros((25, 25))
        >>> detection[10, 6] = detection[3, 3] = detection[3, 4] = 1
        >>> found = finder.find_whole(detection)
        >>> found.x_px, found.y_px, found.confidence.round(2)
        (array([16., 26.]), array([14., 42.]), array([1.52, 1.  ], dtype=float32))
        """
        height, width = (side * self._reduction for side in detection.shape)
        wide = np.pad(detection, self.halo, mode="edge")
        return self.find(wide, size_px=(width, height))

    def _smooth(self, detection: np.ndarray) -> np.ndarray:
        """Resize and smooth a map, (h, w) -> (h - 2 taps, w - 2 taps) times the reduction."""
        return _smooth_rows(_smooth_rows(detection, self._weights).T, self._weights).T / self._unit

    def _find_middles(self, ranks: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find how far from each peak, given by its index, the middle of what is as high lies."""
        flat, width = ranks.reshape(-1), ranks.shape[1]
        n, down_sum, right_sum = (np.zeros(len(at), np.int64) for _ in range(3))
        for down, right in ((0, 0), *self._offsets):
            is_equal = flat[at + (down * width + right)] == flat[at]
            n += is_equal
            down_sum += is_equal * down
            right_sum += is_equal * right
        middles = np.stack([down_sum, right_sum]) / n
        return tuple(np.rint(middles * _PARTS_OF_PX) / _PARTS_OF_PX)


def list_offsets(radius_px: float) -> list[tuple[int, int]]:
    """List the px within a distance of a px, (down, right), nearest first, without itself.

    Examples
    --------
    >>> list_offsets(1.0)
    [(-1, 0), (0, -1), (0, 1), (1, 0)]
    """
    most = math.floor(radius_px)
    square = range(-most, most + 1)
    found = [(y, x) for y in square for x in square if 0 < y * y + x * x <= radius_px**2]
    return sorted(found, key=lambda place: (place[0] ** 2 + place[1] ** 2, place))


def weigh_locations(reduction: int, sigma_px: float) -> np.ndarray:
    """Weights of a location and its neighbours in each of the px that it covers, along one axis.

    The map is resized by bilinear interpolation, with the middles of px where they are, and then
    smoothed by a Gaussian of `sigma_px`, cut off at three of them.

    Returns
    -------
    ndarray of shape (reduction, 2 * taps + 1), float32
        Each row sums to 1.

    Examples
    --------
    >>> weigh_locations(2, 0.0).tolist()
    [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]]
    """
    reach = int(_TRUNCATE * sigma_px + 0.5)
    steps = np.arange(-reach, reach + 1)
    gaussian = np.exp(-0.5 * (steps / sigma_px) ** 2) if sigma_px else np.ones(1)
    places = (np.arange(reduction)[:, None] + steps + 0.5) / reduction - 0.5
    taps = max(0, math.ceil(places.max() + 1) - 1)
    distances = np.abs(places[..., None] - np.arange(-taps, taps + 1))
    weights = np.maximum(0, 1 - distances) * (gaussian / gaussian.sum())[:, None]
    return weights.sum(axis=1).astype(np.float32)


def _smooth_rows(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Resize and smooth along the first axis, (h, w) -> ((h - 2 taps) * reduction, w).

    Each px is the same sum in the same order wherever it lies, so parts of a map agree to the bit.
    """
    reduction, n_taps = weights.shape
    height = len(values) - n_taps + 1
    result = np.empty((height, reduction, values.shape[1]), np.float32)
    for k, of_px in enumerate(weights):
        total = np.zeros((height, values.shape[1]), np.float32)
        for j, weight in enumerate(of_px):
            total += weight * values[j : j + height]
        result[:, k] = total
    return result.reshape(height * reduction, -1)
