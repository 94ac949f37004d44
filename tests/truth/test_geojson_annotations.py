"""GeoJSON of QuPath and of others: which areas count, as what, and where on the slide."""

import gzip
import json
import math

import numpy as np
import openslide
import pytest
import shapely
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.job_scripts import run_job
from helpers.slide_files import write_scn
from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.rasters.label_tiff import open_raster
from microtome.truth.annotations import read_annotation
from microtome.truth.maps import open_truth

CLASSES = {"viable": ["Tumor", "7"], "whole": ["whole tumor"], "hole": ["Tumor: Necrosis"]}
TUMOR = {"name": "Tumor", "color": [200, 0, 0]}


def box(x: float, y: float, width: float, height: float) -> list[list[float]]:
    """Corners of a rectangle, closed."""
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]


SQUARE = {"type": "Polygon", "coordinates": [box(1, 1, 4, 4)]}  # 16 px


def feature(geometry: dict | None = SQUARE, classification: object = TUMOR, **more) -> dict:
    """Write a feature; `more` are properties, but for an id."""
    ids = {"id": more.pop("id")} if "id" in more else {}
    more = {key.removeprefix("property_"): value for key, value in more.items()}
    properties = {"classification": classification, **more}
    return {"type": "Feature", **ids, "geometry": geometry, "properties": properties}


@pytest.fixture
def read(tmp_path):
    """Give a function that reads content as the truth of a slide of 20 x 20 px.

    It gives the px of viable and whole tumour, and the notes.
    """

    def write_and_read(content: object, **given) -> tuple[int, int, tuple[str, ...]]:
        path = tmp_path / "a.geojson"
        is_text = isinstance(content, bytes)
        path.write_bytes(content if is_text else json.dumps(content).encode())
        given = {"slide": "a", "slide_size_px": (20, 20), "classes": CLASSES, **given}
        with open_truth(annotation=path, **given) as truth:
            viable, whole = truth.rows(0, truth.shape(1.0)[0], 1.0)
            return int(viable.sum()), int(whole.sum()), truth.notes

    return write_and_read


TUMOR_FORMS = {
    "name": TUMOR,
    "name in another case": {"name": " TUMOR ", "color": [1, 2, 3]},
    "names": {"names": ["Tumor"], "color": [200, 0, 0]},
    "name and packed colour of 0.3": {"name": "Tumor", "colorRGB": -3670016},
    "derived by a stain": {"names": ["Tumor", "Positive"], "color": [200, 0, 0]},
    "derived, of 0.3": {
        "parentClass": {"name": "Tumor", "colorRGB": -3670016},
        "name": "Positive",
        "colorRGB": -1,
    },
    "derived, as it is shown": {"name": "Tumor: 2+", "color": [1, 2, 3]},
    "text": "Tumor",
    "derived, text": "Tumor: Positive",
    "object as text": json.dumps(TUMOR),
    "list": ["Tumor", "3+"],
    "number": 7,
    "number of a table with gaps": 7.0,
}


@pytest.mark.parametrize("form", TUMOR_FORMS)
def test_a_class_is_known_in_each_form(read, form):
    """QuPath's versions and other programs write it differently; its area counts."""
    assert read([feature(classification=TUMOR_FORMS[form])]) == (16, 0, ())


