"""Classes of the nuclei of slides: by colour, as on images, whatever the windows."""

import numpy as np
import pytest
from torch import nn

from helpers.pictures import break_tile, noise, write_slide
from microtome.nuclei.classes import NucleusClasses, classify_nuclei
from microtome.nuclei.probabilities import predict_attributes
from microtome.slides.slide import Slide
from nuclei.plain_networks import Hue
from nuclei.test_outlines import write_table

# x, y in px, and the colour there: red, blue, neither, both (as sure of the first).
NUCLEI = [
    (40, 30, (255, 0, 0)),
    (128, 128, (0, 0, 255)),
    (63.5, 200, (90, 0, 100)),
    (1, 255, (255, 0, 255)),
]
NAMES = ("red", "blue")


def classified(path, table, *, network: nn.Module, side_px=12, shift_px=0, **settings) -> dict:
    """Classify all nuclei, and give the columns in the order of the table."""
    classes = NucleusClasses(network, NAMES, side_px=side_px, shift_px=shift_px)
    with Slide(path, name="a") as slide:
        parts = list(classify_nuclei(classes, slide, table, scale=1.0, **settings))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["confidence"])
    return {name: values[order] for name, values in joined.items()}


@pytest.fixture
def path(tmp_path):
    """Write a slide with spots of these colours."""
    pixels = np.full((256, 256, 3), 128, np.uint8)
    for x, y, colour in NUCLEI:
        pixels[int(y) - 6 : int(y) + 6, max(0, int(x) - 6) : int(x) + 6] = colour
    return write_slide(tmp_path / "a.svs", pixels)


@pytest.fixture
def table(tmp_path):
    """Write a table of their places."""
    return write_table(tmp_path / "t.parquet", [(x, y) for x, y, _ in NUCLEI])


@pytest.mark.parametrize("shift_px", [0, 2])
def test_classes_by_colour(path, table, shift_px):
    """The attribute of the highest probability, of one half at least; else none."""
    found = classified(path, table, network=Hue(), shift_px=shift_px)
    assert found["class"].tolist() == ["red", "blue", "", "red"]
    light = np.array([[c[0], c[2]] for _, _, c in NUCLEI]) / 255
    expected = 1 / (1 + np.exp(-10 * (light - 0.5)))
    for i, name in enumerate(NAMES):
        np.testing.assert_allclose(found[f"probability_{name}"], expected[:, i], atol=1e-5)
    assert found["x_px"].tolist() == [x for x, _, _ in NUCLEI]


def test_probabilities_are_those_of_the_images_around(tmp_path):
    """Mean of 25 crops, as of a labelled image with the nucleus in its middle; whatever windows."""
    pixels = noise(200, 230)
    slide = write_slide(tmp_path / "b.svs", pixels)
    rng = np.random.default_rng(1)
    places = np.rint(rng.uniform((20, 20), (210, 180), (60, 2)))
    table = write_table(tmp_path / "t.parquet", places)
    settings = {"network": Hue(), "side_px": 16, "shift_px": 4}
    whole, parts = (classified(slide, table, **settings, inner_px=n) for n in (232, 64))
    for name, values in whole.items():
        np.testing.assert_array_equal(parts[name], values)
    for i, (x, y) in enumerate(places.astype(int).tolist()):
        image = pixels[y - 12 : y + 12, x - 12 : x + 12]
        expected = predict_attributes(Hue(), image, side_px=16, shift_px=4)
        found = [whole[f"probability_{name}"][i] for name in NAMES]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_where_a_tile_is_broken_nuclei_have_no_class(path, table, caplog):
    """They stay in the table, and the log says why."""
    break_tile(path, row=2, column=2)
    found = classified(path, table, network=Hue(), inner_px=128)
    assert "nuclei have no class there" in caplog.text
    assert found["class"].tolist() == ["red", "", "", "red"]
    assert np.isnan(found["probability_red"]).tolist() == [False, True, False, False]
