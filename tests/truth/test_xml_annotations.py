"""XML of ImageScope, PAIP, HALO and ASAP: what a region is, and what is refused."""

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.truth.maps import open_truth
from truth.xml_dialects import Drawn, asap, box, cut, halo, imagescope, two_corners

CLASSES = {
    "viable": ["Tumor", "metastases", "Layer 7  without a name"],
    "whole": ["Whole"],
    "hole": ["Exclusion"],
}
SIDE_PX = 100


@pytest.fixture
def read(tmp_path):
    """Read text as the annotation of a slide of 100 x 100 px; give px of viable and of whole."""

    def write_and_read(text: str) -> tuple[int, int | None, tuple[str, ...]]:
        path = tmp_path / "a.xml"
        path.write_text(text)
        sizes = {"slide": "s", "slide_size_px": (SIDE_PX, SIDE_PX)}
        with open_truth(**sizes, annotation=path, classes=CLASSES) as truth:
            viable, whole = truth.rows(0, SIDE_PX, 1)
            whole_px = int(whole.sum()) if truth.has_whole else None
        return int(viable.sum()), whole_px, tuple(n.removeprefix(f"{path}: ") for n in truth.notes)

    return write_and_read


AS_MEANT = {
    "PAIP: without any name layer 1 is whole, 2 viable": (
        imagescope(("", [box(0, 50)]), ("", [box(10, 30)])),
        (400, 2500),
    ),
    "so is layer 2 alone, beside others that are empty": (
        imagescope(("", []), ("", [box(0, 50)]), ("", []), ids=(1, 2, 3)),
        (2500, None),
    ),
    "a layer without a name has one if the configuration gives it": (
        imagescope(("", [box(0, 50)]), ids=(7,)),
        (2500, None),
    ),
    "a name that is not known does not fall back to the number": (
        imagescope(("Benign", [box(0, 20)]), ("Necrosis", [box(0, 9)]), ("tumor ", [box(50, 60)])),
        (100, None, *(f"ignored 1 of unknown class '{c}'" for c in ("Benign", "Necrosis"))),
    ),
    "nor does a layer without a name beside one with": (
        imagescope(("Tumor", [box(0, 10)]), ("", [box(20, 40)])),
        (100, None, "ignored 1 of unknown class 'layer 2 without a name'"),
    ),
    "layers of one name are one, in upper or lower case": (
        imagescope(("Tumor", [box(0, 10)]), ("TUMOR", [cut(2, 4), box(20, 30)])),
        (196, None),
    ),
    "empty layers do no harm": (imagescope(("", []), ("", [box(0, 10)])), (100, None)),
    "text of a region names it, where layers have no names": (
        imagescope(("", [box(0, 10, text="Tumor"), box(20, 40, text="Necrosis")])),
        (100, None, "ignored 1 of unknown class 'Necrosis'"),
    ),
    "text of a region goes before the name of its layer": (
        imagescope(("Whole", [box(0, 50), box(10, 20, text="tumor")])),
        (100, 2500),
    ),
    "a number is no name": (
        imagescope(("", [box(0, 9, text="2.5")]), ("", [box(1, 3, text="1,0")])),
        (4, 81),
    ),
    "text of what is cut out is no name": (
        imagescope(("", [box(0, 9)]), ("", [box(1, 9), cut(2, 4, text="Necrosis")])),
        (60, 81),
    ),
    "a field of a layer names it by its value": (
        imagescope(("", [box(0, 10)]), fields='<Attribute Name="Class" Id="1" Value="Tumor"/>'),
        (100, None),
    ),
    "or by its name, as in MoNuSAC": (
        imagescope(("", [box(0, 10)]), fields='<Attribute Name="Tumor" Id="1" Value=""/>'),
        (100, None),
    ),
    "a field of a region names it": (
        imagescope(("", [box(0, 10)])).replace(
            "<Attributes/>", '<Attributes><Attribute Name="1" Value="Tumor"/></Attributes>'
        ),
        (100, None),
    ),
    "a layer of HALO has its name alone": (halo(("metastases", [box(0, 10)])), (100, None)),
    "what is cut out of the whole tumour is not viable either": (
        imagescope(("Whole", [box(0, 50), cut(10, 20)]), ("Tumor", [box(5, 30)])),
        (525, 2400),
    ),
    "a layer is cut, not the other": (
        imagescope(("Tumor", [box(0, 20), cut(5, 15)]), ("metastases", [box(10, 30)])),
        (400 - 100 + 400 - 75, None),
    ),
    "islands in what is cut out come back": (
        halo(("Tumor", [box(10, 12), cut(5, 15), box(0, 20)])),
        (304, None),
    ),
    "a layer of nothing but cuts cuts all of its class": (
        imagescope(("Tumor", [cut(5, 15)]), ("metastases", [box(0, 20)])),
        (300, None),
    ),
    "a layer without a name is cut as well": (
        imagescope(("", [cut(5, 35), box(0, 20, text="Tumor"), box(30, 50, text="Whole")])),
        (175, 375),
    ),
    "cuts of the whole tumour alone leave it unknown": (
        imagescope(("Whole", [cut(5, 15)]), ("Tumor", [box(0, 20)])),
        (300, None),
    ),
    "an excluded layer is cut out of every layer": (
        imagescope(
            ("Tumor", [box(0, 20), cut(2, 4)]),
            ("metastases", [box(30, 50)]),
            ("Exclusion", [box(10, 40)]),
        ),
        (400 - 4 - 100 + 400 - 100, None),
    ),
    "comments of HALO name nothing, and are noted": (
        halo(("Tumor", [box(0, 10)])).replace(
            "<Comments/>", '<Comments><Comment Author="a" Body="Necrosis"/></Comments>'
        ),
        (100, None, "ignored 1 comments of HALO, which name no class"),
    ),
    "layers and regions count whether they are shown, selected and analysed or not": (
        imagescope(("Tumor", [box(0, 10)]))
        .replace('Visible="1"', 'Visible="0"')
        .replace('Selected="1"', 'Selected="0"')
        .replace('Analyze="1"', 'Analyze="0"'),
        (100, None),
    ),
    "blanks in a name are one": (
        imagescope((" layer  7 without&#10;a name", [box(0, 9)])),
        (81, None),
    ),
    "NegativeROA may be a word": (
        imagescope(("Tumor", [box(0, 20), cut(5, 15)])).replace(
            'NegativeROA="1"', 'NegativeROA="True"'
        ),
        (300, None),
    ),
    "polygons of HALO that all lack their last point are closed": (
        halo(("Tumor", [box(0, 10)])).replace('<V Order="4" X="0" Y="0"/>', ""),
        (100, None),
    ),
    "GeoShape tells the type where Type is a number of its own": (
        imagescope(("Tumor", [box(0, 10, kind="2")])).replace("Type=", 'GeoShape="Area" Type='),
        (100, None),
    ),
    "a region without a type is a polygon": (
        imagescope(("Tumor", [box(0, 10)])).replace('Type="0"', ""),
        (100, None),
    ),
    "also of ASAP": (asap(("Tumor", [box(0, 10)])).replace('Type="Polygon"', ""), (100, None)),
}


