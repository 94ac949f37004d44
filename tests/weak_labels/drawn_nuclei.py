"""Made-up nuclei: their labels, and H&E of them."""

import numpy as np
from scipy import ndimage


def scatter_nuclei(
    shape: tuple[int, int], rng: np.random.Generator, *, n: int, radius_px: float = 3.5
) -> np.ndarray:
    """Scatter ellipses that do not touch: labels, int64; fewer than `n` where there is no room."""
    labels = np.zeros(shape, np.int64)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for row, column in rng.uniform(0, shape, (n, 2)):
        a, b = radius_px * rng.uniform(0.8, 1.3, 2)
        angle = rng.uniform(0, np.pi)
        u = (x - column) * np.cos(angle) + (y - row) * np.sin(angle)
        v = (y - row) * np.cos(angle) - (x - column) * np.sin(angle)
        inside = (u / a) ** 2 + (v / b) ** 2 < 1
        if inside.any() and not labels[ndimage.binary_dilation(inside)].any():
            labels[inside] = labels.max() + 1
    return labels


def draw_he(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw purple nuclei on uneven pink, RGB uint8."""
    pink, purple = np.array([225, 150, 195]), np.array([95, 65, 145])
    nuclei = ndimage.gaussian_filter((labels > 0).astype(float), 0.7)[..., None]
    uneven = 15 * ndimage.gaussian_filter(rng.normal(size=labels.shape), 6)[..., None]
    pixels = pink + nuclei * (purple - pink) + 6 * uneven + rng.normal(0, 6, (*labels.shape, 3))
    return pixels.clip(0, 255).astype(np.uint8)
