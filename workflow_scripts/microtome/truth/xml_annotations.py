"""Outlines of an XML file: ImageScope (as in PAIP 2019), HALO, and ASAP (as in CAMELYON)."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from microtome.errors import InputError, one_line
from microtome.truth.shapes import NO_CLASS, Shape, parse_numbers, trace_ellipse

# Types of regions: the numbers of ImageScope, the words of HALO and ASAP.
_POLYGONS = {"0", "polygon", "spline", "area"}
_RECTANGLES = {"1", "rectangle"}
_ELLIPSES = {"2", "ellipse"}
_WITHOUT_AREA = {"3": "arrow", "4": "ruler", "5": "counter"} | {
    word: word
    for word in ("arrow", "ruler", "pin", "points", "none", "dot", "pointset", "measurement")
}

_SPACING = re.compile(rb'<Annotations\s[^>]*?MicronsPerPixel\s*=\s*"([0-9.,]+)"')

_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}


def read_xml(path: str | Path, data: bytes, skipped: Counter[str]) -> Iterator[Shape]:
    """Read the outlines of XML; count in `skipped` what is ignored."""
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise InputError(
            f"{path}: declares a document type or entities, which are refused as unsafe; "
            "delete the <!DOCTYPE> part"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise InputError(
            f"{path}: neither XML nor GeoJSON can be read from it ({error}); "
            "export it again, in UTF-8"
        ) from None
    if root.tag == "Annotations":
        return _read_layers(path, root, skipped)
    if root.tag == "ASAP_Annotations":
        return _read_asap(path, root, skipped)
    if root.find("ndpviewstate") is not None:
        raise InputError(
            f"{path}: is of Hamamatsu's NDP.view, in nm from the middle of the glass, which is "
            "not read; open it in QuPath and export GeoJSON"
        )
    raise InputError(
        f"{path}: unknown kind of XML <{root.tag}>; known are <Annotations> (ImageScope, HALO) "
        "and <ASAP_Annotations>"
    )


def read_drawn_spacing(path: str | Path) -> float | None:
    """Read the µm per px of the slide on which ImageScope drew, or None if it does not say."""
    with Path(path).open("rb") as file:
        head = file.read(4096).replace(b"\0", b"")
    found = _SPACING.search(head)
    if found is None or not _is_number(text := found[1].decode().replace(",", ".")):
        return None
    return float(text) or None


def _read_layers(path: str | Path, root: Element, skipped: Counter[str]) -> Iterator[Shape]:
    """Read the layers of ImageScope or HALO; only those of PAIP's files count by their numbers."""
    layers = root.findall("Annotation")
    if (len(root) and not layers) or any(len(e) and e.find("Regions") is None for e in layers):
        raise InputError(
            f"{path}: <Annotations> lacks the layers and regions of ImageScope and HALO; "
            "export it again"
        )
    names = [_read_names(layer, _get(layer, "Name")) for layer in layers]
    regions = [
        [(region, *_name_region(path, region)) for region in layer.findall("Regions/Region")]
        for layer in layers
    ]
    numbers = [_get(layer, "Id") for layer in layers]
    is_named = any(names) or any(own for listed in regions for _, own, _ in listed)
    others = {n for n, listed in zip(numbers, regions, strict=True) if listed} - {"1", "2"}
    is_paip = not is_named and "2" in numbers and not others
    ends_meet: Counter[bool] = Counter()
    for number, of_layer, listed in zip(numbers, names, regions, strict=True):
        unnamed = int(number) if is_paip and listed else f"layer {number} without a name"
        for region, own, negative in listed:
            kind = (_get(region, "GeoShape") or _get(region, "Type") or "polygon").lower()
            points = _read_points(path, region, "Vertices/*")
            if kind in _WITHOUT_AREA:
                skipped[f"of type {_WITHOUT_AREA[kind]}, which has no area"] += 1
                continue
            if kind in _POLYGONS and len(points) > 2 and region.find("Vertices/V") is not None:
                ends_meet[np.array_equal(points[0], points[-1])] += 1
            ring = _find_outline(path, kind, points)
            yield Shape(own, (ring,), negative=negative, layer=of_layer or (unnamed,))
    if n_comments := len(root.findall("Annotation/Regions/Region/Comments/Comment")):
        skipped["comments of HALO, which name no class"] += n_comments
    if len(ends_meet) > 1:
        raise InputError(
            f"{path}: {ends_meet[False]} of HALO's polygons do not end where they begin, as lines "
            "of its pen; close those that are areas and delete the others"
        )


