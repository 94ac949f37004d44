"""Slides of many files, and files that are no slides: opened whole, or one line that says why."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.dicom_slides import write_dicom_level
from helpers.pictures import noise
from helpers.slide_files import texture, write_tiled
from microtome.errors import InputError
from microtome.io.slide_files import list_files
from microtome.parallel.local_copies import copy_to_scratch
from microtome.slides.header_probe import SlideHeader, probe_slide
from microtome.slides.inspection import inspect, open_inspected

PIXELS = noise(96, 128)


def refused(path) -> str:
    """Inspect what a sheet names, with a spacing; give what is said of it."""
    with pytest.raises(InputError, match=f"^slide a: {re.escape(str(path))} ") as caught:
        inspect(name="a", row={"path": str(path), "spacing_um": 0.25}, spacing_tolerance=0.02)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"slide a: {path} ")


@pytest.mark.parametrize("suffix", [".mrxs", ".MRXS"])
def test_the_preview_of_mirax_is_no_slide(tmp_path, suffix):
    """An .mrxs without its folder is a JPEG; the line names the folder."""
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PIXELS).save(path, format="JPEG")
    assert refused(path).startswith(
        "holds the preview of a MIRAX slide, whose pixels are in the folder a with Slidedat.ini"
    )


@pytest.mark.parametrize("tile", [None, (64, 64)])
def test_the_overview_of_olympus_is_no_slide(tmp_path, tile):
    """A .vsi is a TIFF of the overview, in strips or tiles; the pixels in _a_ are not read."""
    tifffile.imwrite(tmp_path / "a.vsi", PIXELS, photometric="rgb", tile=tile)
    said = refused(tmp_path / "a.vsi")
    assert said.startswith("holds the overview of an Olympus slide, whose pixels in _a_ are not")


@pytest.mark.parametrize("suffix", ["czi", "ndpi", "scn", "bif", "svs", "dcm", "svslide", "qptiff"])
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "PNG", "BMP"])
def test_a_picture_named_as_a_slide_is_a_preview(tmp_path, suffix, form):
    """What no reader of slides knows, and its name claims to be one, is not read as an image."""
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path, format=form)
    assert refused(path).startswith(f"is named .{suffix}, but holds a plain picture: the preview")


def test_a_part_of_a_vms_slide_is_no_slide(tmp_path):
    """The JPEGs that a .vms or .vmu names are parts of it or its macro."""
    (tmp_path / "b.vms").write_text("[Virtual Microscope Specimen]\nMacroImage=a-macro.jpg\n")
    Image.fromarray(PIXELS).save(tmp_path / "a-macro.jpg")
    assert refused(tmp_path / "a-macro.jpg") == "is a part of b.vms; name that"
    Image.fromarray(PIXELS).save(tmp_path / "other.jpg")
    row = {"path": str(tmp_path / "other.jpg"), "spacing_um": 0.5}
    assert inspect(name="a", row=row, spacing_tolerance=0.02)["vendor"] == "image"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.svs", b"", "is empty; copy it again"),
        ("a.svs", bytes(5000), "begins with zeros, so it was not copied; copy it again"),
        ("a.svs", b"<!DOCTYPE HTML>\n<html>", "is a web page, not a slide; download it again"),
        ("a.svs", b"version https://git-lfs.github.com/spec/v1\n", "is Git LFS's pointer to a"),
        ("a.tif", b"II*\0" + b"\0\1\0\0" * 10, "is a TIFF that ends before its last page"),
        ("a.zip", b"PK\x03\x04" + bytes(600), "is a ZIP archive; unpack it, and name the slide"),
        ("a.svs.gz", b"\x1f\x8b" + bytes(600), "is compressed (gzip); unpack it"),
        ("a.tar", b"a.svs" + bytes(252) + b"ustar" + bytes(600), "is a TAR archive; unpack it"),
        ("a.ets", b"SIS\0" + bytes(600), "holds the pixels of an Olympus slide, which is not read"),
        ("a.zvi", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is an OLE file (Zeiss ZVI"),
        ("a.isyntax", b'<DataObject ObjectType="DPUfsImport">', "is a Philips iSyntax slide"),
        ("a.ndpis", b"[NanoZoomer Digital Pathology Image Set]\r\n", "lists NDPI files of one"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + bytes(600), "is an HDF5 file, which is not read"),
        ("a.czi", b"ZISRAWFILE" + bytes(600), "cannot be opened as a slide"),
        ("a.vms", b"[Virtual Microscope Specimen]\nNoLayers=1\n", "cannot be opened as a slide"),
        ("a.lif", b"\x70\0\0\0" + bytes(range(200)), "cannot be opened as a slide (no format"),
    ],
)
def test_what_is_no_slide_is_told_by_its_content(tmp_path, name, content, said):
    """What it is, and what to do."""
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name).startswith(said)


def test_a_tiff_whose_last_page_is_missing_is_cut_off(tmp_path):
    """Its tiles are all there, but OpenSlide knows it no more, and its name is that of a slide."""
    path = write_tiled(tmp_path / "a.svs", texture(320, 480), "jpeg 4:2:0", downsamples=(1, 2, 4))
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[2].offset
    path.write_bytes(path.read_bytes()[: at + 10])
    assert refused(path).startswith("is a TIFF that ends before its last page, so it is cut off")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "is a folder without DICOM files; name a file"),
        (["notes.txt", "b.svs", "c.ndpi"], "is a folder without DICOM files; name a file, as b.s"),
        (
            [".zattrs", "0/.zarray"],
            "is a Zarr folder, which is not read; convert it to an OME-TIFF",
        ),
        (["zarr.json"], "is a Zarr folder, which is not read"),
        (["Slidedat.ini", "Data0000.dat"], "belongs to a MIRAX slide; name a.mrxs beside it"),
    ],
)
def test_a_folder_that_is_no_slide_says_what_to_name(tmp_path, files, said):
    """A folder as path is a DICOM slide or an error."""
    folder = tmp_path / "a"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    assert refused(folder).startswith(said)


@pytest.mark.parametrize("name", ["a.tif", "a.jpg", "a.png", "a.bmp", "a"])
def test_plain_pictures_are_still_read(tmp_path, name):
    """By what they hold; a name without a suffix claims nothing."""
    form = {"tif": "TIFF", "jpg": "JPEG", "a": "PNG"}.get(name.rpartition(".")[2])
    Image.fromarray(PIXELS).save(tmp_path / name, format=form)
    row = {"path": str(tmp_path / name), "spacing_um": 0.5}
    found = inspect(name="a", row=row, spacing_tolerance=0.02)
    assert (found["vendor"], found["width_px"]) == ("image", 128)


@pytest.mark.parametrize("name", ["a.ndpi", "a.scn", "a.tiff"])
def test_tiles_are_read_whatever_the_name(tmp_path, name):
    """A tiled TIFF is what it holds, though another program gave it a scanner's suffix."""
    path = write_tiled(tmp_path / name, PIXELS, "deflate", aperio=False, resolution=(20000, 20000))
    found = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    assert (found["width_px"], found["spacing_um"]) == (128, 0.5)


