"""Masks and heatmaps on disk: tiled pyramidal OME-TIFF, written in bands."""

from xml.etree.ElementTree import Element

import numpy as np
import openslide
import pytest
import tifffile
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.rasters.label_tiff import open_raster, read_raster, write_array, write_raster
from microtome.rasters.resampling import resample


def labels(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Draw labels 0, 1 and 2."""
    return np.random.default_rng(seed).integers(0, 3, (height, width), dtype=np.uint8)


def ome_pixels(path) -> Element:
    """Get the element Pixels of a file's OME-XML."""
    with tifffile.TiffFile(path) as tiff:
        root = fromstring(tiff.ome_metadata)
    return next(e for e in root.iter() if e.tag.endswith("}Pixels"))


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (512, 512), (513, 512), (1100, 1500)])
def test_round_trip(tmp_path, shape):
    """Rasters of any size come back px by px, with their spacing."""
    array = labels(*shape)
    write_array(tmp_path / "a.tif", array, spacing_um=8.25)
    found, spacing_um = read_raster(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, array)
    assert spacing_um == 8.25


@settings(max_examples=15)
@given(st.integers(1, 80), st.integers(1, 80), st.floats(0.05, 100), st.integers(0, 9))
def test_round_trip_of_any_size_and_spacing(tmp_path_factory, height, width, spacing_um, seed):
    """Whatever the size, values and spacing are given back exactly."""
    path = tmp_path_factory.mktemp("rasters") / "a.tif"
    array = labels(height, width, seed=seed)
    write_array(path, array, spacing_um=spacing_um)
    found, found_um = read_raster(path)
    np.testing.assert_array_equal(found, array)
    assert found_um == pytest.approx(spacing_um, rel=1e-12)


def test_bool_masks_are_0_and_1(tmp_path):
    """A mask is written as 0 and 1."""
    mask = labels(30, 40) == 2
    write_array(tmp_path / "a.tif", mask, spacing_um=1)
    found, _ = read_raster(tmp_path / "a.tif")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, mask)


def test_rows_are_asked_for_once_from_top_to_bottom(tmp_path):
    """Memory does not grow with height: bands of 512 rows, in order, each once."""
    array = labels(1300, 600)
    asked = []

    def rows(first: int, n: int) -> np.ndarray:
        asked.append((first, n))
        return array[first : first + n]

    write_raster(tmp_path / "a.tif", rows, shape=array.shape, spacing_um=1)
    assert asked == [(0, 512), (512, 512), (1024, 276)]
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif")[0], array)


def test_coarser_levels_are_every_second_pixel(tmp_path):
    """Levels halve until one tile holds the raster; labels stay labels."""
    array = labels(1301, 2050)
    write_array(tmp_path / "a.tif", array, spacing_um=2)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [
            (1301, 2050),
            (651, 1025),
            (326, 513),
            (163, 257),
        ]
        for i, level in enumerate(levels):
            np.testing.assert_array_equal(level.asarray(), array[:: 2**i, :: 2**i])


def test_small_rasters_have_one_level(tmp_path):
    """A raster that one tile holds is no pyramid."""
    write_array(tmp_path / "a.tif", labels(512, 512), spacing_um=2)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert len(tiff.series[0].levels) == 1


def test_spacing_is_in_ome_xml_and_in_the_tags(tmp_path):
    """QuPath reads the spacing from the OME-XML, others from the resolution in px per cm."""
    write_array(tmp_path / "a.tif", labels(700, 1024), spacing_um=2.5)
    pixels = ome_pixels(tmp_path / "a.tif")
    assert pixels.get("PhysicalSizeX") == pixels.get("PhysicalSizeY") == "2.5"
    assert pixels.get("PhysicalSizeXUnit") == pixels.get("PhysicalSizeYUnit") == "µm"
    assert (pixels.get("SizeX"), pixels.get("SizeY")) == ("1024", "700")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        for i, level in enumerate(tiff.series[0].levels):
            tags = level.pages[0].tags
            assert tags["ResolutionUnit"].value == 3  # cm
            for axis in ("XResolution", "YResolution"):
                above, below = tags[axis].value
                assert above / below == pytest.approx(4000 / 2**i, rel=1e-6)