@pytest.mark.parametrize(
    ("classification", "found"),
    [
        (None, r"\(no class\)"),
        ({}, r"\(no class\)"),
        ({"name": None, "color": [1, 2, 3]}, r"\(no class\)"),
        ({"names": []}, r"\(no class\)"),
        (math.nan, r"\(no class\)"),
        ({"names": ["Tumor", "Stroma"]}, "'Tumor: Stroma'"),
        ({"names": ["Tumor", "Negative"]}, "'Tumor: Negative'"),
        ({"names": ["Tumor", "Stroma", "Positive"]}, "'Tumor: Stroma: Positive'"),
        ({"names": ["Stroma", "Tumor"]}, "'Stroma: Tumor'"),
        ({"name": "Positive"}, "'Positive'"),
        ({"name": "Tumor*"}, r"'Tumor\*'"),
        ("{'name': 'Tumor'}", "{'name': 'Tumor'}"),
        ("[Tumor\nx]", r"'\[Tumor x\]'"),
        (1, "'1'"),  # no layer of PAIP
        ("2", "'2'"),
        (70, "'70'"),
        (7.5, "'7.5'"),
        (True, "'True'"),
    ],
)
def test_a_class_that_is_not_known_is_named(read, classification, found):
    """What a derived class adds may be anything, and is not guessed; nor is a colour a class."""
    with pytest.raises(
        InputError, match=rf"a.geojson: nothing that is drawn has a known class.*{found}"
    ):
        read([feature(classification=classification)])
    other = feature({"type": "Polygon", "coordinates": [box(9, 9, 2, 3)]})
    assert read([feature(classification=classification), other])[0] == 6


def test_the_name_of_an_annotation_is_not_its_class(read):
    """The message has the name, so that it is clear what is missing."""
    with pytest.raises(InputError, match=r"\(no class; 'Tumor' is a name only\)"):
        read(feature(classification=None, name="Tumor"))


@pytest.mark.parametrize("more", [{}, {"name": "my region"}])
def test_no_class_may_be_one_of_the_configuration(tmp_path, more):
    """What the message calls it is what the configuration can know."""
    (tmp_path / "a.geojson").write_text(json.dumps(feature(classification=None, **more)))
    regions, notes = read_annotation(tmp_path / "a.geojson", classes={"viable": ["(no class)"]})
    assert (len(regions), notes) == (1, [])


def test_a_derived_class_of_its_own_meaning_is_not_its_base(read):
    """Its full name goes first, wherever it stands: here it is cut out of its base."""
    inner = {"type": "Polygon", "coordinates": [box(2, 2, 2, 2)]}
    necrosis = feature(inner, {"names": ["Tumor", "Necrosis"], "color": [0, 0, 0]})
    assert read([necrosis, feature()])[0] == 12


OTHER_OBJECTS = [
    {"objectType": "cell"},
    {"objectType": "detection"},
    {"objectType": "tile"},
    {"objectType": "tmaCore", "isMissing": False},
    {"object_type": "tma_core"},
    {"object_type": "cell"},
    {"type": "tile"},
    {"objectType": "lesion"},
    {"id": "PathCellObject"},
    {"id": "PathDetectionObject"},
    {"property_id": "PathCellObject"},  # as geopandas writes it again
    {"id": "TMACoreObject"},
    {"id": "PathTileObject", "objectType": "annotation"},
]


@pytest.mark.parametrize("more", OTHER_OBJECTS, ids=str)
def test_only_annotations_count(read, more):
    """Cells, tiles and cores of class Tumor are noted; so is a kind that QuPath does not have."""
    inner = {"type": "Polygon", "coordinates": [box(9, 9, 3, 3)]}
    viable, _, (note,) = read([feature(), feature(inner, **more), feature(inner, **more)])
    assert viable == 16
    assert "ignored 2 of object type '" in note


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"objectType": "annotation", "id": "00000000-0000-0000-0000-000000000000"},
        {"object_type": "annotation", "isLocked": True},
        {"id": "PathAnnotationObject"},
        {"id": 12, "type": "lesion", "measurements": {"Area": math.nan}, "name": None},
    ],
    ids=str,
)
def test_what_is_an_annotation(read, more):
    """Of all versions; a feature that does not say what it is; another program's `type`."""
    assert read([feature(**more)]) == (16, 0, ())


def test_children_count_for_themselves(read):
    """Annotations in a core, in each other, and in a plain 'children'; QuPath's hierarchy."""
    inner = feature({"type": "Polygon", "coordinates": [box(9, 9, 3, 2)]})
    middle = feature(classification={"name": "whole tumor"}, childObjects=[inner])
    cell = feature(objectType="cell", children=[middle])
    root = feature(None, None, objectType="root", childObjects=[cell])
    viable, whole, notes = read(root)
    assert (viable, whole) == (6, 16)
    assert [note.split(": ", 1)[1] for note in notes] == [
        "ignored 1 of object type 'root': only annotations count",
        "ignored 1 of object type 'cell': only annotations count",
    ]


