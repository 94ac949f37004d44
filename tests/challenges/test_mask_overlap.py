"""Agreement of mask files, in every form they come in."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from microtome.challenges import mask_overlap
from microtome.challenges.mask_overlap import compare_masks
from microtome.errors import InputError

LEFT = np.zeros((40, 60), bool)
LEFT[10:30, 10:30] = True
RIGHT = np.zeros((40, 60), bool)
RIGHT[10:30, 20:40] = True


def write(path: Path, mask: np.ndarray, value: int = 255, **form: object) -> Path:
    """Write a mask as TIFF or image, by the suffix."""
    pixels = mask * np.uint8(value)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, **form)
    else:
        Image.fromarray(pixels).save(path, **form)
    return path


@pytest.mark.parametrize(
    ("name", "value", "form"),
    [
        ("a.png", 255, {}),
        ("a.png", 1, {}),
        ("a.jpg", 255, {"quality": 80}),
        ("a.tif", 1, {"tile": (16, 16), "compression": "deflate"}),
        ("a.tif", 255, {"rowsperstrip": 7}),
        ("a.tif", 255, {"byteorder": ">", "bigtiff": True}),
    ],
)
def test_forms_of_masks(tmp_path, name, value, form):
    """Two squares of 400 px share 200: Jaccard 1/3, Dice 1/2, whatever the files are."""
    predicted = write(tmp_path / name, LEFT, value, **form)
    found = compare_masks(predicted, write(tmp_path / "truth.tif", RIGHT, 1))
    if name == "a.jpg":
        assert found.dice == pytest.approx(0.5, abs=0.02)
    else:
        assert (found.jaccard, found.dice, found.truth_px) == (200 / 600, 0.5, 400)


def test_other_kinds_of_images(tmp_path):
    """Grey in three channels, one bit a px, and a PNG called .tif or .jpg are masks too."""
    truth = write(tmp_path / "truth.png", RIGHT)
    Image.fromarray(LEFT * np.uint8(255)).convert("RGB").save(tmp_path / "rgb.png")
    Image.fromarray(LEFT).save(tmp_path / "bit.png")
    Image.fromarray(LEFT * np.uint8(255)).save(tmp_path / "png.tif", format="PNG")
    for name in ("rgb.png", "bit.png", "png.tif"):
        assert compare_masks(tmp_path / name, truth).dice == 0.5


@pytest.mark.parametrize(("value", "dice"), [(128, 1), (127, 0)])
def test_a_jpegs_threshold(tmp_path, value, dice):
    """Of a JPEG 128 is foreground and 127 is not."""
    everywhere = np.ones((16, 16), bool)
    path = write(tmp_path / "a.jpg", everywhere, value, quality=100)
    assert compare_masks(path, write(tmp_path / "truth.png", everywhere)).dice == dice


def test_empty_masks(tmp_path):
    """Both empty agree; one of them does not."""
    empty = write(tmp_path / "a.png", np.zeros((40, 60), bool))
    left = write(tmp_path / "b.png", LEFT)
    assert (compare_masks(empty, empty).dice, compare_masks(empty, empty).jaccard) == (1, 1)
    assert (compare_masks(empty, left).dice, compare_masks(empty, left).truth_px) == (0, 400)
    assert (compare_masks(left, empty).jaccard, compare_masks(left, empty).truth_px) == (0, 0)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
    )
)
def test_all_bands_count(tmp_path_factory, masks):
    """Of any height, against the whole arrays."""
    folder = tmp_path_factory.mktemp("masks")
    paths = [write(folder / f"{i}.tif", mask, 1) for i, mask in enumerate(masks)]
    both, either = (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()
    found = compare_masks(*paths)
    assert found.jaccard == pytest.approx(both / either if either else 1)
    assert found.truth_px == masks[1].sum()


def mistake(predicted: Path, truth: Path) -> str:
    """Give the line that comparing raises."""
    with pytest.raises(InputError) as caught:
        compare_masks(predicted, truth)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sizes_must_agree(tmp_path):
    """Both sizes are named, width first."""
    small = write(tmp_path / "a.png", LEFT[:, :50])
    truth = write(tmp_path / "b.tif", LEFT)
    assert mistake(small, truth) == (
        f"{small}: is 50 x 40 px, the truth {truth} is 60 x 40 px; submit a mask of that size"
    )


COLOURS = np.tile(np.array([200, 100, 200], np.uint8), (40, 60, 1))


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("a.png", LEFT * np.uint8(7), "a.png: holds 7 beside 0; a mask is"),
        ("a.png", LEFT * np.uint8(255) + (RIGHT & ~LEFT), "a.png: holds 1, 255 beside 0"),
        ("a.tif", LEFT * np.uint8(3), "a.tif: holds the value 3"),
        ("a.png", COLOURS, "a.png: is a picture in colours"),
        ("a.jpg", COLOURS, "a.jpg: is a picture in colours"),
    ],
)
def test_values_that_are_no_masks(tmp_path, name, pixels, message):
    """Grey levels, a third value, colours."""
    path = write(tmp_path / name, pixels, 1)
    assert message in mistake(path, write(tmp_path / "truth.png", LEFT))


def test_files_that_are_no_masks(tmp_path, monkeypatch):
    """Text, a file cut short, and an image of too many px."""
    truth = write(tmp_path / "truth.png", LEFT)
    noise = np.random.default_rng(0).random((40, 60)) < 0.5
    whole = write(tmp_path / "b.png", noise).read_bytes()
    for name, content, message in (
        ("a.png", b"no image", "is no TIFF, PNG or JPEG"),
        ("b.png", whole[: len(whole) // 2], "is no TIFF, PNG or JPEG or is damaged"),
        ("c.tif", b"II*\0nothing", "is no TIFF or is damaged"),
    ):
        (tmp_path / name).write_bytes(content)
        assert f"{name}: {message}" in mistake(tmp_path / name, truth)
    monkeypatch.setattr(mask_overlap.Image, "MAX_IMAGE_PIXELS", 2399)
    assert "truth.png: has more than 2399 px" in mistake(truth, truth)
