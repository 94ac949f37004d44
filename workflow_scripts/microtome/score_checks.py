"""Looking at what networks say of patches before anybody believes it."""

from collections.abc import Mapping

import numpy as np

from microtome.errors import InputError
from microtome.grids import Grid
from microtome.slides import Slide


def require_numbers(
    slide: Slide, grid: Grid, index: np.ndarray, maps: Mapping[str, np.ndarray]
) -> None:
    """Raise InputError, with the place of the patch, where a map holds something else."""
    for values in maps.values():
        bad = ~np.isfinite(values).all(axis=(1, 2))
        if bad.any():
            i = index[bad][0]
            raise InputError(
                f"slide {slide.name}: the model gives no number for the patch at"
                f" x={grid.x_px[i]:.0f}, y={grid.y_px[i]:.0f}"
            )