@pytest.mark.parametrize("name", AS_MEANT)
def test_read_as_it_is_meant(read, name):
    """Px of viable and of whole tumour, and what was ignored."""
    text, (viable_px, whole_px, *notes) = AS_MEANT[name]
    assert read(text) == (viable_px, whole_px, tuple(notes))


@pytest.mark.parametrize("write", [imagescope, halo])
@pytest.mark.parametrize("kind", ["rectangle", "ellipse"])
@pytest.mark.parametrize("corners", [2, 4])
def test_box_given_by_its_corners(read, write, kind, corners):
    """Two opposite corners, in any order, or all four: 40 x 20 px, or the ellipse in them."""
    given = [(50, 10), (10, 30)] if corners == 2 else [(10, 10), (50, 10), (50, 30), (10, 30)]
    viable_px, _, notes = read(write(("Tumor", [Drawn(given, kind)])))
    assert viable_px == (800 if kind == "rectangle" else pytest.approx(200 * np.pi, abs=4))
    assert notes == ()


def test_ellipse_that_is_cut_out(read):
    """A negative ellipse takes its own area away, not that of its box."""
    regions = [box(0, 60), two_corners("ellipse", cut=True)]
    assert read(imagescope(("Tumor", regions)))[0] == pytest.approx(3600 - 200 * np.pi, abs=4)


