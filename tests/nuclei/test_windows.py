"""Nuclei of slides: the same whatever the windows, in tissue alone, at any spacing."""

import numpy as np
import pytest

from helpers.pictures import break_tile, noise, smooth, write_slide
from microtome.errors import InputError
from microtome.networks.crosswise import CrosswiseCAE
from microtome.nuclei.finder import NucleusFinder
from microtome.nuclei.image_detection import find_nuclei_of_image
from microtome.nuclei.peaks import PeakSettings
from microtome.nuclei.windows import choose_inner_px, find_nuclei, lay_windows
from microtome.patches.reading import read_patches
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.slides.slide import Slide
from nuclei.random_networks import autoencoder

SETTINGS = PeakSettings(min_distance_um=3.0, smoothing_um=1.0, threshold=0.2)
HEIGHT, WIDTH = 230, 310
PIXELS = noise(HEIGHT, WIDTH, seed=3)
CAE: CrosswiseCAE = autoencoder()


def columns(parts) -> np.ndarray:
    """(n, 4): y, x, confidence, haematoxylin of all nuclei, sorted by place."""
    parts = [np.stack([p.y_px, p.x_px, p.confidence, p.haematoxylin], axis=1) for p in parts]
    table = np.concatenate([np.empty((0, 4)), *parts])
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def on_slide(path, mask, *, mask_um=4.0, spacing_um=0.5, sheet_um=0.5, **settings) -> np.ndarray:
    """Find the nuclei of a slide whose tissue mask is an array."""
    write_array(path.with_suffix(".mask.tif"), mask, spacing_um=mask_um)
    tissue = open_raster(path.with_suffix(".mask.tif"))
    with Slide(path, name="a", spacing_um=sheet_um) as slide:
        scale = slide.scale_for(spacing_um)
        finder = NucleusFinder(CAE, SETTINGS, spacing_um=slide.spacing_um * scale)
        return columns(find_nuclei(finder, slide, tissue, scale=scale, **settings))


def in_one_piece(pixels: np.ndarray) -> np.ndarray:
    """Find the nuclei of a slide's px on white, as an image."""
    finder = NucleusFinder(CAE, SETTINGS, spacing_um=0.5)
    wide = np.pad(pixels, ((64, 66), (64, 66), (0, 0)), constant_values=255)
    found = columns([find_nuclei_of_image(finder, wide)])
    found[:, :2] -= 64
    height, width = pixels.shape[:2]
    inside = (found[:, 0] < height) & (found[:, 1] < width) & (found[:, :2] >= 0).all(axis=1)
    return found[inside]


ALL = np.ones((29, 39), bool)  # px of 4 µm, 8 px of the slide


@pytest.fixture
def path(tmp_path):
    """Write the slide."""
    return write_slide(tmp_path / "a.svs", PIXELS)


@pytest.mark.parametrize("inner_px", [64, 96, 128, None])
def test_nuclei_are_those_of_the_whole_slide_at_once(path, inner_px):
    """Whatever the windows: none lost, none twice, the same places; away from the slide's edge."""
    found, whole = on_slide(path, ALL, inner_px=inner_px), in_one_piece(PIXELS)
    inner = [
        t[((t[:, :2] > 8) & (t[:, :2] < (HEIGHT - 8, WIDTH - 8))).all(axis=1)]
        for t in (found, whole)
    ]
    assert len(inner[1]) > 60
    np.testing.assert_allclose(inner[0], inner[1], atol=1e-4)


def test_windows_of_all_sizes_agree_up_to_the_edge(path):
    """Also where the white beyond the slide is seen, and with processes that read ahead."""
    one = on_slide(path, ALL)
    assert len(one) > 80
    assert (one[:, :2] >= 0).all()
    assert (one[:, :2] <= (HEIGHT, WIDTH)).all()
    for settings in ({"inner_px": 64}, {"inner_px": 96, "threads": 2}):
        np.testing.assert_allclose(on_slide(path, ALL, **settings), one, atol=1e-4)


