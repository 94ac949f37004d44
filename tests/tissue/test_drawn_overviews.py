"""What variant `absorbance` takes for tissue, on overviews whose tissue is known, and real ones."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from conftest import REPOSITORY
from helpers.drawn.overviews import BLOOD, OVERVIEWS, PENS, Sheet, find_mask, overlap
from microtome.rasters.bands import rows_of
from microtome.tissue.absorbance import find_glass

SHARED = REPOSITORY.parent / "shared" / "data"


def check(name: str, least: float, notes: list | None = None) -> None:
    """Require that the mask of a drawn overview overlaps its tissue."""
    overview = OVERVIEWS[name]()
    assert overlap(find_mask(overview.pixels, notes), overview) >= least


@pytest.mark.parametrize(
    "name",
    [
        "H&E",
        "H&E, faded",
        "H&E, very pale stroma",
        "H&E, overstained",
        "lymph node",
        "muscle",
        "frozen",
        "blood",
        "blood, bright",
        "melanin",
        "carbon",
        "IHC, DAB",
        "IHC, counterstain alone",
        "IHC, pale counterstain",
    ],
)
def test_stains_are_tissue(name):
    """Pale, dark, pink, blue, brown and red ones; none of them is taken for pen."""
    notes = []
    check(name, 0.97, notes)
    assert notes == []


def test_fat_is_tissue():
    """Its cells too, of which there is a wall one px thick to see; Otsu loses it."""
    overview = OVERVIEWS["fat"]()
    assert overlap(find_mask(overview.pixels), overview) > 0.92
    assert overlap(find_mask(overview.pixels, variant="otsu"), overview) < 0.3


@pytest.mark.parametrize(
    "name",
    [
        "yellowish glass",
        "bluish glass",
        "grey glass",
        "vignetted",
        "striped",
        "noisy, JPEG 40",
        "black padding",
        "white padding, grey glass",
    ],
)
def test_glass_may_have_a_colour(name):
    """Tissue beside it, a pale piece too, is found, and no glass or padding."""
    check(name, 0.975)


def test_crosses_dust_bubbles_and_the_covers_edge_are_no_tissue():
    """They darken what is behind them, and have no colour."""
    overview = OVERVIEWS["crosses, dust, bubbles"]()
    mask = find_mask(overview.pixels)
    assert overlap(mask, overview) > 0.97
    assert not mask[~ndimage.binary_dilation(overview.tissue, iterations=10)].any()


@pytest.mark.parametrize("colour", PENS)
def test_pen_is_no_tissue(colour):
    """A stroke over glass and tissue hides what is below it, and the rest is found."""
    overview = OVERVIEWS[f"{colour} pen on tissue"]()
    notes = []
    mask = find_mask(overview.pixels, notes)
    assert overlap(mask, overview) > 0.96
    assert not mask[~ndimage.binary_dilation(overview.tissue, iterations=10)].any()
    if colour != "black":  # which is told from no other dark thing
        (note,) = notes
        assert note.startswith("felt pen on 1")
        assert note.endswith("% of the slide: left out")


@pytest.mark.parametrize("colour", ["red", "blue", "navy", "green", "yellow", "purple", "black"])
def test_thin_ink_is_no_tissue(colour):
    """Of a third of the density; thin crimson ink alone cannot be told from eosin."""
    check(f"{colour} pen, thin ink", 0.97)


@pytest.mark.parametrize("colour", ["red", "blue", "green", "black"])
def test_translucent_pen_beside_the_tissue_is_no_tissue(colour):
    """What lies on tissue may be either."""
    check(f"{colour} pen, translucent", 0.97)


def test_pen_is_told_where_the_variant_keeps_it():
    """The papers' thresholds of saturation know no pen: a person is to look."""
    overview = OVERVIEWS["red pen on tissue"]()
    notes = []
    assert overlap(find_mask(overview.pixels, notes, variant="otsu"), overview) < 0.9
    (note,) = notes
    assert note.startswith("felt pen on 1")
    assert note.endswith("% of the slide: tissue to variant otsu")


