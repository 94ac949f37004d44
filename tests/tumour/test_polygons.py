"""Polygons of a tumour map: read back they are the map, and QuPath knows what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from shapely.geometry import shape as as_geometry

from conftest import REPOSITORY
from microtome.rasters.bands import rows_of
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.outlines import trace_outlines
from microtome.rasters.polygon_fill import fill_rings
from microtome.truth.maps import merge_labels, open_truth
from microtome.tumour.polygons import trace_polygons, write_tumour_polygons

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
LEVEL0_UM = 0.5


def draw_tumour(seed: int = 0) -> np.ndarray:
    """Draw a tumour map with holes, islands and tumour at the borders."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((90, 120)), 3)
    low, high = np.quantile(noise, [0.4, 0.65])
    return (noise > low).astype(np.uint8) + (noise > high)


def written(
    folder: Path, labels: np.ndarray, *, scale: float = 16.0, size_px=None, bounds_px=None
) -> Path:
    """Write the polygons of a map."""
    write_array(folder / "map.tif", labels, spacing_um=LEVEL0_UM * scale)
    write_tumour_polygons(
        folder / "map.geojson",
        open_raster(folder / "map.tif"),
        slide_size_px=size_px or tuple(round(n * scale) for n in labels.shape[::-1]),
        slide_spacing_um=LEVEL0_UM,
        bounds_px=bounds_px,
    )
    return folder / "map.geojson"


def features_of(path: Path) -> list[dict]:
    """Read the features."""
    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    return content["features"]


@pytest.mark.parametrize("scale", [16.0, 32.9, 7.0, 1.0, 5.3])
@pytest.mark.parametrize("corner", [None, (-3, -2), (4, 3)])
def test_read_back_as_an_annotation_it_is_the_same_map(tmp_path, scale, corner):
    """By the classes of the default configuration, px by px, wherever the slide's scan begins."""
    labels = draw_tumour(1)
    labels[:4] = labels[:, :4] = 0
    size_px = tuple(int(np.ceil(n * scale)) for n in labels.shape[::-1])
    bounds_px = corner and (*corner, size_px[0] + 4, size_px[1] + 4)
    path = written(tmp_path, labels, scale=scale, size_px=size_px, bounds_px=bounds_px)
    classes = CONFIG["annotation"]["classes"]
    given = {"slide": "a", "slide_size_px": size_px, "bounds_px": bounds_px, "classes": classes}
    with open_truth(annotation=path, **given) as truth:
        assert truth.notes == ()
        found = merge_labels(*truth.rows(0, len(labels), scale))
    np.testing.assert_array_equal(found[:, : labels.shape[1]], labels)


def test_what_qupath_is_told(tmp_path):
    """Annotations with class, colour and area; the whole tumour once, viable tumour by pieces."""
    labels = np.zeros((20, 30), np.uint8)
    labels[2:12, 3:13] = labels[2:12, 20:26] = 1
    labels[4:9, 4:6] = labels[3, 22] = labels[4, 23] = 2
    whole, *viable = features_of(written(tmp_path, labels))
    assert whole["type"] == "Feature"
    assert whole["geometry"]["type"] == "MultiPolygon"
    assert whole["properties"] == {
        "objectType": "annotation",
        "classification": {"name": "whole tumor", "color": [249, 168, 37]},
        "measurements": {"area_um2": 160 * 64.0},
    }
    assert [f["geometry"]["type"] for f in viable] == ["Polygon"] * 3
    assert {f["properties"]["classification"]["name"] for f in viable} == {"viable tumor"}
    assert [f["properties"]["measurements"]["area_um2"] for f in viable] == [640.0, 64.0, 64.0]


def test_coordinates_by_hand(tmp_path):
    """A px of 16 x 16 level-0 px, x before y, whole numbers without a point."""
    labels = np.zeros((4, 4), np.uint8)
    labels[1, 2] = 2
    path = written(tmp_path, labels)
    ring = [[32, 24], [40, 16], [48, 24], [40, 32], [32, 24]]
    whole, viable = features_of(path)
    assert whole["geometry"]["coordinates"] == [[ring]]
    assert viable["geometry"]["coordinates"] == [ring]
    assert "[[[32,24],[40,16]" in path.read_text().replace(" ", "")


