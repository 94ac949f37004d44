"""Polygons are filled exactly, in bands."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.rasters.polygon_fill import fill_rings, is_inside_rings, list_edges, paint_edges

SQUARE = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])

# Quarters, so that corners often fall on pixel centres and on each other.
QUARTERS = st.integers(-20, 80).map(lambda quarter: quarter / 4)
RINGS = st.lists(st.tuples(QUARTERS, QUARTERS), min_size=3, max_size=12).map(np.array)
SCALES = st.sampled_from([0.5, 1.0, 2.004, 3.7])


def winding_parity(x: float, y: float, rings: list[np.ndarray]) -> bool:
    """Count in plain Python how often a ray to the left of a point meets the rings."""
    inside = False
    for ring in rings:
        for (ax, ay), (bx, by) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if (ay <= y) != (by <= y):
                (tx, ty), (lx, ly) = ((ax, ay), (bx, by)) if ay < by else ((bx, by), (ax, ay))
                inside ^= tx + (lx - tx) * ((y - ty) / (ly - ty)) <= x
    return bool(inside)


SQUARE_FILLED = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


def test_paint_and_take_away():
    """A square takes the px whose centres it covers away and leaves the rest as it was."""
    band = np.ones((4, 5), dtype=bool)
    paint_edges(band, list_edges([SQUARE]), value=False, first_row=0, scale=1)
    np.testing.assert_array_equal(~band, SQUARE_FILLED)


@settings(max_examples=150)
@given(st.lists(RINGS, max_size=3), SCALES, st.integers(0, 20))
def test_every_pixel_as_in_plain_python(rings, scale, first):
    """Any rings, crossing and repeated, in a band anywhere: what a test of each centre gives."""
    filled = fill_rings(rings, first_row=first, n_rows=12, width_px=11, scale=scale)
    assert filled.dtype == bool
    centres = [(c, first + r) for r in range(12) for c in range(11)]
    centres = (np.array(centres) + 0.5) * scale
    expected = [winding_parity(x, y, rings) for x, y in centres]
    np.testing.assert_array_equal(filled.ravel(), expected)
    np.testing.assert_array_equal(is_inside_rings(centres, rings), expected)
