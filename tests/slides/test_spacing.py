"""What files say of their spacing: one rule for all dialects, and one line where they say none."""

import re

import numpy as np
import openslide
import pytest
import tifffile
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import REPOSITORY
from helpers.slide_files import ome_description, texture
from microtome.cohort.config_checks import read_sheet
from microtome.errors import InputError
from microtome.slides.header_probe import probe_slide
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide
from microtome.slides.spacing import length_um, read_spacing

PIXELS = texture(128, 160)
APERIO = "Aperio Image Library v12.0.0\r\n160x128 [0,0 160x128] (64x64)|AppMag = {}"
NONE, INCH, CM = 1, 2, 3


def aperio(mpp: str, app_mag: str = "20") -> str:
    """A description as Aperio's scanners and ImageScope write it."""
    return f"{APERIO.format(app_mag)}|MPP = {mpp}|Left = 3"


def ome(value: str, unit: str | None = None) -> str:
    """OME-XML of square px."""
    return ome_description(160, 128, x_um=value, y_um=value, unit=unit)


def write(path, text: str | bytes = "", per_unit: float = 0, unit: int = INCH, **form):
    """Write a tiled TIFF with a description and px per unit, the same in x and y."""
    form = {"tile": (64, 64), "photometric": "rgb", "metadata": None, "software": False} | form
    if per_unit:
        form |= {"resolution": (per_unit, per_unit), "resolutionunit": unit}
    if text:
        form["description"] = text if isinstance(text, bytes) else text.encode()
    tifffile.imwrite(path, PIXELS, **form)
    return path


@pytest.mark.parametrize(
    ("text", "um"),
    [
        (aperio("0.2527", "40"), 0.2527),
        (aperio("0,2520", "40"), 0.252),  # ImageScope under a French Windows
        (aperio("1,05", "10"), 1.05),
        (aperio("5e-1"), 0.5),
        (aperio("0.5 µm/pixel"), 0.5),
        ("Scanner X|AppMag = 20|MPP=0.5", 0.5),
        (ome("0.25"), 0.25),
        (ome("0,25", "µm"), 0.25),
        (ome("0.25", "\u03bcm"), 0.25),  # the Greek letter
        (ome("0.25", "um"), 0.25),
        (ome("0.25", "Âµm"), 0.25),  # UTF-8 taken for Latin-1
        (ome("0.25", "&#181;m"), 0.25),
        (ome("0.25", "microns"), 0.25),
        (ome("2.5e-4", "mm"), 0.25),
        (ome("2.5E-5", "cm"), 0.25),
        (ome("2.5e-7", "m"), 0.25),
        (ome("250", "nm"), 0.25),
        (ome("1e-5", "in"), 0.254),
    ],
)
def test_the_description_says_the_spacing(text, um):
    """Aperio's MPP and OME's PhysicalSize, a point or a comma, in every spelling of the unit."""
    assert read_spacing(text).um == pytest.approx(um, rel=1e-9)


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [
        ("micron", 2),
        ("um", 2),
        ("µm", 2),
        (r"\u00B5m", 2),  # as ImageJ escapes it
        ("mm", 2000),
        ("cm", 20000),
        ("inch", 50800),
        ("nm", 0.002),
    ],
)
@pytest.mark.parametrize("unit_tag", [NONE, INCH])
def test_imagej_names_the_unit_of_the_tags(unit, per_unit, unit_tag):
    """Its description does, whatever ResolutionUnit says."""
    text = f"ImageJ=1.53k\nunit={unit}\nloop=false\n"
    resolution = (per_unit, per_unit)
    found = read_spacing(text, resolution=resolution, resolution_unit=unit_tag)
    assert found.um == pytest.approx(0.5, rel=1e-9)


