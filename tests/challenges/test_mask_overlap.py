"""Agreement of mask files, in every form they come in."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
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
        ("png.jpg", 255, {"format": "PNG"}),
        ("a.tif", 1, {"tile": (16, 16), "compression": "deflate"}),
        ("a.tif", 255, {"byteorder": ">", "bigtiff": True, "rowsperstrip": 7}),
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


@pytest.mark.parametrize("mode", ["RGB", "1"])
def test_other_kinds_of_images(tmp_path, mode):
    """Grey in three channels and one bit a px are masks too."""
    Image.fromarray(LEFT * np.uint8(255)).convert(mode).save(tmp_path / "a.png")
    assert compare_masks(tmp_path / "a.png", write(tmp_path / "truth.png", RIGHT)).dice == 0.5


@pytest.mark.parametrize(("value", "dice"), [(128, 1), (127, 0)])
def test_a_jpegs_threshold(tmp_path, value, dice):
    """Of a JPEG 128 is foreground and 127 is not."""
    everywhere = np.ones((16, 16), bool)
    path = write(tmp_path / "a.jpg", everywhere, value, quality=100)
    assert compare_masks(path, write(tmp_path / "truth.png", everywhere)).dice == dice


@settings(max_examples=30)
@example((LEFT & False, RIGHT))
@example((LEFT & False, RIGHT & False))
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
    )
)
def test_all_bands_count(tmp_path_factory, masks):
    """Of any height, against the whole arrays; masks that are both empty agree."""
    folder = tmp_path_factory.mktemp("masks")
    paths = [write(folder / f"{i}.tif", mask, 1) for i, mask in enumerate(masks)]
    both, either = (masks[0] & masks[1]).sum(), (masks[0] | masks[1]).sum()
    found = compare_masks(*paths)
    assert found.jaccard == pytest.approx(both / either if either else 1)
    assert found.dice == pytest.approx(2 * both / (both + either) if either else 1)
    assert found.truth_px == masks[1].sum()


def mistake(predicted: Path, truth: Path) -> str:
    """Give the line that comparing raises."""
    with pytest.raises(InputError) as caught:
        compare_masks(predicted, truth)
    assert "\n" not in str(caught.value)
    return str(caught.value)


COLOURS = np.tile(np.array([200, 100, 200], np.uint8), (40, 60, 1))


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("a.png", LEFT * np.uint8(7), "a.png: holds 7 beside 0; a mask is"),
        ("a.png", LEFT * np.uint8(255) + (RIGHT & ~LEFT), "a.png: holds 1, 255 beside 0"),
        ("a.tif", LEFT * np.uint8(3), "a.tif: holds the value 3"),
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
