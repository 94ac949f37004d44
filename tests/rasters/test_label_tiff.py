"""Masks and heatmaps on disk: tiled pyramidal OME-TIFF, written in bands."""

import numpy as np
import openslide
import pytest
import tifffile
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.rasters.label_tiff import open_raster, read_raster, write_array, write_raster


def labels(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Draw labels 0, 1 and 2."""
    return np.random.default_rng(seed).integers(0, 3, (height, width), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (3, 700), (512, 512), (513, 512), (1100, 1500)])
@pytest.mark.parametrize("spacing_um", [0.05, 8.25, 1 / 3])
def test_round_trip(tmp_path, shape, spacing_um):
    """Rasters of any size come back px by px, with their spacing; a bool mask as 0 and 1."""
    for array in (labels(*shape), labels(*shape) == 2):
        write_array(tmp_path / "a.tif", array, spacing_um=spacing_um)
        found, found_um = read_raster(tmp_path / "a.tif")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, array)
        assert found_um == pytest.approx(spacing_um, rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "expected"), [((1300, 600), [512, 512, 276]), ((600, 30_000), [64] * 9 + [24])]
)
def test_rows_are_asked_for_once_from_top_to_bottom(tmp_path, shape, expected):
    """Memory does not grow with height: bands of 512 rows or, of long rows, fewer, each once."""
    array = labels(*shape)
    asked = []

    def rows(first: int, n: int) -> np.ndarray:
        assert first == sum(asked)
        asked.append(n)
        return array[first : first + n]

    write_raster(tmp_path / "a.tif", rows, shape=shape, spacing_um=1)
    assert asked == expected
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif")[0], array)


@pytest.mark.parametrize(
    ("shape", "n_levels"), [((1301, 2050), 4), ((512, 512), 1), ((513, 100), 2)]
)
def test_levels_as_others_read_them(tmp_path, shape, n_levels):
    """Tiled levels of every second px, down to one; spacing in the OME-XML and in px per cm."""
    array = labels(*shape)
    write_array(tmp_path / "a.tif", array, spacing_um=2.5)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        root = fromstring(tiff.ome_metadata)
        levels = tiff.series[0].levels
        assert len(levels) == n_levels
        for i, level in enumerate(levels):
            np.testing.assert_array_equal(level.asarray(), array[:: 2**i, :: 2**i])
            page = level.pages[0]
            assert page.tile == (512, 512)
            assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            assert page.tags["ResolutionUnit"].value == 3  # cm
            for axis in ("XResolution", "YResolution"):
                above, below = page.tags[axis].value
                per_cm = 4000 * level.shape[1] / shape[1]
                assert above / below == pytest.approx(per_cm, rel=1e-6)
    pixels = next(e for e in root.iter() if e.tag.endswith("}Pixels"))
    assert pixels.get("PhysicalSizeX") == pixels.get("PhysicalSizeY") == "2.5"
    assert pixels.get("PhysicalSizeXUnit") == pixels.get("PhysicalSizeYUnit") == "µm"
    assert (int(pixels.get("SizeY")), int(pixels.get("SizeX"))) == shape


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