@given(
    um=st.floats(0.051, 19.9),
    dialect=st.sampled_from(["aperio", "ome", "imagej", "tags"]),
    unit=st.sampled_from(["um", "µm", "\u03bcm", "nm", "mm", "cm", "micron", "inch"]),
    comma=st.booleans(),
)
def test_any_spacing_is_read_in_any_dialect_and_unit(um, dialect, unit, comma):
    """What was written is read, to 1e-6."""
    per_unit = length_um(unit) / um
    text, tags = "", {}
    value = f"{1 / per_unit:.12g}".replace(".", "," if comma else ".")
    if dialect == "aperio":
        text = f"{APERIO.format(20)}|MPP = {value} {unit}"
    elif dialect == "ome":
        text = ome(value, unit)
    elif dialect == "imagej":
        text = f"ImageJ=1.54f\nunit={unit}\n"
        tags = {"resolution": (per_unit, per_unit), "resolution_unit": NONE}
    else:
        tags = {"resolution": (25400 / um, 25400 / um), "resolution_unit": INCH}
    assert read_spacing(text, **tags).um == pytest.approx(um, rel=1e-6)


@pytest.mark.parametrize(
    ("per_unit", "unit"),
    [
        *((dpi, INCH) for dpi in (1, 72, 96, 100, 150, 200, 240, 300, 360, 400, 600, 1200)),
        *((per_cm, CM) for per_cm in (1, 10, 28.35, 37.8, 118.11, 236.2)),  # vips' 10, and dpi
    ],
)
def test_what_printers_and_screens_have_is_no_spacing(per_unit, unit):
    """72 to 1200 dpi and vips' 1 px per mm are what programs write who know of no microscope."""
    found = read_spacing(resolution=(per_unit, per_unit), resolution_unit=unit)
    assert found.um is None
    assert f"{per_unit:.4g} px per " in found.doubts[0]
    assert found.doubts[0].endswith("is a printer's or a screen's, no microscope's")


@pytest.mark.parametrize(
    ("text", "resolution", "unit", "doubt"),
    [
        (aperio("nan"), None, INCH, "MPP = nan is no number"),
        (aperio("40"), None, INCH, "MPP = 40 is a printer's or a screen's, no microscope's"),
        (aperio("-0.5"), None, INCH, "MPP = -0.5 is no spacing"),
        (aperio("1e400"), None, INCH, "MPP = 1e400 is no spacing"),
        (aperio("0.00025"), None, INCH, "MPP = 0.00025 is finer than any microscope's"),
        (aperio("1.234,5"), None, INCH, "MPP = 1.234,5 has no unit of length that is known"),
        (ome("1", "pixel"), None, INCH, "PhysicalSizeX = 1 pixel has no unit of length"),
        (ome("1", "?m"), None, INCH, "PhysicalSizeX = 1 ?m has no unit of length"),
        (ome("0.5", "Mm"), None, INCH, "PhysicalSizeX = 0.5 Mm has no unit of length"),
        (ome("0.5").replace(' PhysicalSizeY="0.5"', ""), None, INCH, "PhysicalSize of one side"),
        ("ImageJ=1.53k\nunit=pixel\n", (1, 1), NONE, "ImageJ's 1 px per pixel has no unit"),
        ("", (2, 2), NONE, "2 px per unit (ResolutionUnit 1) has no unit"),
        ("", (2, 2), 5, "2 px per unit (ResolutionUnit 5) has no unit"),
        ("", (0, 20000), CM, "0 x 20000 px per cm is no spacing"),
        ("", (20000, 16000), CM, "20000 x 16000 px per cm (0.5 x 0.625 µm per px) is not square"),
    ],
)
def test_what_is_not_understood_is_named(text, resolution, unit, doubt):
    """It is no spacing, and the doubt says what was written and why it is not taken."""
    found = read_spacing(text, resolution=resolution, resolution_unit=unit)
    assert found.um is None
    assert found.doubts[0].startswith(doubt)


@pytest.mark.parametrize(
    ("text", "per_cm"),
    [
        (ome("1", "pixel"), 20000),
        (ome("0.5").replace("PhysicalSize", "NoSize"), 20000),
        (APERIO.format(20), 20000),
        (aperio(""), 20000),
        ("made by somebody", 20000),
    ],
)
def test_tags_say_what_the_text_does_not(text, per_cm):
    """OME without a size, Aperio without MPP, and any other text, with px per cm."""
    found = read_spacing(text, resolution=(per_cm, per_cm), resolution_unit=CM)
    assert found.um == 0.5


