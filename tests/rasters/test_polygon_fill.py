"""Polygons are filled exactly, in bands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.rasters.polygon_fill import fill_rings, is_inside_rings, list_edges, paint_edges

SQUARE = np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]])
ASIDE = np.array([1000.0, 0.0])

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


@pytest.mark.parametrize(
    ("ring", "scale", "expected"),
    [
        (SQUARE, 1, SQUARE_FILLED),
        (np.vstack([SQUARE, SQUARE[:1]]), 1, SQUARE_FILLED),
        (SQUARE, 2, [[1, 1, 0], [0, 0, 0], [0, 0, 0]]),
        ((SQUARE - 2) * 1e6, 2.004, np.ones((3, 4))),
    ],
    ids=["by px", "its first point repeated", "centres 1, 3, 5", "around the mask"],
)
def test_square_by_hand(ring, scale, expected):
    """A square covers the px whose centres it covers: left and upper sides count, others not."""
    n_rows, width_px = np.shape(expected)
    filled = fill_rings([ring], first_row=0, n_rows=n_rows, width_px=width_px, scale=scale)
    assert filled.dtype == bool
    np.testing.assert_array_equal(filled, expected)


def test_ring_in_ring_is_left_out():
    """The even-odd rule makes an inner ring a hole and a third ring an island."""
    rings = [np.array([[a, a], [9 - a, a], [9 - a, 9 - a], [a, 9 - a]]) for a in (0, 1, 3)]
    middle = fill_rings(rings, first_row=4, n_rows=1, width_px=9, scale=1)[0]
    np.testing.assert_array_equal(middle, [1, 0, 0, 1, 1, 1, 0, 0, 1])


@pytest.mark.parametrize(
    "rings",
    [[], [SQUARE + 1000], [SQUARE - 1000], [SQUARE + ASIDE], [SQUARE - ASIDE], [SQUARE * (1, 0)]],
    ids=["none", "below", "above", "right", "left", "flat"],
)
def test_nothing_to_fill(rings):
    """No rings, rings beside the mask, and rings without area fill nothing."""
    filled = fill_rings(rings, first_row=0, n_rows=6, width_px=7, scale=1)
    np.testing.assert_array_equal(filled, np.zeros((6, 7)))


def test_paint_and_take_away():
    """Taking a part away leaves the rest as it was."""
    band = np.ones((4, 5), dtype=bool)
    paint_edges(band, list_edges([SQUARE]), value=False, first_row=0, scale=1)
    np.testing.assert_array_equal(~band, SQUARE_FILLED)


@settings(max_examples=150)
@given(st.lists(RINGS, min_size=1, max_size=3), SCALES)
def test_every_pixel_as_in_plain_python(rings, scale):
    """Any rings, crossing themselves and each other, give what a test of each centre gives."""
    filled = fill_rings(rings, first_row=0, n_rows=12, width_px=11, scale=scale)
    centres = [((c + 0.5) * scale, (r + 0.5) * scale) for r in range(12) for c in range(11)]
    expected = [winding_parity(x, y, rings) for x, y in centres]
    np.testing.assert_array_equal(filled.ravel(), expected)
    np.testing.assert_array_equal(is_inside_rings(np.array(centres), rings), expected)


@settings(max_examples=100)
@given(RINGS, SCALES, st.integers(1, 30))
def test_bands_make_the_whole(ring, scale, n_rows):
    """Bands of any height put together equal the mask filled at once."""
    size = {"width_px": 33, "scale": scale}
    whole = fill_rings([ring], first_row=0, n_rows=30, **size)
    bands = [
        fill_rings([ring], first_row=row, n_rows=min(n_rows, 30 - row), **size)
        for row in range(0, 30, n_rows)
    ]
    np.testing.assert_array_equal(np.vstack(bands), whole)


@settings(max_examples=50)
@given(RINGS, st.integers(-5, 25))
def test_neighbours_share_no_pixel(ring, cut):
    """An outline cut in two fills every pixel of it once: no seam, no overlap."""
    line = np.array([[cut + 0.3, -30.0], [cut - 0.4, 60.0]])
    left = np.vstack([line, [[-99.0, 60.0], [-99.0, -30.0]]])
    right = np.vstack([line, [[99.0, 60.0], [99.0, -30.0]]])
    size = {"first_row": 0, "n_rows": 25, "width_px": 25, "scale": 1.0}
    one, two = fill_rings([left], **size), fill_rings([right], **size)
    np.testing.assert_array_equal(one ^ two, np.ones_like(one))
    both = fill_rings([ring, left], **size) ^ fill_rings([ring, right], **size)
    np.testing.assert_array_equal(both, np.ones_like(one))
