"""The figure of nuclei: which places it shows, and that it can be drawn of any slide."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microtome.nuclei.counts import count_nuclei
from microtome.nuclei.density import write_density
from microtome.nuclei.figure import choose_places, draw_nucleus_figure
from microtome.rasters.label_tiff import write_array
from microtome.slides.slide import Slide

RING = np.array([0x00, 0xE6, 0x76])


def test_places_are_of_median_density_and_the_densest():
    """By means of 3 x 3 px: a single px of many nuclei is not the densest place."""
    density = np.full((9, 30), 100.0)
    density[:, 20:] = 300
    density[:, :5] = 50
    density[4, 10] = 900
    median, densest = choose_places(density, np.ones_like(density))
    assert 6 <= median[1] < 20
    assert density[median] == 100
    assert densest[1] >= 21


def test_places_are_full_of_tissue():
    """The densest px may lie at the edge of the tissue; what is shown does not."""
    density, tissue = np.full((9, 9), 10.0), np.ones((9, 9))
    density[0], tissue[0] = 5000, 0.1
    tissue[:, 8], density[:, 8] = 0, np.nan
    density[4, 4] = 20
    for row, column in choose_places(density, tissue):
        assert 2 <= row < 8
        assert 1 <= column < 7


@pytest.fixture
def draw(tmp_path: Path):
    """Draw the figure of a slide of 320 x 320 µm with some tissue and nuclei."""
    Image.fromarray(np.full((640, 640, 3), (230, 170, 200), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((40, 40, 3), 230, np.uint8)).save(tmp_path / "o.jpg")
    settings = {"spacing_tolerance": 0.02, "upsample": False}

    def run(mask: np.ndarray, x_um: np.ndarray, y_um: np.ndarray) -> np.ndarray:
        files = {name: tmp_path / f"{name}.tif" for name in ("tissue", "density")}
        write_array(files["tissue"], mask, spacing_um=8)
        batches = [{"x_um": x_um, "y_um": y_um}]
        counts = count_nuclei(batches, tissue=files["tissue"], tumour=None)
        with Slide(tmp_path / "a.png", name="a", spacing_um=0.5) as slide:
            inspected = {"width_px": 640, "height_px": 640, "spacing_um": 0.5}
            options = {"spacing_um": 64, "name": "a", "slide_settings": settings}
            options |= {"tissue": files["tissue"], "inspected": inspected}
            write_density(files["density"], batches, **options)
            options = {"model": "m", "slide": slide, "overview": tmp_path / "o.jpg", **files}
            draw_nucleus_figure(tmp_path / "f.png", batches, counts=counts, **options)
        return np.asarray(Image.open(tmp_path / "f.png"))[..., :3]

    return run


def test_nuclei_found_have_rings(draw):
    """Green ones, as many px as there are nuclei; none without nuclei."""
    mask, middle = np.ones((40, 40), bool), np.array([160.0])

    def ringed(n: int) -> int:
        pixels = draw(mask, middle.repeat(n) + 16 * np.arange(n), middle.repeat(n))
        return int((np.abs(pixels.astype(int) - RING).sum(axis=2) < 60).sum())

    none, one, three = ringed(0), ringed(1), ringed(3)
    assert none == 0
    assert one > 20
    assert three == pytest.approx(3 * one, rel=0.4)


@pytest.mark.parametrize("tissue", ["none", "a strip"])
def test_a_slide_with_little_tissue_has_a_figure(draw, tissue):
    """No place is full of tissue: single px are shown, or the slide and its density alone."""
    mask = np.zeros((40, 40), bool)
    mask[20] = tissue == "a strip"
    pixels = draw(mask, np.array([60.0]), np.array([163.0]))
    assert pixels.shape[1] > 1000
