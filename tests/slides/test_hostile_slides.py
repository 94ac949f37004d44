"""Whatever a file holds, it is read or refused with one line: nothing crashes, hangs or bloats."""

import logging
import resource
import struct
import time
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.pictures import grid_of
from helpers.slide_files import ome_description, texture, write_streams, write_tiled
from helpers.spoiled_files import layout_of, spoiled
from microtome.errors import InputError
from microtome.parallel.sandbox import run_isolated
from microtome.patches.reading import read_patches
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide

PIXELS = texture(200, 280)
MOST_MB, MOST_S = 1000, 5
GRID = [(r, c) for r in range(3) for c in range(4)]


def _tiled(storage: str, **form):
    return lambda path: write_tiled(path, PIXELS, storage, **form)


WRITERS = {
    "jpeg.svs": _tiled("jpeg rgb"),
    "jpeg420.svs": _tiled("jpeg 4:2:0"),
    "deflate.tif": _tiled("deflate predictor", aperio=False, resolution=(20000, 20000)),
    "lzw.svs": _tiled("lzw"),
    "zstd.svs": _tiled("zstd"),
    "none.svs": _tiled("none"),
    "jpeg2000.svs": _tiled("jpeg 2000"),
    "big.svs": _tiled("jpeg 4:2:0", bigtiff=True),
    "big_endian.svs": _tiled("jpeg rgb", byteorder=">"),
    "sub.ome.tif": _tiled(
        "jpeg 4:2:0", aperio=False, subifds=True, description=ome_description(280, 200)
    ),
    "plain.tif": lambda path: tifffile.imwrite(path, PIXELS, photometric="rgb", rowsperstrip=50),
    "plain.png": lambda path: Image.fromarray(PIXELS).save(path, "png"),
    "plain.jpg": lambda path: Image.fromarray(PIXELS).save(path, "jpeg"),
}


