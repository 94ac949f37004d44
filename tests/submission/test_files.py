"""Files of submissions: masks of a slide's size, and tables as each challenge wants them."""

import math
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.errors import InputError
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE
from microtome.submission.files import (
    _is_big,
    write_detections,
    write_mask_png,
    write_mask_tiff,
    write_predictions,
    write_probabilities,
    write_stages,
)

SLIDE_UM = 0.5


def blobs(height: int, width: int) -> np.ndarray:
    """Draw two blocks of viable tumour that touch two edges of a mask."""
    labels = np.zeros((height, width), np.uint8)
    labels[: height // 3, : width // 2] = VIABLE
    labels[height // 2 :, -(width // 4) :] = VIABLE
    return labels


@settings(max_examples=25)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from([1, 2, 3, 7.98, 16]),
    st.integers(0, 9),
)
def test_each_px_takes_what_lies_under_its_centre(tmp_path_factory, width, height, scale, seed):
    """TIFF and PNG hold viable tumour alone, as a loop over all px, at whole and broken scales."""
    folder = tmp_path_factory.mktemp("masks")
    shape = math.ceil(height / scale), math.ceil(width / scale)
    labels = np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)
    mask = Raster(labels, SLIDE_UM * scale)
    given_as = {"size_px": (width, height), "spacing_um": SLIDE_UM}
    write_mask_tiff(folder / "a.tif", mask, **given_as)
    write_mask_png(folder / "a.png", mask, **given_as)
    expected = np.zeros((height, width), np.uint8)
    for y, x in np.ndindex(height, width):
        under = math.floor((y + 0.5) / scale), math.floor((x + 0.5) / scale)
        expected[y, x] = labels[under] == VIABLE
    np.testing.assert_array_equal(tifffile.imread(folder / "a.tif"), expected)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "a.png")), expected * 255)


FINE = np.zeros((8, 1400), np.uint8)
FINE[1::2, 1::2] = VIABLE
NOISE = np.random.default_rng(1).integers(0, 3, (1030, 600), dtype=np.uint8)


@pytest.mark.parametrize(
    ("labels", "spacing_um", "expected"),
    [
        # The last row and column of the mask reach beyond the slide.
        (blobs(140, 170), 4, blobs(140, 170).repeat(8, 0).repeat(8, 1)[:1118, :1355]),
        (NOISE, SLIDE_UM, NOISE),
        # Of the four px of the mask under one of the slide the one under the centre counts.
        (FINE, SLIDE_UM / 2, np.full((4, 700), VIABLE)),
    ],
    ids=["coarser", "its own spacing", "finer"],
)
def test_masks_of_several_tiles(tmp_path, labels, spacing_um, expected):
    """Tiles that are empty, full, mixed and cut by the slide's edge all come back."""
    size_px = expected.shape[::-1]
    mask = Raster(labels, spacing_um)
    write_mask_tiff(tmp_path / "a.tif", mask, size_px=size_px, spacing_um=SLIDE_UM)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), expected == VIABLE)


def test_form_of_masks(tmp_path):
    """One classic, tiled, deflated page of uint8; 8-bit grey; nothing of when, where or by what."""
    mask = Raster(blobs(100, 100), 8)
    for name in ("a", "another"):
        given_as = {"size_px": (1600, 1590), "spacing_um": SLIDE_UM}
        write_mask_tiff(tmp_path / f"{name}.tif", mask, **given_as)
        write_mask_png(tmp_path / f"{name}.png", mask, **given_as)
    for suffix in (".tif", ".png"):
        first, again = (tmp_path / f"{name}{suffix}" for name in ("a", "another"))
        assert first.read_bytes() == again.read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        (page,) = tiff.pages
        assert not tiff.is_bigtiff
        assert (page.dtype, page.shape, page.tile) == (np.uint8, (1590, 1600), (512, 512))
        assert page.compression == 8
        assert page.subifds is None
        names = {tag.name for tag in page.tags}
        assert not names & {"DateTime", "Software", "ImageDescription", "HostComputer", "Artist"}
    with Image.open(tmp_path / "a.png") as image:
        assert (image.format, image.mode, image.size, image.info) == ("PNG", "L", (1600, 1590), {})


def test_tiles_of_one_value_are_compressed_once(tmp_path, monkeypatch):
    """A row of tiles of the mask is read at a time; only mixed ones cost more than the first."""
    labels = np.zeros((256, 512), np.uint8)
    labels[:32, :130] = VIABLE  # the first four tiles, and a bit of the fifth
    labels[200, 300] = VIABLE
    asked, compressed = [], []
    real = zlib.compress

    class Counting(Raster):
        def rows(self, first_row: int, n_rows: int) -> np.ndarray:
            asked.append((first_row, n_rows))
            return super().rows(first_row, n_rows)

    def compress(tile: np.ndarray) -> bytes:
        compressed.append(np.unique(tile).tolist())
        return real(tile)

    monkeypatch.setattr("microtome.submission.files.zlib.compress", compress)
    mask = Counting(labels, 8)
    write_mask_tiff(tmp_path / "a.tif", mask, size_px=(8192, 4096), spacing_um=SLIDE_UM)
    assert asked == [(first, 32) for first in range(0, 256, 32)]
    assert sorted(compressed) == [[0], [0, 1], [0, 1], [1]]


@pytest.mark.parametrize(
    ("height_px", "is_big"), [(2**16 - 1024, False), (2**16 - 511, True), (2**16, True)]
)
def test_big_tiff_only_where_needed(height_px, is_big):
    """From 4 GB on, counted in whole tiles and with room for tables, offsets need 64 bits."""
    assert _is_big((2**16, height_px)) == is_big


