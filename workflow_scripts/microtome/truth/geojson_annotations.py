"""Outlines of a GeoJSON file, as QuPath 0.2 to 0.6 exports them and other programs write them.

QuPath's forms are those of its classes QuPathTypeAdapters, GsonTools and ROITypeAdapters.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import shapely

from microtome.errors import InputError
from microtome.truth.shapes import NO_CLASS, Shape, parse_numbers, trace_ellipse

_ANNOTATION = "annotation"
# QuPath 0.2 said the kind of an object in the feature's id; one without any is an annotation.
_KINDS_AS_IDS = {
    "PathAnnotationObject": _ANNOTATION,
    "PathDetectionObject": "detection",
    "PathCellObject": "cell",
    "PathTileObject": "tile",
    "TMACoreObject": "tmaCore",
    "PathRootObject": "root",
}
_KINDS = {*_KINDS_AS_IDS.values(), "tma_core"}
# Classes derived by a stain that is there: 'Tumor: Positive' is tumour. 'Tumor: Negative' may be
# tumour without the stain, or no tumour: it counts only if the configuration knows it by its name.
_STAINED = {"positive", "1+", "2+", "3+"}
_WITHOUT_AREA = {"Point", "MultiPoint", "LineString", "MultiLineString"}


def is_geojson(path: str | Path) -> bool:
    """Tell whether a file begins as JSON does, in UTF-8, 16 or 32."""
    with Path(path).open("rb") as file:
        data = file.read(4096)
    text = data.decode(json.detect_encoding(data), errors="ignore")
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def read_geojson(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
    """Read the annotations of GeoJSON; count in `skipped` what is ignored.

    Features may be one, in a list, in a FeatureCollection, or children of another. Coordinates stay
    as they are: on a slide whose scan is a part of it, QuPath's start at the scan's corner.
    """
    waiting = [_parse(path, data)]
    while waiting:
        found = waiting.pop()
        content = found if isinstance(found, dict) else {}
        inner = content.get("features") if content.get("type") == "FeatureCollection" else found
        if content.get("type") == "Feature":
            properties = content.get("properties") or {}
            if not isinstance(properties, dict):
                raise InputError(f"{path}: a feature's properties are no object; export it again")
            yield from _read_feature(path, content, properties, skipped)
            inner = properties.get("childObjects", properties.get("children")) or []
        if not isinstance(inner, list):
            raise InputError(
                f"{path}: is JSON but not GeoJSON; export GeoJSON features from QuPath"
            )
        waiting += reversed(inner)


def _parse(path: str | Path, data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        if str(error).startswith("Extra data"):
            raise InputError(
                f"{path}: holds several JSON values, perhaps a feature a line; "
                "put the features into one FeatureCollection"
            ) from None
        raise InputError(f"{path}: is not valid JSON ({error}); export it again") from None


def _read_feature(
    path: str | Path, feature: dict, properties: dict, skipped: Counter[str]
) -> Iterator[Shape]:
    kind = _name_kind(feature, properties)
    geometry = feature.get("geometry")
    if kind.casefold() != _ANNOTATION:
        skipped[f"of object type {kind!r}: only annotations count"] += 1
    elif geometry is None:
        skipped["without a geometry"] += 1
    else:
        names = _name_class(properties)
        for rings in _read_geometry(path, geometry, skipped):
            yield Shape(names, rings)


def _name_kind(feature: dict, properties: dict) -> str:
    """What the feature was in QuPath: 'annotation', 'cell', 'tile' and so on."""
    kind = properties.get("type")  # where QuPath looks last, and others write what they like
    return str(
        _KINDS_AS_IDS.get(str(feature.get("id")))
        or _KINDS_AS_IDS.get(str(properties.get("id")))  # 0.2, written again by geopandas
        or properties.get("objectType")  # since 0.4
        or properties.get("object_type")  # 0.3
        or (kind if str(kind) in _KINDS else _ANNOTATION)
    )


def _name_class(properties: dict) -> tuple[str, ...]:
    """Names of an annotation's class: its full one, then what it is if a stain does not count."""
    parts = _split_class(properties.get("classification"))
    if not parts:
        name = properties.get("name")
        return (*([f"(no class; {name!r} is a name only)"] if name else ()), NO_CLASS)
    base = list(parts)
    while len(base) > 1 and base[-1].casefold() in _STAINED:
        base.pop()
    return tuple(dict.fromkeys([": ".join(parts), ": ".join(base)]))


