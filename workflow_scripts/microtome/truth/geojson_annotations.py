"""Outlines of a GeoJSON file, as QuPath exports them."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.truth.shapes import Shape, parse_numbers


def read_geojson(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
    """Read the polygons of GeoJSON; count in `skipped` what is ignored."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid JSON ({error}); export it again") from None
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = content.get("features")
    features = content if isinstance(content, list) else [content]
    if not all(isinstance(f, dict) and f.get("type") == "Feature" for f in features):
        raise InputError(f"{path}: is JSON but not GeoJSON; export GeoJSON features from QuPath")
    for feature in features:
        names = _name_geojson_class(feature)
        geometry = feature.get("geometry")
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if kind not in ("Polygon", "MultiPolygon"):
            skipped[f"of type {kind}, which has no area"] += 1
            continue
        coordinates = geometry.get("coordinates")
        for rings in _require_list(path, coordinates) if kind == "MultiPolygon" else [coordinates]:
            yield Shape(names, tuple(_read_ring(path, ring) for ring in _require_list(path, rings)))


def _read_ring(path: str | Path, ring: object) -> np.ndarray:
    # A third number, a height, is allowed by the format and means nothing here.
    points = [_require_list(path, point)[:2] for point in _require_list(path, ring)]
    return parse_numbers(path, points, columns=2)


def _name_geojson_class(feature: dict) -> tuple[str, ...]:
    properties = feature.get("properties")
    classification = properties.get("classification") if isinstance(properties, dict) else None
    name = classification.get("name") if isinstance(classification, dict) else None
    return (name,) if isinstance(name, str) and name else ()


def _require_list(path: str | Path, value: object) -> list:
    if not isinstance(value, list):
        raise InputError(f"{path}: the coordinates of a polygon are not nested lists of points")
    return value
