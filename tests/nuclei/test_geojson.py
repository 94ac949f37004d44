"""Nuclei as GeoJSON: what QuPath is told, read back by json and shapely."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import shape as as_geometry

from helpers.memory import peak_bytes
from microtome.nuclei.geojson import write_nucleus_geojson
from nuclei.random_nuclei import random_nuclei

ONE = {
    "x_px": np.array([100.25]),
    "y_px": np.array([50.5]),
    "confidence": np.array([0.98766], np.float32),
    "haematoxylin": np.array([0.5], np.float32),
}


def written(folder: Path, *batches: dict, **options: object) -> list[dict]:
    """Write nuclei and read the features."""
    write_nucleus_geojson(folder / "a.geojson", batches, **options)
    content = json.loads((folder / "a.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    return content["features"]


def test_what_qupath_is_told(tmp_path):
    """A detection at a point, its class with a colour, confidence and haematoxylin measured."""
    assert written(tmp_path, ONE) == [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [100.25, 50.5]},
            "properties": {
                "objectType": "detection",
                "classification": {"name": "nucleus", "color": [0, 230, 118]},
                "measurements": {"confidence": 0.9877, "haematoxylin": 0.5},
            },
        }
    ]


def test_every_nucleus_of_every_batch_is_there_once(tmp_path):
    """In their order, each within the hundredth of a px that is written; a line each."""
    batches = list(random_nuclei(2500, size_um=(900, 700)))
    features = written(tmp_path, *batches)
    points = [as_geometry(feature["geometry"]) for feature in features]
    places = np.concatenate([np.stack([b["x_px"], b["y_px"]], axis=1) for b in batches])
    np.testing.assert_allclose(shapely.get_coordinates(points), places, atol=0.0051)
    confidence = np.concatenate([batch["confidence"] for batch in batches])
    found = [feature["properties"]["measurements"]["confidence"] for feature in features]
    np.testing.assert_allclose(found, confidence, rtol=6e-4)
    assert len((tmp_path / "a.geojson").read_text().splitlines()) == 2500 + 2


@pytest.mark.parametrize("batches", [[], [{key: values[:0] for key, values in ONE.items()}]])
def test_no_nuclei_are_an_empty_collection(tmp_path, batches):
    """Not an error: a slide may have none."""
    assert written(tmp_path, *batches) == []


def test_coordinates_start_where_the_scan_does(tmp_path):
    """On a slide whose scan is a part of it, QuPath's origin is the scan's corner."""
    (feature,) = written(tmp_path, ONE, bounds_px=(30, 60, 500, 500))
    assert feature["geometry"]["coordinates"] == [70.25, -9.5]


def test_classes_are_escaped_and_keep_their_colours(tmp_path):
    """Whatever a class is called is text; a class has its own colour on all slides."""
    names = ['a "b"\\', "</script>", "ü\n", "lymphocyte", "tumour"]
    nuclei = {"x_px": np.arange(5.0), "y_px": np.arange(5.0), "class": np.array(names)}
    found = [f["properties"]["classification"] for f in written(tmp_path, nuclei)]
    assert [one["name"] for one in found] == names
    colours = [tuple(one["color"]) for one in found]
    assert len(set(colours)) == 5
    assert all(0 <= part <= 255 for colour in colours for part in colour)
    (alone,) = written(tmp_path, {key: values[3:4] for key, values in nuclei.items()})
    assert alone["properties"]["classification"] == found[3]


def test_classes_of_qupath_have_its_colours(tmp_path):
    """However they are written; what has no class is a nucleus, as all are without classes."""
    names = ["Tumor", "stroma", "Immune cells", "", "nucleus"]
    nuclei = {"x_px": np.arange(5.0), "y_px": np.arange(5.0), "class": np.array(names)}
    found = [f["properties"]["classification"] for f in written(tmp_path, nuclei)]
    none = {"name": "nucleus", "color": [0, 230, 118]}
    assert found[3:] == [none, none]
    assert [one["color"] for one in found[:3]] == [[200, 0, 0], [150, 200, 150], [160, 90, 160]]
    assert [one["name"] for one in found[:3]] == names[:3]


def test_probabilities_are_measured(tmp_path):
    """Of each attribute by its name, whatever that is."""
    nuclei = ONE | {'probability_a "b"': np.array([0.25]), "probability_c": np.array([np.nan])}
    (feature,) = written(tmp_path, nuclei)
    assert feature["properties"]["measurements"]['probability_a "b"'] == 0.25
    assert "probability_c" not in feature["properties"]["measurements"]


def test_what_is_not_finite_is_no_measurement(tmp_path):
    """JSON has neither NaN nor infinity, and QuPath would stop at them."""
    nuclei = {"x_px": np.zeros(3), "y_px": np.zeros(3)}
    nuclei |= {
        "confidence": np.array([1.0, 2.0, 3.0]),
        "area_um2": np.array([np.nan, 31.25, np.inf]),
    }
    found = [f["properties"]["measurements"] for f in written(tmp_path, nuclei)]
    assert found == [{"confidence": 1}, {"confidence": 2, "area_um2": 31.25}, {"confidence": 3}]


@pytest.mark.parametrize("turn", [1, -1])
def test_an_outline_is_a_valid_polygon(tmp_path, turn):
    """Closed, counterclockwise as numbers whichever way it came, moved as points are."""
    square = np.array([[10, 10], [14, 10], [14, 13], [10, 13]], np.float32)[::turn]
    outlines = np.array([square.ravel(), np.empty(0, np.float32)], object)
    nuclei = {"x_px": np.array([12.0, 40.0]), "y_px": np.array([11.5, 40.0]), "outline": outlines}
    polygon, point = (
        as_geometry(f["geometry"]) for f in written(tmp_path, nuclei, bounds_px=(2, 1, 90, 90))
    )
    assert polygon.is_valid
    assert polygon.exterior.is_ccw
    assert polygon.equals(shapely.box(8, 9, 12, 12))
    assert point.equals(shapely.Point(38, 39))


def test_memory_does_not_grow_with_the_number_of_nuclei(tmp_path):
    """Of six times as many, with outlines, hardly more is held than of a few batches."""

    def write(n: int) -> None:
        batches = random_nuclei(n, size_um=(900, 700), batch=500)
        corners = np.arange(40.0)
        outlined = (b | {"outline": [corners] * len(b["x_px"])} for b in batches)
        write_nucleus_geojson(tmp_path / "a.geojson", outlined)

    assert peak_bytes(lambda: write(9000)) < 2 * peak_bytes(lambda: write(1500))


def test_nothing_half_written_is_left(tmp_path):
    """A batch that fails leaves the file as it was before."""
    written(tmp_path, ONE)
    before = (tmp_path / "a.geojson").read_bytes()

    def failing():
        yield ONE
        raise OSError("the table ends here")

    with pytest.raises(OSError, match="ends here"):
        write_nucleus_geojson(tmp_path / "a.geojson", failing())
    assert (tmp_path / "a.geojson").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.geojson"]
