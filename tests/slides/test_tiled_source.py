"""Tiles read straight from the file are the pixels that OpenSlide shows."""

from functools import cache

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.pictures import shrunk
from helpers.slide_files import (
    JPEG_2000_YCBCR,
    by_openslide,
    ome_description,
    texture,
    tiles_of,
    write_streams,
    write_tiled,
)
from microtome.slides.slide import Slide

PIXELS = texture(300, 420)
LARGE = texture(700, 640, seed=1)
MARGIN = 60

# All that OpenSlide reads too: pixels, storage, and how they are written.
FORMS = {
    "rgb": (PIXELS, "jpeg rgb", {}),
    "rgb 240": (LARGE, "jpeg rgb", {"tile": (240, 240)}),
    "rgb 256": (LARGE, "jpeg rgb", {"tile": (256, 256), "downsamples": (1, 2, 8)}),
    "rgb oblong": (LARGE, "jpeg rgb", {"tile": (32, 112)}),
    "rgb generic": (PIXELS, "jpeg rgb", {"aperio": False}),
    "rgb sparse": (PIXELS, "jpeg rgb", {"absent": {(0, 0), (0, 9), (0, 34)}, "downsamples": (1,)}),
    "4:4:4": (PIXELS, "jpeg 4:4:4", {}),
    "4:2:2": (PIXELS, "jpeg 4:2:2", {}),
    "4:2:0": (PIXELS, "jpeg 4:2:0", {}),
    "4:2:0 240": (LARGE, "jpeg 4:2:0", {"tile": (240, 240)}),
    "4:2:0 oblong": (LARGE, "jpeg 4:2:0", {"tile": (112, 32), "downsamples": (1, 3)}),
    "4:2:0 generic": (PIXELS, "jpeg 4:2:0", {"aperio": False}),
    "4:2:0 own tables": (PIXELS, "jpeg 4:2:0", {"tables": False}),
    "4:2:0 bigtiff": (PIXELS, "jpeg 4:2:0", {"bigtiff": True}),
    "4:2:0 sparse": (PIXELS, "jpeg 4:2:0", {"aperio": False, "absent": {(0, 8), (1, 0), (1, 3)}}),
    "big endian": (PIXELS, "deflate predictor", {"bigtiff": True, "byteorder": ">"}),
    "deflate": (PIXELS, "deflate", {"aperio": False}),
    "deflate predictor": (PIXELS, "deflate predictor", {}),
    "lzw": (PIXELS, "lzw", {}),
    "lzw predictor": (PIXELS, "lzw predictor", {"aperio": False}),
    "none": (PIXELS, "none", {"tile": (48, 64)}),
    "none sparse": (PIXELS, "none", {"aperio": False, "absent": {(0, 20)}}),
    "zstd": (PIXELS, "zstd predictor", {"aperio": False}),
    "jpeg 2000": (PIXELS, "jpeg 2000", {}),
    "jpeg 2000 sparse": (PIXELS, "jpeg 2000", {"absent": {(0, 3)}, "downsamples": (1,)}),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Give a function that writes a form once, opens it, and reads all of it by OpenSlide."""
    folder = tmp_path_factory.mktemp("forms")
    opened = []

    @cache
    def write(form: str) -> tuple[Slide, list[np.ndarray]]:
        pixels, storage, options = FORMS[form]
        path = write_tiled(folder / f"{form}.tif".replace(":", ""), pixels, storage, **options)
        opened.append(Slide(path, name="a", spacing_um=0.5))
        return opened[-1], by_openslide(path, margin=MARGIN)

    yield write
    for slide in opened:
        slide.close()


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(data=st.data())
def test_any_region_of_any_level_is_openslides(written, form, data):
    """At a level's own spacing every byte is OpenSlide's, and white where there is nothing."""
    slide, levels = written(form)
    assert slide.source.read_by == "tile by tile"
    assert len(slide.levels) == len(levels)
    level = data.draw(st.integers(0, len(levels) - 1))
    canvas, downsample = levels[level], slide.downsamples[level]

    def span(size: int, tile: int) -> tuple[int, int]:
        """Begin anywhere, often at the edge of a tile."""
        edges = [n + d for n in range(MARGIN, size, tile) for d in (-1, 0)]
        first = data.draw(st.integers(0, size - 1) | st.sampled_from(edges))
        return first, data.draw(st.integers(1, min(size - first, 200)))

    (y, h), (x, w) = map(span, canvas.shape[:2], slide.source.tables[level].tile_shape)
    corner = ((x - MARGIN) * downsample, (y - MARGIN) * downsample)
    read = slide.read(*corner, w, h, scale=downsample)
    np.testing.assert_array_equal(read, canvas[y : y + h, x : x + w])


@pytest.mark.parametrize("absent", [{(0, 0)}, {(1, 0)}, {(0, 0), (0, 1), (1, 3)}])
@pytest.mark.parametrize("downsamples", [(1, 4), (1, 2, 4)])
def test_coarser_levels_of_aperios_that_lack_tiles_are_made_anew(tmp_path, absent, downsamples):
    """Where a tile is missing, those above it are wrong: they come from the finer level."""
    options = {"absent": absent, "downsamples": downsamples}
    path = write_tiled(tmp_path / "a.svs", PIXELS, "jpeg rgb", **options)
    with Slide(path, name="a") as slide:
        assert slide.source.read_by == "tile by tile"
        full = slide.read(0, 0, 416, 300, scale=1)
        for scale in (2, 4, 8):
            read = slide.read(0, 0, 416 // scale, 296 // scale, scale=scale)
            expected = shrunk(full[:296], scale)[: 296 // scale, : 416 // scale]
            assert np.mean((read - expected) ** 2) < 255**2 / 10**3.5  # 35 dB, that of the JPEGs


def test_absent_tiles_of_every_level_are_background(tmp_path):
    """A sparse slide is white where nothing was written, at every level, and not slow there."""
    absent = {(0, tile) for tile in range(1, 35)} | {(1, tile) for tile in range(4)}
    path = write_tiled(tmp_path / "a.svs", PIXELS, "jpeg rgb", absent=absent)
    with Slide(path, name="a") as slide:
        assert (slide.read(64, 64, 200, 200, scale=1) == 255).all()
        assert (slide.read(64, 64, 50, 50, scale=4) == 255).all()
        assert slide.read(0, 0, 64, 64, scale=1).mean() < 250
        assert slide.read(0, 0, 16, 16, scale=4).mean() < 250
        assert [state.remade.sum() for state in slide.source.states] == [0, 1]


def test_jpeg_2000_in_ycbcr_is_openslides(tmp_path):
    """Aperio's 33003 is left to OpenSlide."""
    path = write_tiled(tmp_path / "a.svs", PIXELS, "jpeg 2000", downsamples=(1,))
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[259].offset + 8
    path.write_bytes(content[:at] + JPEG_2000_YCBCR.to_bytes(2, "little") + content[at + 2 :])
    with Slide(path, name="a") as slide:
        assert slide.source.read_by == "by OpenSlide"
        read = slide.read(0, 0, 420, 300, scale=1)
    np.testing.assert_array_equal(read, by_openslide(path, margin=0)[0])


@pytest.mark.parametrize(
    ("known", "twin", "byteorder"),
    [
        ("jpeg rgb", "jpeg rgb", ">"),
        ("jpeg 4:2:0", "jpeg 4:2:0", ">"),
        ("jpeg 2000", "jpeg 2000", ">"),
        ("jpeg 2000", "jpeg 2000 standard", "<"),
    ],
)
def test_what_openslide_cannot_open_has_the_pixels_of_its_twin(tmp_path, known, twin, byteorder):
    """Big-endian TIFF and the standard's number for JPEG 2000 are read as what OpenSlide opens."""
    both = []
    for storage, order in ((known, "<"), (twin, byteorder)):
        path = write_tiled(tmp_path / "a.svs", PIXELS, storage, byteorder=order)
        with Slide(path, name="a", spacing_um=0.5) as slide:
            both.append(slide.read(0, 0, 420, 300, scale=1))
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize("storage", ["jpeg rgb", "jpeg 4:2:0", "deflate", "lzw predictor", "none"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("says", [{}, {"x_um": "5e-4", "y_um": "5e-4", "unit": "mm"}])
def test_ome_tiff_with_levels_under_its_first_image(tmp_path, storage, bigtiff, says):
    """An OME-TIFF's levels are its sub-images, its spacing what OME says, in whatever unit."""
    text = ome_description(420, 300, **says)
    options = {"aperio": False, "subifds": True, "downsamples": (1, 2, 4), "bigtiff": bigtiff}
    path = write_tiled(tmp_path / "a.ome.tif", PIXELS, storage, description=text, **options)
    with Slide(path, name="a") as slide, tifffile.TiffFile(path) as tiff:
        assert slide.source.read_by == "tile by tile"
        assert slide.spacing_um == pytest.approx(0.5)
        assert slide.levels == [(420, 300), (210, 150), (105, 75)]
        for level, (width, height) in enumerate(slide.levels):
            expected = tiff.series[0].levels[level].asarray()
            read = slide.read(0, 0, width, height, scale=slide.downsamples[level])
            np.testing.assert_array_equal(read, expected)


@pytest.mark.parametrize("coding", ["jfif 420", "adobe rgb"])
@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_streams_that_say_how_their_colours_are_coded(tmp_path, coding, photometric):
    """What a JPEG stream says of its colours counts, whatever the TIFF says, as in tifffile."""
    options = {"outcolorspace": "rgb"} if coding == "adobe rgb" else {"subsampling": "420"}
    streams = [
        imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), level=90, **options)
        for tile in tiles_of(PIXELS, (64, 64), None)
    ]
    colours = {"photometric": photometric, "compressionargs": {"outcolorspace": photometric}}
    path = tmp_path / "a.tif"
    write_streams(path, streams, shape=PIXELS.shape, compression="jpeg", **colours)
    with Slide(path, name="a", spacing_um=0.5) as slide:
        read = slide.read(0, 0, 420, 300, scale=1)
    assert np.abs(read.astype(int) - PIXELS).mean() < 3
    np.testing.assert_array_equal(read, tifffile.imread(path))
