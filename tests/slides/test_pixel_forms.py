"""Px are read as what they mean, whatever form they have, or are refused with cause and remedy."""

import re

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.slide_files import texture, write_tiled
from microtome.errors import InputError
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide

PIXELS = texture(150, 200)
GREY = PIXELS[..., 1]
WORDS = PIXELS.astype(np.uint16)
PLANES = PIXELS.transpose(2, 0, 1)
HALF_CLEAR = np.where(np.arange(200) < 90, 255, 100).astype(np.uint8) + np.zeros_like(GREY)
CODECS = ("jpeg 2000 lossy", "jpeg xr", "jpeg xr ndpi", "jpeg xl", "jpeg xl dng", "webp")
CODECS = (*CODECS, "webp old", "lzma", "lzma predictor")
ALPHA = {"data": np.dstack([PIXELS, HALF_CLEAR]), "extrasamples": ["unassalpha"]}
TIFFS = {"tiles": {"tile": (64, 64)}, "strips": {"rowsperstrip": 32}}


def read(path) -> np.ndarray:
    """All px of a slide, after it was inspected."""
    inspect(name="a", row={"path": str(path), "spacing_um": 0.5}, spacing_tolerance=0.02)
    with Slide(path, name="a", spacing_um=0.5) as slide:
        return slide.read(0, 0, *slide.size_px, scale=1)


def refusal(path) -> str:
    """What inspection says of a file that it refuses, after the name."""
    with pytest.raises(InputError) as caught:
        inspect(name="a", row={"path": str(path), "spacing_um": 0.5}, spacing_tolerance=0.02)
    text = str(caught.value)
    assert text.startswith(f"slide a: {path} ")
    assert text.isprintable()
    return text


def write(path, data, **form):
    """Write a TIFF of RGB in tiles, if its form is no other."""
    tifffile.imwrite(
        path, data, **{"photometric": "rgb", "tile": (64, 64), "metadata": None} | form
    )
    return path


