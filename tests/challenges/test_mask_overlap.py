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
from microtome.challenges.mask_overlap import overlap
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
    found = overlap(predicted, write(tmp_path / "truth.tif", RIGHT, 1))
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
        assert overlap(tmp_path / name, truth).dice == 0.5


def test_a_jpegs_threshold(tmp_path):
    """Of a JPEG 128 is foreground and 127 is not."""
    truth = write(tmp_path / "truth.png", np.ones((16, 16), bool))
    for value, dice in ((128, 1), (127, 0)):
        path = write(tmp_path / "a.jpg", np.ones((16, 16), bool), value, quality=100)
        assert overlap(path, truth).dice == dice


def test_empty_masks(tmp_path):
    """Both empty agree; one of them does not."""
    empty = write(tmp_path / "a.png", np.zeros((40, 60), bool))
    left = write(tmp_path / "b.png", LEFT)
    assert (overlap(empty, empty).dice, overlap(empty, empty).jaccard) == (1, 1)
    assert (overlap(empty, left).dice, overlap(empty, left).truth_px) == (0, 400)
    assert (overlap(left, empty).jaccard, overlap(left, empty).truth_px) == (0, 0)


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
    found = overlap(*paths)
    assert found.jaccard == pytest.approx(both / either if either else 1)
    assert found.truth_px == masks[1].sum()


def mistake(predicted: Path, truth: Path) -> str:
    """Give the line that comparing raises."""
    with pytest.raises(InputError) as caught:
        overlap(predicted, truth)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sizes_must_agree(tmp_path):
    """Both sizes are named, width first."""
    small = write(tmp_path / "a.png", LEFT[:, :50])
    truth = write(tmp_path / "b.tif", LEFT)
    assert mistake(small, truth) == (
        f"{small}: is 50 x 40 px, the truth {truth} is 60 x 40 px; submit a mask of that size"
    )


def test_values_that_are_no_masks(tmp_path):
    """Grey levels, a third value, colours."""
    truth = write(tmp_path / "truth.png", LEFT)
    assert "holds 7 beside 0; a mask is" in mistake(write(tmp_path / "a.png", LEFT, 7), truth)
    both = LEFT * np.uint8(255) + (RIGHT & ~LEFT) * np.uint8(1)
    Image.fromarray(both).save(tmp_path / "b.png")
    assert "holds 1, 255 beside 0" in mistake(tmp_path / "b.png", truth)
    tifffile.imwrite(tmp_path / "c.tif", LEFT * np.uint8(3))
    assert "c.tif: holds the value 3" in mistake(tmp_path / "c.tif", truth)
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[5, 5] = (200, 100, 200)
    for name in ("d.png", "d.jpg"):
        Image.fromarray(np.tile(picture[5:6, 5:6], (40, 60, 1))).save(tmp_path / name)
        assert "is a picture in colours" in mistake(tmp_path / name, truth)


def test_files_that_are_no_masks(tmp_path, monkeypatch):
    """Text, a file cut short, and an image of too many px."""
    truth = write(tmp_path / "truth.png", LEFT)
    (tmp_path / "a.png").write_text("no image")
    assert "a.png: is no TIFF, PNG or JPEG" in mistake(tmp_path / "a.png", truth)
    noise = np.random.default_rng(0).random((40, 60)) < 0.5
    whole = write(tmp_path / "b.png", noise).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    assert "b.png: is no TIFF, PNG or JPEG or is damaged" in mistake(tmp_path / "b.png", truth)
    (tmp_path / "c.tif").write_bytes(b"II*\0nothing")
    assert "c.tif: is no TIFF or is damaged" in mistake(tmp_path / "c.tif", truth)
    monkeypatch.setattr(mask_overlap.Image, "MAX_IMAGE_PIXELS", 2399)
    assert "truth.png: has more than 2399 px" in mistake(truth, truth)