@pytest.mark.parametrize(
    ("text", "per_cm", "um", "doubts"),
    [
        (aperio("0.5", "40"), None, 0.5, ["MPP = 0.5 does not go with AppMag = 40, which is ab"]),
        (aperio("0.25", "40"), None, 0.25, []),
        (aperio("0.5"), 40000, 0.5, ["MPP = 0.5, but 40000 px per cm (0.25 µm per px)"]),
        (aperio("0.499"), 20000, 0.499, []),
        (aperio("0.5"), 28.35, 0.5, []),  # 72 dpi beside a spacing is no news
        (ome("0.25"), 20000, 0.25, ["PhysicalSizeX = 0.25 µm, but 20000 px per cm"]),
        (ome_description(9, 9, x_um="0.5", y_um="0.51"), None, 0.505, ["PhysicalSizeX = 0.5 µm, "]),
    ],
)
def test_a_contradiction_is_told(text, per_cm, um, doubts):
    """Text against tags, MPP against AppMag, x against y: the first is taken, the doubt is said."""
    found = read_spacing(text, resolution=per_cm and (per_cm, per_cm), resolution_unit=CM)
    assert found.um == pytest.approx(um)
    assert len(found.doubts) == len(doubts)
    assert all(a.startswith(b) for a, b in zip(found.doubts, doubts, strict=True))


def test_omes_image_is_the_one_of_the_pages_size():
    """A label that comes first in the XML does not give its spacing to the slide."""
    label, slide = ome_description(20, 10, x_um="9", y_um="9"), ome("0.25")
    both = label.replace("</OME>", slide[slide.index("<Image") :])
    assert read_spacing(both, size_px=(160, 128)).um == 0.25
    assert read_spacing(both, size_px=(20, 10)).um == 9


FILES = {
    "comma": ({"text": aperio("0,5")}, True),
    "cm": ({"per_unit": 20000, "unit": CM}, True),
    "inch": ({"per_unit": 50800}, True),
    "72 dpi": ({"per_unit": 72}, False),
    "Greek": ({"text": ome("0.5", "\u03bcm"), "per_unit": 72}, False),
    "Latin-1": ({"text": ome("0.5", "µm").encode("latin-1")}, False),
    "ImageJ": ({"text": "ImageJ=1.53k\nunit=micron\n", "per_unit": 2, "unit": NONE}, False),
    "strips": ({"per_unit": 20000, "unit": CM, "tile": None}, False),
    "72 dpi in strips": ({"per_unit": 72, "tile": None}, False),
    "BigTIFF": ({"per_unit": 20000, "unit": CM, "bigtiff": True, "byteorder": ">"}, True),
    "by OpenSlide": ({"text": aperio("0,5"), "compression": "packbits"}, True),
}


@pytest.mark.parametrize(("form", "is_openslides"), FILES.values(), ids=FILES)
def test_all_readers_and_the_estimate_agree(tmp_path, form, is_openslides):
    """Read tile by tile, by OpenSlide, as one image, or from the header alone: one spacing."""
    path = write(tmp_path / "a.tif", **form)
    if form.get("per_unit") == 72 and "text" not in form:
        assert probe_slide(path).spacing_um is None
        with pytest.raises(InputError, match=r"does not say its spacing \(72 px per inch"):
            Slide(path, name="a")
        return
    assert probe_slide(path).spacing_um == pytest.approx(0.5)
    with Slide(path, name="a") as slide:
        assert slide.spacing_um == pytest.approx(0.5)
    if is_openslides:
        with openslide.OpenSlide(path) as slide:
            assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)


@pytest.mark.parametrize(("per_unit", "expected"), [(0.4, 0.4), (72, None)])
def test_what_openslide_says_is_judged_too(tmp_path, per_unit, expected):
    """Of Trestle's slides OpenSlide takes XResolution for µm per px, a printer's 72 as well."""
    text = "Background Color=FFFFFF;OverlapsXY=0 0"
    path = write(tmp_path / "a.tif", text, per_unit, software="MedScan 1")
    with openslide.OpenSlide(path) as slide:
        assert slide.properties["openslide.mpp-x"].startswith(str(per_unit))
    if expected is None:
        text = r"^slide a: \S+ does not say its spacing \(72 x 72 µm per px is a printer's"
        with pytest.raises(InputError, match=text):
            Slide(path, name="a")
    else:
        with Slide(path, name="a") as slide:
            assert (slide.vendor, slide.spacing_um) == ("trestle", expected)