def test_nuclei_lie_on_tissue(path):
    """Exactly those of the whole slide whose px of the mask is tissue."""
    mask = np.zeros((29, 39), bool)
    mask[4:11, 6:30] = mask[20, 3] = True
    found, every = on_slide(path, mask, inner_px=64), on_slide(path, ALL, inner_px=64)
    row, column = (every[:, :2] / 8).astype(int).T
    expected = every[mask[row, column]]
    assert 5 < len(expected) < len(every) / 2
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_finer_slide_is_read_at_the_spacing_of_the_model(tmp_path):
    """Of px four times as many, twice the coordinates."""
    coarse = smooth(120, 150)
    coarse = np.where(noise(120, 150, seed=8) > 120, coarse, 255 - coarse)
    fine = coarse.repeat(2, axis=0).repeat(2, axis=1)
    path = write_slide(tmp_path / "a.svs", fine, spacing_um=0.25, downsamples=(1,))
    found = on_slide(path, np.ones((15, 19), bool), sheet_um=0.25)
    other = write_slide(tmp_path / "b.svs", coarse)
    expected = on_slide(other, np.ones((15, 19), bool))
    expected[:, :2] *= 2
    assert len(expected) > 10
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_resampled_slide_has_its_nuclei_where_they_are(tmp_path):
    """At a spacing that is no multiple of the slide's own, whatever the windows."""
    side = 240
    y, x = np.mgrid[:side, :side]
    dark = (y % 40 < 10) & (x % 40 < 10)
    pixels = np.where(dark[..., None], (70, 40, 120), (235, 215, 230)).astype(np.uint8)
    path = write_slide(tmp_path / "a.svs", pixels, spacing_um=0.4, downsamples=(1,))
    mask = np.ones((24, 24), bool)
    parts = [
        on_slide(path, mask, sheet_um=0.4, inner_px=inner_px, threads=threads)
        for inner_px, threads in ((192, 1), (64, 2))
    ]
    assert len(parts[0]) > 10
    near = np.abs(parts[0][:, None, :2] - parts[1][None, :, :2]).max(axis=2).min(axis=1)
    assert (near < 1).mean() > 0.9


def test_a_coarser_slide_is_refused(path):
    """One line with both spacings, and what to do."""
    with pytest.raises(InputError, match=r"slide a: 0\.5 µm/px is asked for, but the slide has"):
        on_slide(path, ALL, sheet_um=1.0, mask_um=8.0)


def test_a_broken_tile_costs_the_nuclei_around_it_alone(path, caplog):
    """All others are found as before, and the log says that something is missing."""
    every = on_slide(path, ALL, inner_px=128)
    break_tile(path, row=1, column=2)
    found = on_slide(path, ALL, inner_px=128)
    assert "no nuclei are found there" in caplog.text
    # Parts of 16 px and their margins of 32 px that touch rows 64 to 127, columns 128 to 191.
    lost = (every[:, 0] > 32) & (every[:, 0] < 160) & (every[:, 1] > 96) & (every[:, 1] < 224)
    assert 5 < np.count_nonzero(lost) < len(every) / 2
    np.testing.assert_allclose(found, every[~lost], atol=1e-4)


def test_windows_without_tissue_are_not_read(path, tmp_path):
    """Only the windows whose inner part has tissue are, each with its margin."""
    mask = np.zeros((29, 39), bool)
    mask[0, 0] = mask[9, 20] = True  # px (72, 160) of the slide
    write_array(tmp_path / "m.tif", mask, spacing_um=4.0)
    with Slide(path, name="a") as slide:
        tissue = open_raster(tmp_path / "m.tif")
        sides = {"inner_px": 64, "margin_px": 32, "lattice_px": 4}
        windows = lay_windows(slide, tissue, scale=1.0, **sides)
        pixels = [part[0].copy() for _, part in read_patches(slide, windows)]
    assert windows.y_px.tolist() == [-32, 32]
    assert windows.x_px.tolist() == [-32, 96]
    wide = np.pad(PIXELS, ((32, 0), (32, 0), (0, 0)), constant_values=255)
    np.testing.assert_array_equal(pixels[0], wide[:128, :128])
    np.testing.assert_array_equal(pixels[1], PIXELS[32:160, 96:224])


@pytest.mark.parametrize("size_px", [(16384, 16384), (50_000, 31_000), (5000, 1000), (700, 90)])
def test_windows_cover_a_slide_with_little_beside_it(size_px):
    """The side is chosen such that few px are computed twice or beyond the slide."""
    finder = NucleusFinder(CAE, SETTINGS, spacing_um=0.5)
    inner = choose_inner_px(size_px, finder)
    assert inner % 32 == 0
    n_px = np.prod([-(-side // inner) * (inner + 64) for side in size_px])
    if min(size_px) > 10_000:
        assert n_px < 1.15 * np.prod(size_px)
    if max(size_px) < 1000:
        assert inner == 704