def test_tiles_and_compression(tmp_path):
    """Every level is tiled and compressed, in a TIFF that may pass 4 GB."""
    write_array(tmp_path / "a.tif", np.zeros((3000, 3000), np.uint8), spacing_um=1)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        assert tiff.is_ome
        for level in tiff.series[0].levels:
            assert level.pages[0].tile == (512, 512)
            assert level.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert (tmp_path / "a.tif").stat().st_size < 100_000


def test_same_raster_same_bytes(tmp_path):
    """Nothing random and no date is in a raster."""
    array = labels(700, 900)
    for folder in ("a", "b"):
        write_array(tmp_path / folder / "slide.tif", array, spacing_um=0.5)
    first, second = ((tmp_path / f / "slide.tif").read_bytes() for f in ("a", "b"))
    assert first == second


def test_openslide_opens_it(tmp_path):
    """A heatmap is a slide to OpenSlide too, with the same pixels."""
    array = labels(900, 1100) * 100
    write_array(tmp_path / "a.tif", array, spacing_um=4)
    with openslide.OpenSlide(tmp_path / "a.tif") as slide:
        assert slide.dimensions == (1100, 900)
        region = np.asarray(slide.read_region((100, 50), 0, (300, 200)))
    np.testing.assert_array_equal(region[..., 0], array[50:250, 100:400])


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1699), st.integers(1, 1800)), min_size=1, max_size=9))
def test_rows_in_any_order(tmp_path_factory, asked):
    """Rows of tiles that stay decoded change nothing: any band, at any time, has its rows."""
    path = tmp_path_factory.getbasetemp() / "any.tif"
    array = labels(1700, 40)
    if not path.exists():
        write_array(path, array, spacing_um=1)
    raster = open_raster(path)
    for first, n in asked:
        np.testing.assert_array_equal(raster.rows(first, n), array[first : first + n])


@pytest.mark.parametrize("step", [1, 2, 3, 7, 511, 512, 513, 5000])
def test_thinned(tmp_path, step):
    """Every few px, read in bands: what slicing the whole raster gives."""
    array = labels(1300, 700)
    write_array(tmp_path / "a.tif", array, spacing_um=1)
    raster = open_raster(tmp_path / "a.tif")
    np.testing.assert_array_equal(raster.thin(step), array[::step, ::step])


def test_long_rows_are_asked_for_a_few_at_a_time(tmp_path):
    """Where rows are long a band has fewer of them, and the file is the same."""
    asked = []

    def rows(first: int, n: int) -> np.ndarray:
        asked.append(n)
        return np.full((n, 30_000), first % 251, np.uint8)

    write_raster(tmp_path / "a.tif", rows, shape=(600, 30_000), spacing_um=1)
    assert asked == [64] * 8 + [64, 24]
    found = open_raster(tmp_path / "a.tif").pixels[:, ::9999]
    np.testing.assert_array_equal(found[:, 0], np.arange(600) // 64 * 64 % 251)
    assert (found == found[:, :1]).all()


def test_failure_leaves_the_old_raster_and_nothing_else(tmp_path):
    """Rows that fail half way leave the file as it was, and no temporary one."""
    array = labels(600, 600)
    write_array(tmp_path / "a.tif", array, spacing_um=1)

    def failing(first: int, n: int) -> np.ndarray:
        if first:
            raise OSError("disk full")
        return array[:n] * 0

    with pytest.raises(OSError, match="disk full"):
        write_raster(tmp_path / "a.tif", failing, shape=(600, 600), spacing_um=1)
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif")[0], array)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_resampled_takes_the_label_at_the_centre():
    """Twice finer repeats each label; twice coarser takes the px right of the common corner."""
    array = np.array([[1, 2], [3, 4]], np.uint8)
    finer = resample(array, (4, 4), ratio=0.5)
    np.testing.assert_array_equal(finer, np.kron(array, np.ones((2, 2), np.uint8)))
    coarser = resample(finer, (2, 2), ratio=2.0)
    np.testing.assert_array_equal(coarser, array)
    assert coarser.dtype == np.uint8


def test_resampled_beyond_the_edge_repeats_the_last():
    """A result that reaches a part of a px further has the last label there."""
    np.testing.assert_array_equal(
        resample(np.array([[1, 2, 3]]), (1, 4), ratio=0.9), [[1, 2, 3, 3]]
    )