@pytest.mark.parametrize(
    ("says", "sheet_um", "spacing_um", "note"),
    [
        ("0.5", None, 0.5, None),
        ("0.499", 0.5, 0.5, None),
        ("0.25", 0.5, 0.5, "the sheet's 0.5 µm per px, but the file has MPP = 0.25"),
        ("40", 0.5, 0.5, None),  # nothing that the sheet contradicts
        ("5", None, 5, "5 µm per px is unusual: scans have 0.1 (100x) to 2 (5x)"),
        ("0.5", 0.05, 0.05, "the sheet's 0.05 µm per px, but the file has MPP = 0.5"),
    ],
)
def test_the_sheet_stands_against_the_file_with_a_word(tmp_path, says, sheet_um, spacing_um, note):
    """Its spacing counts; where the file says another, or none has such, a note says so."""
    path = write(tmp_path / "a.svs", f"Scanner|MPP = {says}")
    row = {"path": str(path)} | ({"spacing_um": sheet_um} if sheet_um else {})
    found = inspect(name="a", row=row, spacing_tolerance=0.02)
    assert found["spacing_um"] == spacing_um
    assert found["notes"][:1] == ([f"slide a: {path}: {note}"] if note else [])


@pytest.mark.parametrize("sheet_um", [0.00025, 20, 40, 250])
def test_a_sheets_spacing_that_no_scan_has_is_refused(tmp_path, sheet_um):
    """A magnification, nm or mm."""
    row = {"path": str(write(tmp_path / "a.tif", per_unit=72)), "spacing_um": sheet_um}
    with pytest.raises(InputError, match=rf"the slide sheet's spacing_um is {sheet_um:g}, which"):
        inspect(name="a", row=row, spacing_tolerance=0.02)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("40", "40.0 looks like a magnification; spacing_um is µm per pixel: about 1 at 10x, 0.5"),
        ("20.0", "20.0 looks like a magnification"),
        ("250", "250.0 is greater than the maximum of 100"),
        ("0.25 um", "'0.25 um' is no number"),
    ],
)
def test_a_magnification_in_the_sheet_is_asked_about(tmp_path, cell, words):
    """Before anything runs."""
    path = tmp_path / "sheet.tsv"
    path.write_text(f"slide\tpath\tspacing_um\na\t{path}\t{cell}\n")
    with pytest.raises(InputError, match=f"spacing_um: {re.escape(words)}"):
        read_sheet(path, schema=REPOSITORY / "rules" / "schemas" / "slides.schema.yaml")


def test_camelyon_is_read_at_its_own_px(tmp_path):
    """With the recipe 0.243 µm/px is read for 0.25 as it is; lengths are by the real spacing."""
    recipe = yaml.safe_load((REPOSITORY / "recipes" / "camelyon17.yaml").read_text())
    asked_um = recipe["models"]["unet_densenet121"]["spacing_um"]
    path = write(tmp_path / "a.tif", "Scanner|MPP = 0.243")
    with Slide(path, name="a", **recipe["slide"]) as slide:
        scale = slide.scale_for(asked_um)
        np.testing.assert_array_equal(slide.read(0, 0, 160, 128, scale=scale), PIXELS)
        assert slide.spacing_um * scale == 0.243


def test_a_slide_larger_than_any_glass_has_its_spacing_wrong(tmp_path):
    """30,000 px of 10 µm are 300 mm: 10x was meant, or px per mm were written as px per cm."""
    Image.fromarray(np.zeros((2, 30_000, 3), np.uint8)).save(tmp_path / "a.png")
    text = r"^slide a: \S+ would be 300 x 0 mm large at 10 µm per px, and no glass is; give the rig"
    with pytest.raises(InputError, match=text):
        Slide(tmp_path / "a.png", name="a", spacing_um=10)


def test_a_slide_of_no_spacing_asks_for_the_sheets(tmp_path):
    """One line names the slide, what the file says, and the column to fill."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png", dpi=(300, 300))
    text = r"does not say its spacing; add it to the column spacing_um of the slide sheet \("
    with pytest.raises(InputError, match=text):
        Slide(tmp_path / "a.png", name="a")
