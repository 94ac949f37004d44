"""Shapes as drawn in an annotation file: Aperio ImageScope XML, ASAP XML, GeoJSON of QuPath."""

import codecs
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from microtome.errors import InputError

# Outlines of tumour take some tens of MB at most; 200 MB of XML take about 2 GB of memory.
MAX_BYTES = 200_000_000

ASAP_OUTLINES = {"Polygon", "Spline", "Rectangle"}


@dataclass(frozen=True)
class Shape:
    """A shape of an annotation file, whose tissue is not known yet.

    Of the possible names of its class the first that the configuration knows counts. Rings, each
    (n, 2), float64, are level-0 px, x and y: the outer ring, then those cut out of it.
    """

    names: tuple[str, ...]
    rings: tuple[np.ndarray, ...]
    negative: bool = False  # the file itself calls it a hole (Aperio's NegativeROA)


def read_shapes(path: str | Path) -> tuple[list[Shape], list[str]]:
    """Read every outline of an annotation file; the content tells the format.

    Formats are Aperio ImageScope XML (as in PAIP 2019), ASAP XML (as in CAMELYON) and GeoJSON. A
    spline of ASAP is read as the polygon through its points. Gives the shapes in the order of the
    file, and notes on those that were ignored because they have no area.

    Raises InputError if the file has another format, is damaged, is too large, declares XML
    entities or a document type, or holds a coordinate that is not a finite number.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> ring = [[0, 0], [9, 0], [9, 9]]
    >>> feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]},
    ...            "properties": {"classification": {"name": "Tumor"}}}
    >>> with NamedTemporaryFile(suffix=".json") as file:
    ...     _ = Path(file.name).write_text(json.dumps(feature))
    ...     shapes, notes = read_shapes(file.name)
    >>> shapes[0].names, shapes[0].rings[0].tolist(), notes
    (('Tumor',), [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]], [])
    """
    if (size := Path(path).stat().st_size) > MAX_BYTES:
        raise InputError(
            f"{path}: {size / 1e6:.0f} MB is too much for outlines of tumour "
            f"(at most {MAX_BYTES / 1e6:.0f} MB); export the tumour annotations only, without cells"
        )
    data = Path(path).read_bytes()
    skipped: Counter[str] = Counter()
    if data.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        shapes = _read_geojson(path, data, skipped)
    else:
        shapes = _read_xml(path, data, skipped)
    listed = list(shapes)
    return listed, [
        f"{path}: ignored {n} of type {kind}, which has no area" for kind, n in skipped.items()
    ]


def _read_xml(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise InputError(
            f"{path}: declares a document type or entities, which are refused as unsafe; "
            "delete the <!DOCTYPE> part"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise InputError(
            f"{path}: neither XML nor GeoJSON can be read from it ({error}); export it again"
        ) from None
    if root.tag == "Annotations":
        return _read_aperio(path, root)
    if root.tag == "ASAP_Annotations":
        return _read_asap(path, root, skipped)
    raise InputError(
        f"{path}: unknown kind of XML <{root.tag}>; known are <Annotations> (Aperio ImageScope) "
        "and <ASAP_Annotations>"
    )


def _read_aperio(path: str | Path, root: Element) -> Iterator[Shape]:
    for layer in root.iter("Annotation"):
        names = tuple(name for name in (layer.get("Name"), layer.get("Id")) if name)
        for region in layer.iter("Region"):
            points = _parse_numbers(path, _read_attributes(region, "Vertex", "X", "Y"), columns=2)
            yield Shape(names, (points,), negative=region.get("NegativeROA") == "1")


def _read_asap(path: str | Path, root: Element, skipped: Counter[str]) -> Iterator[Shape]:
    parents = {group.get("Name"): group.get("PartOfGroup") for group in root.iter("Group")}
    for annotation in root.iter("Annotation"):
        kind = annotation.get("Type")
        if kind not in ASAP_OUTLINES:
            skipped[str(kind)] += 1
            continue
        rows = _read_attributes(annotation, "Coordinate", "Order", "X", "Y")
        numbered = _parse_numbers(path, rows, columns=3)
        points = numbered[np.argsort(numbered[:, 0], kind="stable"), 1:]
        yield Shape(_name_asap_groups(annotation, parents), (points,))


def _name_asap_groups(
    annotation: Element, parents: dict[str | None, str | None]
) -> tuple[str, ...]:
    """Names of an annotation's group and the groups around it; its own name if it has no group."""
    names: list[str] = []
    group = annotation.get("PartOfGroup")
    while group and group != "None" and group not in names:
        names.append(group)
        group = parents.get(group)
    return tuple(names) or tuple(filter(None, [annotation.get("Name")]))


def _read_attributes(parent: Element, tag: str, *names: str) -> list[list[str]]:
    """Read numbers as text; decimal commas become points."""
    return [[e.get(name, "").replace(",", ".") for name in names] for e in parent.iter(tag)]


def _read_geojson(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
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
            skipped[str(kind)] += 1
            continue
        coordinates = geometry.get("coordinates")
        for rings in _require_list(path, coordinates) if kind == "MultiPolygon" else [coordinates]:
            yield Shape(names, tuple(_read_ring(path, ring) for ring in _require_list(path, rings)))


def _read_ring(path: str | Path, ring: object) -> np.ndarray:
    # A third number, a height, is allowed by the format and means nothing here.
    points = [_require_list(path, point)[:2] for point in _require_list(path, ring)]
    return _parse_numbers(path, points, columns=2)


def _name_geojson_class(feature: dict) -> tuple[str, ...]:
    properties = feature.get("properties")
    classification = properties.get("classification") if isinstance(properties, dict) else None
    name = classification.get("name") if isinstance(classification, dict) else None
    return (name,) if isinstance(name, str) and name else ()


def _require_list(path: str | Path, value: object) -> list:
    if not isinstance(value, list):
        raise InputError(f"{path}: the coordinates of a polygon are not nested lists of points")
    return value


def _parse_numbers(path: str | Path, rows: list[list], *, columns: int) -> np.ndarray:
    """Turn rows of numbers, or of numbers as text, into finite float64 of shape (n, columns)."""
    try:
        numbers = np.array(rows, dtype=np.float64) if rows else np.empty((0, columns))
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or numbers.shape != (len(rows), columns):
        raise InputError(f"{path}: a point lacks a coordinate or has one that is not a number")
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: a point has a missing, infinite or NaN coordinate")
    return numbers