def test_coordinates_start_where_the_scan_does(tmp_path):
    """QuPath shows nothing else of the slide: closed, valid rings, moved and not rounded anew."""
    labels = draw_tumour()
    plain = features_of(written(tmp_path, labels, scale=32.9))
    moved = features_of(written(tmp_path, labels, scale=32.9, bounds_px=(1001, -7, 2000, 1500)))
    assert len(moved) == len(plain) > 5
    for before, after in zip(plain, moved, strict=True):
        assert before["properties"] == after["properties"]
        polygon = as_geometry(after["geometry"])
        assert polygon.is_valid
        points = [shapely.get_coordinates(as_geometry(f["geometry"])) for f in (before, after)]
        np.testing.assert_allclose(points[0] - (1001, -7), points[1], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(np.round(points[1], 1), points[1])
        rings = after["geometry"]["coordinates"]
        for ring in rings if after is not moved[0] else [r for part in rings for r in part]:
            assert ring[0] == ring[-1]


def test_coordinates_have_one_decimal(tmp_path):
    """Finer ones mean nothing and take room; the same map gives the same bytes, another others."""
    path = written(tmp_path, draw_tumour(), scale=32.9)
    for feature in features_of(path):
        points = shapely.get_coordinates(as_geometry(feature["geometry"]))
        np.testing.assert_allclose(points, np.round(points, 1), rtol=0, atol=1e-9)
    first = path.read_bytes()
    assert b".0]" not in first
    assert written(tmp_path, draw_tumour(), scale=32.9).read_bytes() == first
    assert written(tmp_path, draw_tumour(1), scale=32.9).read_bytes() != first


def test_maps_without_a_class(tmp_path):
    """No tumour is no feature, which a reader takes for a slide free of it; or whole alone."""
    path = written(tmp_path, np.zeros((9, 9), np.uint8))
    assert features_of(path) == []
    with open_truth(slide="a", slide_size_px=(144, 144), annotation=path, classes={}) as truth:
        assert not truth.rows(0, 9, 16.0)[0].any()
    (feature,) = features_of(written(tmp_path, np.ones((9, 9), np.uint8)))
    assert feature["properties"]["classification"]["name"] == "whole tumor"


def test_polygons_end_where_the_slide_does(tmp_path):
    """Of the last px only the part on the slide; none if its centre is beyond."""
    labels = np.full((10, 10), 2, np.uint8)
    path = written(tmp_path, labels, size_px=(9 * 16 + 15, 9 * 16 + 7))
    _, viable = features_of(path)
    polygon = as_geometry(viable["geometry"])
    assert polygon.bounds == (0, 0, 159, 144)
    assert viable["properties"]["measurements"]["area_um2"] == 90 * 64.0


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    grain=st.sampled_from([0, 0.5, 1, 3]),
    scale=st.sampled_from([1.0, 2.0, 8.0, 16.03, 32.9]),
    missing_px=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_polygons_of_any_mask(*, seed, shape, grain, scale, missing_px):
    """Valid, apart, on the slide, and px for px the mask but where the slide's border cuts."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random(shape), grain)
    mask = noise > np.quantile(noise, rng.random())
    size_px = tuple(
        max(1, int(np.ceil(n * scale)) - int(min(missing, scale * 0.99)))
        for n, missing in zip(shape[::-1], missing_px, strict=True)
    )
    polygons, area_px = trace_polygons(rows_of(mask), shape, scale=scale, slide_size_px=size_px)
    assert len(polygons) == len(area_px)
    if len(polygons) == 0:
        return
    assert shapely.is_valid(polygons).all()
    every = shapely.multipolygons(polygons)
    assert shapely.is_valid(every)
    assert (shapely.total_bounds(every) <= [*size_px, *size_px]).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(polygons)).all()
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(polygons)]
    found = fill_rings(rings, first_row=0, n_rows=shape[0], width_px=shape[1], scale=scale)
    # The last row and column may be cut.
    np.testing.assert_array_equal(found[:-1, :-1], mask[:-1, :-1])
    if not any(missing_px):
        np.testing.assert_array_equal(found, mask)


def test_points_are_dropped_along_slopes():
    """A disc of 2000 px across takes 2 in 5 points of its staircase, and stays round."""
    y, x = np.indices((2001, 2001)) - 1000
    disc = x**2 + y**2 <= 1000**2
    (polygon,), _ = trace_polygons(rows_of(disc), disc.shape, scale=1.0, slide_size_px=disc.shape)
    points = trace_outlines(rows_of(disc), disc.shape).points
    assert shapely.get_num_coordinates(polygon) < 0.42 * len(points)
    assert polygon.area == pytest.approx(np.pi * 1000**2, rel=1e-3)
    circle = shapely.Point(1000.5, 1000.5).buffer(1000, quad_segs=500)
    assert shapely.hausdorff_distance(polygon.exterior, circle.exterior) < 2


def test_many_holes_take_seconds():
    """A piece with 40,000 holes: time grows with the outline, not with rings times points."""
    mask = np.ones((401, 401), bool)
    mask[1::2, 1::2] = False
    (polygon,), _ = trace_polygons(rows_of(mask), mask.shape, scale=8.0, slide_size_px=(3208, 3208))
    assert shapely.get_num_interior_rings(polygon) == 200 * 200
