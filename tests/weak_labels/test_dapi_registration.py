"""DAPI images find their place on H&E images, and others are refused."""

import doctest

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage
from skimage.registration import phase_cross_correlation
from skimage.transform import rescale

from conftest import REAL_DATA
from dapi_pairs import cut_fields, measure_error, read_outlined
from drawn_dapi import draw_dapi
from microtome.errors import InputError
from microtome.weak_labels import dapi_images, dapi_registration, shift_scores
from microtome.weak_labels.dapi_images import measure_haematoxylin, read_dapi, scale_robustly
from microtome.weak_labels.dapi_registration import (
    Picture,
    lay_on,
    register,
    require_registration,
)
from microtome.weak_labels.shift_scores import LEAST_OVERLAP, ShiftScores
from weak_labels.drawn_nuclei import draw_he, scatter_nuclei

needs_real_data = pytest.mark.skipif(not REAL_DATA.is_dir(), reason="no ../shared/data")


@pytest.mark.parametrize("module", [dapi_images, dapi_registration, shift_scores])
def test_examples(module):
    """The examples of docstrings give what they say."""
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def make_pair(seed: int = 1, side_px: int = 90, **drawn) -> tuple[Picture, Picture]:
    """Drawn H&E and DAPI of the same place at 1 µm per px."""
    rng = np.random.default_rng(seed)
    labels = scatter_nuclei((side_px, side_px), rng, n=side_px**2 // 100)
    haematoxylin = measure_haematoxylin(draw_he(labels, rng))
    dapi = scale_robustly(draw_dapi(labels, rng, **drawn))
    return Picture(haematoxylin, 1.0), Picture(dapi, 1.0)


@needs_real_data
@pytest.mark.parametrize(("rotation_deg", "share"), [(-18, (0.1, -0.2)), (15, (-1 / 3, 1 / 3))])
def test_rotation_and_shift_on_real_tissue_are_found(rotation_deg, share):
    """Within half a degree and 1 px, with noise, vignetting, less contrast and nuclei lost."""
    region = tifffile.imread(REAL_DATA / "slides" / "CMU-1-Small-Region.svs", key=0)
    (pixels, labels), *_ = cut_fields(region[1250:1600, 1250:1600], 300)
    shift_px = np.array(share) * 300
    drawn = draw_dapi(
        labels,
        np.random.default_rng(1),
        rotation_deg=rotation_deg,
        shift_px=shift_px,
        range_of_values=0.9,
    )
    dapi = Picture(scale_robustly(drawn), 0.5)
    found = register(Picture(measure_haematoxylin(pixels), 0.5), dapi)
    px, degrees = measure_error(found, (rotation_deg, shift_px), dapi, labels.shape)
    assert found.is_sure
    assert px < 1
    assert degrees < 0.5


@needs_real_data
def test_nuclei_outlined_by_hand_are_found_on_their_image():
    """Real H&E and outlines that no rule on colours made."""
    pixels, labels = next(read_outlined(REAL_DATA / "nuclei_dsb2018"))
    dapi = Picture(scale_robustly(draw_dapi(labels, np.random.default_rng(1))), 0.5)
    found = register(Picture(measure_haematoxylin(pixels), 0.5), dapi)
    assert found.is_sure
    assert abs(found.rotation_deg) < 0.5
    assert np.hypot(*found.shift_um) < 1


def test_a_dapi_image_of_another_spacing_and_size_is_laid_on():
    """Its µm count: shown at 0.8 µm per px, a corner cut off, it lies where it did."""
    haematoxylin, dapi = make_pair()
    other = Picture(rescale(dapi.pixels, 1.25, order=1)[20:, 10:], 0.8)
    found = register(haematoxylin, other)
    assert found.is_sure
    assert found.rotation_deg == pytest.approx(0, abs=0.5)
    # Of 10 columns and 20 rows of 0.8 µm the centre moves by half.
    assert found.shift_um == pytest.approx((4, 8), abs=0.5)


def test_pen_on_the_slide_does_not_matter():
    """A black stroke and a blue one take a third of the image."""
    rng = np.random.default_rng(1)
    labels = scatter_nuclei((130, 130), rng, n=80)
    pixels = draw_he(labels, rng)
    pixels[:, 20:40], pixels[90:115] = (15, 15, 18), (20, 80, 170)
    dapi = Picture(scale_robustly(draw_dapi(labels, rng, rotation_deg=5)), 1.0)
    found = register(Picture(measure_haematoxylin(pixels), 1.0), dapi)
    assert found.is_sure
    assert found.rotation_deg == pytest.approx(5, abs=0.5)


def test_another_place_is_refused():
    """The message has what was measured, and what to do."""
    (haematoxylin, _), (_, dapi) = make_pair(1, 60), make_pair(2, 60)
    with pytest.raises(InputError) as caught:
        require_registration(haematoxylin, dapi, about="image a: d.tif")
    assert str(caught.value).startswith("image a: d.tif does not register: the best place scores ")
    assert str(caught.value).endswith("too few nuclei; correct the row or delete it")


@pytest.mark.parametrize(
    ("spoil", "remedy"),
    [
        (np.fliplr, "mirrored left to right"),
        (np.rot90, "turned by 90° clockwise"),
        (lambda pixels: 1 - pixels, "inverted, so that nuclei are bright"),
    ],
)
def test_what_would_make_a_pair_register_is_named(spoil, remedy):
    """A section photographed from below, a camera turned, a negative."""
    haematoxylin, dapi = make_pair(side_px=70)
    with pytest.raises(InputError, match=f"^image a registers only {remedy}; save it so$"):
        require_registration(haematoxylin, Picture(spoil(dapi.pixels), 1.0), about="image a")


def test_two_empty_images_are_no_pair():
    """Nothing agrees with nothing."""
    empty = Picture(np.zeros((60, 60), np.float32), 1.0)
    found = register(empty, empty)
    assert not found.is_sure


def test_turned_clockwise_as_seen():
    """A px right of the centre comes to lie below it, and then is shifted to the left."""
    dapi = np.zeros((9, 9), np.float32)
    dapi[4, 7] = 1
    values, inside = lay_on(Picture(dapi, 2.0), (90, -4, 0), shape=(9, 9), spacing_um=2.0)
    assert np.argwhere(values > 0.99).tolist() == [[7, 2]]
    assert inside[:, :7].all()
    assert not inside[:, 7:].any()


def test_px_of_another_spacing_are_interpolated_at_their_centres():
    """By hand: centres at 0.5 and 1.5 µm between centres at 1, 3 and 5."""
    dapi = Picture(np.array([[0, 2, 4]], np.float32), 2.0)
    values, inside = lay_on(dapi, (0, 0, 0), shape=(2, 6), spacing_um=1.0)
    assert values.tolist() == [[0, 0.5, 1.5, 2.5, 3.5, 4]] * 2
    assert inside.all()


def test_shifts_are_scored_as_pearsons_correlation_ranks_them():
    """Each shift on its own, by NumPy: the same values up to one scale and offset."""
    rng = np.random.default_rng(3)
    fixed, moving = rng.normal(size=(9, 11)), rng.normal(size=(8, 7))
    inside = rng.random((8, 7)) < 0.9
    scores, (y, x) = ShiftScores(fixed, (10, 10)).score(moving, inside)
    wanted = np.full(scores.shape, np.nan)
    least = LEAST_OVERLAP * inside.sum()
    for row in range(-7, 9):
        for column in range(-6, 11):
            n_rows, n_columns = min(9 - row, 8), min(11 - column, 7)
            top, left = max(0, -row), max(0, -column)
            part = np.s_[top:n_rows, left:n_columns]
            on = fixed[row + top : row + n_rows, column + left : column + n_columns]
            here = inside[part]
            if here.sum() >= least:
                r = np.corrcoef(on[here], moving[part][here])[0, 1]
                wanted[y + row, x + column] = np.arctanh(r) * np.sqrt(here.sum())
    counts = ~np.isnan(wanted)
    assert not scores[~counts].any()
    standard = (wanted[counts] - wanted[counts].mean()) / wanted[counts].std()
    np.testing.assert_allclose(scores[counts], standard, atol=1e-6)


def test_the_best_shift_is_that_of_scikit_image():
    """Its masked cross-correlation, on noise smoothed and shifted by hand."""
    rng = np.random.default_rng(4)
    image = ndimage.gaussian_filter(rng.normal(size=(60, 60)), 1.5)
    fixed, moving = image[:50, :48], image[7:57, 9:57] + rng.normal(0, 0.02, (50, 48))
    ones = np.ones(fixed.shape, bool)
    scores, origin = ShiftScores(fixed, moving.shape).score(moving, ones)
    found = np.unravel_index(scores.argmax(), scores.shape) - np.array(origin)
    shift, *_ = phase_cross_correlation(
        fixed, moving, reference_mask=ones, moving_mask=ones, overlap_ratio=LEAST_OVERLAP
    )
    assert found.tolist() == shift.tolist() == [7, 9]


def save(path, pixels):
    """Write an image by its suffix."""
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)
    return path


