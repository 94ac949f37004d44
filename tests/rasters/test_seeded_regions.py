"""Regions about seeds: by hand, against scikit-image's watershed and SciPy, and in windows."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.segmentation import watershed

from microtome.rasters.seeded_regions import Reach, grow_regions, outline_regions

REACH = Reach(shift_px=2, deep_px=10, beyond_px=12)


def disc(*places: tuple[float, float, float], side: int = 80) -> np.ndarray:
    """Draw discs: x, y and radius in px."""
    y, x = np.mgrid[:side, :side] + 0.5
    return np.any([np.hypot(x - a, y - b) <= r for a, b, r in places], axis=0)


def found_in(mask: np.ndarray, seeds: list[tuple[float, float]], reach: Reach = REACH):
    """Owner of each px, and outline as polygon and area of each seed."""
    x, y = np.array(seeds, float).reshape(-1, 2).T
    regions = grow_regions(mask, x, y, reach)
    outlines, area_px = outline_regions(regions, np.arange(len(x)), reach)
    polygons = [shapely.Polygon(one.reshape(-1, 2)) if len(one) else None for one in outlines]
    return regions.owner, polygons, area_px


def px_in(polygon: shapely.Polygon, shape: tuple[int, int]) -> np.ndarray:
    """Which px have their middles in a polygon."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    return shapely.contains_xy(polygon, x, y)


@pytest.mark.parametrize("radius", [4, 6.5, 9, 12])
def test_a_disc_has_its_area(radius):
    """Within 5 % of the formula, also that of its outline, whose corners are few."""
    mask = disc((40.2, 39.7, radius))
    _, (polygon,), (area,) = found_in(mask, [(41, 40)])
    assert area == np.count_nonzero(mask)
    assert area == pytest.approx(math.pi * radius**2, rel=0.05)
    assert polygon.area == pytest.approx(area, rel=0.05)
    assert len(polygon.exterior.coords) < 12 + 2 * radius


@pytest.mark.parametrize(("small", "turn"), [(10, 0), (6, 0), (6, math.pi / 4), (5, 2)])
def test_two_discs_that_touch_are_divided_where_they_touch(small, turn):
    """Also where one is larger: each has its area, and outlines overlap by no more than corners."""
    x, y = 30 + (9 + small) * math.cos(turn), 40 + (9 + small) * math.sin(turn)
    mask = disc((30, 40, 10), (x, y, small))
    owner, polygons, areas = found_in(mask, [(30, 40), (x, y)])
    assert ((owner >= 0) == mask).all()
    for polygon, area, radius in zip(polygons, areas, (10, small), strict=True):
        assert area == pytest.approx(math.pi * radius**2, rel=0.06)
        assert polygon.is_valid
    assert polygons[0].intersection(polygons[1]).area < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_nuclei_in_heaps_are_divided_nearly_as_by_a_watershed(seed):
    """Of the distance to the edge, as scikit-image has it, from the same seeds: 95 % of the px."""
    rng = np.random.default_rng(seed)
    centres = [(x, y) for x in range(15, 150, 15) for y in range(15, 150, 15)]
    discs = [
        (x + rng.uniform(-3, 3), y + rng.uniform(-3, 3), rng.uniform(5, 9)) for x, y in centres
    ]
    mask = disc(*discs, side=160)
    seeds = [(x, y) for x, y, _ in discs]
    owner, _, _ = found_in(mask, seeds)
    markers = np.zeros(mask.shape, int)
    for i, (x, y) in enumerate(seeds):
        markers[int(y), int(x)] = i + 1
    expected = watershed(-ndimage.distance_transform_edt(mask), markers, mask=mask) - 1
    assert (owner == expected)[mask].mean() > 0.95


def test_a_gap_is_not_crossed():
    """A long region goes on to its end though another's seed is nearer, beyond a gap."""
    mask = np.zeros((30, 60), bool)
    mask[5:10, 5:26] = mask[11:20, 20:29] = True
    owner, _, areas = found_in(mask, [(12, 7), (24, 15)])
    assert (owner[5:10, 5:26] == 0).all()
    assert areas.tolist() == [5 * 21, 9 * 9]


def test_px_that_touch_by_their_corners_are_apart():
    """As pieces of outlines are."""
    mask = np.zeros((12, 12), bool)
    mask[2:5, 2:5] = mask[5:9, 5:9] = True
    owner, _, areas = found_in(mask, [(3, 3)])
    assert areas.tolist() == [9]
    assert np.count_nonzero(owner == 0) == 9


