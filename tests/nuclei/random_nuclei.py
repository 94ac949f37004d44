"""Nuclei at random places, in batches as tables of nuclei give them."""

from collections.abc import Iterator

import numpy as np


def random_nuclei(
    n: int,
    *,
    size_um: tuple[float, float],
    spacing_um: float = 0.5,
    batch: int = 1000,
    seed: int = 0,
) -> Iterator[dict[str, np.ndarray]]:
    """Scatter nuclei over a slide of some width and height."""
    rng = np.random.default_rng(seed)
    for first in range(0, n, batch):
        m = min(batch, n - first)
        x, y = rng.uniform((0, 0), size_um, (m, 2)).T
        yield {
            "x_um": x,
            "y_um": y,
            "x_px": (x / spacing_um).astype(np.float32),
            "y_px": (y / spacing_um).astype(np.float32),
            "confidence": rng.uniform(0.5, 1.2, m).astype(np.float32),
            "haematoxylin": rng.uniform(0.1, 1.5, m).astype(np.float32),
        }