GREY = np.linspace(0, 200, 2000).reshape(40, 50).astype(np.uint8)
BLACK = np.zeros_like(GREY)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("grey.png", GREY),
        ("grey.tif", GREY),
        ("sixteen.tif", GREY.astype(np.uint16) * 17),
        ("sixteen.png", GREY.astype(np.uint16) * 17),
        ("float.tif", GREY / np.float32(200)),
        ("alike.png", np.dstack([GREY] * 3)),
        ("blue.png", np.dstack([BLACK, BLACK, GREY])),
        ("blue.tif", np.dstack([BLACK, BLACK, GREY])),
    ],
)
def test_dapi_of_any_depth_grey_or_blue(name, pixels, tmp_path):
    """All give the same values from 0 to 1."""
    found = read_dapi(save(tmp_path / name, pixels), about="image a")
    assert found.dtype == np.float32
    low, high = np.percentile(GREY, (1, 99.5))
    np.testing.assert_allclose(found, ((GREY - low) / (high - low)).clip(0, 1), atol=1e-5)


def test_a_few_hot_px_do_not_darken_the_others(tmp_path):
    """A 12-bit image with 3 px at the top of 16 bits."""
    pixels = GREY.astype(np.uint16) * 17
    pixels[0, :3] = 65535
    found = read_dapi(save(tmp_path / "a.tif", pixels), about="image a")
    assert found[20].max() == pytest.approx(GREY[20].max() / GREY.max(), abs=0.02)