@pytest.mark.parametrize(
    ("drawn_um", "spacing_um", "is_noted"),
    [
        ("0.500000", 0.25, True),
        ("0,2521", 0.5, True),
        ("0.252100", 0.25, False),
        ("0", 0.25, False),
        ("", 0.25, False),
        ("0.5", None, False),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_outlines_of_a_copy_with_other_px_are_noted(
    tmp_path, drawn_um, spacing_um, is_noted, encoding
):
    """ImageScope says the spacing of the slide on which it drew; that of another slide is told."""
    path = tmp_path / "a.xml"
    text = imagescope(("Tumor", [box(0, 9)])).replace("0.252100", drawn_um)
    path.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding))
    given = {"slide": "s", "slide_size_px": (99, 99), "annotation": path, "classes": CLASSES}
    with open_truth(**given, spacing_um=spacing_um) as truth:
        assert [f"this one has {spacing_um}" in note for note in truth.notes] == [True] * is_noted


WITHOUT_AREA = [
    *((imagescope, kind) for kind in ("arrow", "ruler", "counter")),
    *((halo, kind) for kind in ("ruler", "pin", "arrow")),
    *((asap, kind) for kind in ("dot", "pointset", "measurement", "none")),
]


@pytest.mark.parametrize(("write", "kind"), WITHOUT_AREA)
def test_what_has_no_area_is_noted(read, write, kind):
    """Beside an outline it is ignored with a note; alone it says nothing of tumour."""
    assert read(write(("Tumor", [two_corners(kind), box(0, 10)]))) == (
        100,
        None,
        (f"ignored 1 of type {kind}, which has no area",),
    )
    with pytest.raises(InputError, match=f"type {kind}.* not the same as no tumour"):
        read(write(("Tumor", [two_corners(kind)])))


