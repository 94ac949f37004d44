"""The demo cohort: what is drawn, what is true of it, and what the files say."""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import openslide
import pytest
import tifffile
from defusedxml import ElementTree
from matplotlib.path import Path as Ring
from scipy import ndimage
from skimage.morphology import convex_hull_image

from helpers.drawn_slides import coarseness, cut_patches, saturation, separation, stained
from microtome.demo.files import write_asap_xml, write_mask, write_paip_xml, write_svs
from microtome.demo.outlines import Outlines
from microtome.demo.slide import DemoSlide, draw_slide
from microtome.errors import InputError

SIZE = {"width_px": 2048, "height_px": 1792}


def draw(slide: str = "demo-01", *, seed: int = 2021, **options) -> DemoSlide:
    """Draw a slide that is small, and whose levels are whole."""
    return draw_slide(slide, seed=seed, **SIZE, **options)


@pytest.fixture(scope="module")
def cohort() -> list[DemoSlide]:
    """Draw four slides with tumour."""
    return [draw(f"demo-{i:02d}") for i in range(1, 5)]


@pytest.fixture(scope="module")
def outlines(cohort: list[DemoSlide]) -> Outlines:
    """Outlines with a hole."""
    return next(slide.outlines for slide in cohort if slide.outlines.holes)


@pytest.fixture(scope="module")
def svs(cohort: list[DemoSlide], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the first slide of the cohort."""
    path = tmp_path_factory.mktemp("demo") / "demo-01.svs"
    write_svs(path, cohort[0].pixels)
    return path


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


def test_options_reach_the_svs(cohort: list[DemoSlide], tmp_path: Path) -> None:
    """Another spacing changes µm/px and lens together; lower quality compresses harder."""
    for quality in (40, 85):
        options = {"spacing_um": 0.25, "quality": quality}
        write_svs(tmp_path / f"{quality}.svs", cohort[0].pixels[:1024, :1024], **options)
    with openslide.OpenSlide(tmp_path / "40.svs") as slide:
        assert float(slide.properties["openslide.mpp-x"]) == 0.25
        assert slide.properties["openslide.objective-power"] == "40"
    assert (tmp_path / "40.svs").stat().st_size < 0.7 * (tmp_path / "85.svs").stat().st_size


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
        assert stained(slide.pixels)[slide.whole[8::16, 8::16]].mean() > 0.97
        burdens.append(slide.viable.sum() / slide.whole.sum())
    assert min(burdens) > 0.4
    assert max(burdens) < 0.95
    assert max(burdens) - min(burdens) > 0.1


def test_hull_of_viable_is_nearly_the_bed(cohort: list[DemoSlide]) -> None:
    """The PAIP way to the whole tumour works: hull of viable, cut to the tissue, within 10 %."""
    for slide in cohort:
        viable, whole = slide.viable[8::16, 8::16], slide.whole[8::16, 8::16]
        tissue = ndimage.binary_closing(stained(slide.pixels), iterations=3)
        assert (convex_hull_image(viable) & tissue).sum() == pytest.approx(whole.sum(), rel=0.1)


def test_tissue_covers_a_third_of_clean_glass(cohort: list[DemoSlide]) -> None:
    """Several pieces on bright, nearly grey glass."""
    for slide in cohort:
        tissue = stained(slide.pixels)
        assert 0.28 < tissue.mean() < 0.47
        labels, _ = ndimage.label(ndimage.binary_opening(tissue, iterations=2))
        sizes = np.bincount(labels.ravel())[1:]
        assert 2 <= (sizes > 0.01 * tissue.size).sum() <= 4
        glass = slide.pixels[:64, :64].reshape(-1, 3).astype(float)
        assert 232 < glass.mean() < 248
        assert 0.3 < glass.std(axis=0).mean() < 3


def test_colour_does_not_give_the_tumour_away(cohort: list[DemoSlide]) -> None:
    """Mean colours of viable tumour and of the rest overlap over slides, in every channel."""
    patches, is_tumour = cut_patches(cohort)
    for channel in patches.mean(axis=(1, 2)).T:
        assert separation(channel[~is_tumour], channel[is_tumour]) < 0.85


def test_structure_gives_the_tumour_away(cohort: list[DemoSlide]) -> None:
    """Large nuclei against small ones and none."""
    patches, is_tumour = cut_patches(cohort)
    value = coarseness(patches)
    assert separation(value[~is_tumour], value[is_tumour]) > 0.95


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


def corners_of(element: Element, name: str) -> list[tuple[float, float]]:
    """X and Y of the corners below an element, in the order written."""
    return [(float(corner.get("X")), float(corner.get("Y"))) for corner in element.iter(name)]


def as_tuples(rings: tuple[np.ndarray, ...]) -> list[list[tuple[float, float]]]:
    """Rings as they are read."""
    return [[tuple(corner) for corner in ring] for ring in rings]


def test_paip_xml_holds_the_outlines(outlines: Outlines, tmp_path: Path) -> None:
    """Layer 1 whole, layer 2 viable with its holes marked, every corner exact and in order."""
    write_paip_xml(tmp_path / "a.xml", outlines, spacing_um=0.25)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    assert root.get("MicronsPerPixel") == "0.25"
    read = [
        (layer.get("Id"), region.get("NegativeROA"), corners_of(region, "Vertex"))
        for layer in root.iterfind("Annotation")
        for region in layer.iterfind("Regions/Region")
    ]
    wanted = (("1", "0", outlines.whole), ("2", "0", outlines.viable), ("2", "1", outlines.holes))
    assert read == [(*keys, ring) for *keys, rings in wanted for ring in as_tuples(rings)]


def test_asap_xml_holds_tumour_and_holes(outlines: Outlines, tmp_path: Path) -> None:
    """Groups as in CAMELYON17: metastases, and normal for holes; every corner exact, numbered."""
    write_asap_xml(tmp_path / "a.xml", outlines)
    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    drawn = list(root.iter("Annotation"))
    groups = [annotation.get("PartOfGroup") for annotation in drawn]
    assert groups == ["metastases"] * len(outlines.viable) + ["normal"] * len(outlines.holes)
    assert {annotation.get("Type") for annotation in drawn} == {"Polygon"}
    assert [group.get("Name") for group in root.iter("Group")] == ["metastases", "normal"]
    read = [corners_of(annotation, "Coordinate") for annotation in drawn]
    assert read == as_tuples(outlines.viable + outlines.holes)
    for annotation in drawn:
        order = [int(corner.get("Order")) for corner in annotation.iter("Coordinate")]
        assert order == list(range(len(order)))


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