@pytest.mark.parametrize(
    ("name", "pixels", "fault"),
    [
        ("a.png", np.full((20, 20), 7, np.uint8), "is empty: nearly all px have one value"),
        ("a.png", np.dstack([GREY, BLACK, GREY]), "has other colours than blue"),
        ("a.tif", np.stack([GREY, GREY]), "has 2 pages, px in 2 x 40 x 50"),
        ("a.tif", np.full((9, 9), np.nan, np.float32), "has px that are no numbers"),
    ],
)
def test_what_is_no_dapi_image_is_refused(name, pixels, fault, tmp_path):
    """By what it is, with what to do."""
    with pytest.raises(InputError) as caught:
        read_dapi(save(tmp_path / name, pixels), about="image a")
    assert str(caught.value).startswith(f"image a {fault}")
    assert "; save its DAPI channel alone" in str(caught.value) or "delete" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"photometric": "miniswhite"}, "says that 0 is white, so nuclei may be dark"),
        ({"extratags": [(274, 3, 1, 6, True)]}, r"turned or mirrored \(Orientation 6\)"),
    ],
)
def test_a_dapi_image_that_readers_disagree_on(settings, said, tmp_path):
    """Inverted or turned px are not guessed."""
    tifffile.imwrite(tmp_path / "a.tif", GREY, **settings)
    with pytest.raises(InputError, match=said):
        read_dapi(tmp_path / "a.tif", about="image a")


def test_a_broken_or_missing_dapi_image_is_one_line(tmp_path):
    """Whatever the reader raises."""
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(InputError, match=r"^image a cannot be read \(.*\); save its DAPI"):
        read_dapi(tmp_path / "a.png", about="image a")
    with pytest.raises(InputError, match=r"^image a is not there"):
        read_dapi(tmp_path / "b.png", about="image a")
