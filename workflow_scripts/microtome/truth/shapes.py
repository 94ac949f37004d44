"""What every annotation format gives: shapes of numbers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.errors import InputError

# What stands for the name of a class where a shape has none.
NO_CLASS = "(no class)"

# Corners of the polygon that an ellipse becomes: its area is too small by 1 in 20,000.
_ELLIPSE_CORNERS = 360


@dataclass(frozen=True)
class Shape:
    """A shape of an annotation file, whose tissue is not known yet.

    Of the possible names of its class the first that the configuration knows counts, and without
    any those of its layer or the groups around it; PAIP's layers have numbers. Rings, each (n, 2),
    float64, are level-0 px, x and y: the outer ring, then those cut out of it.
    """

    names: tuple[str, ...]
    rings: tuple[np.ndarray, ...]
    negative: bool = False  # cut out of its layer (NegativeROA of ImageScope and HALO)
    layer: tuple[str | int, ...] = ()


def parse_numbers(path: str | Path, rows: list[list], *, columns: int) -> np.ndarray:
    """Turn rows of numbers, or of numbers as text, into finite float64 of shape (n, columns)."""
    try:
        numbers = np.array(rows, dtype=np.float64) if rows else np.empty((0, columns))
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or numbers.shape != (len(rows), columns):
        raise InputError(
            f"{path}: a point lacks a coordinate (or Order) or has one that is not a number"
        )
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: a point has a missing, infinite or NaN coordinate")
    return numbers


def trace_ellipse(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Trace the ellipse in the box from corner `low` to corner `high`, x and y: (360, 2)."""
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)
    return (low + high) / 2 + (high - low) / 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
