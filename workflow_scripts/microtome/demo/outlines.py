"""From the plan of a demo slide to outlines as an annotator draws them, and back to masks."""

from dataclasses import dataclass

import numpy as np
from skimage.measure import approximate_polygon, find_contours

from microtome.rasters.polygon_fill import fill_rings


@dataclass(frozen=True)
class Outlines:
    """Rings of a slide's tumour, each an ndarray of shape (n, 2), float64 x, y in level-0 px.

    A ring is not closed: its last point differs from its first. Pixel (row, column) has its
    centre at (column + 0.5, row + 0.5).

    Attributes
    ----------
    whole : tuple of ndarray
        The tumour bed.
    viable : tuple of ndarray
        Outer rings of viable tumour, none inside another or inside a hole.
    holes : tuple of ndarray
        What is cut from viable tumour.
    """

    whole: tuple[np.ndarray, ...] = ()
    viable: tuple[np.ndarray, ...] = ()
    holes: tuple[np.ndarray, ...] = ()


def trace(whole: np.ndarray, viable: np.ndarray, *, step_px: int) -> Outlines:
    """Trace the zero lines of two signed distances, positive inside, of shape (rows, columns).

    Node (r, c) of their grid lies at ((c + 0.5) * step_px, (r + 0.5) * step_px). Coordinates get
    two decimals, so that a file can hold them exactly.
    """
    viable_rings = _trace_rings(viable, step_px)
    return Outlines(
        whole=tuple(ring for ring in _trace_rings(whole, step_px) if _area(ring) > 0),
        viable=tuple(ring for ring in viable_rings if _area(ring) > 0),
        holes=tuple(ring for ring in viable_rings if _area(ring) < 0),
    )


def fill(outlines: Outlines, *, width_px: int, height_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Give masks of viable and whole tumour, each of shape (height, width), bool.

    Examples
    --------
    >>> square = np.array([(1.0, 1.0), (1.0, 4.0), (4.0, 4.0), (4.0, 1.0)])
    >>> drawn = Outlines(whole=(square,), viable=(square,), holes=(square / 2,))
    >>> [int(mask.sum()) for mask in fill(drawn, width_px=8, height_px=6)]
    [8, 9]
    """
    band = {"first_row": 0, "n_rows": height_px, "width_px": width_px, "scale": 1.0}
    viable = fill_rings(outlines.viable, **band) & ~fill_rings(outlines.holes, **band)
    return viable, fill_rings(outlines.whole, **band)


def _trace_rings(distance: np.ndarray, step_px: int) -> list[np.ndarray]:
    """Trace zero lines of a distance; the area of a ring is positive round what is inside."""
    rings = []
    for line in find_contours(distance, 0.0, positive_orientation="low"):
        ring = approximate_polygon(line, tolerance=0.2)[:-1, ::-1]
        if len(ring) >= 3 and abs(_area(ring)) > 9:
            rings.append(np.round((ring + 0.5) * step_px, 2))
    return rings


def _area(ring: np.ndarray) -> float:
    """Measure an area by the shoelace formula; the sign tells the direction."""
    x, y = ring.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