def on_white(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What is seen of colours that are not multiplied by their alpha, on white."""
    share = alpha[..., None] / 255
    return pixels * share + 255 * (1 - share)


@pytest.mark.parametrize("storage", CODECS)
def test_tiles_of_every_codec_are_tifffiles(tmp_path, storage):
    """What a library of the lock file decodes is read tile by tile, at every level."""
    path = write_tiled(tmp_path / "a.tif", PIXELS, storage, aperio=False, downsamples=(1, 2))
    with Slide(path, name="a", spacing_um=0.5) as slide, tifffile.TiffFile(path) as tiff:
        assert slide.source.read_by == "tile by tile"
        for page, scale, (width, height) in zip(tiff.pages, (1, 2), slide.levels, strict=True):
            found = slide.read(0, 0, width, height, scale=scale)
            np.testing.assert_array_equal(found, page.asarray())
    assert np.abs(read(path).astype(int) - PIXELS).mean() < 4


@pytest.mark.parametrize("layout", TIFFS.values(), ids=TIFFS)
def test_planes_of_red_green_and_blue(tmp_path, layout):
    """Each colour may have a plane of its own."""
    path = write(tmp_path / "a.tif", PLANES, planarconfig="separate", **{"tile": None} | layout)
    np.testing.assert_array_equal(read(path), PIXELS)


@pytest.mark.parametrize("layout", TIFFS.values(), ids=TIFFS)
@pytest.mark.parametrize("is_multiplied", [False, True])
def test_alpha_is_laid_on_white(tmp_path, layout, is_multiplied):
    """Px that are half clear are half white, whether their colours are multiplied by alpha."""
    form = {"data": ALPHA["data"].copy(), "extrasamples": ["unassalpha"]}
    if is_multiplied:
        form["data"][..., :3] = (PIXELS * (HALF_CLEAR[..., None] / 255)).round()
        form["extrasamples"] = ["assocalpha"]
    path = write(tmp_path / "a.tif", **form, **{"tile": None} | layout)
    assert np.abs(read(path) - on_white(PIXELS, HALF_CLEAR)).max() < 2.6


@pytest.mark.parametrize("layout", TIFFS.values(), ids=TIFFS)
def test_a_palette_gives_its_colours(tmp_path, layout):
    """An index stands for its colour, as Pillow says."""
    image = Image.fromarray(PIXELS).quantize(64)
    colours = np.zeros((256, 3), np.uint16)
    colours[: len(image.getpalette()) // 3] = np.reshape(image.getpalette(), (-1, 3))
    form = {"photometric": "palette", "colormap": colours.T * 257, "tile": None} | layout
    path = write(tmp_path / "a.tif", np.asarray(image), **form)
    np.testing.assert_array_equal(read(path), np.asarray(image.convert("RGB")))


def test_ycbcr_that_is_not_in_a_jpeg(tmp_path):
    """Luma and colour differences without loss are read as Pillow turns them into RGB."""
    image = Image.fromarray(PIXELS).convert("YCbCr")
    path = write(tmp_path / "a.tif", np.asarray(image), photometric="ycbcr")
    assert np.abs(read(path).astype(int) - np.asarray(image.convert("RGB"))).max() <= 3


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (4, 1)])
@pytest.mark.parametrize("layout", TIFFS.values(), ids=TIFFS)
def test_subsampled_jpeg(tmp_path, layout, subsampling):
    """Whatever share of its colours a JPEG keeps, they are tifffile's."""
    form = {"compression": "jpeg", "subsampling": subsampling, "tile": None}
    path = write(tmp_path / "a.tif", PIXELS, **form | layout)
    assert np.abs(read(path).astype(int) - tifffile.imread(path)).mean() < 1


REFUSED = {
    "grey": ({"data": GREY, "photometric": "minisblack"}, "of one grey channel; H&E is told from"),
    "grey, 0 white": ({"data": GREY, "photometric": "miniswhite"}, "of one grey channel"),
    "one bit": ({"data": GREY > 99, "photometric": "minisblack"}, "of one grey channel"),
    "grey, 16 bits": ({"data": WORDS[..., 0], "photometric": "minisblack"}, "one grey channel"),
    "grey jpeg": (
        {"data": GREY, "photometric": "minisblack", "compression": "jpeg"},
        "of one grey channel",
    ),
    "three grey channels": (
        {"data": PIXELS, "photometric": "minisblack", "planarconfig": "contig"},
        "3 grey channels, as fluorescence has; .*--interpretation srgb",
    ),
    "three grey planes": (
        {"data": PLANES, "photometric": "minisblack", "planarconfig": "separate"},
        "3 grey channels, as fluorescence has",
    ),
    "three grey pages": (
        {"data": PLANES, "photometric": "minisblack"},
        "3 pictures of one grey channel, .* join them .vips bandjoin",
    ),
    "16 bits": ({"data": WORDS * 257}, "16 bits a channel .uint16., .* white is 255 .vips linear"),
    "12 bits in 16": ({"data": WORDS * 16, "compression": "deflate"}, "16 bits a channel .uint16"),
    "32 bits": ({"data": PIXELS.astype(np.uint32)}, "32 bits a channel .uint32"),
    "float": ({"data": (PIXELS / 255).astype(np.float32)}, "32 bits a channel .float32"),
    "signed": ({"data": PIXELS.view(np.int8)}, "8 bits a channel .int8., not 8 unsigned"),
    "a fourth channel": (
        ALPHA | {"extrasamples": ["unspecified"]},
        "4 channels a px, .* not say .* alpha; .*extract_band IN .* 0 --n 3",
    ),
    "a fifth channel": (
        {"data": np.dstack([PIXELS, GREY, GREY]), "extrasamples": ["unassalpha", "assocalpha"]},
        "5 channels a px",
    ),
    "inks": (
        {"data": np.dstack([255 - PIXELS, GREY]), "photometric": "separated"},
        "SEPARATED, not in RGB; .*vips colourspace",
    ),
    "lab": ({"data": PIXELS, "photometric": "cielab"}, "in CIELAB, not in RGB; .*vips colourspace"),
    "turned": ({"data": PIXELS, "extratags": [(274, 3, 1, 6, True)]}, "Orientation 6.*autorot"),
    "mirrored": ({"data": PIXELS, "extratags": [(274, 3, 1, 2, True)]}, "Orientation 2.*autorot"),
    "focal planes": (
        {"data": np.stack([PIXELS] * 3)},
        "3 pictures of one size, .*vips tiffload IN OUT.tif --page 0",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.parametrize("layout", TIFFS.values(), ids=TIFFS)
def test_tiffs_that_are_not_rgb_of_8_bits(tmp_path, form, layout):
    """Cause and remedy are told at inspection, in tiles and in strips; nothing is read."""
    written, text = REFUSED[form]
    path = write(tmp_path / "a.tif", **written, **{"tile": None} | layout)
    assert re.search(text, refusal(path))
    with pytest.raises(InputError, match=text):
        Slide(path, name="a", spacing_um=0.5)


@pytest.mark.parametrize(
    ("axes", "data", "form", "text"),
    [
        ("CYX", PLANES, {"photometric": "minisblack"}, "3 pictures of one grey channel"),
        ("ZYXS", np.stack([PIXELS] * 2), {"photometric": "rgb"}, "2 pictures of one size"),
        ("TYXS", np.stack([PIXELS] * 2), {"photometric": "rgb"}, "2 pictures of one size"),
    ],
)
def test_ome_tiffs_of_several_planes(tmp_path, axes, data, form, text):
    """Of channels, focal planes and times none is taken for the slide."""
    form |= {"ome": True, "metadata": {"axes": axes}}
    assert text in refusal(write(tmp_path / "a.ome.tif", data, **form))


@pytest.mark.parametrize("first_is_slide", [True, False])
def test_the_slide_is_judged_wherever_it_lies(tmp_path, first_is_slide):
    """A small grey picture before or after the slide is none of its px; a small RGB one no help."""
    path = tmp_path / "a.tif"
    small = {"data": GREY[::4, ::4].copy(), "photometric": "minisblack"}
    slide = {"data": PIXELS, "photometric": "rgb"}
    with tifffile.TiffWriter(path) as tiff:
        for page in (slide, small) if first_is_slide else (small, slide):
            tiff.write(**page, tile=(64, 64), metadata=None)
    np.testing.assert_array_equal(read(path), PIXELS)
    with tifffile.TiffWriter(path) as tiff:
        grey = {"data": GREY, "photometric": "minisblack"}
        rgb = {"data": PIXELS[::4, ::4].copy(), "photometric": "rgb"}
        for page in (grey, rgb) if first_is_slide else (rgb, grey):
            tiff.write(**page, tile=(64, 64), metadata=None)
    assert "one grey channel" in refusal(path)


def test_a_thumbnail_as_large_as_the_slide(tmp_path):
    """Beside tiles, strips are no second picture: tiny slides have such a thumbnail."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(PIXELS, photometric="rgb", metadata=None, tile=(64, 64))
        tiff.write(PIXELS, photometric="rgb", metadata=None)
    np.testing.assert_array_equal(read(path), PIXELS)


def test_a_stack_of_imagej_in_one_page(tmp_path):
    """What ImageJ's description counts is believed, where the pages are not listed."""
    says = {"description": "ImageJ=1.54f\nimages=5\nslices=5\n"}
    assert "5 pictures of one size" in refusal(write(tmp_path / "a.tif", PIXELS, **says))


@pytest.mark.parametrize(
    ("form", "number", "text"),
    [
        ({}, 6, "as OJPEG (6), which nothing here decodes in tiles"),
        ({}, 34887, "as LERC (34887), which nothing here decodes in tiles"),
        ({}, 64000, "as unknown (64000), which nothing here decodes in tiles"),
        (ALPHA, 50001, "as WEBP (50001), which nothing here decodes in tiles of such px"),
        ({"photometric": "ycbcr"}, 34712, "as JPEG2000 (34712), which nothing here decodes"),
        ({"data": PLANES, "planarconfig": "separate"}, 50002, "as JPEGXL (50002), which nothing"),
        ({"tile": None}, 6, "as OJPEG (6), which nothing here decodes in strips"),
        ({"tile": None}, 50001, "as WEBP (50001), which nothing here decodes in strips"),
    ],
)
def test_what_nothing_decodes(tmp_path, form, number, text):
    """Codec and number are named, and what to convert the slide with."""
    path = write(tmp_path / "a.tif", **{"data": PIXELS} | form)
    _patch(path, "Compression", number)
    assert text in refusal(path)


def _patch(path, tag: str, value: int, *, code: int | None = None) -> None:
    """Give a tag of the first page another value, and another code if that is given."""
    with tifffile.TiffFile(path) as tiff:
        found = tiff.pages.first.tags[tag]
    content = bytearray(path.read_bytes())
    content[found.valueoffset : found.valueoffset + 2] = value.to_bytes(2, "little")
    if code is not None:
        content[found.offset : found.offset + 2] = code.to_bytes(2, "little")
    path.write_bytes(content)


def test_bits_in_the_other_order(tmp_path):
    """FillOrder 2 turns the bits of each byte around, before they are decompressed."""
    path = write(tmp_path / "a.tif", PIXELS, compression="deflate", resolutionunit="inch")
    with tifffile.TiffFile(path) as tiff:
        places = list(
            zip(*(tiff.pages.first.dataoffsets, tiff.pages.first.databytecounts), strict=True)
        )
    content = bytearray(path.read_bytes())
    for offset, count in places:
        tile = np.frombuffer(content, np.uint8, count, offset).copy()
        turned = np.packbits(np.unpackbits(tile), bitorder="little")
        content[offset : offset + count] = turned.tobytes()
    path.write_bytes(content)
    _patch(path, "ResolutionUnit", 2, code=266)
    np.testing.assert_array_equal(read(path), PIXELS)


@pytest.mark.parametrize("missing", ["a tag", "no meaning"])
def test_a_tiff_that_does_not_say_its_colours(tmp_path, missing):
    """Readers differ in what they assume of a file without PhotometricInterpretation."""
    path = write(tmp_path / "a.tif", PIXELS)
    is_tag = missing == "a tag"
    _patch(path, "PhotometricInterpretation", 2 if is_tag else 99, code=261 if is_tag else None)
    text = {"a tag": "does not say what its channels are", "no meaning": "has px in 99, not in RGB"}
    assert text[missing] in refusal(path)


def exif(orientation: int) -> Image.Exif:
    """EXIF data that say how a photograph is turned."""
    data = Image.Exif()
    data[274] = orientation
    return data


IMAGES = {
    "grey jpeg": ("jpg", Image.fromarray(GREY), {}, "one grey channel .L.; H&E is told"),
    "inks jpeg": ("jpg", Image.fromarray(PIXELS).convert("CMYK"), {}, "in CMYK, not in RGB"),
    "turned jpeg": ("jpg", Image.fromarray(PIXELS), {"exif": exif(6)}, "EXIF .* autorot"),
    "turned png": ("png", Image.fromarray(PIXELS), {"exif": exif(2)}, "EXIF .* autorot"),
    "grey png": ("png", Image.fromarray(GREY), {}, "one grey channel .L."),
    "grey and alpha": ("png", Image.fromarray(GREY).convert("LA"), {}, "one grey channel .LA."),
    "16 bits of grey": ("png", Image.fromarray(WORDS[..., 0]), {}, "one grey channel .I;16"),
    "one bit": ("png", Image.fromarray(GREY > 99), {}, "one grey channel .1."),
    "grey bmp": ("bmp", Image.fromarray(GREY), {}, "one grey channel .L."),
}


@pytest.mark.parametrize("form", IMAGES)
def test_images_that_are_not_rgb(tmp_path, form):
    """The same of JPEG, PNG and BMP."""
    suffix, image, options, text = IMAGES[form]
    image.save(tmp_path / f"a.{suffix}", **options)
    assert re.search(text, refusal(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("channels", [3, 4])
def test_png_of_16_bits(tmp_path, channels):
    """Pillow would keep the upper 8 of them, which are dark if 12 were used."""
    pixels = np.dstack([WORDS * 16, WORDS[..., 0] * 16])[..., :channels]
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels)))
    assert "has 16 bits a channel, not 8; scale them" in refusal(tmp_path / "a.png")


def test_a_photograph_that_is_upright(tmp_path):
    """EXIF data that turn nothing change nothing."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif(1))
    np.testing.assert_array_equal(read(tmp_path / "a.png"), PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "P"])
def test_a_colour_that_stands_for_clear(tmp_path, mode):
    """PNG may say which colour, or which of a palette, is transparent: it is white."""
    pixels = np.full((20, 30, 3), (200, 90, 150), np.uint8)
    pixels[:10] = (9, 99, 199)
    image = Image.fromarray(pixels)
    key = (9, 99, 199)
    if mode == "P":
        image = image.quantize(4)
        key = int(np.asarray(image)[0, 0])
    image.save(tmp_path / "a.png", transparency=key)
    found = read(tmp_path / "a.png")
    assert (found[:10] == 255).all()
    np.testing.assert_array_equal(found[10:], pixels[10:])


def test_an_icc_profile_changes_no_px(tmp_path):
    """Profiles of scanners are left alone, as OpenSlide does."""
    path = write(tmp_path / "a.tif", PIXELS, iccprofile=bytes(128))
    np.testing.assert_array_equal(read(path), PIXELS)
