"""Shapes for plans of demo slides: the grid they lie on, and irregular ellipses known exactly."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from microtome.demo.layout import smooth_noise

# Level-0 px between the nodes of a grid: a thin wall between fat cells still shows.
STEP_PX = 8


class Grid:
    """The grid of a plan of a slide: its `shape` in nodes, and where they lie.

    `y` (rows, 1) and `x` (1, columns) are places in px, float32.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        self.width_px, self.height_px = width_px, height_px
        self.shape = -(-height_px // STEP_PX), -(-width_px // STEP_PX)
        self.y = ((np.arange(self.shape[0], dtype=np.float32) + 0.5) * STEP_PX)[:, None]
        self.x = ((np.arange(self.shape[1], dtype=np.float32) + 0.5) * STEP_PX)[None, :]

    def noise(self, rng: np.random.Generator, sigma_px: float) -> np.ndarray:
        """Draw smooth noise of mean 0 and standard deviation 1."""
        return smooth_noise(rng, self.shape, sigma_px / STEP_PX)

    def look_up(self, field: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Interpolate a field at points (..., 2) x, y in px; off the slide it is as its border."""
        places = np.moveaxis(points[..., ::-1] / STEP_PX - 0.5, -1, 0)
        return ndimage.map_coordinates(field, places, order=1, mode="nearest")


@dataclass(frozen=True)
class Blob:
    """An outline with one radius in each direction: an ellipse times waves.

    `half` are the half axes of the ellipse in px, `turn` is the direction of the first, from x to
    y, and `waves` (n, 3) are times round, height as a share of the radius, phase.
    """

    half: tuple[float, float]
    turn: float
    waves: np.ndarray

    def radius(self, angle: np.ndarray) -> np.ndarray:
        """Measure the distance from the centre to the outline."""
        along = angle - self.turn
        ellipse = 1 / np.hypot(np.cos(along) / self.half[0], np.sin(along) / self.half[1])
        wavy = np.ones_like(ellipse)
        for times, depth, phase in self.waves:
            wavy = wavy + depth * np.cos(times * along + phase)
        return ellipse * wavy

    def corners(self) -> np.ndarray:
        """Give points on the outline of a blob about (0, 0), shape (180, 2), x and y."""
        angle = np.linspace(-np.pi, np.pi, 180, endpoint=False)
        return self.radius(angle)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def field(self, grid: Grid, centre: np.ndarray) -> np.ndarray:
        """Give roughly the signed distance in px, with its zero line exactly on the outline."""
        y, x = grid.y - centre[1], grid.x - centre[0]
        # The radius varies slowly: a table of it is as good and far faster.
        table = np.linspace(-np.pi, np.pi, 2048)
        radius = np.interp(np.arctan2(y, x).ravel(), table, self.radius(table))
        return (radius.reshape(grid.shape) - np.hypot(y, x)).astype(np.float32)


def draw_blob(
    rng: np.random.Generator,
    half: tuple[float, float],
    *,
    turn: float,
    ragged: float,
    times: range = range(2, 10),
) -> Blob:
    """Draw an irregular ellipse about no centre yet.

    Of the waves, which go so many `times` round, one that went once round would be as high as
    `ragged`; others are lower by their number.
    """
    k = np.array(times, float)
    depth, phase = rng.normal(0, ragged / k), rng.uniform(0, 2 * np.pi, len(k))
    return Blob(half, turn, np.stack([k, depth, phase], axis=1))
