"""The autoencoders of a run side by side: the table's figures, which examples are shown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microtome.compression.comparison import read_reconstructions
from microtome.compression.figure import draw_latents, draw_reconstructions, tile_maps

LOSS = {"mse": 0.5, "ssim": 0.5, "mae": 0}
ONE = {
    "model": "cae",
    "fold": None,
    "spacing_um": 1.0,
    "patch_px": 32,
    "reconstruction_loss": LOSS,
    "downsampling": "stride",
    "slides": ["a", "b"],
}


def write_file(path: Path, *, ssim: list[float], error: float = 0.01, examples: int = 2) -> Path:
    """Write what an autoencoder made of a slide: grey patches, as bright as their SSIM."""
    shown = np.arange(min(examples, len(ssim)))
    grey = np.array([np.full((32, 32, 3), 255 * ssim[i]) for i in shown], np.uint8)
    grey = grey.reshape(-1, 32, 32, 3)
    latents = np.random.default_rng(0).random((len(shown), 2, 2, 64), np.float32)
    columns = {"ssim": np.array(ssim, float), "squared_error": np.full(len(ssim), error)}
    pictures = {"original": grey, "reconstruction": grey, "latents": latents}
    np.savez(path, example=shown, **columns, **pictures)
    return path


@pytest.fixture
def files(tmp_path) -> list[Path]:
    """Slide a with three patches, slide b with one."""
    a = write_file(tmp_path / "a.npz", ssim=[0.2, 0.4, 0.6], examples=3)
    return [a, write_file(tmp_path / "b.npz", ssim=[0.8], error=0.05)]


def test_a_row_is_of_all_patches(files):
    """Mean and sample standard deviation of the SSIM, PSNR of all px, and what was learnt from."""
    (found,) = read_reconstructions([ONE], files)
    assert found.row["loss"] == "0.5 MSE + 0.5 SSIM"
    assert (found.row["slides"], found.row["patches"]) == (2, 4)
    assert found.row["ssim"] == pytest.approx(0.5)
    assert found.row["ssim_sd"] == pytest.approx((0.2 / 3) ** 0.5)
    assert found.row["psnr_db"] == pytest.approx(-10 * np.log10(0.02))


def test_examples_are_of_every_slide_in_turn(files):
    """The first of each, then the second, four at most."""
    (found,) = read_reconstructions([ONE], files)
    expected = [("a", 0.2), ("b", 0.8), ("a", 0.4), ("a", 0.6)]
    assert [(one.slide, one.ssim) for one in found.examples] == expected


def test_files_follow_the_autoencoders(files):
    """Each has those of its slides, in their order."""
    other = {**ONE, "model": "other", "slides": ["b"]}
    found = read_reconstructions([other, ONE], [files[1], *files])
    assert [one.row["patches"] for one in found] == [1, 4]
    assert found[0].row["ssim_sd"] is None


def test_no_patch_has_no_figure(tmp_path):
    """Slides of glass alone: empty cells, and figures that are drawn without."""
    empty = write_file(tmp_path / "a.npz", ssim=[])
    found = read_reconstructions([{**ONE, "slides": ["a"]}], [empty])
    assert found[0].row["patches"] == 0
    assert found[0].row["ssim"] is found[0].row["psnr_db"] is None
    for draw in (draw_reconstructions, draw_latents):
        draw(tmp_path / "f.png", found)
        assert (tmp_path / "f.png").stat().st_size > 0


def widths(path: Path, draw, found: list) -> int:
    """Draw a figure, and give its width."""
    draw(path, found)
    with Image.open(path) as image:
        return image.width


def test_a_column_is_an_autoencoder(files, tmp_path):
    """Those of one spacing behind their originals; those of another have others; one fold alone."""
    names = [{**ONE, "model": f"m{i}"} for i in range(3)]
    coarse = {**ONE, "model": "coarse", "spacing_um": 2.0}
    folded = [{**ONE, "model": f"f{fold}", "fold": fold} for fold in (1, 2)]
    columns = []
    for some in ([ONE], names, [*names, coarse], folded):
        found = read_reconstructions(some, files * len(some))
        columns.append(widths(tmp_path / "f.png", draw_reconstructions, found) / 264)
    assert columns == pytest.approx([2, 4, 6, 2], abs=0.01)


def test_maps_are_tiles_from_the_first_channel_on():
    """Eight in a row with a px between them; all of one scale from dark to bright."""
    latents = np.zeros((3, 2, 16), np.float32)
    latents[:, :, 9] = 5
    tiled = tile_maps(latents)
    assert tiled.shape == (2 * 4 - 1, 8 * 3 - 1, 3)
    assert (tiled[4:7, 3:5] == 255).all()
    assert (tiled[:3, :2] == 0).all()
    assert (tiled[3] == 255).all()
    assert (tiled[4:7, 6:8] == 0).all()


def test_the_same_files_give_the_same_figures(files, tmp_path):
    """The same bytes; of other reconstructions others."""
    found = read_reconstructions([ONE], files)
    for draw in (draw_reconstructions, draw_latents):
        drawn = []
        for some in (found, found, read_reconstructions([{**ONE, "model": "x"}], files)):
            draw(tmp_path / "f.png", some)
            drawn.append((tmp_path / "f.png").read_bytes())
        assert drawn[0] == drawn[1] != drawn[2]
