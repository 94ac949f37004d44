"""Areas of outlines in XML, beside those of shapely."""

import numpy as np
import pytest
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.truth.annotations import read_annotation
from microtome.truth.maps import OutlineSource
from truth.xml_dialects import Drawn, asap, box, halo, imagescope

CLASSES = {"viable": ["Tumor", "metastases"], "hole": ["Exclusion"]}


@pytest.fixture
def read(tmp_path):
    """Read figures of ImageScope: their px on 100 x 100, and notes."""

    def write_and_read(*drawn: Drawn) -> tuple[int, list[str]]:
        path = tmp_path / "a.xml"
        path.write_text(imagescope(("Tumor", list(drawn))))
        regions, notes = read_annotation(path, classes=CLASSES)
        return int(OutlineSource(regions).rows(first_row=0, shape=(100, 100), scale=1).sum()), notes

    return write_and_read


KEYHOLE = [(0, 0), (20, 0), (20, 20), (0, 20), (0, 9), (5, 9), (5, 15), (15, 15), (15, 5), (5, 5)]
TOUCHING = {
    "a hole at the end of a cut": [*KEYHOLE, (5, 9), (0, 9)],
    "two squares at one corner": [
        (0, 0),
        (9, 0),
        (9, 9),
        (18, 9),
        (18, 18),
        (9, 18),
        (9, 9),
        (0, 9),
    ],
    "an eight": [(0, 0), (20, 20), (20, 0), (0, 20)],
    "a spike": [(0, 0), (20, 0), (20, 20), (20, 40), (20, 20), (0, 20)],
    "points drawn twice": [(0, 0), (0, 0), (20, 0), (20, 0), (20, 20), (0, 20), (0, 0), (0, 0)],
}


@pytest.mark.parametrize("name", TOUCHING)
def test_an_outline_that_touches_itself(read, name):
    """Its area is that of shapely's valid polygon."""
    corners = TOUCHING[name]
    expected = shapely.make_valid(shapely.Polygon(corners)).area
    assert read(Drawn(corners))[0] == pytest.approx(expected, abs=10)


def test_an_outline_that_goes_twice_around_is_noted(read):
    """What it encloses twice is outside; the overlapping end of a stroke is no matter."""
    around = [(0, 0), (90, 0), (90, 90), (0, 90)]
    viable_px, (note,) = read(Drawn(around * 2), box(91, 93))
    assert viable_px == 4
    assert "1 outlines go twice around a part, which counts as outside; draw them anew" in note
    overlap = [*around, (0, 0), (5, 3), (3, 5), (0, 5)]
    viable_px, notes = read(Drawn(overlap))
    assert viable_px == pytest.approx(8100, abs=20)
    assert notes == []


CELL_PX = 60


@st.composite
def figures(draw, kinds: list[str], cell: int) -> list[Drawn]:
    """Draw a figure in its cell, as often as not with a hole and an island in that."""
    kind = draw(st.sampled_from(kinds))
    middle = np.array([CELL_PX * (cell + 0.5), CELL_PX / 2])
    if kind == "polygon":
        n = draw(st.integers(min_value=3, max_value=9))
        radii = draw(st.lists(st.integers(5, 29), min_size=n, max_size=n))
        turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
        shape = np.array(radii)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    else:
        side = np.array(draw(st.tuples(st.integers(4, 29), st.integers(4, 29))))
        shape = side * [[-1, 1], [1, -1]]
    parts = draw(st.integers(min_value=1, max_value=3))
    scaled = [np.round(shape * share, 2) + middle for share in (1, 0.6, 0.3)[:parts]]
    return [Drawn(p.tolist(), kind, cut=bool(i % 2)) for i, p in enumerate(scaled)]


def outline(drawn: Drawn) -> shapely.Polygon:
    """Turn a figure into shapely's."""
    if drawn.kind == "polygon":
        return shapely.Polygon(drawn.points)
    low, high = np.min(drawn.points, axis=0), np.max(drawn.points, axis=0)
    if drawn.kind == "rectangle":
        return shapely.box(*low, *high)
    circle = shapely.Point(*(low + high) / 2).buffer(1, quad_segs=100)
    return shapely.affinity.scale(circle, *(high - low) / 2)


DIALECTS = {
    "ImageScope": (imagescope, "Tumor", ["polygon", "rectangle", "ellipse"]),
    "PAIP": (lambda layer: imagescope(layer, ids=(2,)), "", ["polygon", "rectangle", "ellipse"]),
    "HALO": (halo, "metastases", ["polygon", "rectangle", "ellipse"]),
    "ASAP": (asap, "TUMOR", ["polygon", "rectangle"]),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_areas_are_those_of_shapely(tmp_path_factory, dialect, data):
    """Figures, holes and islands in any order, decimals with a point or a comma: to 1 in 1000."""
    write, name, kinds = DIALECTS[dialect]
    drawn = [d for cell in range(3) for d in data.draw(figures(kinds, cell))]
    shuffled = data.draw(st.permutations(drawn))
    path = tmp_path_factory.mktemp("xml") / "a.xml"
    text = write((name, shuffled))
    comma = data.draw(st.booleans())
    path.write_text(text.replace(".", ",") if comma else text)
    regions, notes = read_annotation(path, classes=CLASSES)
    expected = [outline(d) for d in drawn]
    expected_px2 = sum(-o.area if d.cut else o.area for o, d in zip(expected, drawn, strict=True))
    outlines = [shapely.Polygon(region.rings[0]).area for region in regions]
    signs = [-1 if region.hole else 1 for region in regions]
    assert np.dot(signs, outlines) == pytest.approx(expected_px2, rel=1e-3)
    # Painted five times finer than level 0; an edge may be half a px of the mask off.
    painted = OutlineSource(regions).rows(first_row=0, shape=(300, 900), scale=0.2)
    length_px = sum(o.length for o in expected)
    assert painted.sum() / 25 == pytest.approx(expected_px2, abs=0.1 * length_px)
    assert notes == []
