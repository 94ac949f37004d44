"""Slides are looked at before anything is computed, and later steps read what was looked at."""

import os
import shutil
from pathlib import Path

import openslide
import pytest
import tifffile

from helpers.pictures import grid_of, noise, write_slide
from helpers.slide_files import write_scn
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.patches.reading import read_patches
from microtome.slides.inspection import inspect, open_inspected, read_inspected
from microtome.slides.openslide_source import read_bounds
from microtome.slides.slide import Slide

PIXELS = noise(300, 420)


@pytest.fixture
def path(tmp_path):
    """Write a slide file that a test may spoil."""
    return write_slide(tmp_path / "a.svs", PIXELS)


def test_inspection_describes_the_slide(path):
    """What is found is all that later steps need."""
    found = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    assert found == {
        "path": str(path),
        "vendor": "aperio",
        "read_by": "tile by tile",
        "file_bytes": path.stat().st_size,
        "width_px": 420,
        "height_px": 300,
        "spacing_um": 0.5,
        "levels": [[420, 300], [105, 75]],
        "bounds_px": None,
        "notes": [],
    }


def test_where_the_scan_lies_on_the_slide_is_said(tmp_path):
    """As OpenSlide says it, of a format whose slide is larger than its scan; with a note."""
    path = write_scn(tmp_path / "a.scn", PIXELS, corner_px=(130, 77), slide_px=(800, 600))
    found = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    with openslide.OpenSlide(path) as slide:
        said = [int(slide.properties[f"openslide.bounds-{k}"]) for k in ("x", "y")]
    assert found["bounds_px"] == [*said, 420, 300] == [130, 77, 420, 300]
    assert (found["width_px"], found["height_px"]) == (800, 600)
    (note,) = found["notes"]
    assert note.startswith("slide a: its scan is 420 x 300 px from (130, 77) on; coordinates in G")


@pytest.mark.parametrize(
    ("said", "bounds_px"),
    [
        (("0", "0", "420", "300"), None),
        (("0", "0", "420", "299"), [0, 0, 420, 299]),
        (("-8", "0", "420", "300"), [-8, 0, 420, 300]),
        (("0", "0", "420", "tall"), None),
        (("0", "0"), None),
    ],
)
def test_a_scan_has_bounds_if_it_is_not_the_whole_slide(path, monkeypatch, said, bounds_px):
    """As OpenSlide says them, in full and as numbers; they may reach beyond the slide."""
    names = ("openslide.bounds-x", "openslide.bounds-y", "openslide.bounds-width")
    properties = dict(zip((*names, "openslide.bounds-height"), said, strict=False))
    monkeypatch.setattr(openslide.OpenSlide, "properties", properties)
    assert read_bounds(path) == bounds_px


@pytest.mark.parametrize("spacing_um", [None, 0.3])
def test_a_slide_is_read_as_it_was_inspected_where_it_is_now(path, tmp_path, spacing_um):
    """The sheet's spacing is noted, if it has one; the path only tells where the file was."""
    row = {"path": str(path), "spacing_um": spacing_um}
    found = inspect(name="a", row=row, spacing_tolerance=0.02)
    write_json(tmp_path / "a.json", found)
    moved = path.rename(tmp_path / "moved.svs")
    info = read_inspected(tmp_path / "a.json", slide_path=moved)
    assert info == {**found, "path": str(moved)}
    with open_inspected(info, name="a", spacing_tolerance=0.02) as slide:
        assert (slide.path, slide.size_px) == (moved, (420, 300))
        assert slide.spacing_um == (spacing_um or 0.5)


def test_file_cut_off_in_its_last_picture(path):
    """A copy that stopped early is found, though OpenSlide opens it and reads most of it."""
    tifffile.imwrite(path, PIXELS, append=True, photometric="rgb", description="Aperio\r\nmacro")
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    text = f"^slide a: {path} is cut off: it has {len(content) - 50} bytes, its tile table needs"
    with pytest.raises(InputError, match=rf"{text} \d+; copy the file again$"):
        inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_file_cut_off_anywhere(path, share):
    """Wherever a copy stopped, the slide is refused with one line that names it."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=f"^slide a: {path} ") as caught:
        inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("grown", [False, True])
def test_exchanged_file(path, grown):
    """A file of another size in px or in bytes since its inspection is an error."""
    found = inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)
    if grown:
        with path.open("ab") as file:
            file.write(b"\0")
    else:
        write_slide(path, noise(256, 256))
    with pytest.raises(InputError, match=r"^slide a: .* has another size than when it was insp"):
        open_inspected(found, name="a", spacing_tolerance=0.02)


def test_inspection_reads_the_slide_somewhere(path):
    """A slide not one level of which can be read in its middle is refused, with the first error."""
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
                content[offset : offset + count] = b"\xff" * count
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^slide a: {path} cannot be read at x=192, y=128, level"):
        inspect(name="a", row={"path": str(path)}, spacing_tolerance=0.02)


CHANGES = {
    "deleted": lambda path: path.unlink(),
    "exchanged": lambda path: Path(shutil.copy2(path, path.with_suffix(".new"))).replace(path),
    "overwritten": lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1000)),
    "cut off": lambda path: os.truncate(path, path.stat().st_size - 1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("threads", [1, 2])
def test_file_that_changes_while_it_is_read(path, change, threads):
    """Gone, exchanged, written anew or cut off: the end of reading says so, naming the slide."""
    grid = grid_of([(0, c) for c in range(6)], patch_px=64)
    with Slide(path, name="a") as slide:
        parts = read_patches(slide, grid, threads=threads)
        next(parts)
        change(path)
        text = f"^slide a: {path} (is no longer there|has changed while it was read; run again)"
        with pytest.raises(InputError, match=text) as caught:
            list(parts)
        with pytest.raises(InputError, match=text):
            slide.require_unchanged()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threads", [1, 2])
def test_file_cut_off_under_the_reader(path, threads):
    """What a file no longer has is an error for each patch, not a crash and not other pixels."""
    grid = grid_of([(r, c) for r in range(4) for c in range(6)], patch_px=64)
    with Slide(path, name="a") as slide:
        os.truncate(path, 100)
        with pytest.raises(InputError, match=r"the file has become shorter"):
            slide.read(0, 0, 64, 64, scale=1)
        found = []
        with pytest.raises(InputError, match=f"^slide a: {path} has changed while it was read"):
            found.extend(index for index, _ in read_patches(slide, grid, threads=threads))
    assert sum(len(index) for index in found) == 0
