"""Tissue is told from glass, padding and pen."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from conftest import REPOSITORY
from helpers import whole_arrays
from microtome.errors import InputError
from microtome.rasters.bands import rows_of
from microtome.tissue.mask import find_tissue, require_tissue

SETTINGS = yaml.safe_load((REPOSITORY / "config.yaml").read_text())["tissue"]  # at 8 µm
GLASS, TISSUE, PALE = (242, 242, 240), (205, 120, 170), (225, 205, 215)


def drawn(*boxes: tuple[slice, slice, tuple[int, int, int]]) -> np.ndarray:
    """Draw glass with faint noise, from 236 to 246, and boxes of a colour on it."""
    grain = np.random.default_rng(1).integers(-4, 5, (120, 160, 1))
    pixels = (np.array(GLASS) + grain).astype(np.uint8)
    for rows, columns, colour in boxes:
        pixels[rows, columns] = colour
    return pixels


def mask_of(pixels: np.ndarray, **changes: object) -> np.ndarray:
    """Find tissue with the settings of config.yaml, some of them changed."""
    asked = {**SETTINGS, **changes}
    with tempfile.TemporaryDirectory() as folder:
        beside = Path(folder) / "a.tif"
        with find_tissue(rows_of(pixels), pixels.shape[:2], beside=beside, **asked) as mask:
            return mask.rows(0, len(pixels))


SECTION = np.s_[30:80, 40:100]


@pytest.mark.parametrize("variant", ["plain", "camelyon"])
def test_tissue_on_glass(variant):
    """A stained square on glass is found where it lies; the caller's pixels stay as they are."""
    pixels = drawn((*SECTION, TISSUE))
    before = pixels.copy()
    mask = mask_of(pixels, variant=variant)
    assert mask[SECTION].mean() >= 0.98
    assert mask.sum() == mask[SECTION].sum()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("variant", ["plain", "camelyon"])
def test_black_padding_is_no_tissue_and_hides_none(variant):
    """Scanner padding beside pale tissue neither counts nor moves the threshold."""
    alone = mask_of(drawn((*SECTION, PALE)), variant=variant)
    padded = mask_of(drawn((*SECTION, PALE), (*np.s_[:, 130:], (0, 0, 0))), variant=variant)
    assert alone[SECTION].mean() > 0.95
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
    mask = mask_of(drawn((*SECTION, TISSUE), (*np.s_[10:110, 120:140], colour)))
    assert not mask[:, 115:].any()
    assert mask[SECTION].mean() > 0.95


def test_threshold_is_held_between_the_bounds():
    """Glass alone is no tissue, and strongly stained tissue does not hide what is pale beside."""
    assert not mask_of(drawn()).any()
    assert mask_of(drawn(), saturation_bounds=(0.0, 1.0), opening_um=0, min_area_um2=0).any()
    strong = (*np.s_[10:110, 20:90], (130, 20, 90))  # saturation 0.85: Otsu's is far above 0.12
    pixels = drawn(strong, (*np.s_[30:90, 100:150], (210, 180, 195)))  # 0.14
    assert mask_of(pixels)[30:90, 100:150].mean() > 0.95
    assert not mask_of(pixels, saturation_bounds=(0.3, 0.9))[30:90, 100:150].any()


@pytest.mark.parametrize("grey", [0, 20, 128, 255])
def test_slides_of_one_colour_have_no_tissue(grey):
    """All black, grey or white: an empty mask and no failure."""
    assert not mask_of(np.full((64, 64, 3), grey, np.uint8)).any()


def test_lengths_are_in_um():
    """The same picture at twice the spacing has four times the area: the speck is kept."""
    pixels = drawn((*np.s_[40:55, 40:55], TISSUE))  # 14400 µm² at 8 µm, 57600 µm² at 16 µm
    assert not mask_of(pixels).any()
    assert mask_of(pixels, spacing_um=16.0).any()


@settings(max_examples=80)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    n_rows=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    variant=st.sampled_from(["plain", "camelyon"]),
    bounds=st.sampled_from([(0.05, 0.12), (0.0, 1.0)]),
    radii_um=st.tuples(st.sampled_from([0, 8, 20]), st.sampled_from([0, 24])),
)
def test_bands_of_any_height_give_the_mask_of_the_whole(
    *, height, width, n_rows, seed, variant, bounds, radii_um
):
    """In bands, px by px what the same steps give on the whole slide at once."""
    rng = np.random.default_rng(seed)
    pixels = ndimage.gaussian_filter(rng.normal(size=(height, width, 3)), (2, 2, 0)) * 600
    pixels = (pixels + rng.integers(0, 256, 3)).clip(0, 255).astype(np.uint8)
    pixels[rng.random((height, width)) < rng.choice([0, 0.02, 0.3])] = 0
    asked = {
        **SETTINGS,
        "variant": variant,
        "saturation_bounds": bounds,
        "opening_um": radii_um[0],
        "closing_um": radii_um[1],
        "min_area_um2": 64 * rng.integers(0, 30),
        "max_hole_um2": 64 * rng.integers(0, 30),
    }
    np.testing.assert_array_equal(
        mask_of(pixels, n_rows=n_rows, **asked),
        whole_arrays.tissue(pixels, **asked),
    )


def test_no_tissue_is_told():
    """An empty mask is a reason, a mask with one pixel is none."""
    with pytest.raises(InputError, match=r"^slide a: no tissue found; look at the slide"):
        require_tissue(0, name="a")
    require_tissue(1, name="a")
