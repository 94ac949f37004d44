"""Tissue is told from glass, padding and pen."""

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.slides import Slide
from microtome.tissue import read_overview, require_brightfield, require_tissue, tissue_mask
from pictures import noise, shrunk, write_slide

SPACING_UM = 8.0
# As config.yaml has it.
SETTINGS = {
    "variant": "plain",
    "black_below": 30,
    "saturation_bounds": (0.05, 0.12),
    "pen_hues": (0.10, 0.64),
    "pen_saturation": 0.2,
    "opening_um": 8,
    "closing_um": 24,
    "min_area_um2": 20000,
    "max_hole_um2": 10000,
}
GLASS, TISSUE, PALE = (242, 242, 240), (205, 120, 170), (225, 205, 215)


def drawn(*, height: int = 120, width: int = 160) -> np.ndarray:
    """Draw glass with faint noise, from 236 to 246."""
    rng = np.random.default_rng(1)
    grain = rng.integers(-4, 5, (height, width, 1))
    return (np.array(GLASS) + grain).astype(np.uint8)


def mask_of(pixels: np.ndarray, **changes: object) -> np.ndarray:
    """Find tissue with the settings of config.yaml, some of them changed."""
    return tissue_mask(pixels, spacing_um=SPACING_UM, **{**SETTINGS, **changes})


def box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is true."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


@pytest.mark.parametrize("variant", ["plain", "camelyon"])
def test_tissue_on_glass(variant):
    """A stained square on glass is found where it lies."""
    pixels = drawn()
    pixels[30:80, 40:100] = TISSUE
    mask = mask_of(pixels, variant=variant)
    assert box(mask) == (30, 80, 40, 100)
    assert mask.sum() >= 0.98 * 50 * 60


@pytest.mark.parametrize("variant", ["plain", "camelyon"])
def test_black_padding_is_no_tissue_and_hides_none(variant):
    """Scanner padding beside pale tissue neither counts nor moves the threshold."""
    pixels = drawn()
    pixels[30:80, 40:100] = PALE
    alone = mask_of(pixels, variant=variant)
    pixels[:, 130:] = 0
    padded = mask_of(pixels, variant=variant)
    assert alone[30:80, 40:100].mean() > 0.95
    np.testing.assert_array_equal(padded, alone)


@pytest.mark.parametrize("beside", [(0, 0, 0), (30, 60, 200)])
def test_padding_and_pen_have_no_say_in_the_threshold(beside):
    """Otsu divides glass from tissue, not padding or pen from glass, though they are most of it."""
    pixels = np.full((120, 160, 3), (250, 205, 215), np.uint8)  # a stained glass, saturation 0.18
    pixels[40:80, 10:30] = TISSUE  # 0.41
    pixels[:, 50:] = beside
    mask = mask_of(pixels, saturation_bounds=(0.0, 1.0))
    assert mask[40:80, 10:30].mean() > 0.95
    assert not mask[:30].any()
    assert not mask[:, 40:].any()


@pytest.mark.parametrize("colour", [(30, 60, 200), (20, 150, 60), (230, 200, 20)])
def test_pen_is_no_tissue(colour):
    """Blue, green and yellow pen beside the tissue is left out."""
    pixels = drawn()
    pixels[30:80, 40:100] = TISSUE
    pixels[10:110, 120:140] = colour
    mask = mask_of(pixels)
    assert not mask[:, 115:].any()
    assert mask[30:80, 40:100].mean() > 0.95


def test_specks_are_dropped_and_holes_filled():
    """Pieces and holes under the areas set are gone; larger ones stay."""
    pixels = drawn()
    pixels[20:100, 20:100] = TISSUE
    pixels[40:50, 40:50] = GLASS  # 6400 µm²: filled
    pixels[60:80, 60:80] = GLASS  # 25600 µm²: stays
    pixels[20:30, 120:130] = TISSUE  # 6400 µm²: dropped
    pixels[60:100, 115:155] = TISSUE  # 102400 µm²: stays
    mask = mask_of(pixels, closing_um=0)
    assert mask[40:50, 40:50].all()
    assert not mask[62:78, 62:78].any()
    assert not mask[20:30, 118:132].any()
    assert mask[62:98, 117:153].all()