def test_holes_are_filled():
    """A pale middle is part of a nucleus, though the mask does not have it."""
    mask = disc((40, 40, 9)) & ~disc((43, 40, 3))
    _, (polygon,), (area,) = found_in(mask, [(34, 40)])
    assert area == np.count_nonzero(disc((40, 40, 9)))
    assert not polygon.interiors


@pytest.mark.parametrize(("away", "is_there"), [(1, True), (4, False)])
def test_a_seed_beside_the_mask_has_what_is_near(away, is_there):
    """Within the shift; farther away there is no region, no outline and no area."""
    _, (polygon,), (area,) = found_in(disc((40, 40, 6)), [(46 + away, 40)])
    assert (polygon is not None) == is_there
    assert math.isnan(area) != is_there


def test_of_two_seeds_in_a_disc_the_one_in_its_middle_has_it():
    """A nucleus that was found twice is not two, and no seed is in two regions."""
    mask = disc((40, 40, 8))
    _, polygons, areas = found_in(mask, [(40, 40), (44, 41), (40, 40)])
    assert areas[0] > 0.85 * np.count_nonzero(mask)
    assert polygons[2] is None


def test_regions_end_where_they_may_not_reach():
    """A bar of 4 px goes 2 px, its disc, and 12 px beyond, each way: 29 px and ends."""
    mask = np.zeros((20, 200), bool)
    mask[8:12, 5:195] = True
    owner, _, _ = found_in(mask, [(100.5, 10.5)])
    assert np.count_nonzero(owner[10] == 0) == pytest.approx(2 * (2 + 12), abs=2)
    assert REACH.radius_px >= 22


blobs = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        ndimage.gaussian_filter(np.random.default_rng(seed).random((60, 70)), 2.0) > 0.49,
        np.random.default_rng(seed + 1).uniform((0, 0), (70, 60), (25, 2)),
    )
)


@settings(max_examples=30)
@given(blobs)
def test_outlines_are_valid_and_hold_the_px_of_their_region(drawn):
    """Whatever the mask: simple, closed, apart; filled again they give the region's px."""
    mask, seeds = drawn
    owner, polygons, areas = found_in(mask, seeds)
    there = [polygon for polygon in polygons if polygon is not None]
    assert all(polygon.is_valid and polygon.area > 0 for polygon in there)
    for i, polygon in enumerate(polygons):
        if polygon is None:
            assert math.isnan(areas[i])
            continue
        inside = px_in(polygon, mask.shape)
        assert np.count_nonzero(inside) == areas[i]
        pieces, _ = ndimage.label(owner == i)
        sizes = np.bincount(pieces.ravel())[1:]
        filled = [
            ndimage.binary_fill_holes(pieces == k + 1, np.ones((3, 3))) for k in range(len(sizes))
        ]
        assert any((inside == one).all() for one in filled)


SMALL = Reach(shift_px=1, deep_px=3, beyond_px=4)


@settings(max_examples=30)
@given(blobs, st.integers(0, 30), st.integers(0, 30))
def test_what_is_far_does_not_matter(drawn, row, column):
    """The regions of seeds in a window are those of the whole, if the margin is around it."""
    mask, seeds = drawn
    _, *of_seeds = found_in(mask, seeds, SMALL)
    whole = dict(zip(map(tuple, seeds), zip(*of_seeds, strict=True), strict=True))
    margin = SMALL.margin_px
    wide = np.pad(mask, margin)
    side = 25
    part = wide[row : row + side + 2 * margin, column : column + side + 2 * margin]
    lower, upper = np.array([column, row]), np.array([column, row]) + side
    near = ((seeds >= lower - SMALL.seeds_px) & (seeds < upper + SMALL.seeds_px)).all(axis=1)
    places = seeds[near] - lower + margin
    regions = grow_regions(part, *places.T, SMALL)
    outlines, areas = outline_regions(regions, np.arange(len(places)), SMALL)
    for seed, outline, area in zip(seeds[near], outlines, areas, strict=True):
        if ((seed >= lower) & (seed < upper)).all():
            polygon, expected = whole[tuple(seed)]
            np.testing.assert_equal(area, expected)
            if polygon is not None:
                moved = outline.reshape(-1, 2) + lower - margin
                assert shapely.Polygon(moved).equals(polygon)
