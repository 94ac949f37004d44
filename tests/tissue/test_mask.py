"""Tissue is told from glass and padding, by each variant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from helpers import whole_arrays
from helpers.drawn.overviews import SETTINGS, find_mask
from microtome.errors import InputError
from microtome.tissue.mask import require_tissue

GLASS, TISSUE, PALE = (242, 242, 240), (205, 120, 170), (225, 205, 215)
VARIANTS = ("absorbance", "otsu", "camelyon")


def drawn(*boxes: tuple[slice, slice, tuple[int, int, int]]) -> np.ndarray:
    """Draw glass with faint noise, from 236 to 246, and boxes of a colour on it."""
    grain = np.random.default_rng(1).integers(-4, 5, (120, 160, 3))
    pixels = (np.array(GLASS) + grain).astype(np.uint8)
    for rows, columns, colour in boxes:
        pixels[rows, columns] = colour
    return pixels


SECTION = np.s_[30:80, 40:100]


@pytest.mark.parametrize("variant", VARIANTS)
def test_tissue_on_glass(variant):
    """A stained square on glass is found where it lies; the caller's pixels stay as they are."""
    pixels = drawn((*SECTION, TISSUE))
    before = pixels.copy()
    notes = []
    mask = find_mask(pixels, notes, variant=variant)
    assert mask[SECTION].mean() >= 0.98
    assert mask.sum() == mask[SECTION].sum()
    np.testing.assert_array_equal(pixels, before)
    assert notes == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_black_padding_is_no_tissue_and_hides_none(variant):
    """Scanner padding beside pale tissue does not count, and the tissue does."""
    mask = find_mask(drawn((*SECTION, PALE), (*np.s_[:, 130:], (0, 0, 0))), variant=variant)
    assert mask[SECTION].mean() > 0.95
    assert not mask[:, 120:].any()


def test_padding_has_no_say_in_the_threshold():
    """Otsu divides glass from tissue, not padding from glass, though that is most of it."""
    pixels = np.full((120, 160, 3), (250, 205, 215), np.uint8)  # a stained glass, saturation 0.18
    pixels[40:80, 10:30] = TISSUE  # 0.41
    pixels[:, 50:] = 0
    mask = find_mask(pixels, variant="otsu")
    assert mask[40:80, 10:30].mean() > 0.95
    assert mask.sum() == mask[40:80, 10:30].sum()


STRONG_AND_PALE = drawn(  # saturation 0.85 and 0.1; Otsu's threshold is 0.14
    (*np.s_[10:110, 20:90], (130, 20, 90)), (*np.s_[30:90, 100:150], (220, 198, 209))
)


def test_otsus_threshold_is_the_papers():
    """By the defaults nothing bounds it: what is pale beside strongly stained tissue is lost."""
    notes = []
    mask = find_mask(STRONG_AND_PALE, notes, variant="otsu")
    assert mask[10:110, 20:90].mean() > 0.95
    assert not mask[:, 100:].any()
    assert notes == []


@pytest.mark.parametrize(("bounds", "bound"), [((0.05, 0.09), 0.09), ((0.9, 1.0), 0.9)])
def test_a_bound_that_replaces_otsus_threshold_is_told(bounds, bound):
    """The threshold that was found, the one used, and the setting."""
    notes = []
    mask = find_mask(STRONG_AND_PALE, notes, variant="otsu", saturation_bounds=bounds)
    assert mask[30:90, 100:150].any() == (bound < 0.1)
    (note,) = notes
    assert note.startswith("Otsu's threshold 0.")
    assert note.endswith(f" replaced by {bound:g} of tissue.saturation_bounds")


def test_pale_tissue_beside_strong_is_found():
    """Variant absorbance compares with glass, not with other tissue."""
    mask = find_mask(STRONG_AND_PALE)
    assert mask[10:110, 20:90].mean() > 0.95
    assert mask[30:90, 100:150].mean() > 0.95


def test_glass_alone_is_no_tissue():
    """Nor is its noise."""
    assert not find_mask(drawn()).any()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("grey", [0, 20, 128, 255])
def test_slides_of_one_colour_have_no_tissue(grey, variant):
    """All black, grey or white: an empty mask and no failure."""
    assert not find_mask(np.full((64, 64, 3), grey, np.uint8), variant=variant).any()


def test_lengths_are_in_um():
    """The same picture at twice the spacing has four times the area: the speck is kept."""
    pixels = drawn((*np.s_[40:55, 40:55], TISSUE))  # 14400 µm² at 8 µm, 57600 µm² at 16 µm
    assert not find_mask(pixels).any()
    assert find_mask(pixels, spacing_um=16.0).any()


def random_pixels(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw blots of all colours, some of them on glass, and dots of black."""
    pixels = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (2, 2, 0)) * 600
    pixels = (pixels + rng.integers(0, 256, 3)).clip(0, 255).astype(np.uint8)
    glass = ndimage.gaussian_filter(rng.normal(size=(height, width)), 5) > rng.choice([-1, 0, 0.02])
    pixels[glass] = (235, 232, 238)
    pixels[rng.random((height, width)) < rng.choice([0, 0.02, 0.3])] = 0
    return pixels


@settings(max_examples=40)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    n_rows=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    variant=st.sampled_from(VARIANTS),
    bounds=st.sampled_from([(0.05, 0.12), (0.0, 1.0)]),
    radii_um=st.tuples(st.sampled_from([0, 8, 20]), st.sampled_from([0, 24])),
)
def test_bands_of_any_height_give_the_mask_of_the_whole(
    *, height, width, n_rows, seed, variant, bounds, radii_um
):
    """In bands, px by px what the same steps give on the whole slide at once."""
    rng = np.random.default_rng(seed)
    pixels = random_pixels(rng, height, width)
    asked = {
        **SETTINGS,
        "variant": variant,
        "saturation_bounds": bounds,
        "opening_um": radii_um[0],
        "closing_um": radii_um[1],
        "min_area_um2": 64 * rng.integers(0, 30),
        "max_hole_um2": 64 * rng.integers(0, 30),
    }
    if variant == "absorbance":
        whole = find_mask(pixels, n_rows=height, **asked)
    else:
        whole = whole_arrays.tissue_by_otsu(pixels, **asked)
    np.testing.assert_array_equal(find_mask(pixels, n_rows=n_rows, **asked), whole)


def test_no_tissue_is_told():
    """An empty mask is a reason, a mask with one pixel is none."""
    with pytest.raises(InputError, match=r"^slide a: no tissue found; look at the slide"):
        require_tissue(0, name="a")
    require_tissue(1, name="a")