def _use(path: Path, threads: int) -> None:
    """Open a slide and read it here and there, as every step of the workflow does."""
    own = None if threads == 2 else 0.5
    with Slide(path, name="a", spacing_um=own) as slide:
        regions = [(2.0, 10, 10), (3.3, 10, 10)]
        for (width, height), down in zip(slide.levels, slide.downsamples, strict=True):
            for x, y in ((0, 0), (width // 2, height // 2), (width - 20, height - 20)):
                regions.append((down, x * down, y * down))
        for scale, x, y in regions:
            try:
                assert slide.read(x, y, 40, 40, scale=scale).shape == (40, 40, 3)
            except InputError as error:
                _require_one_line(error)
        for scale in (1.0, 2.0):
            grid = grid_of(GRID, patch_px=32, scale=scale)
            for index, pixels in read_patches(slide, grid, threads=threads):
                assert pixels.shape == (len(index), 32, 32, 3)


def _require_one_line(error: InputError) -> None:
    text = str(error)
    assert text.startswith("slide a: "), text
    assert text.isprintable(), text


def _use_or_refuse(path: Path, threads: int) -> None:
    try:
        _use(path, threads)
    except InputError as error:
        _require_one_line(error)


def _use_all(*, source: Path, folder: Path, first: int, last: int) -> dict:
    """Use files spoiled with the seeds from `first` on; what goes wrong, by seed."""
    logging.disable(logging.CRITICAL)
    content = source.read_bytes()
    layout = layout_of(source) if source.suffix in (".svs", ".tif", ".tiff") else None
    wrong: dict[int, str] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = folder / f"spoiled{source.suffix}"
    for seed in range(first, last):
        (folder / "seed").write_text(str(seed))
        path.write_bytes(spoiled(content, layout, seed))
        start = time.monotonic()
        try:
            _use_or_refuse(path, 1 + seed % 2)
        except BaseException as error:
            wrong[seed] = repr(error)
        if time.monotonic() - start > MOST_S:
            wrong[seed] = f"took {time.monotonic() - start:.1f} s"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    return {"wrong": wrong, "grown_mb": grown}


def _require_all_used(source: Path, folder: Path, *, first: int, last: int) -> None:
    while first < last:
        try:
            work = {"source": source, "folder": folder, "first": first, "last": last}
            limits = {"timeout_s": 120, "extra_mb": MOST_MB}
            found = run_isolated(_use_all, name="slide a:", **limits, **work)
        except InputError as error:
            # OpenSlide gave up the process: then inspection says so, and no step reads the file.
            if "crashes its reader" not in str(error):
                raise
            first = int((folder / "seed").read_text()) + 1
            row = {"path": str(folder / f"spoiled{source.suffix}"), "spacing_um": 0.5}
            with pytest.raises(InputError) as caught:
                inspect(name="a", row=row, spacing_tolerance=0.02)
            _require_one_line(caught.value)
        else:
            assert found["wrong"] == {}
            assert found["grown_mb"] < MOST_MB
            return


@pytest.mark.parametrize("form", WRITERS)
def test_spoiled_slides(tmp_path, form):
    """Of 200 files spoiled at random each is read or refused with one line."""
    WRITERS[form](tmp_path / form)
    _require_all_used(tmp_path / form, tmp_path, first=0, last=200)


@pytest.mark.parametrize("name", ["boxes.tiff", "boxes_0.dcm", "small.svs"])
def test_spoiled_real_slides(real_slides, tmp_path, name):
    """The same of slides that other programs wrote."""
    _require_all_used(real_slides / name, tmp_path, first=0, last=200)


def _with_tag(path: Path, code: int, value: int, *, count: int | None = None) -> None:
    """Overwrite a tag of the first page, by one number or by a count of values and their place."""
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[code].offset
    content = bytearray(path.read_bytes())
    if count is None:
        content[at + 2 : at + 4] = struct.pack("<H", 4)  # a number of four bytes
    else:
        content[at + 4 : at + 8] = struct.pack("<I", count)
    content[at + 8 : at + 12] = struct.pack("<I", value)
    path.write_bytes(content)


def _read_or_refuse(path: Path) -> str:
    """What reading all of a slide says, in a process with limits."""

    def work() -> dict:
        with Slide(path, name="a") as slide:
            slide.read(0, 0, *slide.size_px, scale=1)
        return {}

    try:
        run_isolated(work, name=f"slide a: {path}", timeout_s=MOST_S, extra_mb=MOST_MB)
    except InputError as error:
        _require_one_line(error)
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("tag", "value", "count", "text"),
    [
        (256, 2**31 - 1, None, "which cannot be"),
        (256, 2**20, None, "has a tile table of 20 offsets and 20 sizes"),
        (256, 0, None, "says it has 0 x 256 px, which cannot be"),
        (257, 2**31, None, "which cannot be"),
        (322, 0, None, "cannot be opened as a slide"),
        (322, 2**16 - 8, None, "says its tiles have 65528 x 64 px"),
        (323, 8, None, "has a tile table of 20 offsets and 20 sizes"),
        (324, 2**32 - 300, None, "has a tile table of 0 offsets and 20 sizes"),
        *((tag, 8, 2**32 - 1, "slide a: ") for tag in (324, 325, 270, 347)),
    ],
)
def test_sizes_that_cannot_be(tmp_path, tag, value, count, text):
    """Pictures, tiles and tags of any size are refused before memory of that size is asked for."""
    path = write_tiled(tmp_path / "a.svs", texture(256, 320), "jpeg rgb", downsamples=(1,))
    _with_tag(path, tag, value, count=count)
    assert text in _read_or_refuse(path)


@pytest.mark.parametrize("where", ["link", "subifds"])
def test_directories_in_a_ring(tmp_path, where):
    """Directories that lead back to the first are read once."""
    form = {"aperio": False, "subifds": True, "description": ome_description(280, 200)}
    path = write_tiled(tmp_path / "a.ome.tif", PIXELS, "jpeg rgb", **form)
    layout = layout_of(path)
    if where == "subifds":
        _with_tag(path, 330, layout.ifds[0])
    else:
        content = bytearray(path.read_bytes())
        for link in layout.links:
            content[link : link + 4] = struct.pack("<I", layout.ifds[0])
        path.write_bytes(content)
    assert _read_or_refuse(path) == ""


def _jpeg(height: int, width: int, *, says: tuple[int, int] | None = None) -> bytes:
    stream = imagecodecs.jpeg8_encode(np.full((height, width, 3), 90, np.uint8))
    at = stream.index(b"\xff\xc0") + 5
    return stream if says is None else stream[:at] + struct.pack(">HH", *says) + stream[at + 4 :]


def _jpeg_2000(*, says: tuple[int, int]) -> bytes:
    stream = imagecodecs.jpeg2k_encode(np.zeros((64, 64, 3), np.uint8), codecformat="J2K")
    return stream[:8] + struct.pack(">II", *says) + stream[16:]


DARK = np.full((1024, 1024, 3), 90, np.uint8)
BOMBS = {
    "a smaller jpeg": (7, _jpeg(32, 64), "of another size than 64 x 64 px"),
    "a larger jpeg": (7, _jpeg(72, 64), "of another size than 64 x 64 px"),
    "a jpeg twice as large": (7, _jpeg(128, 128), "of another size than 64 x 64 px"),
    "a huge jpeg": (7, _jpeg(64, 64, says=(65000, 65000)), "of another size than 64 x 64"),
    "no jpeg": (7, b"\xff\xd7" + bytes(50), "no JPEG"),
    "a huge jpeg 2000": (33005, _jpeg_2000(says=(60000, 60000)), "no picture of 64 x 64 px"),
    "no jpeg 2000": (33005, bytes(90), "no picture of 64 x 64 px"),
    "a larger webp": (50001, imagecodecs.webp_encode(DARK), "shape=(1024, 1024, 3)"),
    "a grey jpeg xl": (50002, imagecodecs.jpegxl_encode(DARK[:64, :64, 0].copy()), "(64, 64)"),
    "a jpeg xr of 16 bits": (
        34934,
        imagecodecs.jpegxr_encode(DARK[:64, :64].astype(np.uint16), level=1.0),
        "uint16",
    ),
    "a deflate bomb": (8, zlib.compress(bytes(2**29), 9)[: 2**16], "cannot be read at x=0"),
    "a zstd bomb": (50000, imagecodecs.zstd_encode(bytes(2**29)), "cannot be read at x=0"),
    "half a tile": (8, zlib.compress(bytes(6000)), "6000 bytes where 12288 are needed"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_tiles_that_are_not_what_the_table_says(tmp_path, bomb):
    """A tile of another size, or that swells, is an error in little memory; others are read."""
    storage, stream, text = BOMBS[bomb]
    sound = {
        7: _jpeg(64, 64),
        8: zlib.compress(bytes(12288)),
        33005: _jpeg_2000(says=(64, 64)),
        34934: imagecodecs.jpegxr_encode(DARK[:64, :64].copy(), level=1.0),
        50001: imagecodecs.webp_encode(DARK[:64, :64].copy(), lossless=True),
        50002: imagecodecs.jpegxl_encode(DARK[:64, :64].copy(), lossless=True),
        50000: imagecodecs.zstd_encode(bytes(12288)),
    }[storage]
    options = {"compression": storage, "description": "Aperio Image Library|MPP = 0.5"}
    write_streams(tmp_path / "a.svs", [stream, sound], shape=(64, 128, 3), **options)
    assert text in _read_or_refuse(tmp_path / "a.svs")
    with Slide(tmp_path / "a.svs", name="a") as slide:
        assert slide.read(64, 0, 64, 64, scale=1).max() < 100


def test_a_tile_of_too_many_bytes(tmp_path):
    """A tile that says it has more bytes than its pixels could ever take is not read."""
    path = write_tiled(tmp_path / "a.svs", PIXELS[:64, :64], "none", downsamples=(1,))
    path.write_bytes(path.read_bytes() + bytes(2**17))
    _with_tag(path, 325, 2**17)
    assert "131072 bytes are too many for a tile" in _read_or_refuse(path)
