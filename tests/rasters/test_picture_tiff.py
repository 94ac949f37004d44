"""Pictures of slides: pyramids that others open, near to their pixels, written in little memory."""

from pathlib import Path

import numpy as np
import openslide
import pytest
import tifffile

from helpers.memory import peak_bytes
from helpers.pictures import shrunk, smooth
from microtome.rasters.picture_tiff import write_rgb_pyramid


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write pixels that are in memory as a pyramid."""
    shape = pixels.shape[:2]
    write_rgb_pyramid(path, lambda a, n: pixels[a : a + n], shape=shape, spacing_um=2.5)


def test_levels_are_means_of_two_by_two(tmp_path):
    """Sizes halve, rounded up, until one tile holds the picture; pixels are means."""
    pixels = smooth(601, 1030)
    write_picture(tmp_path / "a.tif", pixels)
    sizes = [(601, 1030), (301, 515), (151, 258), (76, 129)]
    with openslide.OpenSlide(tmp_path / "a.tif") as slide:
        assert [size[::-1] for size in slide.level_dimensions] == sizes
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        levels = tiff.series[0].levels
        assert [level.shape[:2] for level in levels] == sizes
        for i, level in enumerate(levels):
            (page,) = level.pages
            assert (page.tile, page.compression) == ((256, 256), tifffile.COMPRESSION.JPEG)
            above, below = page.tags["XResolution"].value
            assert above / below == pytest.approx(4000 * sizes[i][1] / 1030, rel=1e-6)
            mean = shrunk(pixels, 2**i)
            found = page.asarray()[: mean.shape[0], : mean.shape[1]]
            assert np.abs(found - mean).max() < 12
            assert np.abs(found - mean).mean() < 1.5


def test_means_at_odd_edges_by_hand(tmp_path):
    """The last row or column of an odd size is the mean of itself; a half is rounded up."""
    pixels = np.zeros((257, 513, 3), np.uint8)
    pixels[::2] = 201  # rows of 201 and 0: 100.5 in the mean, and the last row alone
    write_picture(tmp_path / "a.tif", pixels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        found = tiff.series[0].levels[1].asarray().astype(int)
    assert found.shape == (129, 257, 3)
    assert np.abs(found[:112] - 101).max() <= 1
    assert np.abs(found[128] - 201).max() <= 12  # JPEG blurs the step beside it


def test_tiles_at_the_edge_do_not_bleed(tmp_path):
    """What is beyond the edge does not darken the last pixels: a flat picture stays flat."""
    write_picture(tmp_path / "a.tif", np.full((259, 301, 3), (180, 90, 200), np.uint8))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        for level in tiff.series[0].levels:
            assert np.abs(level.asarray().astype(int) - (180, 90, 200)).max() <= 2


def test_same_picture_same_bytes(tmp_path):
    """Nothing random, no date and no version is in a picture."""
    for name in ("a.tif", "b.tif"):
        write_picture(tmp_path / name, smooth(300, 500))
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        names = {tag.name for tag in tiff.pages[0].tags}
    assert not {"DateTime", "Software", "ImageDescription"} & names


def test_rows_of_pictures_are_asked_for_once(tmp_path):
    """Bands of 256 rows from the top down; 40 000 of them take no more memory than a few."""
    asked = []

    def rows(first: int, n: int) -> np.ndarray:
        asked.append((first, n))
        return np.full((n, 300, 3), first // 256 % 250, np.uint8)

    shape = (40_000, 300)
    path = tmp_path / "a.tif"
    peak = peak_bytes(lambda: write_rgb_pyramid(path, rows, shape=shape, spacing_um=1))
    assert asked == [(first, min(256, 40_000 - first)) for first in range(0, 40_000, 256)]
    assert peak < 6e6  # the picture has 36 MB
