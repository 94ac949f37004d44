"""Outlines of an XML file: Aperio ImageScope (as in PAIP 2019) and ASAP (as in CAMELYON)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from microtome.errors import InputError
from microtome.truth.shapes import Shape, parse_numbers

ASAP_OUTLINES = {"Polygon", "Spline", "Rectangle"}


def read_xml(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
    """Read the outlines of XML; count in `skipped` what has no area, by its type."""
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
            skipped[f"of type {kind}, which has no area"] += 1
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