def write_series(folder, *, series: str = "1.2.4", first: int = 0):
    """Write a DICOM slide of two levels at 0.5 µm/px into a folder."""
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate((PIXELS, PIXELS[::2, ::2])):
        path = folder / f"{first + number}.dcm"
        how = {"spacing_um": 0.5 * 2**number, "tile_px": 32, "number": number}
        write_dicom_level(path, np.ascontiguousarray(pixels), **how)
        path.write_bytes(path.read_bytes().replace(b"1.2.4", series.encode()))
    return folder


def make_label(path):
    """Make the label of a slide from one of its levels."""
    path.write_bytes(path.read_bytes().replace(b"VOLUME", b"LABEL "))


def test_a_folder_of_dicom_is_the_slide_in_it(tmp_path):
    """Its levels, all its bytes; a label and other files are no part of the picture."""
    folder = write_series(tmp_path / "a")
    write_series(tmp_path / "b")
    make_label(tmp_path / "b" / "0.dcm")
    (tmp_path / "b" / "0.dcm").rename(folder / "00.dcm")
    (folder / "notes.txt").write_text("x")
    found = inspect(name="a", row={"path": str(folder)}, spacing_tolerance=0.02)
    assert found["levels"] == [[128, 96], [64, 48]]
    assert (found["vendor"], found["spacing_um"]) == ("dicom", 0.5)
    assert found["file_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    with open_inspected(found, name="a", spacing_tolerance=0.02) as slide:
        np.testing.assert_array_equal(slide.read(8, 8, 40, 30, scale=1), PIXELS[8:38, 8:48])
        slide.require_unchanged()
        (folder / "1.dcm").touch()
        with pytest.raises(InputError, match="has changed while it was read"):
            slide.require_unchanged()


def test_a_folder_of_several_dicom_slides_asks_for_one(tmp_path):
    """It names a file of each; any of them stands for its slide."""
    folder = write_series(tmp_path / "a")
    write_series(folder, series="1.2.5", first=5)
    assert refused(folder) == (
        "holds several slides; name a file of one: 0.dcm (1.2.4), 5.dcm (1.2.5)"
    )
    row = {"path": str(folder / "6.dcm")}
    found = inspect(name="a", row=row, spacing_tolerance=0.02)
    assert found["levels"] == [[128, 96], [64, 48]]


def test_labels_alone_are_no_slide(tmp_path):
    """In a folder, or as a file."""
    folder = write_series(tmp_path / "a")
    for path in sorted(folder.iterdir()):
        make_label(path)
    assert (
        refused(folder)
        == "holds DICOM files, none of a slide OpenSlide reads; name one to be told why"
    )
    assert refused(folder / "0.dcm").startswith("cannot be opened as a slide")


def test_the_estimate_of_a_folder_is_by_all_its_bytes(tmp_path):
    """10 px a byte; of an empty one nothing is known."""
    folder = write_series(tmp_path / "a")
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    side = int((10 * n_bytes) ** 0.5)
    assert probe_slide(folder) == SlideHeader(((side, side),))


def test_a_folder_is_copied_to_the_node(tmp_path):
    """With all its files; the copy is a folder that opens."""
    folder = write_series(tmp_path / "a")
    info = inspect(name="a", row={"path": str(folder)}, spacing_tolerance=0.02)
    with (
        copy_to_scratch({"a": info}, folder=str(tmp_path / "scratch")) as copies,
        open_inspected(info, name="a", read_from=copies["a"]) as slide,
    ):
        assert slide.path == Path(copies["a"]) != folder
        np.testing.assert_array_equal(slide.read(0, 0, 128, 96, scale=1), PIXELS)


def test_of_mirax_alone_the_folder_beside_belongs_to_the_slide(tmp_path):
    """a.mrxs and all in a; of a.svs the folder a is somebody else's."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    data = [tmp_path / "a" / "Slidedat.ini", tmp_path / "a" / "b" / "Data0000.dat"]
    for path in (*data, tmp_path / "a.mrxs", tmp_path / "a.svs"):
        path.write_text("x")
    assert list_files(tmp_path / "a.mrxs") == [tmp_path / "a.mrxs", *data]
    assert list_files(tmp_path / "a.svs") == [tmp_path / "a.svs"]
