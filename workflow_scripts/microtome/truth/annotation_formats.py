"""Shapes as drawn in an annotation file: Aperio ImageScope XML, ASAP XML, GeoJSON of QuPath."""

import codecs
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from microtome.errors import InputError
from microtome.truth.geojson_annotations import read_geojson
from microtome.truth.shapes import Shape, parse_numbers

# Outlines of tumour take some tens of MB at most; 200 MB of XML take about 2 GB of memory.
MAX_BYTES = 200_000_000

ASAP_OUTLINES = {"Polygon", "Spline", "Rectangle"}


def read_shapes(path: str | Path) -> tuple[list[Shape], list[str]]:
    """Read every outline of an annotation file; the content tells the format.

    Formats are Aperio ImageScope XML (as in PAIP 2019), ASAP XML (as in CAMELYON) and GeoJSON. A
    spline of ASAP is read as the polygon through its points. Gives the shapes in the order of the
    file, and notes on those that were ignored because they have no area.

    Raises InputError if the file has another format, is damaged, is too large, declares XML
    entities or a document type, or holds a coordinate that is not a finite number.

    Examples
    --------
    >>> import json
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
        shapes = read_geojson(path, data, skipped)
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
            points = parse_numbers(path, _read_attributes(region, "Vertex", "X", "Y"), columns=2)
            yield Shape(names, (points,), negative=region.get("NegativeROA") == "1")


def _read_asap(path: str | Path, root: Element, skipped: Counter[str]) -> Iterator[Shape]:
    parents = {group.get("Name"): group.get("PartOfGroup") for group in root.iter("Group")}
    for annotation in root.iter("Annotation"):
        kind = annotation.get("Type")
        if kind not in ASAP_OUTLINES:
            skipped[str(kind)] += 1
            continue
        rows = _read_attributes(annotation, "Coordinate", "Order", "X", "Y")
        numbered = parse_numbers(path, rows, columns=3)
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
