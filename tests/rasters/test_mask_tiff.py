"""A mask file is read by what its px mean, or refused: never as its own negative."""

from contextlib import closing

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.errors import InputError
from microtome.rasters.mask_tiff import MaskTiff

HEIGHT, WIDTH = 50, 70
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[10:20, 15:45] = True
MASK[33, 60] = True
LAYOUTS = {
    "mapped": {},
    "strips": {"rowsperstrip": 8, "compression": "lzw"},
    "tiles": {"tile": (16, 32), "compression": "deflate"},
}


def read(path) -> np.ndarray:
    """All of a mask, in bands."""
    with closing(MaskTiff(path)) as mask:
        width, height = mask.size_px
        parts = [
            mask.rows(first_row=first, shape=(min(7, height - first), width), scale=1)
            for first in range(0, height, 7)
        ]
    return np.vstack(parts)


def refusal(path) -> str:
    """What is said of a mask that is refused, after the name of its file."""
    with pytest.raises(InputError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.count(str(path)) == 1
    return text


def write(path, data, **form):
    """Write a TIFF of 0 for black, unless told otherwise."""
    tifffile.imwrite(path, data, **{"photometric": "minisblack", "metadata": None} | form)
    return path


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16"])
def test_white_is_tumour_where_0_is_white(tmp_path, layout, dtype):
    """MINISWHITE stores the negative of what it shows."""
    white = 1 if dtype == "bool" else np.iinfo(dtype).max
    stored = np.where(MASK, 0, white).astype(dtype)
    form = {"photometric": "miniswhite", "software": "another"} | layout
    path = write(tmp_path / "m.tif", stored, **form)
    np.testing.assert_array_equal(read(path), MASK)


@settings(max_examples=30)
@given(data=st.data())
def test_any_mask_in_either_polarity_is_pillows(tmp_path_factory, data):
    """Whatever its size, polarity and compression, a mask of one bit is what libtiff shows."""
    shape = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    mask = np.random.default_rng(data.draw(st.integers(0, 99))).random(shape) < 0.4
    options = {"tiffinfo": {262: data.draw(st.sampled_from([0, 1]))}}
    if compression := data.draw(st.sampled_from([None, "group3", "group4", "packbits"])):
        options["compression"] = compression
    path = tmp_path_factory.mktemp("masks") / "m.tif"
    Image.fromarray(mask).save(path, **options)
    with Image.open(path) as image:
        shown = np.asarray(image.convert("L")) > 0
    np.testing.assert_array_equal(read(path), shown)
    np.testing.assert_array_equal(shown, mask)


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_white_of_few_bits(tmp_path, bits, photometric):
    """White of 2 or 4 bits is 3 or 15."""
    shown = MASK if photometric == "minisblack" else ~MASK
    stored = shown.astype(np.uint8) * np.uint8(2**bits - 1)
    path = tmp_path / "m.tif"
    write(path, stored, photometric=photometric, bitspersample=bits, rowsperstrip=HEIGHT)
    np.testing.assert_array_equal(read(path), MASK)


def palette(*colours: tuple[int, int, int]) -> np.ndarray:
    """A colour map of TIFF whose first indices have the given colours, the others black."""
    table = np.zeros((3, 256), np.uint16)
    table[:, : len(colours)] = np.array(colours).T * 257
    return table


BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (200, 0, 0)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    ("colours", "tumour"),
    [
        ((BLACK, WHITE), 1),
        ((BLACK, RED), 1),
        ((WHITE, BLACK), 0),
        ((RED, BLACK), 0),
        ((BLACK, BLACK, WHITE), 2),
        ((WHITE, BLACK, WHITE), 2),
    ],
)
def test_a_palette_counts_by_its_colours(tmp_path, layout, colours, tumour):
    """What is not black is tumour, whatever its index; programs number colours as they like."""
    stored = np.where(MASK, tumour, colours.index(BLACK)).astype(np.uint8)
    form = {"photometric": "palette", "colormap": palette(*colours), **layout}
    np.testing.assert_array_equal(read(write(tmp_path / "m.tif", stored, **form)), MASK)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("colour", [WHITE, (1, 1, 1), RED, (0, 0, 65535)])
def test_rgb_counts_by_its_colours(tmp_path, layout, colour):
    """As of a palette: black, and one other colour, as programs save masks as pictures."""
    stored = MASK[..., None] * np.array(colour, np.uint16 if max(colour) > 255 else np.uint8)
    path = write(tmp_path / "m.tif", stored, photometric="rgb", **layout)
    np.testing.assert_array_equal(read(path), MASK)