@pytest.mark.parametrize(
    "content",
    [
        feature(),
        [feature()],
        [[feature()], []],
        {"type": "FeatureCollection", "features": [feature()]},
        [{"type": "FeatureCollection", "features": [feature()]}],
        json.dumps(feature()).encode("utf-16"),
        b"\xfe\xff" + json.dumps(feature()).encode("utf-16-be"),
        json.dumps(feature()).encode("utf-8-sig"),
    ],
)
def test_features_may_be_held_by_anything(read, content):
    """One, lists, collections, lists of them, also in the encodings of Windows."""
    assert read(content) == (16, 0, ())


HOLED = [box(0, 0, 10, 10), box(2, 2, 6, 6)]


@pytest.mark.parametrize(
    ("geometry", "px", "notes"),
    [
        ({"type": "Polygon", "coordinates": HOLED}, 64, ()),
        ({"type": "Polygon", "coordinates": [HOLED[0][:-1]]}, 100, ()),
        ({"type": "MultiPolygon", "coordinates": [HOLED, [box(4, 4, 2, 2)]]}, 68, ()),
        ({"type": "MultiPolygon", "coordinates": [HOLED, [box(1, 1, 3, 3)]]}, 68, ()),
        ({"type": "GeometryCollection", "geometries": [SQUARE, SQUARE]}, 16, ()),
        (
            {
                "type": "GeometryCollection",
                "geometries": [
                    {"type": "Point", "coordinates": [3, 3]},
                    {"type": "GeometryCollection", "geometries": [SQUARE]},
                    {"type": "MultiPolygon", "coordinates": [[box(9, 9, 2, 2)]]},
                ],
            },
            20,
            ("Point",),
        ),
        ({"type": "Polygon", "coordinates": [[[*p, 3.5] for p in box(0, 0, 3, 3)]]}, 9, ()),
        ({**SQUARE, "plane": {"c": -1, "z": 0, "t": 0}}, 16, ()),
        # A bow tie is two triangles, which hold the centres of 5 x 4 px each.
        ({"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10]]]}, 50, ()),
        # Holes that reach out of the outline, lie outside, cover it, or overlap.
        ({"type": "Polygon", "coordinates": [box(0, 0, 10, 10), box(8, 8, 4, 4)]}, 96, ()),
        (
            {"type": "Polygon", "coordinates": [box(0, 0, 5, 5), box(8, 8, 4, 4)]},
            25,
            ("1 holes outside of their outline or in another",),
        ),
        (
            {"type": "Polygon", "coordinates": [box(2, 2, 3, 3), box(0, 0, 9, 9)]},
            0,
            (),
        ),
        (
            {"type": "Polygon", "coordinates": [HOLED[0], box(1, 1, 4, 4), box(3, 3, 4, 4)]},
            72,
            (),
        ),
        (
            {"type": "Polygon", "coordinates": [*HOLED, box(4, 4, 2, 2), box(3, 3, 1, 1)]},
            64,
            ("2 holes outside of their outline or in another",),
        ),
        # A hole in two of four px around the crossing of a bow tie.
        (
            {
                "type": "Polygon",
                "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10]], box(8, 4, 1, 2)],
            },
            48,
            (),
        ),
        # An outline that goes twice around 36 px stays one, whatever is cut out of the other 64.
        (
            {"type": "Polygon", "coordinates": [HOLED[0] + HOLED[1], box(-1, 4, 2, 2)]},
            62,
            ("go twice around",),
        ),
        # An outline without area has none left when a hole lies on it.
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [0, 0]], HOLED[1]]},
            0,
            ("enclose nothing",),
        ),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [9, 9]], HOLED[1]]},
            0,
            ("enclose nothing",),
        ),
    ],
)
def test_areas_by_hand(read, geometry, px, notes):
    """Px of each geometry, holes taken out, parts joined."""
    content = [feature(geometry), feature(SQUARE, {"name": "whole tumor"})]
    viable, _, noted = read(content)
    assert viable == px
    assert all(word in note for word, note in zip(notes, noted, strict=True))