def _name_region(path: str | Path, region: Element) -> tuple[tuple[str, ...], bool]:
    """Read the class in a region's texts, and whether it is cut out; then they name nothing."""
    flag = _get(region, "NegativeROA").lower()
    if flag not in _FLAGS:
        raise InputError(f"{path}: a region has NegativeROA '{flag}', which is neither 0 nor 1")
    if _FLAGS[flag]:
        return (), True
    text = _get(region, "Text")
    return _read_names(region, "" if _is_number(text) else text), False


def _read_names(element: Element, own: str) -> tuple[str, ...]:
    """Give the own name of a layer or region, else what a person entered in its fields.

    That is the value, and where there is none the name of the field. Numbers say nothing: a field
    'Tumor' of 0 is no tumour.
    """
    if own:
        return (own,)
    fields = element.findall("Attributes/Attribute")
    texts = [_get(field, "Value") or _get(field, "Name") for field in fields]
    return tuple(t for t in texts if t and t.lower() != "description" and not _is_number(t))


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _find_outline(path: str | Path, kind: str, points: np.ndarray) -> np.ndarray:
    """Turn the points of a region into corners; two are opposite corners of a box."""
    if kind not in _POLYGONS | _RECTANGLES | _ELLIPSES:
        raise InputError(
            f"{path}: a region is of type '{kind}', which is not known; draw it as a polygon"
        )
    if len(points) < 2 or not (kind in _ELLIPSES or (kind in _RECTANGLES and len(points) == 2)):
        return points
    low, high = points.min(axis=0), points.max(axis=0)
    if kind in _RECTANGLES:
        return np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    if not ((points == low) | (points == high)).all():
        raise InputError(
            f"{path}: an ellipse is given by {len(points)} points that are not corners of its "
            "box; draw it as a polygon"
        )
    return trace_ellipse(low, high)


def _read_asap(path: str | Path, root: Element, skipped: Counter[str]) -> Iterator[Shape]:
    parents = {_get(group, "Name"): _get(group, "PartOfGroup") for group in root.iter("Group")}
    for annotation in root.iter("Annotation"):
        kind = (_get(annotation, "Type") or "polygon").lower()
        if kind in _WITHOUT_AREA:
            skipped[f"of type {_WITHOUT_AREA[kind]}, which has no area"] += 1
            continue
        numbered = _read_points(path, annotation, "Coordinates/Coordinate", "Order")
        points = numbered[np.argsort(numbered[:, 2], kind="stable"), :2]
        own, *around = _name_asap_groups(annotation, parents)
        yield Shape((own,), (_find_outline(path, kind, points),), layer=tuple(around))


def _name_asap_groups(annotation: Element, parents: dict[str, str]) -> list[str]:
    """Names of an annotation's group and the groups around it; its own name if it has no group."""
    names: list[str] = []
    group = _get(annotation, "PartOfGroup")
    while group and group != "None" and group not in names:
        names.append(group)
        group = parents.get(group, "")
    return names or [_get(annotation, "Name") or NO_CLASS]


def _get(element: Element, key: str) -> str:
    """Read an attribute, which in the messages must not be more than one line."""
    return one_line(element.get(key, ""))


def _read_points(path: str | Path, element: Element, tags: str, *more: str) -> np.ndarray:
    """Read X, Y and more of points, whose decimals may follow a comma: (n, 2 or more), float64."""
    keys = ("X", "Y", *more)
    rows = [[e.get(key, "").replace(",", ".") for key in keys] for e in element.iterfind(tags)]
    return parse_numbers(path, rows, columns=len(keys))
