"""Test patches reconstructed: which are taken, what is measured, what is kept to be shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compression.test_encoding import GRID, PATCH_PX, PIXELS, PLACES, SIZE_PX, BlockCAE
from helpers.pictures import grid_of, noise, write_slide
from helpers.whole_arrays import ssim_of_scikit_image
from microtome.compression.reconstruction import reconstruct_patches
from microtome.patches.grid import Grid
from microtome.slides.slide import Slide

KEPT = {"min_tissue_fraction": 0.25, "white_from": 210, "max_white_fraction": 0.7}


@pytest.fixture
def reconstructed(tmp_path: Path):
    """Give a function that reconstructs patches of a slide of these px without loss of squares."""

    def run(pixels: np.ndarray = PIXELS, grid: Grid = GRID, **changes) -> dict[str, np.ndarray]:
        path = write_slide(tmp_path / "a.svs", pixels)
        settings = {**KEPT, "most_patches": 100, "batch": 4, **changes}
        with Slide(path, name="a") as slide:
            reconstruct_patches(tmp_path / "a.npz", BlockCAE(), slide, grid, **settings)
        with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
            return dict(file)

    return run


def test_every_patch_is_measured(reconstructed):
    """In the order of the grid, at its place; squares of 4 px come back as they are."""
    found = reconstructed(max_white_fraction=1.1)
    assert (found["x_px"] / PATCH_PX).tolist() == [c for _, c in PLACES]
    assert (found["y_px"] / PATCH_PX).tolist() == [r for r, _ in PLACES]
    assert found["ssim"] == pytest.approx(np.ones(len(PLACES)), abs=1e-6)
    assert found["squared_error"].tolist() == [0.0] * len(PLACES)


def test_figures_are_those_of_the_pair(reconstructed):
    """Of noise, of which squares of 4 px keep the mean: SSIM by scikit-image, the error by hand."""
    pixels = noise(64, 96, seed=3)
    found = reconstructed(pixels, grid_of([(0, 1), (1, 2)], patch_px=PATCH_PX))
    for i, (r, c) in enumerate([(0, 1), (1, 2)]):
        patch = pixels[32 * r : 32 * r + 32, 32 * c : 32 * c + 32]
        means = patch.reshape(8, 4, 8, 4, 3).mean((1, 3)).repeat(4, 0).repeat(4, 1).round()
        error = np.mean(((means - patch) / 255) ** 2)
        assert found["squared_error"][i] == pytest.approx(error, rel=0.01)
        similar = ssim_of_scikit_image(patch[None] / 255, means[None] / 255)
        assert found["ssim"][i] == pytest.approx(similar, abs=2e-3)
        assert (found["original"][i] == patch).all()
        assert np.abs(found["reconstruction"][i] - means).max() <= 1
        assert found["latents"][i].shape == (2, 2, 64)


def test_only_patches_that_would_be_learnt_from_are_taken(reconstructed):
    """With more tissue than the least, and not mostly white; of these at most so many, spread."""
    pixels = np.full((32, 192, 3), 120, np.uint8)
    pixels[:, 64:96] = 255
    grid = grid_of([(0, c) for c in range(6)], patch_px=PATCH_PX)
    tissue = np.array([1, 0.25, 1, 0.3, 1, 1], np.float32)
    grid = replace(grid, tissue_fraction=tissue)
    assert (reconstructed(pixels, grid)["x_px"] / PATCH_PX).tolist() == [0, 3, 4, 5]
    assert (reconstructed(pixels, grid, most_patches=2)["x_px"] / PATCH_PX).tolist() == [0, 5]


def test_examples_are_spread_over_the_patches(reconstructed):
    """Four of many, from the first to the last; their pixels are the slide's."""
    found = reconstructed(max_white_fraction=1.1)
    assert found["example"].tolist() == [0, 9, 18, 27]
    assert found["original"].shape == (4, PATCH_PX, PATCH_PX, 3)
    r, c = PLACES[found["example"][1]]
    expected = PIXELS[32 * r : 32 * r + 32, 32 * c : 32 * c + 32]
    inside = min(SIZE_PX[0] - 32 * c, 32)
    assert (found["original"][1][: len(expected), :inside] == expected[:, :inside]).all()


def test_a_slide_of_glass_has_no_patches(reconstructed):
    """Its file says so, and nothing fails."""
    white = np.full((64, 64, 3), 255, np.uint8)
    found = reconstructed(white, grid_of([(0, 0), (1, 1)], patch_px=PATCH_PX))
    assert [len(found[key]) for key in ("ssim", "example", "original", "latents")] == [0] * 4
