"""The demo cohort: what is drawn, what is true of it, and what the files say."""

import hashlib
import os
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree.ElementTree import Element

import numpy as np
import openslide
import pytest
import tifffile
from defusedxml import ElementTree
from matplotlib.path import Path as Ring
from scipy import ndimage
from skimage.morphology import convex_hull_image

from conftest import REPOSITORY
from microtome.demo.files import write_asap_xml, write_mask, write_paip_xml, write_svs
from microtome.demo.outlines import Outlines, fill
from microtome.demo.slide import DemoSlide, draw_slide
from microtome.errors import InputError

LIBRARY = REPOSITORY / "workflow_scripts"
SCRIPTS = LIBRARY / "jobs" / "demo"
SIZE = {"width_px": 2048, "height_px": 1792}
OUTPUTS = ("svs", "paip_xml", "asap_xml", "viable_mask", "whole_mask")


def draw(slide: str = "demo-01", *, seed: int = 2021, **options) -> DemoSlide:
    """Draw a slide that is small, and whose levels are whole."""
    return draw_slide(slide, seed=seed, **SIZE, **options)


@pytest.fixture(scope="module")
def cohort() -> list[DemoSlide]:
    """Draw four slides with tumour."""
    return [draw(f"demo-{i:02d}") for i in range(1, 5)]