@pytest.mark.parametrize(
    "corners",
    [
        [[10 + 8 * math.cos(t), 10 + 4 * math.sin(t)] for t in np.arange(100) * np.pi / 50],
        box(2, 6, 16, 8),
        [[2, 10], [10, 6], [18, 10], [10, 14]],
    ],
)
def test_an_ellipse_fills_the_box_around_it(tmp_path, corners):
    """QuPath writes 100 corners and reads none of them; others write the box."""
    geometry = {"type": "Polygon", "coordinates": [corners], "isEllipse": True}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(feature(geometry)))
    ((region,), _) = read_annotation(path, classes=CLASSES)
    assert shapely.Polygon(region.rings[0]).area == pytest.approx(math.pi * 8 * 4, rel=1e-4)
    np.testing.assert_allclose(region.bounds_px, (2, 6, 18, 14), rtol=0, atol=1e-9)


REFUSED = {
    "another plane": (feature({**SQUARE, "plane": {"c": -1, "z": 3, "t": 0}}), "plane z = 3"),
    "another time": (
        feature({"type": "GeometryCollection", "geometries": [SQUARE], "plane": {"t": 2}}),
        "plane t = 2",
    ),
    "a feature a line": (
        "\n".join(json.dumps(feature()) for _ in range(2)).encode(),
        "several JSON values, perhaps a feature a line; put the features into one",
    ),
    "gzip": (gzip.compress(json.dumps(feature()).encode()), r"compressed \(gzip or zip\); unpack"),
    "zip": (b"PK\x03\x04 and more", r"compressed \(gzip or zip\); unpack"),
    "another geometry": (feature({"type": "Circle", "radius": 3}), "type 'Circle' is not GeoJSON"),
    "a text as geometry": (feature("Polygon"), "type None is not GeoJSON"),
    "a text as properties": (
        {"type": "Feature", "geometry": SQUARE, "properties": "Tumor"},
        "properties are no object",
    ),
    "no properties": ({"type": "Feature", "geometry": SQUARE, "properties": None}, "no class"),
    "a geometry alone": (SQUARE, "is JSON but not GeoJSON"),
    "a hierarchy": ({"root": feature()}, "is JSON but not GeoJSON"),
    "a number in a list": ([feature(), 3], "is JSON but not GeoJSON"),
    "no features": ({"type": "FeatureCollection", "features": None}, "is JSON but not GeoJSON"),
    "no geometries": (
        feature({"type": "GeometryCollection", "geometries": None}),
        "not nested lists",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_one_line(read, name):
    """It names the file and what to do."""
    content, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        read(content)
    assert "a.geojson: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nested", ["[", '{"parentClass":'])
def test_deep_nesting_is_no_traceback(read, nested):
    """A stranger's class of 300 levels is read, or refused."""
    end = {"[": "]", '{"parentClass":': "}"}[nested]
    deep = f'{nested * 300}"Tumor"{end * 300}'
    text = json.dumps(feature(classification="DEEP")).replace('"DEEP"', deep)
    assert read(text.encode())[0] == 16


def star(rng: np.random.Generator, x: float, y: float, radius: float) -> np.ndarray:
    """Draw an outline around a point, each corner at its own distance."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 40)))
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return (x, y) + around * rng.uniform(0.4, 1, len(angles))[:, None] * radius


def rounded(ring: np.ndarray) -> list[list[float]]:
    """Write a ring as QuPath does: closed, two decimals."""
    return np.round(np.vstack([ring, ring[:1]]), 2).tolist()


DIALECTS = ("0.2", "0.3", "0.4", "0.5 hierarchy", "collection of geometries", "geopandas", "each")


def written(dialect: str, parts: list[list]) -> object:
    """Write the polygons, each a list of rings, of one annotation."""
    geometry = {"type": "MultiPolygon", "coordinates": parts}
    if len(parts) == 1:
        geometry = {"type": "Polygon", "coordinates": parts[0]}
    match dialect:
        case "0.2":
            return [feature(geometry, {"name": "Tumor", "colorRGB": -1}, id="PathAnnotationObject")]
        case "0.3":
            return feature(
                geometry, {"name": "Tumor: 1+", "colorRGB": -1}, object_type="annotation"
            )
        case "0.4":
            features = [feature(geometry, {"names": ["Tumor", "1+"]}, objectType="annotation")]
        case "0.5 hierarchy":
            return [feature(None, None, objectType="root", childObjects=[feature(geometry)])]
        case "collection of geometries":
            polygons = [{"type": "Polygon", "coordinates": part} for part in parts]
            return feature({"type": "GeometryCollection", "geometries": polygons})
        case "geopandas":
            features = [feature(geometry, json.dumps(TUMOR), objectType="annotation", name=None)]
        case "each":
            features = [feature({"type": "Polygon", "coordinates": part}) for part in parts]
    return {"type": "FeatureCollection", "features": features}


@settings(max_examples=40)
@given(
    dialect=st.sampled_from(DIALECTS),
    seed=st.integers(0, 10**6),
    n_parts=st.integers(1, 2),
    n_holes=st.integers(0, 3),
    corner=st.none() | st.tuples(st.integers(-30, 900), st.integers(-30, 900)),
)
def test_areas_of_any_polygons_in_any_dialect(
    tmp_path_factory, *, dialect, seed, n_parts, n_holes, corner
):
    """As shapely has them, to a thousandth of the outline's; and where the scan lies."""
    rng = np.random.default_rng(seed)
    parts = []
    for part in range(n_parts):
        centre = np.array([320.0, 320.0 + 640 * part])
        holes = [
            star(rng, *(centre + rng.uniform(-150, 150, 2)), rng.uniform(20, 120))
            for _ in range(n_holes)
        ]
        parts.append([rounded(ring) for ring in (star(rng, *centre, 320), *holes)])
    path = tmp_path_factory.mktemp("any") / "a.geojson"
    path.write_text(json.dumps(written(dialect, parts)))
    given = {"slide": "a", "slide_size_px": (1600, 2300), "annotation": path, "classes": CLASSES}
    bounds_px = corner and (*corner, 640, 1280)
    with open_truth(**given, bounds_px=bounds_px) as truth:
        found = truth.rows(0, 2300, 1.0)[0]
    # Shapely alone: each ring by the even-odd rule, holes out of their outline.
    drawn = []
    for outline, *holes in parts:
        area, *cut = (shapely.make_valid(shapely.Polygon(ring)) for ring in (outline, *holes))
        drawn.append(shapely.difference(area, shapely.union_all(cut)))
    shown = shapely.affinity.translate(shapely.union_all(drawn), *(corner or (0, 0)))
    shown = shapely.intersection(shown, shapely.box(0, 0, 1600, 2300))
    assert found.sum() == pytest.approx(shown.area, rel=1e-3, abs=60)
    rows, columns = np.nonzero(found)
    assert shapely.contains_xy(shown.buffer(0.01), columns[::97] + 0.5, rows[::97] + 0.5).all()


@pytest.fixture
def marked(tmp_path):
    """Write a slide whose scan has a dark mark at (96, 64), 64 x 48 px; the scan at (130, 77)."""
    pixels = np.full((320, 448, 3), 230, np.uint8)
    pixels[64:112, 96:160] = (60, 120, 60)
    return write_scn(tmp_path / "a.scn", pixels, corner_px=(130, 77), slide_px=(800, 600))


def test_an_annotation_lies_on_what_was_drawn_around_and_so_do_outlines(tmp_path, marked):
    """From the slide to its truth, from the truth to QuPath, through the scripts of the rules."""
    drawing = feature({"type": "Polygon", "coordinates": [box(96, 64, 64, 48)]})
    (tmp_path / "q.geojson").write_text(json.dumps(drawing))
    files = {name: str(tmp_path / name) for name in ("a.json", "t.json", "t.tif", "p.geojson")}
    row = {"path": str(marked), "annotation": str(tmp_path / "q.geojson")}
    slide = {"spacing_tolerance": 0.02, "upsample": False}
    common = {"log": str(tmp_path / "log"), "wildcards": {"slide": "a"}}
    run_job(
        "slides/inspect_slide.py",
        output={"status": files["a.json"]},
        params={"row": row, "slide": slide, "given": {}},
        **common,
    )
    run_job(
        "truth/rasterize_annotation.py",
        input={"inspected": files["a.json"]},
        output={"status": files["t.json"], "truth": files["t.tif"]},
        params={
            "row": row,
            "slide": slide,
            "annotation": {"spacing_um": 0.5, "classes": CLASSES},
            "given": {},
        },
        **common,
    )
    assert read_json(files["t.json"])["state"] == "ok"
    with openslide.OpenSlide(marked) as file:
        seen = np.asarray(file.read_region((0, 0), 0, file.dimensions).convert("RGB")).astype(int)
    mark = (seen[..., 1] > seen[..., 0] + 25) & (seen[..., 1] > seen[..., 2] + 25)
    truth = open_raster(files["t.tif"]).rows(0, 600) == 2
    assert np.count_nonzero(truth) == 64 * 48
    assert np.count_nonzero(truth & mark) > 0.99 * 64 * 48
    run_job(
        "tumour/tumour_polygons.py",
        input={"inspected": files["a.json"], "tumour": files["t.tif"]},
        output={"polygons": files["p.geojson"]},
        **common,
    )
    _, written = read_json(files["p.geojson"])["features"]
    found = shapely.geometry.shape(written["geometry"])
    assert found.bounds == (96, 64, 160, 112)
    assert found.is_valid


BOUNDS_PX = (5, 7, 10, 9)


def test_only_geojson_starts_at_the_scan(tmp_path, read):
    """ASAP's and ImageScope's coordinates are the slide's, whatever its scan."""
    xml = (
        '<ASAP_Annotations><Annotations><Annotation Type="Polygon" PartOfGroup="Tumor">'
        "<Coordinates>"
        + "".join(
            f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(SQUARE_XY)
        )
        + "</Coordinates></Annotation></Annotations></ASAP_Annotations>"
    ).encode()
    for content, corner in ((xml, (1, 1)), (json.dumps(feature()).encode(), (6, 8))):
        path = tmp_path / "place"
        path.write_bytes(content)
        given = {"slide": "a", "slide_size_px": (20, 20), "classes": CLASSES}
        with open_truth(annotation=path, bounds_px=BOUNDS_PX, **given) as truth:
            rows, columns = np.nonzero(truth.rows(0, 20, 1.0)[0])
        assert (columns.min(), rows.min(), len(rows)) == (*corner, 16)


SQUARE_XY = box(1, 1, 4, 4)[:-1]


def test_geojson_of_the_whole_slide_does_not_fit_its_scan(read):
    """As QuPath writes with --no-crop: on the slide, but beyond the scan; the way out is named."""
    far = feature({"type": "Polygon", "coordinates": [box(8, 8, 6, 6)]})
    assert read(far)[0] == 36
    with pytest.raises(InputError, match=r"the scan is 10 x 9 px.*--no-crop.*move them"):
        read(far, bounds_px=BOUNDS_PX)


def test_a_mask_of_the_scan_alone_is_told_where_it_belongs(tmp_path):
    """As QuPath exports masks too; a mask is of the slide."""
    tifffile.imwrite(tmp_path / "m.tif", np.ones((9, 10), np.uint8))
    with pytest.raises(InputError, match=r"20 x 20 px; it is of the slide's scan.* at \(5, 7\) of"):
        open_truth(
            slide="a",
            slide_size_px=(20, 20),
            viable_mask=tmp_path / "m.tif",
            classes={},
            bounds_px=BOUNDS_PX,
        )