def test_tissue_that_touches_the_border_is_kept():
    """A section cut by the scan's border reaches up to the border."""
    pixels = drawn()
    pixels[:60, :90] = TISSUE
    mask = mask_of(pixels)
    assert mask[5:55, 0].all()
    assert mask[0, 5:85].all()


def test_threshold_is_held_between_the_bounds():
    """Glass alone has an Otsu threshold too, but the lower bound keeps it from being tissue."""
    pixels = drawn()
    assert not mask_of(pixels).any()
    unbounded = mask_of(pixels, saturation_bounds=(0.0, 1.0), opening_um=0, min_area_um2=0)
    assert unbounded.any()


def test_threshold_is_held_below_the_upper_bound():
    """Strongly stained tissue does not push the threshold above what is pale beside it."""
    pixels = drawn()
    pixels[10:110, 20:90] = (130, 20, 90)  # saturation 0.85: Otsu's threshold is far above 0.12
    pixels[30:90, 100:150] = (210, 180, 195)  # 0.14
    assert mask_of(pixels)[30:90, 100:150].mean() > 0.95
    assert not mask_of(pixels, saturation_bounds=(0.3, 0.9))[30:90, 100:150].any()


@pytest.mark.parametrize("grey", [0, 20, 128, 255])
def test_slides_of_one_colour_have_no_tissue(grey):
    """All black, grey or white: an empty mask and no failure."""
    assert not mask_of(np.full((64, 64, 3), grey, np.uint8)).any()


def test_camelyon_variant_smooths_away_salt():
    """Single coloured pixels on glass are gone after the 7 x 7 median."""
    pixels = drawn()
    pixels[::6, ::6] = TISSUE
    loose = {"opening_um": 0, "closing_um": 0, "min_area_um2": 0, "max_hole_um2": 0}
    assert mask_of(pixels, variant="plain", **loose).any()
    assert not mask_of(pixels, variant="camelyon", **loose).any()


def test_lengths_are_in_um():
    """The same picture at twice the spacing has four times the area: the speck is kept."""
    pixels = drawn()
    pixels[40:55, 40:55] = TISSUE  # 14400 µm² at 8 µm, 57600 µm² at 16 µm
    assert not mask_of(pixels).any()
    assert tissue_mask(pixels, spacing_um=16.0, **SETTINGS).any()


def test_the_picture_is_not_changed():
    """The caller's pixels stay as they are."""
    pixels = drawn()
    pixels[:, 130:] = 0
    before = pixels.copy()
    mask_of(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_overview_is_the_whole_slide_in_bands(tmp_path):
    """The overview covers the slide, the last row and column too, without seams of its bands."""
    pixels = noise(1203, 70)
    with Slide(write_slide(tmp_path / "a.svs", pixels, downsamples=(1,)), name="a") as slide:
        overview, scale = read_overview(slide, spacing_um=1.0)
    assert scale == 2.0
    assert overview.shape == (602, 35, 3)
    assert np.abs(overview[:601] - shrunk(pixels, 2)).max() <= 0.51
    beyond = np.full((1, 70, 3), 255)  # below the last row lies white
    assert np.abs(overview[601] - shrunk(np.vstack([pixels[1202:], beyond]), 2)[0]).max() <= 0.51


def test_fluorescence_is_told():
    """A dark slide is no brightfield image, and said so; one with some light is."""
    dark = np.full((50, 50, 3), 10, np.uint8)
    dark[0] = 255  # 2 % of it
    require_brightfield(dark, name="a")
    dark[0, 0] = 0
    with pytest.raises(InputError, match=r"^slide a: 98.0% of it is dark: fluorescence or"):
        require_brightfield(dark, name="a")


def test_no_tissue_is_told():
    """An empty mask is a reason, a mask with one pixel is none."""
    mask = np.zeros((5, 5), bool)
    with pytest.raises(InputError, match=r"^slide a: no tissue found; look at the slide"):
        require_tissue(mask, name="a")
    mask[2, 2] = True
    require_tissue(mask, name="a")