PEN_LINE = halo(("Tumor", [box(0, 10), box(20, 30)])).replace('<V Order="4" X="0" Y="0"/>', "")
NDPA = '<annotations><ndpviewstate id="1"><title>tumor</title></ndpviewstate></annotations>'
REFUSED = {
    "a text that is not known in a layer that is": (
        imagescope(("Tumor", [box(0, 9), box(1, 3, text="Necrosis")])),
        "region of 'Tumor' has the text or group 'Necrosis'.*annotation.classes",
    ),
    "a group that is not known in one that is": (
        asap(("Necrosis", [box(0, 9)])).replace(
            "<AnnotationGroups/>", '<Group Name="Necrosis" PartOfGroup="Tumor"/>'
        ),
        "region of 'Tumor' has the text or group 'Necrosis'.*annotation.classes",
    ),
    "a layer is what its name says, whatever its fields do": (
        imagescope(
            ("Necrosis", [box(0, 9)]), fields='<Attribute Name="Tissue" Id="1" Value="Tumor"/>'
        ),
        "unknown class 'Necrosis'",
    ),
    "a field of the name Tumor says what its value does": (
        imagescope(("", [box(0, 9)]), fields='<Attribute Name="Tumor" Id="1" Value="No"/>'),
        "unknown class 'No'",
    ),
    "or nothing if it is a number": (
        imagescope(("", [box(0, 9)]), fields='<Attribute Name="Tumor" Id="1" Value="0"/>'),
        "unknown class 'layer 1 without a name'",
    ),
    "a text goes before the fields of a region": (
        imagescope(("", [box(0, 9, text="Necrosis")])).replace(
            "<Attributes/>", '<Attributes><Attribute Name="1" Value="Tumor"/></Attributes>'
        ),
        "unknown class 'Necrosis'",
    ),
    "no name that is known": (
        imagescope(("Stroma", [box(0, 9)]), ("Lymphocytes", [box(1, 3)])),
        "class 'Stroma'.*class 'Lymphocytes'",
    ),
    "a layer that is called 2 is not PAIP's layer 2": (
        imagescope(("2", [box(0, 9)])),
        "unknown class '2'",
    ),
    "one layer without a name, as ImageScope begins, is not PAIP's whole tumour": (
        imagescope(("", [box(0, 9)])),
        "unknown class 'layer 1 without a name'",
    ),
    "nor are those of more than PAIP's two": (
        imagescope(("", [box(0, 9)]), ("", [box(0, 9)]), ("", [box(0, 9)])),
        "class 'layer 1 without a name'.*class 'layer 2 without a name'",
    ),
    "numbers, if one region has a text": (
        imagescope(("", [box(0, 9)]), ("", [box(1, 3, text="check")])),
        "class 'layer 1 without a name'.*class 'check'",
    ),
    "what is cut out of a layer that is cut out": (
        imagescope(("Exclusion", [box(0, 9), cut(1, 3)])),
        "layer 'exclusion' is itself cut out",
    ),
    "names of several lines": (
        imagescope(("a&#10;b&#13;c", [box(0, 9)])),
        "ignored 1 of unknown class 'a b c'",
    ),
    "a group of several lines": (asap(("a&#10;b", [box(0, 9)])), "unknown class 'a b'"),
    "what is cut out of nothing": (
        imagescope(("Tumor", [cut(0, 9)])),
        r"ignored 1 that are cut out \(NegativeROA\) where nothing is drawn.*not the same as no",
    ),
    "a type that is not known": (imagescope(("Tumor", [box(0, 9, kind="7")])), "of type '7'"),
    "a type of HALO that is not known": (halo(("Tumor", [box(0, 9, kind="star")])), "type 'star'"),
    "a type of ASAP that is not known": (asap(("Tumor", [box(0, 9, kind="star")])), "type 'star'"),
    "an ellipse by points on it": (
        imagescope(("Tumor", [Drawn([(5, 0), (9, 4), (5, 8), (0, 4)], "ellipse")])),
        "ellipse is given by 4 points that are not corners",
    ),
    "neither negative nor not": (
        imagescope(("Tumor", [box(0, 9)])).replace('NegativeROA="0"', 'NegativeROA="2"'),
        "NegativeROA '2', which is neither 0 nor 1",
    ),
    "a line of HALO's pen among polygons": (PEN_LINE, "1 of HALO's polygons do not end where"),
    "Hamamatsu's .ndpa": (NDPA, "NDP.view, in nm.*export GeoJSON"),
    "ASAP without its outer element": (
        asap(("Tumor", [box(0, 9)])).replace("ASAP_Annotations", "Annotations"),
        "lacks the layers and regions",
    ),
    "ASAP's inner element alone": (
        '<Annotations><Annotation Type="Polygon"><Coordinates/></Annotation></Annotations>',
        "lacks the layers and regions",
    ),
    "points of another name": (
        imagescope(("Tumor", [box(0, 9)]))
        .replace("<Vertex ", "<Vertex x='1' ")
        .replace("X=", "L="),
        "a point lacks a coordinate",
    ),
    "regions without points": (
        '<Annotations><Annotation Name="Tumor"><Regions><Region/></Regions></Annotation>'
        "</Annotations>",
        "ignored 1 that enclose nothing",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(read, name):
    """One line that names the file and what in it is not understood."""
    text, line = REFUSED[name]
    with pytest.raises(InputError, match=line) as caught:
        read(text)
    assert "a.xml: " in str(caught.value)
    assert "\n" not in str(caught.value)