def _split_class(classification: object) -> list[str]:
    """Parts of a class, from the base to what is derived from it; none if it has no name.

    QuPath has written an object with a name, with names, or with a parent class; others write a
    text, that object as text, or a number.
    """
    parts: list[str] = []
    waiting = [classification]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str) and found.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):
                found = json.loads(found)
        if isinstance(found, dict):
            own = "names" if found.get("name") is None else "name"
            waiting += [found.get(own), found.get("parentClass")]
        elif isinstance(found, list):
            waiting += reversed(found)
        elif found is not None and str(found) != "nan":  # so pandas writes a missing class
            is_whole = isinstance(found, float) and found.is_integer()
            text = str(int(found) if is_whole else found)
            parts += filter(None, (" ".join(part.split()) for part in text.split(":")))
    return parts


def _read_geometry(
    path: str | Path, geometry: object, skipped: Counter[str]
) -> Iterator[tuple[np.ndarray, ...]]:
    waiting = [geometry]
    while waiting:
        part = waiting.pop()
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _WITHOUT_AREA:
            _require_first_plane(path, part)
        if kind == "GeometryCollection":
            waiting += reversed(_require_list(path, part.get("geometries")))
        elif kind in ("Polygon", "MultiPolygon"):
            found = part.get("coordinates")
            for polygon in [found] if kind == "Polygon" else _require_list(path, found):
                rings = [_read_ring(path, ring) for ring in _require_list(path, polygon)]
                # QuPath reads an ellipse from the box around it, whatever its corners are.
                if rings and len(rings[0]) and part.get("isEllipse") is True:
                    rings = [trace_ellipse(rings[0].min(axis=0), rings[0].max(axis=0))]
                yield _clip_holes(rings, skipped)
        elif kind in _WITHOUT_AREA:
            skipped[f"of type {kind}, which has no area"] += 1
        else:
            raise InputError(
                f"{path}: a geometry of type {kind!r} is not GeoJSON; export it again from QuPath"
            )


def _require_first_plane(path: str | Path, geometry: object) -> None:
    """Raise InputError for an outline drawn on another plane of a stack or time series."""
    plane = geometry.get("plane") if isinstance(geometry, dict) else None
    for axis in ("z", "t"):
        if isinstance(plane, dict) and plane.get(axis):
            raise InputError(
                f"{path}: an annotation lies on plane {axis} = {plane[axis]}, and only {axis} = 0 "
                "is read; delete it or move it there in QuPath, and export again"
            )


def _read_ring(path: str | Path, ring: object) -> np.ndarray:
    # A third number, a height, is allowed by the format and means nothing here.
    points = [_require_list(path, point)[:2] for point in _require_list(path, ring)]
    return parse_numbers(path, points, columns=2)


def _clip_holes(rings: list[np.ndarray], skipped: Counter[str]) -> tuple[np.ndarray, ...]:
    """Clip holes to the outline, and join them: filled by the even-odd rule, they are then holes.

    As they are they would not be where they reach out of the outline or into each other. One that
    lies outside or in another may be meant as a part of its own, and is counted in `skipped`.
    """
    holes = [ring for ring in rings[1:] if len(ring) > 2]
    if not holes or len(rings[0]) < 3 or shapely.Polygon(rings[0], holes).is_valid:
        return tuple(rings)
    outline, *cut = shapely.make_valid(list(map(shapely.Polygon, [rings[0], *holes])))
    within, around = shapely.STRtree(cut).query(cut, predicate="within")
    apart = {*within[within != around], *np.flatnonzero(shapely.disjoint(outline, cut))}
    if apart:
        skipped["holes outside of their outline or in another; draw parts alone"] += len(apart)
    clipped = shapely.get_parts(shapely.union_all(cut) & outline)
    inner = shapely.get_rings([part for part in clipped if part.area])
    return (rings[0], *map(shapely.get_coordinates, inner))


def _require_list(path: str | Path, value: object) -> list:
    if not isinstance(value, list):
        raise InputError(f"{path}: the coordinates of a polygon are not nested lists of points")
    return value
