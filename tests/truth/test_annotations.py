"""Annotation files of three formats become regions of tumour."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import REPOSITORY
from microtome.errors import InputError
from microtome.rasters.polygon_fill import fill_rings
from microtome.truth import annotation_formats
from microtome.truth.annotations import read_annotation
from microtome.truth.maps import OutlineSource, merge_labels

CLASSES = {"viable": ["Tumor", "metastases"], "whole": ["whole"], "hole": ["normal", "Exclusion"]}


def square(low: float, high: float) -> list[tuple[float, float]]:
    """Corners of a square on the diagonal."""
    return [(low, low), (high, low), (high, high), (low, high)]


def aperio(*layers: str) -> str:
    """Write an ImageScope file of layers."""
    return f'<Annotations MicronsPerPixel="0.5">{"".join(layers)}</Annotations>'


def layer(number: int, *regions: tuple[list, int], name: str = "") -> str:
    """Write a layer of (points, NegativeROA)."""
    text = ""
    for points, negative in regions:
        vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
        text += f'<Region NegativeROA="{negative}"><Vertices>{vertices}</Vertices></Region>'
    return f'<Annotation Id="{number}" Name="{name}"><Regions>{text}</Regions></Annotation>'


def asap(*annotations: str, groups: str = "") -> str:
    """Write an ASAP file."""
    return (
        f"<ASAP_Annotations><Annotations>{''.join(annotations)}</Annotations>"
        f"<AnnotationGroups>{groups}</AnnotationGroups></ASAP_Annotations>"
    )


def drawn(points: list, group: str, *, kind: str = "Polygon", name: str = "Annotation 0") -> str:
    """Write one annotation of ASAP."""
    rows = "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(points))
    return (
        f'<Annotation Name="{name}" Type="{kind}" PartOfGroup="{group}">'
        f"<Coordinates>{rows}</Coordinates></Annotation>"
    )


def feature(kind: str, coordinates: list, name: str | None) -> dict:
    """Write one feature as QuPath does."""
    classification = {"classification": {"name": name, "color": [200, 0, 0]}} if name else {}
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": {"objectType": "annotation", **classification},
    }


def closed(points: list) -> list[list[float]]:
    """Repeat the first point at the end, as GeoJSON wants it."""
    return [list(point) for point in [*points, points[0]]]


def polygon(name: str | None, *rings: list) -> dict:
    """Write a polygon of QuPath."""
    return feature("Polygon", [closed(ring) for ring in rings], name)


def painted(regions: list, tissue: str = "viable") -> np.ndarray:
    """Paint the regions of a tissue in their order."""
    regions = [region for region in regions if region.tissue == tissue]
    return OutlineSource(regions).rows(first_row=0, shape=(10, 10), scale=1)


def diagonal(regions: list) -> str:
    """Read the diagonal of what is painted: 0 no tumour, 1 whole, 2 viable."""
    labels = merge_labels(painted(regions), painted(regions, "whole"))
    return "".join(map(str, labels.diagonal()))


@pytest.fixture
def read(tmp_path):
    """Write text to a file and read it as an annotation."""

    def write_and_read(content, classes=CLASSES):
        path = tmp_path / "slide.annotation"
        if isinstance(content, dict | list):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_annotation(path, classes=classes)

    return write_and_read


BY_GROUP = [
    drawn(square(0, 9), "metastases"),
    drawn(square(1, 6), "normal"),
    drawn(square(3, 5), "metastases"),
    drawn(square(9, 10), "normal"),
]
GROUPED = asap(
    drawn(square(5, 6), "NORMAL"),
    drawn(square(0, 9), "tumor"),
    drawn(square(1, 2), "None", kind="Rectangle", name="exclusion"),
    drawn(square(9, 10), "other", name="Tumor"),
    drawn(square(9, 10), "other"),
    groups='<Group Name="NORMAL" PartOfGroup="tumor"/><Group Name="tumor" PartOfGroup="A"/>',
)
KINDS = ("Dot", "PointSet", "Spline", "Rectangle")
PARTS = [[closed(square(0, 6)), closed(square(1, 5))], [closed(square(8, 9))]]
ISLAND = [polygon("Tumor", square(2, 4)), feature("MultiPolygon", PARTS, "tumor")]
PAIP = aperio(
    layer(1, (square(0, 9), 0), (square(6, 8), 1)),
    layer(2, (square(1, 7), 0), (square(2, 3), 1)),
)
OVERLAPPING = [
    polygon("Tumor", square(3, 8)),
    polygon("Tumor", square(0, 6), square(1, 5)),
    polygon("Whole", square(0, 10), square(8, 9)),
]
DRAWN = {
    "a hole is cut out of its layer, and what is not whole tumour is not viable": (
        PAIP,
        "1212220010",
    ),
    "an outline drawn again as a hole leaves nothing": (
        aperio(layer(2, (square(1, 5), 1), (square(1, 5), 0))),
        "0000000000",
    ),
    "a hole of a group cuts what is around it, not what is in it": (asap(*BY_GROUP), "2002202220"),
    "a ring is a hole, an island in it comes back, parts of a feature add up": (
        {"type": "FeatureCollection", "features": ISLAND},
        "2022020020",
    ),
    "features are joined, and a hole of one does not cut the other": (OVERLAPPING, "2112222201"),
    "a feature of a hole class is taken away": (
        [polygon("normal", square(1, 3)), polygon("Tumor", square(0, 5))],
        "2002200000",
    ),
    "a file may hold one feature only": (polygon("Tumor", square(0, 5)), "2222200000"),
    "a layer's name goes before its number": (
        aperio(layer(1, (square(0, 4), 0), name="TUMOR"), layer(7, (square(4, 8), 0), name="Fat")),
        "2222000000",
        "ignored 1 of unknown class 'Fat'",
    ),
    "classes by group, before the group around it, or without one by name": (
        GROUPED,
        "2022202220",
        "slide.annotation: ignored 2 of unknown class 'other'",
    ),
    "splines and rectangles have an area, dots and point sets none": (
        asap(*(drawn(square(i, i + 1), "Tumor", kind=kind) for i, kind in enumerate(KINDS))),
        "0022000000",
        "of type dot, which has no area",
        "of type pointset, which has no area",
    ),
    "points, missing geometries and unclassified features are passed over": (
        [
            feature("Point", [1, 2], "Tumor"),
            {"type": "Feature", "geometry": None, "properties": {}},
            polygon(None, square(0, 5)),
            feature("Polygon", [[[x, y, 7] for x, y in closed(square(0, 2))]], "Tumor"),
        ],
        "2200000000",
        "Point",
        "1 without a geometry",
        "(no class)",
    ),
    "layers without outlines are free of tumour": (
        aperio(layer(1), layer(2)),
        "0000000000",
        "free of tumour",
    ),
    "so is ASAP's file without any": (asap(), "0000000000", "free of tumour"),
    "so is an empty list of features": ("[]", "0000000000", "free of tumour"),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_painted(read, name):
    """Outlines, holes and islands of each format along the diagonal; what is ignored is noted."""
    content, expected, *words = DRAWN[name]
    regions, notes = read(content)
    assert diagonal(regions) == expected
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_hole_over_a_border(read):
    """A hole that only overlaps an outline cuts it, though its box and first corner lie inside."""
    notched = [(0, 0), (10, 0), (10, 10), (9, 10), (9, 1), (0, 1)]
    outline = [(9.5, 0.5), (9.5, 5.5), (2, 5.5), (2, 0.5)]
    regions, _ = read(aperio(layer(2, (notched, 1), (outline, 0))))
    assert diagonal(regions) == "0022200000"
    assert not painted(regions)[0].any()


@given(st.permutations(range(4)))
@settings(max_examples=24)
def test_nested_in_any_order(tmp_path_factory, order):
    """Outline, hole, island and a hole in that come out the same in any order of the file."""
    nested = [(square(0, 10), 0), (square(1, 9), 1), (square(2, 8), 0), (square(4, 6), 1)]
    path = tmp_path_factory.mktemp("nested") / "slide.xml"
    path.write_text(aperio(layer(2, *(nested[i] for i in order))))
    assert diagonal(read_annotation(path, classes=CLASSES)[0]) == "2022002202"


def test_asap_groups_in_a_circle(read):
    """Groups that contain each other end the search."""
    groups = '<Group Name="a" PartOfGroup="b"/><Group Name="b" PartOfGroup="a"/>'
    with pytest.raises(InputError, match="'a'"):
        read(asap(drawn(square(1, 2), "a"), groups=groups))


def test_asap_order_and_commas_together(read):
    """Order may be a decimal with a comma too; equal ones keep their place in the file."""
    rows = (("10,0", "3,5", "8"), ("9,5", "8", "1,5"), ("0", "1", "1"), ("10", "1", "7"))
    text = asap(
        '<Annotation Name="a" Type="Polygon" PartOfGroup="Tumor"><Coordinates>'
        + "".join(f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, x, y in rows)
        + "</Coordinates></Annotation>"
    )
    regions, _ = read(text)
    np.testing.assert_array_equal(regions[0].rings[0], [[1, 1], [8, 1.5], [3.5, 8], [1, 7]])


XML = aperio(layer(2, (square(0, 2), 0)))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + XML.encode(),
        ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode("utf-16"),
        b"\xef\xbb\xbf\n" + json.dumps(polygon("Tumor", square(0, 5))).encode(),
    ],
)
def test_byte_order_marks(read, content):
    """Files of Windows programs with a byte order mark are read."""
    assert len(read(content)[0]) == 1


def test_formats_agree(read):
    """The same outline in three formats is the same region."""
    points = [(1.5, 2.25), (7.75, 1.0), (6.0, 8.5)]
    content = feature("Polygon", [points], "Tumor")
    for text in (aperio(layer(2, (points, 0))), asap(drawn(points, "Tumor")), content):
        regions, _ = read(text)
        np.testing.assert_array_equal(regions[0].rings[0], points)
        assert regions[0].bounds_px == (1.5, 1.0, 7.75, 8.5)


LINE = [(0, 0), (5, 5)]
NO_TUMOUR_READ = {
    "names that mean nothing": (
        asap(drawn(square(0, 1), "Stroma"), drawn(square(0, 1), "Fat")),
        "ignored 1 of unknown class 'Stroma', ignored 1 of unknown class 'Fat'",
    ),
    "points alone": (asap(drawn(square(0, 1), "Tumor", kind="Dot")), "ignored 1 of type dot"),
    "a line, even if closed, and a hole in it": (
        [polygon("Tumor", LINE, square(1, 5)), feature("Polygon", [], "Tumor")],
        "ignored 2 that enclose nothing",
    ),
    "two points, and a hole in them": (
        [feature("Polygon", [LINE, closed(square(1, 5))], "Tumor")],
        "ignored 1 that enclose nothing",
    ),
    "corners on one line": (
        asap(drawn([(0.1, 0.3), (0.2, 0.6), (0.7, 2.1)], "Tumor")),
        "ignored 1 that enclose nothing",
    ),
    "nothing but a point drawn again": (
        asap(drawn([(3, 3)] * 4, "Tumor")),
        "ignored 1 that enclose nothing",
    ),
    "points of tumour beside outlines of fat": (
        asap(drawn(square(0, 1), "Tumor", kind="Dot"), drawn(square(0, 1), "Fat")),
        "ignored 1 of type dot, which has no area, ignored 1 of unknown class 'Fat'",
    ),
}


@pytest.mark.parametrize("name", NO_TUMOUR_READ)
def test_nothing_read_is_not_no_tumour(read, name):
    """Shapes of which none gives an area of a known class say nothing of tumour; what to do."""
    content, found = NO_TUMOUR_READ[name]
    with pytest.raises(InputError, match="not the same as no tumour") as caught:
        read(content)
    assert found in str(caught.value)
    assert "annotation.classes" in str(caught.value)


BOMB = (
    '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;">]>'
    '<Annotations><Annotation Id="2" Name="&y;"/></Annotations>'
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "refused as unsafe"),
        (asap(drawn(square(0, 1), "&undeclared;")), "neither XML nor GeoJSON"),
        ('<!DOCTYPE a SYSTEM "http://localhost/a.dtd"><Annotations/>', "refused as unsafe"),
        ('<?xml version="1.0" encoding="nonsense"?><Annotations/>', "neither XML nor GeoJSON"),
        (b"II*\x00\x08\x00\x00\x00", "neither XML nor GeoJSON"),
        ("<html/>", "unknown kind of XML <html>"),
        ('{"type": "Feature"', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ({"positive": []}, "not GeoJSON"),
        ({"type": "FeatureCollection"}, "not GeoJSON"),
        (feature("Polygon", [[[0, 0], [1, 1], [2]]], "Tumor"), "not a number"),
        (feature("Polygon", [[[0, 0], [1, 1], [10**400, 2]]], "Tumor"), "not a number"),
        (feature("Polygon", [[closed(square(0, 1))]], "Tumor"), "not a number"),
        (feature("Polygon", closed(square(0, 1)), "Tumor"), "not nested lists"),
        (feature("MultiPolygon", 5, "Tumor"), "not nested lists"),
        (feature("Polygon", [[[0, 0], [1, 1], [float("nan"), 2]]], "Tumor"), "NaN coordinate"),
        (aperio(layer(2, ([(0, 0), (1, "inf"), (2, 2)], 0))), "NaN coordinate"),
        (asap(drawn([(0, 0), (1, "1.2.3"), (2, 2)], "Tumor")), "not a number"),
        (asap(drawn(square(0, 1), "Tumor").replace('Order="1"', "")), "not a number"),
    ],
)
def test_bad_files_are_one_line(read, content, message):
    """Every bad file ends in one line that names it."""
    with pytest.raises(InputError, match=message) as caught:
        read(content)
    assert "slide.annotation" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_huge_file_is_refused(read, monkeypatch):
    """A file beyond the limit is refused before it is read."""
    monkeypatch.setattr(annotation_formats, "MAX_BYTES", 100)
    with pytest.raises(InputError, match="too much for outlines"):
        read(aperio(layer(2, (square(0, 2), 0), (square(3, 4), 0))))


def real_file(name: str) -> Path:
    """Find a file of the real annotations that may lie beside the repository, or skip."""
    path = REPOSITORY.parent / "shared/data/camelyon_annotations" / name
    if not path.exists():
        pytest.skip(f"needs {name} of the real annotations, which are not here")
    return path


def require_filled(regions: list) -> None:
    """Require that outlines cover as many px as their areas have by shapely's formula."""
    for region in regions:
        points = region.rings[0] - np.floor(region.rings[0].min(axis=0))
        width, height = np.ceil(points.max(axis=0)).astype(int) + 1
        filled = fill_rings([points], first_row=0, n_rows=height, width_px=width, scale=1)
        # Loops where the pen crossed itself count by different rules: a few pixels.
        assert np.count_nonzero(filled) == pytest.approx(shapely.Polygon(points).area, rel=0.01)


def test_real_asap_file():
    """The three metastases of CAMELYON17; a configuration without their group is told so."""
    path = real_file("patient_004_node_4.xml")
    regions, notes = read_annotation(path, classes=CLASSES)
    assert [len(region.rings[0]) for region in regions] == [8, 15, 12]
    assert regions[0].rings[0][0].tolist() == [12711.2998, 88778.1016]
    assert notes == []
    assert [(region.tissue, region.hole) for region in regions] == [("viable", False)] * 3
    require_filled(regions)
    with pytest.raises(InputError, match=r"unknown class 'Tumor'.*annotation\.classes"):
        read_annotation(path, classes={"viable": ["metastases"]})


@pytest.mark.parametrize("name", ["Tumor_001.json", "Tumor_002.json", "Tumor_004.json"])
def test_real_outlines(read, name):
    """Real outlines, written as GeoJSON, cover the area that the formula gives."""
    outlines = json.loads(real_file(name).read_text())["positive"]
    regions, _ = read([polygon("Tumor", o["vertices"]) for o in outlines])
    assert len(regions) == len(outlines)
    require_filled(regions)
