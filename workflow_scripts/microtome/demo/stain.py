"""Stain and surface of the demo cohort: textures that repeat, and how stain turns into colour.

Textures are squares whose opposite sides fit together, of mean 0 and standard deviation 1 unless
said otherwise; a slide is papered with them.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TEXTURE_PX = 1536

# Amounts of stain are looked up in steps of a hundredth.
STEPS = 256


@dataclass(frozen=True)
class Textures:
    """Surfaces of tissue, each an ndarray of shape (TEXTURE_PX, TEXTURE_PX).

    Attributes
    ----------
    grain, cells, clefts, smudge : ndarray
        float32 noise of 0.8, 5, 11 and 14 px.
    droplets : ndarray
        float32, 1 in drops of fat, 0 elsewhere.
    glass : ndarray
        float32 noise of the camera, independent from pixel to pixel.
    """

    grain: np.ndarray
    cells: np.ndarray
    clefts: np.ndarray
    smudge: np.ndarray
    droplets: np.ndarray
    glass: np.ndarray


def draw_textures(rng: np.random.Generator) -> Textures:
    """Draw the surfaces of a slide."""
    return Textures(
        grain=_draw_noise(rng, 0.8, every=1),
        cells=_draw_noise(rng, 5.0, every=2),
        clefts=_draw_noise(rng, 11.0, every=4),
        smudge=_draw_noise(rng, 14.0, every=4),
        droplets=_draw_droplets(rng),
        glass=rng.standard_normal((TEXTURE_PX, TEXTURE_PX), dtype=np.float32),
    )


def tabulate_colours(rng: np.random.Generator, *, glass: np.ndarray) -> np.ndarray:
    """Tabulate the colours of all mixtures of the two stains in one laboratory and scanner.

    Beer and Lambert: what each stain lets through multiplies, over the RGB of bare glass. The
    absorption of both differs from slide to slide about the usual values of haematoxylin and
    eosin. Column h * STEPS + e of the table, uint8 RGB of shape (3, STEPS * STEPS), holds h
    hundredths of haematoxylin and e of eosin.
    """
    haematoxylin = np.array([0.62, 0.68, 0.32]) + rng.normal(0, 0.035, 3)
    eosin = np.array([0.08, 0.95, 0.22]) + rng.normal(0, [0.03, 0.05, 0.06])
    amount = np.arange(STEPS)[:, None] / 100
    blue = 10 ** -(amount * haematoxylin / np.linalg.norm(haematoxylin))
    pink = 10 ** -(amount * 0.36 * eosin / np.linalg.norm(eosin))
    mixed = glass * blue[:, None, :] * pink[None, :, :]
    return np.ascontiguousarray(np.round(mixed).astype(np.uint8).reshape(STEPS * STEPS, 3).T)


def draw_glass(rng: np.random.Generator) -> np.ndarray:
    """Draw the RGB of bare glass: nearly white, nearly grey."""
    return rng.uniform(235, 242) + rng.uniform(-1.5, 1.5, 3)


def _draw_noise(rng: np.random.Generator, sigma_px: float, *, every: int) -> np.ndarray:
    side = TEXTURE_PX // every
    white = rng.standard_normal((side, side), dtype=np.float32)
    narrow = sigma_px / every
    smooth = ndimage.gaussian_filter(white, narrow, mode="wrap", truncate=3.0)
    smooth /= smooth.std()
    return _enlarge(smooth, every)


def _enlarge(tile: np.ndarray, times: int) -> np.ndarray:
    """Interpolate linearly, round the sides."""
    for axis in (0, 1):
        steps = np.roll(tile, -1, axis=axis) - tile
        parts = [tile + np.float32(k / times) * steps for k in range(times)]
        sides = list(tile.shape)
        sides[axis] *= times
        tile = np.stack(parts, axis=axis + 1).reshape(sides)
    return tile


def _draw_droplets(rng: np.random.Generator) -> np.ndarray:
    """Draw round drops of very different size, none over another."""
    tile = np.zeros((TEXTURE_PX, TEXTURE_PX), np.float32)
    y, x = np.mgrid[-26:27, -26:27].astype(np.float32)
    for size in np.sort(rng.gamma(2.2, 4.0, 1500).clip(3, 24))[::-1]:
        row, column = rng.integers(27, TEXTURE_PX - 27, 2)
        spot = tile[row - 26 : row + 27, column - 26 : column + 27]
        drop = np.clip(size - np.hypot(y, x) + 0.5, 0, 1)
        if not spot[drop > 0].any():
            spot += drop
    return tile
