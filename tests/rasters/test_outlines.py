"""Outlines of masks, by hand and against labels and shapely."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from microtome.rasters.bands import rows_of
from microtome.rasters.outlines import Outlines, trace_outlines

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12)
MASKS = SHAPES.flatmap(lambda shape: arrays(bool, shape))


def traced(picture: str, **settings: int) -> Outlines:
    """Trace a picture of # and dots."""
    mask = np.array([[c == "#" for c in line] for line in picture.split()])
    return trace_outlines(rows_of(mask), mask.shape, **settings)


def rings_of(found: Outlines) -> list[list[tuple[float, float]]]:
    """List the points of every ring."""
    return [list(map(tuple, found.points[a:b].tolist())) for a, b in pairwise(found.ring_ends)]


def polygons_of(found: Outlines) -> np.ndarray:
    """Make polygons."""
    offsets = (found.ring_ends, found.piece_ends)
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, found.points, offsets)


def test_a_piece_by_hand():
    """Up the left side first, clockwise on the screen, half a px from corners; holes the other."""
    found = traced("### #.# ###")
    outer = [(0, 2.5), (0, 0.5), (0.5, 0), (2.5, 0), (3, 0.5), (3, 2.5), (2.5, 3), (0.5, 3)]
    hole = [(1, 1.5), (1.5, 2), (2, 1.5), (1.5, 1)]
    assert found.area_px.tolist() == [8]
    assert found.piece_ends.tolist() == [0, 2]
    assert rings_of(found) == [[*ring, ring[0]] for ring in (outer, hole)]


def test_pieces_are_in_order_with_their_own_rings():
    """By their leftmost px, each with its holes; an island in a hole is a piece of its own."""
    found = traced(
        """
        ......###
        #####.#.#
        #...#.###
        #.#.#....
        #...#.#..
        #####....
        """
    )
    assert found.area_px.tolist() == [16, 1, 8, 1]
    assert found.piece_ends.tolist() == [0, 2, 3, 5, 6]
    assert [ring[0][0] for ring in rings_of(found)] == [0, 1, 2, 6, 7, 6]


@settings(max_examples=300)
@given(MASKS, st.sampled_from([1, 2, 3, 12, None]))
def test_outlines_of_any_mask(mask, n_rows):
    """Valid polygons apart, one a piece of its area, each px centre 0.35 px on its side."""
    found = trace_outlines(rows_of(mask), mask.shape, n_rows=n_rows)
    polygons = polygons_of(found)
    labels, n = ndimage.label(mask)
    assert len(polygons) == n
    assert shapely.is_valid(polygons).all()
    assert shapely.is_valid(shapely.multipolygons(polygons))
    assert sorted(found.area_px) == sorted(np.bincount(labels.ravel())[1:])
    y, x = np.indices(mask.shape) + 0.5
    inside = [shapely.contains_xy(polygon, x, y) for polygon in polygons]
    for one, area in zip(inside, found.area_px, strict=True):
        assert one.sum() == area
        assert len(np.unique(labels[one])) == 1
    np.testing.assert_array_equal(np.sum(inside, axis=0, initial=0), mask)
    borders = shapely.multipolygons(polygons).boundary
    distances = shapely.distance(borders, shapely.points(x.ravel(), y.ravel()))
    assert not n or distances.min() == pytest.approx(np.sqrt(1 / 8), abs=0.15)
    assert not n or distances.min() >= np.sqrt(1 / 8) - 1e-9
    assert all(shapely.is_ccw(shapely.get_exterior_ring(polygons)))


@given(MASKS)
def test_bands_change_nothing(mask):
    """Bands of one row give the outlines of the whole, point by point."""
    whole = trace_outlines(rows_of(mask), mask.shape, n_rows=12)
    rows = trace_outlines(rows_of(mask), mask.shape, n_rows=1)
    for name in ("points", "ring_ends", "piece_ends", "area_px"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(whole, name))