@pytest.fixture(scope="module")
def svs(cohort: list[DemoSlide], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the first slide of the cohort."""
    path = tmp_path_factory.mktemp("demo") / "demo-01.svs"
    write_svs(path, cohort[0].pixels)
    return path


def saturation(pixels: np.ndarray) -> np.ndarray:
    """HSV saturation of means over 16 x 16 px: stain, without the camera's noise."""
    height, width = (side // 16 for side in pixels.shape[:2])
    squares = (
        pixels[: height * 16, : width * 16].reshape(height, 16, width, 16, 3).mean(axis=(1, 3))
    )
    return (squares.max(axis=2) - squares.min(axis=2)) / np.maximum(squares.max(axis=2), 1)


def separation(low: np.ndarray, high: np.ndarray) -> float:
    """How surely a value of `high` exceeds one of `low`, 0.5 to 1 (area under the ROC curve)."""
    chance = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    return max(chance, 1 - chance)


def patches(slide: DemoSlide, side_px: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Patches full of one tissue, shape (n, side, side, 3), and whether that is viable tumour."""
    found, labels = [], []
    for top in range(0, SIZE["height_px"] - side_px + 1, side_px // 2):
        for left in range(0, SIZE["width_px"] - side_px + 1, side_px // 2):
            window = np.s_[top : top + side_px, left : left + side_px]
            share = slide.viable[window].mean()
            if (saturation(slide.pixels[window]) > 0.06).mean() > 0.8 and (
                share == 0 or share > 0.95
            ):
                found.append(slide.pixels[window])
                labels.append(share > 0)
    return np.array(found), np.array(labels)


def test_openslide_sees_an_aperio_scan(svs: Path) -> None:
    """Vendor, spacing, lens, levels and thumbnail are those of a 20x Aperio slide."""
    with openslide.OpenSlide(svs) as slide:
        assert slide.properties["openslide.vendor"] == "aperio"
        assert float(slide.properties["openslide.mpp-x"]) == 0.5
        assert float(slide.properties["openslide.mpp-y"]) == 0.5
        assert slide.properties["openslide.objective-power"] == "20"
        assert slide.level_dimensions == ((2048, 1792), (512, 448), (128, 112))
        assert slide.level_downsamples == (1, 4, 16)
        assert slide.properties["openslide.level[0].tile-width"] == "256"
        assert set(slide.associated_images) == {"thumbnail"}


def test_svs_says_the_spacing_it_is_given(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """Another spacing changes µm/px and lens together."""
    write_svs(tmp_path / "a.svs", cohort[0].pixels[:512, :512], spacing_um=0.25)
    with openslide.OpenSlide(tmp_path / "a.svs") as slide:
        assert float(slide.properties["openslide.mpp-x"]) == 0.25
        assert slide.properties["openslide.objective-power"] == "40"


def test_svs_shows_the_drawn_colours(cohort: list[DemoSlide], svs: Path) -> None:
    """What OpenSlide reads is what was drawn, on every level, but for the JPEG."""
    drawn = cohort[0].pixels.astype(float)
    with openslide.OpenSlide(svs) as slide:
        for level, (width, height) in enumerate(slide.level_dimensions):
            read = np.asarray(slide.read_region((0, 0), level, (width, height)))[..., :3]
            every = 2048 // width
            wanted = drawn.reshape(height, every, width, every, 3).mean(axis=(1, 3))
            assert np.abs(read - wanted).mean() < 5
            assert np.abs((read - wanted).mean(axis=(0, 1))).max() < 1


def test_svs_compresses_harder_at_lower_quality(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """The option reaches the encoder."""
    for quality in (40, 85):
        write_svs(tmp_path / f"{quality}.svs", cohort[0].pixels, quality=quality)
    assert (tmp_path / "40.svs").stat().st_size < 0.7 * (tmp_path / "85.svs").stat().st_size


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    """Nothing depends on time, on Python's hash seed or on what was drawn before."""
    options = {
        "seed": 2021,
        "width_px": 1100,
        "height_px": 1000,
        "spacing_um": 0.5,
        "quality": 85,
        "artefacts": {"demo-02": "pen"},
        "normal": [],
    }
    digests = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        folder.mkdir()
        code = (
            "import runpy, types\n"
            f"outputs = {{n: f'{folder}/' + n for n in {list(OUTPUTS)}}}\n"
            "fake = types.SimpleNamespace(output=types.SimpleNamespace(**outputs),"
            f" params=types.SimpleNamespace(demo={options}),"
            f" wildcards=types.SimpleNamespace(slide='demo-02'), log=['{tmp_path}/log'])\n"
            f"runpy.run_path('{SCRIPTS}/make_demo_cohort.py', init_globals={{'snakemake': fake}})\n"
        )
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(LIBRARY)}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
        files = sorted(folder.iterdir())
        assert [file.name for file in files] == sorted(OUTPUTS)
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]


def test_script_gives_each_slide_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A normal, padded slide comes out normal and padded, and its files agree."""
    monkeypatch.setattr("microtome.logs.start_log", lambda path: None)
    output = SimpleNamespace(**{name: tmp_path / f"{name}.tif" for name in OUTPUTS})
    demo = {"seed": 1, "width_px": 1100, "height_px": 1000, "spacing_um": 0.5, "quality": 85}
    demo |= {"artefacts": {"n": "padding"}, "normal": ["n"]}
    snakemake = SimpleNamespace(
        output=output,
        params=SimpleNamespace(demo=demo),
        wildcards=SimpleNamespace(slide="n"),
        log=[tmp_path / "log"],
    )
    runpy.run_path(
        str(SCRIPTS / "make_demo_cohort.py"),
        init_globals={"snakemake": snakemake},
    )
    assert not tifffile.imread(output.viable_mask).any()
    assert tifffile.imread(output.whole_mask).shape == (1000, 1100)
    assert (tifffile.imread(output.svs)[-1] == 0).all()
    assert "Vertex" not in output.paip_xml.read_text()
    assert "Coordinate" not in output.asap_xml.read_text()


def test_every_slide_and_seed_gives_another_picture(cohort: list[DemoSlide]) -> None:
    """Tissue, tumour and stain all differ, not the noise alone."""
    other_seed = draw(seed=2022)
    first = stained_colour(cohort[0])
    for other in (*cohort[1:], other_seed):
        assert (other.whole != cohort[0].whole).mean() > 0.02
        assert np.abs(stained_colour(other) - first).max() > 4


def stained_colour(slide: DemoSlide) -> np.ndarray:
    """Mean RGB of stained pixels."""
    pixels = slide.pixels[::8, ::8]
    return pixels[pixels.min(axis=2) < 200].mean(axis=0)


def test_hand_computed_burden() -> None:
    """60 x 50 px viable with a hole of 20 x 10 in 100 x 100 px: 2800 of 10000."""

    def box(left: float, top: float, width: float, height: float) -> np.ndarray:
        right, bottom = left + width, top + height
        return np.array([(left, top), (left, bottom), (right, bottom), (right, top)])

    outlines = Outlines(
        whole=(box(20, 30, 100, 100),),
        viable=(box(40, 50, 60, 50),),
        holes=(box(55.5, 60, 20, 10),),
    )
    viable, whole = fill(outlines, width_px=200, height_px=150)
    assert (viable.sum(), whole.sum()) == (2800, 10000)
    assert viable[50:100, 40:55].all()
    # The hole starts at x = 55.5, the centre of column 55: the pixel counts as inside it.
    assert not viable[60:70, 55:75].any()
    assert viable[60:70, 75].all()


def test_masks_are_the_filled_outlines(cohort: list[DemoSlide]) -> None:
    """Thousands of pixel centres, many at borders, by another program's test of inside."""
    rng = np.random.default_rng(0)
    for slide in cohort[:2]:
        rings = slide.outlines
        corners = np.concatenate(rings.whole + rings.viable + rings.holes)
        near = corners[rng.integers(len(corners), size=3000)] + rng.normal(0, 4, (3000, 2))
        far = rng.uniform(0, [SIZE["width_px"], SIZE["height_px"]], (3000, 2))
        column, row = np.floor(np.concatenate([near, far])).astype(int).T
        centres = np.stack([column, row], axis=1) + 0.5

        def inside(some: tuple[np.ndarray, ...], centres: np.ndarray = centres) -> np.ndarray:
            return np.any([Ring(ring).contains_points(centres) for ring in some], axis=0)

        assert (slide.whole[row, column] == inside(rings.whole)).all()
        wanted = inside(rings.viable)
        if rings.holes:
            wanted &= ~inside(rings.holes)
        assert (slide.viable[row, column] == wanted).all()


def test_bed_holds_viable_and_other_tissue(cohort: list[DemoSlide]) -> None:
    """Viable lies inside whole, whole in the tissue, and the burden leaves room for necrosis."""
    burdens = []
    for slide in cohort:
        assert not (slide.viable & ~slide.whole).any()
        assert len(slide.outlines.whole) == 1
        # A few squares are glass: vessels, and clefts of the tumour.
        assert (saturation(slide.pixels) > 0.06)[slide.whole[8::16, 8::16]].mean() > 0.97
        burdens.append(slide.viable.sum() / slide.whole.sum())
    assert min(burdens) > 0.4
    assert max(burdens) < 0.95
    assert max(burdens) - min(burdens) > 0.1


def test_hull_of_viable_is_nearly_the_bed(cohort: list[DemoSlide]) -> None:
    """The PAIP way to the whole tumour works: hull of viable, cut to the tissue, within 10 %."""
    for slide in cohort:
        viable, whole = slide.viable[8::16, 8::16], slide.whole[8::16, 8::16]
        tissue = ndimage.binary_closing(saturation(slide.pixels) > 0.06, iterations=3)
        assert (convex_hull_image(viable) & tissue).sum() == pytest.approx(whole.sum(), rel=0.1)


def test_tissue_covers_a_third_of_clean_glass(cohort: list[DemoSlide]) -> None:
    """Several pieces on bright, nearly grey glass."""
    for slide in cohort:
        stained = saturation(slide.pixels) > 0.06
        assert 0.28 < stained.mean() < 0.47
        labels, _ = ndimage.label(ndimage.binary_opening(stained, iterations=2))
        sizes = np.bincount(labels.ravel())[1:]
        assert 2 <= (sizes > 0.01 * stained.size).sum() <= 4
        glass = slide.pixels[:64, :64].reshape(-1, 3).astype(float)
        assert 232 < glass.mean() < 248
        assert 0.3 < glass.std(axis=0).mean() < 3


def test_colour_does_not_give_the_tumour_away(cohort: list[DemoSlide]) -> None:
    """Mean colours of viable tumour and of the rest overlap over slides, in every channel."""
    pairs = [patches(slide) for slide in cohort]
    means = np.concatenate([found.mean(axis=(1, 2)) for found, _ in pairs])
    labels = np.concatenate([label for _, label in pairs])
    for channel in range(3):
        assert separation(means[~labels, channel], means[labels, channel]) < 0.85


def test_structure_gives_the_tumour_away(cohort: list[DemoSlide]) -> None:
    """Large nuclei against small ones and none: coarse against fine structure at 1 µm/px."""
    values, labels = [], []
    for found, label in (patches(slide) for slide in cohort):
        red = -np.log((found[..., 0].reshape(-1, 64, 2, 64, 2).mean(axis=(2, 4)) + 1) / 255)
        blurred = [
            ndimage.gaussian_filter(red, (0, sigma, sigma)) for sigma in (0.7, 1.5, 3.0, 5.0)
        ]
        _, middle, coarse = ((a - b).std(axis=(1, 2)) for a, b in pairwise(blurred))
        values.append(coarse / middle)
        labels.append(label)
    value, label = np.concatenate(values), np.concatenate(labels)
    assert separation(value[~label], value[label]) > 0.95


def test_normal_slide_has_no_tumour(tmp_path: Path) -> None:
    """No outlines, empty masks, and annotation files that are valid and empty."""
    slide = draw("demo-05", tumour=False)
    assert slide.outlines == Outlines()
    assert not slide.viable.any()
    assert not slide.whole.any()
    write_paip_xml(tmp_path / "p.xml", slide.outlines)
    write_asap_xml(tmp_path / "a.xml", slide.outlines)
    layers = ElementTree.parse(tmp_path / "p.xml").getroot().findall("Annotation")
    assert [layer.get("Id") for layer in layers] == ["1", "2"]
    assert ElementTree.parse(tmp_path / "a.xml").getroot().find("Annotations") is not None


def test_paip_xml_holds_the_outlines(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """Layer 1 whole, layer 2 viable with its holes marked, every corner exact."""
    outlines = next(slide.outlines for slide in cohort if slide.outlines.holes)
    write_paip_xml(tmp_path / "a.xml", outlines, spacing_um=0.25)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert root.get("MicronsPerPixel") == "0.25"
    read = {
        (layer.get("Id"), negative): [
            np.array(
                [(float(v.get("X")), float(v.get("Y"))) for v in region.iterfind("Vertices/Vertex")]
            )
            for region in layer.iterfind("Regions/Region")
            if region.get("NegativeROA") == negative
        ]
        for layer in root.iterfind("Annotation")
        for negative in "01"
    }
    for key, rings in {
        ("1", "0"): outlines.whole,
        ("2", "0"): outlines.viable,
        ("2", "1"): outlines.holes,
    }.items():
        assert len(read.pop(key)) == len(rings)
    assert read == {("1", "1"): []}


def test_xml_coordinates_are_exact(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """Both formats give back every corner of every ring, in order."""
    outlines = next(slide.outlines for slide in cohort if slide.outlines.holes)
    write_paip_xml(tmp_path / "p.xml", outlines)
    write_asap_xml(tmp_path / "a.xml", outlines)
    paip = [
        [(float(v.get("X")), float(v.get("Y"))) for v in region.iter("Vertex")]
        for region in ElementTree.parse(tmp_path / "p.xml").iter("Region")
    ]
    asap = [
        [
            (float(c.get("X")), float(c.get("Y")))
            for c in sorted(drawn.iter("Coordinate"), key=_order)
        ]
        for drawn in ElementTree.parse(tmp_path / "a.xml").iter("Annotation")
    ]
    viable = [[tuple(corner) for corner in ring] for ring in outlines.viable + outlines.holes]
    whole = [[tuple(corner) for corner in ring] for ring in outlines.whole]
    assert paip == whole + viable
    assert asap == viable


def _order(coordinate: Element) -> int:
    return int(coordinate.get("Order"))


def test_asap_xml_names_tumour_and_holes(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """Groups as in CAMELYON17: metastases, and normal for holes."""
    outlines = next(slide.outlines for slide in cohort if slide.outlines.holes)
    write_asap_xml(tmp_path / "a.xml", outlines)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    groups = [annotation.get("PartOfGroup") for annotation in root.iter("Annotation")]
    assert groups == ["metastases"] * len(outlines.viable) + ["normal"] * len(outlines.holes)
    assert {annotation.get("Type") for annotation in root.iter("Annotation")} == {"Polygon"}
    assert [group.get("Name") for group in root.iter("Group")] == ["metastases", "normal"]


def test_mask_file_is_as_in_paip(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """One tiled, deflated page of the slide's size, 0 and 1."""
    write_mask(tmp_path / "m.tif", cohort[0].viable)
    with tifffile.TiffFile(tmp_path / "m.tif") as tiff:
        assert len(tiff.pages) == 1
        page = tiff.pages[0]
        assert page.is_tiled
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.dtype == np.uint8
        mask = page.asarray()
    assert set(np.unique(mask)) == {0, 1}
    assert (mask == cohort[0].viable).all()


def test_padding_is_pure_black(tmp_path: Path) -> None:
    """Strips at the right and below are 0 even after the JPEG; the rest of the glass is bright."""
    slide = draw(artefact="padding")
    write_svs(tmp_path / "a.svs", slide.pixels)
    read = tifffile.imread(tmp_path / "a.svs")
    for strip in (read[:, 1792:], read[1568:]):
        assert (strip == 0).all()
    assert (read[:1568, :1792].max(axis=2) > 15).all()
    assert not slide.whole[:, 1792:].any()
    assert not slide.whole[1568:].any()


def test_pen_adds_ink_and_nothing_else(cohort: list[DemoSlide]) -> None:
    """Green or blue glass beside the tissue, in one stroke; the rest is the slide without pen."""
    inked = draw(artefact="pen")
    assert (inked.whole == cohort[0].whole).all()
    changed = (inked.pixels != cohort[0].pixels).any(axis=2)
    assert 0.003 < changed.mean() < 0.05
    assert ndimage.label(ndimage.binary_closing(changed[::4, ::4], iterations=2))[1] == 1
    was_glass = changed & (cohort[0].pixels.min(axis=2) > 225)
    assert was_glass.sum() > 0.1 * changed.sum()
    red, green, blue = np.median(inked.pixels[was_glass], axis=0)
    assert max(green, blue) > red + 60


def test_pale_slide_is_faded_but_stained(cohort: list[DemoSlide]) -> None:
    """Less than half the saturation, and still above what tissue masks ask for."""
    faded = saturation(draw(artefact="pale").pixels)
    usual = saturation(cohort[0].pixels)
    tissue = ndimage.binary_erosion(usual > 0.1, iterations=2)
    assert np.median(faded[tissue]) < 0.5 * np.median(usual[tissue])
    assert (faded[tissue] > 0.06).mean() > 0.95


def test_odd_sizes_are_drawn() -> None:
    """Sizes that fit no tile, step or block."""
    slide = draw_slide("x", seed=3, width_px=1501, height_px=1333)
    assert slide.pixels.shape == (1333, 1501, 3)
    assert slide.viable.shape == slide.whole.shape == (1333, 1501)
    assert (slide.pixels.min(axis=2) > 0).mean() > 0.99


def test_wrong_options_are_refused() -> None:
    """An unknown artefact and a slide without room say what is wrong."""
    with pytest.raises(ValueError, match=r"unknown artefact 'stain'; known are padding, pen, pale"):
        draw(artefact="stain")
    with pytest.raises(InputError, match=r"500 x 1800 px are too small; give at least 1000 px"):
        draw_slide("a", seed=1, width_px=500, height_px=1800)
