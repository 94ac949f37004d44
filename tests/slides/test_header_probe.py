"""The size of a slide from its header alone."""

import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.slide_files import ome_description, texture, write_tiled
from microtome.slides.header_probe import SlideHeader, probe_slide


@pytest.mark.parametrize("form", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_a_pyramid_has_its_levels_and_spacing(tmp_path, form):
    """Classic and BigTIFF, either byte order: all levels, and the spacing that Aperio writes."""
    path = write_tiled(tmp_path / "a.svs", texture(300, 520), "jpeg 4:2:0", **form)
    assert probe_slide(path) == SlideHeader(((520, 300), (130, 75)), spacing_um=0.5)


def test_label_and_macro_are_no_levels(tmp_path):
    """Pages of another shape do not count, and tiles are asked of the largest page alone."""
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(texture(40, 90))
        tiff.write(texture(512, 768), tile=(256, 256))
        tiff.write(texture(256, 384))
    assert probe_slide(path) == SlideHeader(((768, 512), (384, 256)))


@pytest.mark.parametrize(("x_um", "spacing_um"), [("0.2528", 0.2528), ("0", None)])
def test_ome_says_its_spacing(tmp_path, x_um, spacing_um):
    """PhysicalSizeX is read from the description; a spacing of 0 is one that is not known."""
    text = ome_description(200, 200, x_um=x_um, y_um=x_um)
    options = {"downsamples": (1,), "description": text}
    path = write_tiled(tmp_path / "a.ome.tif", texture(200, 200), "none", **options)
    assert probe_slide(path).spacing_um == spacing_um


def test_untiled_images_are_one_image(tmp_path):
    """A TIFF in strips and a PNG are read in one piece; strips with levels are not."""
    tifffile.imwrite(tmp_path / "a.tif", texture(60, 80))
    Image.fromarray(texture(60, 80)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        assert probe_slide(tmp_path / name) == SlideHeader(((80, 60),), is_one_image=True)
    with tifffile.TiffWriter(tmp_path / "levels.tif") as tiff:
        tiff.write(texture(60, 80))
        tiff.write(texture(30, 40))
    assert probe_slide(tmp_path / "levels.tif") == SlideHeader(((80, 60), (40, 30)))


@pytest.mark.parametrize(
    ("name", "n_bytes", "side", "is_one_image"),
    [
        ("a.dcm", 1_000_000, 3162, False),
        ("a.mrxs", 1000, 3162, False),
        ("a.JPG", 100_000_000, 13379, True),  # the most px that Pillow reads
    ],
)
def test_other_formats_are_judged_by_their_bytes(tmp_path, name, n_bytes, side, is_one_image):
    """10 px a byte, in a square; a MIRAX slide's pixels lie in the folder beside it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "Data0000.dat").write_bytes(bytes(999_000))
    with (tmp_path / name).open("wb") as file:
        file.truncate(n_bytes)
    assert probe_slide(tmp_path / name) == SlideHeader(((side, side),), is_one_image=is_one_image)


def test_no_file_is_none(tmp_path):
    """A slide that is still to be made has no size yet; nor has an empty folder."""
    assert probe_slide(tmp_path / "a.svs") is None
    assert probe_slide(tmp_path) is None


def _tiff(*parts: bytes) -> bytes:
    return b"II" + struct.pack("<HI", 42, 8) + b"".join(parts)


MILLION = [struct.pack("<HHII", tag, 4, 1, 1_000_000) for tag in (256, 257)]
BROKEN = {
    "empty": b"",
    "2 bytes": b"II",
    "order": b"XX*\0",
    "magic": b"II" + struct.pack("<HI", 44, 8),
    "cut off": _tiff(),
    "tags": _tiff(struct.pack("<H", 65535)),
    "a circle": _tiff(struct.pack("<H", 2), bytes(24), struct.pack("<I", 8)),
    "type": _tiff(struct.pack("<HHHI4s", 1, 256, 77, 1, bytes(4)), struct.pack("<I", 0)),
    "no height": _tiff(struct.pack("<HHHII", 1, 256, 4, 1, 0), struct.pack("<I", 0)),
    "a million px a side": _tiff(struct.pack("<H", 2), *MILLION, struct.pack("<I", 0)),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_judged_by_its_bytes(tmp_path, content):
    """Nothing that a file can hold is an error, or takes long: inspection will say what it is."""
    path = tmp_path / "a.svs"
    path.write_bytes(content)
    side = int((10 * len(content)) ** 0.5)
    assert probe_slide(path) == SlideHeader(((side, side),))


def test_random_bytes_behind_a_header_are_no_error(tmp_path):
    """Whatever the pages are said to be."""
    generator = np.random.default_rng(0)
    for number in range(200):
        path = tmp_path / f"{number}.tif"
        path.write_bytes(_tiff(struct.pack("<H", 3), generator.bytes(200)))
        assert probe_slide(path) is not None
