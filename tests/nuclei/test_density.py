"""Nuclei per mm² of tissue: by hand, and against numpy's histogram."""

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.nuclei.density import measure_density, write_density
from microtome.rasters.label_tiff import open_raster, read_raster, write_array
from nuclei.random_nuclei import random_nuclei

SETTINGS = {"spacing_tolerance": 0.02, "upsample": False}


@pytest.fixture
def tissue(tmp_path):
    """Write a mask and open it."""

    def write(mask, spacing_um=8.0):
        write_array(tmp_path / "tissue.tif", np.asarray(mask), spacing_um=spacing_um)
        return open_raster(tmp_path / "tissue.tif")

    return write


def at(*places):
    """One batch of nuclei at x, y in µm."""
    x, y = np.array(places, float).reshape(-1, 2).T
    return [{"x_um": x, "y_um": y}]


def test_density_by_hand(tissue):
    """Two nuclei on two px of 8 µm: 2 / 128 µm²; one on one px: 1 / 64; none on four; no tissue."""
    mask = tissue([[1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0]])
    nuclei = at((1, 1), (15, 7), (17, 2))
    found = measure_density(nuclei, mask, shape=(2, 3), spacing_um=16)
    expected = [[2 / 128e-6, 1 / 64e-6, 0], [np.nan, 0, 0]]
    np.testing.assert_allclose(found, np.array(expected, np.float32))
    assert found.dtype == np.float32


def test_nuclei_on_glass_do_not_count(tissue):
    """Nor do those beyond the mask."""
    mask = tissue([[1, 0]])
    nuclei = at((9, 1), (17, 1), (1, 9), (-1, 1), (1, -0.5), (4, 4))
    found = measure_density(nuclei, mask, shape=(1, 2), spacing_um=8)
    np.testing.assert_allclose(found, [[1 / 64e-6, np.nan]])


@pytest.mark.parametrize("spacing_um", [64.0, 63.3, 8.0, 100.0])
def test_density_times_tissue_is_the_number_of_nuclei(tissue, spacing_um):
    """Whatever the spacing, and however the nuclei are ordered in batches."""
    rng = np.random.default_rng(3)
    mask = tissue(rng.random((130, 170)) < 0.6, spacing_um=7.984)
    shape = tuple(int(np.ceil(n * 7.984 / spacing_um)) for n in mask.shape)
    batches = list(random_nuclei(5000, size_um=(170 * 7.984, 130 * 7.984)))
    found = measure_density(batches, mask, shape=shape, spacing_um=spacing_um)
    centres = [(np.arange(n) + 0.5) * 7.984 for n in mask.shape]
    edges = [np.arange(n + 1) * spacing_um for n in shape]
    row, column = np.nonzero(mask.rows(0, 130))
    px, *_ = np.histogram2d(centres[0][row], centres[1][column], bins=edges)
    y, x = (np.concatenate([batch[key] for batch in batches]) for key in ("y_um", "x_um"))
    on_tissue = mask.rows(0, 130)[(y / 7.984).astype(int), (x / 7.984).astype(int)] > 0
    np.testing.assert_array_equal(np.isnan(found), px == 0)
    assert np.nansum(found * px) * 7.984**2 * 1e-6 == pytest.approx(on_tissue.sum())


def test_the_file_has_the_real_spacing_and_covers_the_slide(tissue, tmp_path):
    """A slide of 0.499 µm/px, 64 asked for: 128 level-0 px a px, 63.872 µm; size rounded up."""
    tissue(np.ones((20, 30), bool), spacing_um=7.984)
    inspected = {"width_px": 470, "height_px": 310, "spacing_um": 0.499}
    files = {"tissue": tmp_path / "tissue.tif", "inspected": inspected}
    options = {"spacing_um": 64.0, "name": "a", "slide_settings": SETTINGS}
    write_density(tmp_path / "d.tif", at((1, 1)), **files, **options)
    density, spacing_um = read_raster(tmp_path / "d.tif")
    assert density.shape == (3, 4)
    assert density.dtype == np.float32
    assert spacing_um == pytest.approx(63.872)
    np.testing.assert_allclose(density[0, 0], 1 / (64 * 7.984**2 * 1e-6), rtol=1e-6)
    np.testing.assert_array_equal(density.ravel()[1:], 0)


def test_a_map_finer_than_the_mask_is_refused(tissue, tmp_path):
    """One line that names slide, key and what to give."""
    tissue(np.ones((2, 2), bool))
    inspected = {"width_px": 32, "height_px": 32, "spacing_um": 0.5}
    files = {"tissue": tmp_path / "tissue.tif", "inspected": inspected}
    options = {"spacing_um": 4.0, "name": "a", "slide_settings": SETTINGS}
    with pytest.raises(InputError, match=r"slide a: nuclei.density_um is 4, finer .* 8 µm/px"):
        write_density(tmp_path / "d.tif", [], **files, **options)
    assert not (tmp_path / "d.tif").exists()