def test_a_palette_of_8_bits_a_colour(tmp_path):
    """Colours that a program forgot to spread over 16 bits are still not black."""
    form = {"photometric": "palette", "colormap": palette(BLACK, RED) // 257}
    path = write(tmp_path / "m.tif", MASK.astype(np.uint8), **form)
    np.testing.assert_array_equal(read(path), MASK)


def test_a_palette_without_black_is_no_mask(tmp_path):
    """Red on white, as QuPath exports labels, does not say which is tumour."""
    form = {"photometric": "palette", "colormap": palette(WHITE, RED)}
    path = write(tmp_path / "m.tif", MASK.astype(np.uint8), **form)
    assert "two colours beside black; a mask is 0 and 1" in refusal(path)


def test_what_imagej_calls_foreground_is_asked_for(tmp_path):
    """Under ImageJ's inverting LUT 255 is black, and foreground; elsewhere white is."""
    form = {"photometric": "miniswhite", "description": "ImageJ=1.54f\n"}
    path = write(tmp_path / "m.tif", MASK * np.uint8(255), **form)
    assert "ImageJ with an inverting LUT" in refusal(path)
    assert "Image > Lookup Tables > Invert LUT" in refusal(path)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_tifffile_makes_of_bool_is_asked_for(tmp_path, layout):
    """Unless told otherwise it makes True black, which Pillow and others show so."""
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, MASK, **layout)
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image) > 0, ~MASK)
    assert "without photometric='minisblack' makes True of bool black" in refusal(path)


@pytest.mark.parametrize("turn", range(2, 9))
def test_a_turned_mask(tmp_path, turn):
    """It is not known whether its maker's viewer turned it: it would lie elsewhere on the slide."""
    path = write(tmp_path / "m.tif", MASK, extratags=[(274, 3, 1, turn, True)])
    assert f"(Orientation {turn})" in refusal(path)
    assert "vips autorot" in refusal(path)


def test_an_upright_mask(tmp_path):
    """Orientation 1 is the usual way."""
    path = write(tmp_path / "m.tif", MASK, extratags=[(274, 3, 1, 1, True)])
    np.testing.assert_array_equal(read(path), MASK)


REFUSED = {
    "two channels in pages": ({"data": np.stack([MASK, ~MASK])}, "2 pictures of one size"),
    "stack of imagej": ({"description": "ImageJ=1.54f\nimages=3\n"}, "3 pictures of one size"),
    "grey and alpha": (
        {"data": np.dstack([MASK, MASK]).astype(np.uint8), "extrasamples": ["unassalpha"]},
        "one channel, this has the shape (50, 70, 2): keep",
    ),
    "rgb of two colours": (
        {"data": np.dstack([MASK, MASK, ~MASK]).astype(np.uint8), "photometric": "rgb"},
        "two colours beside black",
    ),
    "rgb of floats": (
        {"data": np.dstack([MASK] * 3).astype(np.float32), "photometric": "rgb"},
        "RGB px of type float32",
    ),
    "red, green and blue apart": (
        {
            "data": np.stack([MASK] * 3).astype(np.uint8),
            "photometric": "rgb",
            "planarconfig": "separate",
        },
        "one channel, this has the shape (3, 50, 70): keep the one that is meant (vips extract",
    ),
    "negative floats": (
        {"data": (~MASK).astype(np.float32), "photometric": "miniswhite"},
        "inverted, palette or RGB px of type float32",
    ),
    "0 and 1 where 0 is white": (
        {"data": (~MASK).astype(np.uint8), "photometric": "miniswhite"},
        "the value 254",
    ),
    "red and blue": (
        {
            "data": MASK + (np.arange(WIDTH) > 30).astype(np.uint8),
            "photometric": "palette",
            "colormap": palette(BLACK, RED, (0, 0, 200)),
        },
        "two colours beside black",
    ),
    "by jpeg": (
        {"data": MASK * np.uint8(255), "tile": (16, 16), "compression": "jpeg"},
        "compressed without loss: write it again",
    ),
    "no data in it": ({"extratags": [(42113, 2, 4, "255", True)]}, "255 as px without data"),
    "tiles that lack, 0 white": (
        {
            "data": iter([b"", b""]),
            "shape": (16, 32),
            "dtype": np.uint8,
            "tile": (16, 16),
            "compression": "deflate",
            "photometric": "miniswhite",
        },
        "lacks tiles, which need not be black",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_masks_of_open_meaning(tmp_path, form):
    """Cause and remedy in one line."""
    written, text = REFUSED[form]
    path = write(tmp_path / "m.tif", **{"data": MASK.astype(np.uint8)} | written)
    assert text in refusal(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_masks_that_are_no_tiffs(tmp_path, suffix):
    """Other pictures are refused with the command that makes a TIFF of them."""
    Image.fromarray(MASK * np.uint8(255)).save(tmp_path / f"m.{suffix}")
    text = refusal(tmp_path / f"m.{suffix}")
    assert "is no TIFF or is damaged" in text
    assert "vips tiffsave IN OUT.tif --tile --compression deflate" in text


def test_a_mask_that_does_not_say_which_is_black(tmp_path):
    """Readers differ in what they assume of a file without PhotometricInterpretation."""
    path = write(tmp_path / "m.tif", MASK.astype(np.uint8))
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages.first.tags["PhotometricInterpretation"].offset
    content = bytearray(path.read_bytes())
    content[at : at + 2] = (261).to_bytes(2, "little")
    path.write_bytes(content)
    assert "does not say whether 0 is black or white" in refusal(path)


def test_a_page_that_says_where_data_are(tmp_path):
    """GDAL's internal mask of the same size is no second picture."""
    path = tmp_path / "m.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(MASK, photometric="minisblack", metadata=None)
        tiff.write(np.ones_like(MASK), photometric="minisblack", metadata=None, subfiletype=4)
    np.testing.assert_array_equal(read(path), MASK)