@pytest.mark.parametrize("writer", [write_mask_tiff, write_mask_png])
@pytest.mark.parametrize("size_px", [(85, 80), (80, 85), (71, 80), (80, 71)])
def test_a_mask_of_another_slide_is_refused(tmp_path, writer, size_px):
    """A mask may be a fraction of its px too large or too small; not a whole one."""
    mask = Raster(np.zeros((20, 20), np.uint8), 4 * SLIDE_UM)
    for allowed in ((77, 83), (76, 84)):
        writer(tmp_path / "a", mask, size_px=allowed, spacing_um=SLIDE_UM)
    with pytest.raises(InputError, match=r"b: a mask of 20 x 20 px at 2 µm/px is not of a slide"):
        writer(tmp_path / "b", mask, size_px=size_px, spacing_um=SLIDE_UM)


def test_a_png_has_an_end(tmp_path):
    """From 2^31 px on a PNG is refused, before anything is made in memory."""
    mask = Raster(np.zeros((4, 8), np.uint8), 2**14)
    with pytest.raises(InputError, match="65536 x 32768 px are too many for a PNG"):
        write_mask_png(tmp_path / "a.png", mask, size_px=(2**16, 2**15), spacing_um=1)


def test_predictions(tmp_path):
    """Percent with four decimals, sorted by case; a table without cases has its header."""
    write_predictions(tmp_path / "a.csv", {"01_01_0090": 1, "01_01_0083": 0.123456789, "x": 0.0})
    assert (tmp_path / "a.csv").read_bytes() == (
        b"wsi_id,ratio\n01_01_0083,12.3457\n01_01_0090,100.0000\nx,0.0000\n"
    )
    write_predictions(tmp_path / "a.csv", {})
    assert (tmp_path / "a.csv").read_text() == "wsi_id,ratio\n"


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, None])
def test_what_is_no_fraction_is_refused(tmp_path, value):
    """One line names case, slide or file; an old table stays."""
    path = tmp_path / "a.csv"
    path.write_text("old")
    with pytest.raises(InputError, match=r"^case b: the burden \S+ is no fraction from 0 to 1$"):
        write_predictions(path, {"a": 0.5, "b": value})
    with pytest.raises(InputError, match=r"^slide b: the probability \S+ is no fraction"):
        write_probabilities(path, {"a": 0.5, "b": value})
    with pytest.raises(InputError, match=r"a\.csv: the confidence \S+ is no fraction"):
        write_detections(path, [(0.5, 1, 1), (value, 2, 2)])
    assert path.read_text() == "old"


@given(st.lists(st.floats(0, 1, width=32), max_size=8))
def test_probabilities(tmp_path_factory, values):
    """Two columns without a header, sorted; scores of a network come back bit by bit."""
    path = tmp_path_factory.mktemp("tables") / "a.csv"
    names = [f"s{i}" for i in range(len(values))]
    write_probabilities(path, dict(reversed([*zip(names, values, strict=True)])))
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert [(name, np.float32(cell)) for name, cell in rows] == [*zip(names, values, strict=True)]


def test_detections(tmp_path):
    """Surest first, whatever the order; whole numbers, no header, so nothing if there are none."""
    path = tmp_path / "detections" / "a.csv"
    found = [(0.25, np.int64(7), 9), (1.0, 5, 6), (0.25, 7, 8), (0, 1, 2)]
    for order in (found, found[::-1]):
        write_detections(path, order)
        assert path.read_bytes() == b"1,5,6\n0.25,7,8\n0.25,7,9\n0,1,2\n"
    write_detections(path, [])
    assert path.read_bytes() == b""
    with pytest.raises(TypeError):  # whoever finds a place rounds it
        write_detections(path, [(0.5, 1.5, 2)])


def test_stages(tmp_path):
    """Each patient stands before its nodes, which are those of its whole name; all are sorted."""
    classes = {"p_2_node_1": "macro", "p_1_node_1": "itc", "p_1_node_0": "negative"}
    stages = {"p_2": "pN1", "p_1_node_1": "pN0", "p_1": "pN0(i+)"}
    write_stages(tmp_path / "a.csv", stages, {**classes, "p_1_node_1_node_0": "negative"})
    assert (tmp_path / "a.csv").read_bytes() == (
        b"patient,stage\n"
        b"p_1.zip,pN0(i+)\n"
        b"p_1_node_0.tif,negative\n"
        b"p_1_node_1.tif,itc\n"
        b"p_1_node_1.zip,pN0\n"
        b"p_1_node_1_node_0.tif,negative\n"
        b"p_2.zip,pN1\n"
        b"p_2_node_1.tif,macro\n"
    )


@pytest.mark.parametrize(
    ("stages", "classes", "words"),
    [
        ({"p": ""}, {}, r"^patient p: the stage '' is none of pN0, .*refuses a table"),
        ({"p": "pN0"}, {"p_node_0": "none"}, r"^slide p_node_0: 'none' is none of negative, itc"),
        ({"p": "pN0"}, {"q_node_0": "itc"}, r"^slide q_node_0: is the node of no patient here"),
        ({"p": "pN0"}, {"p_0": "itc"}, r"^slide p_0: is the node of no patient here"),
    ],
)
def test_what_the_challenge_would_refuse(tmp_path, stages, classes, words):
    """Stages and classes beyond the challenge's, and nodes of nobody, are one line each."""
    with pytest.raises(InputError, match=words):
        write_stages(tmp_path / "a.csv", stages, classes)
    assert not (tmp_path / "a.csv").exists()