@pytest.mark.parametrize(("reach_px", "kept"), [(0, True), (80, False)])
def test_even_blood_in_tissue_is_no_pen(reach_px, kept):
    """A clot has the colour of red pen and no texture; a stroke reaches to the glass."""
    sheet = Sheet(21)
    sheet.stain(sheet.blob(100, 130, 62), nuclei=0.35, pink=0.7)
    clot = sheet.line((100, 120), (100, 140 + reach_px), 22)
    sheet.density[clot] = BLOOD
    mask = find_mask(sheet.picture().pixels)
    assert (mask[clot].mean() > 0.99) == kept
    assert (mask[clot].mean() < 0.1) != kept


@pytest.mark.parametrize("colour", [(220, 25, 35), (20, 110, 70), (235, 205, 40), (35, 50, 150)])
def test_ink_that_no_stain_resembles_is_pen_anywhere(colour):
    """Within tissue too, and where it is uneven: red, green, yellow, blue."""
    sheet = Sheet(22)
    sheet.stain(sheet.blob(100, 130, 80), nuclei=0.35, pink=0.7)
    stroke = sheet.line((100, 110), (100, 150), 20)
    ink = -np.log(np.array(colour) / 255.0)
    sheet.density[stroke] = ink * np.exp(0.15 * sheet.noise(1.0))[stroke][:, None]
    mask = find_mask(sheet.picture().pixels)
    assert mask[stroke].mean() < 0.05
    assert mask[sheet.blob(100, 130, 60) & ~ndimage.binary_dilation(stroke, iterations=8)].all()


def test_glass_is_the_commonest_bright_colour():
    """Not white padding, though it is more, nor the tissue of a slide without glass."""
    pixels = np.full((100, 100, 3), 255, np.uint8)
    pixels[:40] = 226, 230, 221
    pixels[:10] = 205, 120, 170
    np.testing.assert_allclose(find_glass(rows_of(pixels), (100, 100), 7), [226.5, 230.5, 220.5])
    assert find_glass(rows_of(pixels[:10]), (10, 100), 7) is None


def test_a_slide_without_glass_is_told():
    """White stands for it: all of a picture full of tissue is found."""
    rng = np.random.default_rng(1)
    pixels = (np.array([205, 120, 170]) + rng.normal(0, 15, (80, 90, 1))).astype(np.uint8)
    notes = []
    assert find_mask(pixels, notes).all()
    assert notes == ["no glass seen: tissue is told from white"]


def test_uneven_glass_is_told():
    """Above a bound of its own the noise of the glass no longer counts."""
    rng = np.random.default_rng(1)
    noise = ndimage.gaussian_filter(rng.normal(size=(120, 160, 3)), (6, 6, 0))
    pixels = (225 + 8 * noise / noise.std()).clip(0, 253).astype(np.uint8)
    notes = []
    find_mask(pixels, notes)
    assert len(notes) == 1
    assert notes[0].startswith("the colour of the glass varies by 0.")
    assert notes[0].endswith("and 0.05 counts as tissue")


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data")
def test_real_green_pen_is_no_tissue():
    """A stroke across a real slide, top to bottom, and the tissue on both sides of it."""
    pixels = np.asarray(Image.open(SHARED / "thumbnails" / "tcga-green-pen.png").convert("RGB"))
    mask = find_mask(pixels)
    stroke = np.zeros(mask.shape, bool)
    for row in range(20, 620, 20):
        middle = np.interp(row, [0, 300, 400, 600], [420, 280, 215, 220])
        stroke[row : row + 20, int(middle) - 25 : int(middle) + 25] = True
    assert mask[stroke].mean() < 0.05
    assert mask[:, 520:].mean() > 0.97
