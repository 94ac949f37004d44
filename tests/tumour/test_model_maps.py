"""Models of one slide side by side: what is boxed as false, and what a figure shows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microtome.rasters.label_tiff import write_array
from microtome.rasters.labels import VIABLE
from microtome.slides.slide import Slide
from microtome.tumour.border_figure import choose_place, draw_borders, mask_border, read_viable
from microtome.tumour.model_maps_figure import draw_model_maps, find_false_regions

GREEN, PINK, BLUE = (np.array(c) for c in ([0, 0xC8, 0x53], [0xC2, 0x18, 0x5B], [0x0D, 0x47, 0xA1]))


def viable(shape: tuple[int, int], *places: tuple[slice, slice]) -> np.ndarray:
    """Make a map with viable tumour at some places."""
    labels = np.zeros(shape, np.uint8)
    for place in places:
        labels[place] = VIABLE
    return labels


def test_false_regions_are_where_the_truth_has_none():
    """One apart from the tumour and one beside it; true tumour is none, nor is what was missed."""
    true = viable((100, 100), (slice(0, 40), slice(0, 40)), (slice(80, 99), slice(0, 9)))
    apart, beside = (slice(60, 80), slice(60, 90)), (slice(10, 30), slice(40, 60))
    found = viable((100, 100), (slice(0, 40), slice(0, 40)), apart, beside)
    assert find_false_regions(found, true, spacing_um=16) == [beside, apart]


@pytest.mark.parametrize(("rim_px", "regions"), [(6, 0), (8, 1)])
def test_a_rim_along_a_border_is_no_region(rim_px, regions):
    """A disc of 128 µm has to fit: a region of 8 px of 16 µm, a patch at 20x, is one."""
    true = viable((60, 90), (slice(20, 40), slice(0, 90)))
    found = viable((60, 90), (slice(20, 40 + rim_px), slice(0, 90)))
    assert len(find_false_regions(found, true, spacing_um=16)) == regions


def test_the_place_is_where_most_border_lies():
    """A comb has more than a straight edge; the edge of the slide is no border."""
    mask = np.zeros((60, 120), bool)
    mask[:, :20] = True
    mask[20:40, 90:110:2] = True
    assert choose_place(mask, side_px=24) == (18, 87)
    assert mask_border(mask)[:, :19].sum() == 0
    assert mask_border(mask)[:, 19].all()


@pytest.mark.parametrize(("shape", "place"), [((30, 41), (11, 16)), ((3, 5), (0, 0))])
def test_a_slide_without_tumour_has_a_place_too(shape, place):
    """The middle; one that is larger than the slide begins at its corner."""
    assert choose_place(np.zeros(shape, bool), side_px=8) == place


class Held:
    """A raster in memory."""

    def __init__(self, labels: np.ndarray, spacing_um: float) -> None:
        self.labels, self.shape, self.spacing_um = labels, labels.shape, spacing_um

    def region(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Read a rectangle."""
        return self.labels[top:bottom, left:right]


@pytest.mark.parametrize("spacing_um", [2.0, 4.0, 8.0])
def test_a_square_of_a_map_has_the_values_under_its_centres(spacing_um):
    """Of finer and coarser px; beyond the map there is no tumour."""
    labels = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)
    side, corner_um = 16, np.array([64.0, 40.0])
    square = {"corner_um": corner_um, "side": side, "spacing_um": spacing_um}
    found = read_viable(Held(labels, 8.0), **square)
    for row in range(side):
        for column in range(side):
            y, x = (40 + (row + 0.5) * spacing_um) // 8, (64 + (column + 0.5) * spacing_um) // 8
            inside = y < 20 and x < 30
            assert found[row, column] == (inside and labels[int(y), int(x)] == VIABLE)


@pytest.fixture
def files(tmp_path: Path) -> dict:
    """A slide of 1280 x 960 µm with tumour, and two maps: one true, one with a false region."""
    Image.fromarray(np.full((480, 640, 3), (230, 170, 200), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((120, 160, 3), 230, np.uint8)).save(tmp_path / "o.jpg")
    true = viable((120, 160), (slice(20, 80), slice(20, 80)))
    wrong = true.copy()
    wrong[40:70, 110:140] = VIABLE
    maps = {"tissue": np.ones((120, 160), bool), "truth": true, "good": true, "bad": wrong}
    for name, labels in maps.items():
        write_array(tmp_path / f"{name}.tif", labels, spacing_um=8)
    shown = {name: tmp_path / f"{name}.tif" for name in ("tissue", "truth")}
    return {**shown, "overview": tmp_path / "o.jpg", "folder": tmp_path}


def count_px(path: Path, colour: np.ndarray) -> int:
    """Count the px of nearly a colour."""
    pixels = np.asarray(Image.open(path))[..., :3].astype(int)
    return int((np.abs(pixels - colour).sum(axis=2) < 60).sum())


def test_only_the_wrong_map_has_boxes(files):
    """Green ones; each map is outlined as the truth is."""
    folder = files.pop("folder")
    found = {}
    for models in (("good",), ("good", "bad")):
        tumours = {name: folder / f"{name}.tif" for name in models}
        dice = dict.fromkeys(models, 0.5)
        draw_model_maps(folder / "f.png", name="a", tumours=tumours, dice=dice, **files)
        found[len(models)] = [count_px(folder / "f.png", colour) for colour in (GREEN, PINK)]
    assert found[1][0] == 0
    assert found[2][0] > 100
    assert found[2][1] > 1.2 * found[1][1]


def test_borders_are_those_of_truth_and_models(files):
    """A panel for each; where a slide is smaller than the place, what there is."""
    folder = files.pop("folder")
    counted = []
    for models in (("good",), ("good", "bad", "tissue")):
        tumours = {name: folder / f"{name}.tif" for name in models}
        with Slide(folder / "a.png", name="a", spacing_um=2.0) as slide:
            draw_borders(folder / "f.png", slide=slide, tumours=tumours, **files)
        counted.append([count_px(folder / "f.png", colour) for colour in (BLUE, GREEN, PINK)])
    assert min(counted[0]) > 100
    assert counted[1][0] > counted[0][0]
    assert counted[1][2] > 1.5 * counted[0][2]
