"""The step of finding the nuclei of a slide: from files to a table."""

import json

import numpy as np
import pytest

from helpers.pictures import noise, write_slide
from microtome.errors import InputError
from microtome.networks.registry import save_weights
from microtome.nuclei.finder import NucleusFinder
from microtome.nuclei.peaks import PeakSettings
from microtome.nuclei.step import find_nuclei_step
from microtome.nuclei.table import read_about, read_nuclei
from microtome.nuclei.windows import find_nuclei
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.slides.inspection import inspect
from microtome.slides.slide import Slide
from nuclei.random_networks import WIDTH, autoencoder

ENTRY = {
    "kind": "crosswise",
    "variant": "crosswise",
    "reduction": 4,
    "width": WIDTH,
    "sparsity_percent": 1.6,
    "spacing_um": 0.5,
    "patch_px": 100,
}
SETTINGS = {"min_distance_um": 3.0, "smoothing_um": 1.0, "threshold": 0.2, "latents": False}


@pytest.fixture
def find(tmp_path):
    """Give a function that runs the step on a slide of 0.25 µm/px and names the table."""
    path = write_slide(
        tmp_path / "a.svs",
        noise(200, 260).repeat(2, axis=0).repeat(2, axis=1),
        spacing_um=0.25,
        downsamples=(1, 2),
    )
    slide = {"spacing_tolerance": 0.02, "upsample": False}
    found = inspect(name="a", row={"path": path}, **slide)
    (tmp_path / "a.json").write_text(json.dumps(found))
    mask = np.ones((25, 33), bool)
    mask[:, :8] = False
    write_array(tmp_path / "tissue.tif", mask, spacing_um=4.0)
    weights = tmp_path / "weights.safetensors"
    save_weights(weights, autoencoder(), name="c", entry=ENTRY, training={})

    def run(chosen=None, **settings):
        find_nuclei_step(
            table=tmp_path / "n.parquet",
            name="a",
            model="c",
            slide_path=path,
            inspected=tmp_path / "a.json",
            tissue=tmp_path / "tissue.tif",
            weights=weights,
            entry=ENTRY,
            settings=SETTINGS | settings,
            threshold=chosen,
            slide_settings=slide,
            threads=1,
            gpus=0,
            allow_cpu=True,
            scratch_dir=None,
        )
        return tmp_path / "n.parquet"

    return run


def columns(path) -> dict[str, np.ndarray]:
    """The table at once."""
    (part,) = read_nuclei(path)
    return part


def test_the_table_has_what_is_found_in_the_tissue(find, tmp_path):
    """In px of level 0 and in µm from its corner, with what was asked beside it."""
    path = find()
    found = columns(path)
    with Slide(tmp_path / "a.svs", name="a") as slide:
        finder = NucleusFinder(autoencoder(), PeakSettings(3.0, 1.0, 0.2), spacing_um=0.5)
        tissue = open_raster(tmp_path / "tissue.tif")
        (expected,) = find_nuclei(finder, slide, tissue, scale=2.0)
    assert len(expected.x_px) > 10
    for name in ("x_px", "y_px", "confidence", "haematoxylin"):
        np.testing.assert_allclose(found[name], getattr(expected, name), rtol=1e-5)
    np.testing.assert_allclose(found["x_um"], expected.x_px * 0.25, rtol=1e-6)
    assert found["x_px"].min() > 8 * 16
    about = read_about(path)
    assert (about["slide"], about["model"], about["spacing_um"]) == ("a", "c", 0.5)
    assert (about["level_0_um"], about["threshold"]) == (0.25, 0.2)


def test_the_same_slide_gives_the_same_bytes(find):
    """Once more, to the bit."""
    first = find().read_bytes()
    assert find().read_bytes() == first


def test_latents_are_in_the_table_if_asked_for(find):
    """A vector a nucleus, of as many numbers as the foreground has maps; else no column."""
    assert "latent" not in columns(find())
    found = columns(find(latents=True))
    assert found["latent"].shape == (len(found["x_px"]), autoencoder().foreground_maps)
    assert found["latent"].any(axis=1).all()


def test_the_threshold_may_come_from_validation_images(find, tmp_path):
    """From the file that chose it, instead of a number in the config."""
    chosen = tmp_path / "c.json"
    chosen.write_text(json.dumps({"threshold": 0.9}))
    few = columns(find(chosen, threshold="validation"))
    many = columns(find())
    assert few["confidence"].min() >= 0.9
    assert len(few["x_px"]) == np.count_nonzero(many["confidence"] >= 0.9)
    assert len(few["x_px"]) < len(many["x_px"])


def test_a_slide_without_nuclei_has_an_empty_table(find):
    """All columns and no row: those who read it need no exception."""
    path = find(threshold=1000.0)
    assert list(read_nuclei(path)) == []


def test_another_slide_than_the_inspected_is_refused(find, tmp_path):
    """Nothing is written."""
    write_slide(tmp_path / "a.svs", noise(100, 100), spacing_um=0.25)
    with pytest.raises(InputError, match="another size than when it was inspected"):
        find()
    assert not (tmp_path / "n.parquet").exists()
