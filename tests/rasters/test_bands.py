"""What is done to a raster in bands is px by px what is done to the whole."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.morphology import convex_hull_image

from helpers import whole_arrays
from helpers.whole_arrays import in_bands
from microtome.rasters.bands import band_rows, bands, count_true, read_window, rows_of
from microtome.rasters.components import drop_small
from microtome.rasters.convex_hull import draw_hull, find_hull_corners
from microtome.rasters.disk_raster import Spool, spool_rows
from microtome.rasters.morphology import apply_closing, apply_opening
from microtome.rasters.resampling import resample, resample_rows

SHAPES = st.tuples(st.integers(1, 60), st.integers(1, 60))
DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.5, 0.6, 0.9, 1.0])


@st.composite
def masks(draw) -> np.ndarray:
    """Masks from empty to full, of any shape."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return rng.random(draw(SHAPES)) < draw(DENSITIES)


@given(st.integers(1, 10**6), st.integers(1, 3 * 10**6))
def test_bands_fit_and_cover(width, height):
    """Bands are 16 to 512 rows, a power of two, of at most 2 Mpx if not of 16 rows."""
    n = band_rows(width)
    assert 16 <= n <= 512
    assert n & (n - 1) == 0
    assert n == 16 or n * width <= 2**21
    first, last = next(bands(height, n)), list(bands(min(height, 9999), n))[-1]
    assert first[0] == 0
    assert sum(last) == min(height, 9999)


@given(st.integers(1, 40), st.data())
def test_window_reaches_as_far_as_there_are_rows(height, data):
    """The rows asked for lie where it says, with their neighbours."""
    first = data.draw(st.integers(0, height - 1))
    n = data.draw(st.integers(1, height - first))
    margin = data.draw(st.integers(0, 9))
    pixels, above = read_window(
        rows_of(np.arange(height)[:, None]), height, first, n, margin=margin
    )
    assert above == min(margin, first)
    wanted = np.arange(max(0, first - margin), min(height, first + n + margin))
    np.testing.assert_array_equal(pixels[:, 0], wanted)


@settings(max_examples=150)
@given(mask=masks(), radius_px=st.integers(0, 5), n_rows=st.integers(1, 70))
def test_opening_and_closing(mask, radius_px, n_rows):
    """Opened and closed in bands of any height: the same px as at once."""
    for in_rows, whole in (
        (apply_opening, whole_arrays.opened),
        (apply_closing, whole_arrays.closed),
    ):
        found = in_bands(in_rows(rows_of(mask), mask.shape, radius_px), len(mask), n_rows)
        np.testing.assert_array_equal(found, whole(mask, radius_px))


@settings(max_examples=250)
@given(
    mask=masks(),
    min_px=st.sampled_from([0, 1, 2, 3.5, 8, 40, 500, 1e9]),
    of=st.booleans(),
    n_rows=st.integers(1, 70),
)
def test_small_pieces_and_holes(tmp_path_factory, mask, min_px, of, n_rows):
    """Pieces and holes that reach over any number of bands have their whole area."""
    beside = tmp_path_factory.getbasetemp() / "a.tif"
    with spool_rows(rows_of(mask), mask.shape, bool, beside=beside) as spool:
        drop_small(spool, min_px, of=of, n_rows=n_rows)
        found = spool.rows(0, len(mask))
    expected = whole_arrays.without_small(mask == of, min_px)
    np.testing.assert_array_equal(found, expected == of)


@settings(max_examples=250)
@given(mask=masks(), keep=st.sampled_from([0.01, 0.1, 1.0]), n_rows=st.integers(1, 70))
def test_hull_is_that_of_scikit_image(mask, keep, n_rows):
    """The hull in bands has the px of scikit-image's, those on its border too."""
    mask &= np.random.default_rng(1).random(mask.shape) < keep
    corners = find_hull_corners(rows_of(mask), mask.shape)
    found = in_bands(draw_hull(corners, mask.shape), len(mask), n_rows)
    expected = convex_hull_image(mask) if mask.any() else mask
    np.testing.assert_array_equal(found, expected)


@given(
    source=SHAPES,
    shape=SHAPES,
    ratio=st.floats(0.05, 9),
    n_rows=st.integers(1, 70),
)
def test_resampling(source, shape, ratio, n_rows):
    """Resampled in bands of any height: the same labels as at once."""
    labels = np.random.default_rng(0).integers(0, 256, source, dtype=np.uint8)
    found = in_bands(resample_rows(rows_of(labels), source, shape, ratio=ratio), shape[0], n_rows)
    np.testing.assert_array_equal(found, resample(labels, shape, ratio=ratio))


@pytest.mark.parametrize(
    ("labels", "ratio", "expected"),
    [
        ([[1, 2], [3, 4]], 0.5, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]),
        ([[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]], 2.0, [[1, 2], [3, 4]]),
        ([[1, 2, 3]], 0.9, [[1, 2, 3, 3]]),
    ],
    ids=["finer", "coarser", "beyond the edge the last again"],
)
def test_resampling_by_hand(labels, ratio, expected):
    """Each px takes the label at its centre, right of a common corner."""
    found = resample(np.array(labels, np.uint8), np.shape(expected), ratio=ratio)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


def test_counting():
    """All that is not 0 counts once."""
    mask = np.random.default_rng(0).random((1300, 40)) < 0.3
    assert count_true(rows_of(mask), mask.shape) == mask.sum()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(30, 7), (30, 7, 3), (30, 0)])
def test_spooled_rows_come_back(tmp_path, dtype, shape):
    """Zeros at first; rows written in any order are read back in any other; no file is left."""
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    with Spool(shape, dtype, beside=tmp_path / "new" / "a.tif") as spool:
        assert not spool.rows(0, 30).any()
        for first in (20, 0, 10):
            spool.write(first, array[first : first + 10])
        for first, n in ((0, 30), (5, 11), (29, 1), (25, 99)):
            found = spool.rows(first, n)
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, array[first : first + n])
        assert not list((tmp_path / "new").iterdir())


def test_a_full_disk_names_the_output(tmp_path, monkeypatch):
    """A disk too small is an error at once, about the file that is made, not a killed process."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/a\.tif'"):
        Spool((5, 5), bool, beside=tmp_path / "a.tif")
