"""The steps of training: what an entry and its files mean for what is read, trained and written."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from helpers.pictures import grid_of, noise, stained, write_store
from helpers.training_runs import FITTING, inspected_slide, note_fit
from microtome.io.atomic import write_json
from microtome.rasters.label_tiff import write_array
from microtome.rasters.labels import VIABLE
from microtome.training import step
from microtome.training.random_colour import ColourChanges
from microtome.training.random_placement import Moves
from training.test_loop import SEGMENTER


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    """Write a slide of four patches of 32 px, with its grid, inspection and truth."""
    folder = tmp_path_factory.mktemp("slides")
    pixels = noise(64, 96)
    write_json(folder / "a.json", inspected_slide(folder / "a.svs", pixels))
    places = [(r, c) for r in (0, 1) for c in (0, 1, 2)]
    grid_of(places, patch_px=32, labels=[0, 1] * 3).save(folder / "a.npz")
    write_array(folder / "a.tif", VIABLE * (pixels[..., 0] > 127), spacing_um=0.5)
    return {
        "patches": [str(folder / "a.npz")],
        "inspected": [str(folder / "a.json")],
        "slide_paths": [str(folder / "a.svs")],
        "truths": [str(folder / "a.tif")],
        "min_tissue_fraction": 0.2,
        "slide_settings": {"spacing_tolerance": 0.02, "upsample": False},
    }


def run(of, folder, part: dict, **settings: object) -> None:
    """Run a step on the same patches for training and validation."""
    files = {"weights": "w.safetensors", "curves": "c.csv", "checkpoint": "c.safetensors"}
    given = {key: folder / file for key, file in files.items()} | settings
    of(name="m", data={"train": part, "validation": part}, threads=1, code="c", **given)


@pytest.fixture
def trained(monkeypatch) -> list[tuple]:
    """Note what would be trained: entry, patches to train on and to validate, further settings."""
    noted = []

    def note(name, entry, train, validation, **settings):
        noted.append((entry, train, validation, settings))
        return nn.Linear(1, 1), [{"epoch": 1}]

    for kind in ("pretrain", "train_model"):
        monkeypatch.setattr(step, kind, note)
    monkeypatch.setattr(
        step, "save_weights", lambda *_, **about: noted.append((about["training"],))
    )
    return noted


def write_three_spacings(path) -> tuple[np.ndarray, dict]:
    """Write two patches of 0.5, 1.0 and 2.0 µm/px, each of another brightness."""
    one = stained([0, 1], side=8)
    pixels = np.stack([one, one // 2, one // 4], axis=1)
    store = write_store(path, pixels, [0, 1], spacings_um=(1.0, 2.0))
    part = {"patches": [store], "inspected": [], "min_tissue_fraction": 0.2, "slide_settings": {}}
    return pixels, part


def read_all(data) -> np.ndarray:
    """Read the images of all patches, colour last."""
    return next(data.in_order(9))[0].movedim(-3, -1).numpy()


@pytest.mark.parametrize(("place", "spacing_um"), list(enumerate([0.5, 1.0, 2.0])))
def test_each_autoencoder_learns_the_patches_of_its_spacing(tmp_path, trained, place, spacing_um):
    """The entry's own is the first of a store; its card says which."""
    pixels, part = write_three_spacings(tmp_path / "a.zarr")
    run(step.pretrain_step, tmp_path, part, entry={"spacing_um": 0.5}, spacing_um=spacing_um)
    (_, train, validation, _), (about,) = trained
    np.testing.assert_array_equal(read_all(train), pixels[:, place])
    np.testing.assert_array_equal(read_all(validation), pixels[:, place])
    assert about["spacing_um"] == spacing_um


def test_a_network_starts_from_its_autoencoders_and_sees_all_spacings(tmp_path, trained):
    """Weights in the order of the files; a batch has the entry's further spacings."""
    pixels, part = write_three_spacings(tmp_path / "a.zarr")
    files = [tmp_path / "first.safetensors", tmp_path / "second.safetensors"]
    for value, file in enumerate(files):
        save_file({"weight": torch.full((2,), float(value))}, file)
    entry = {"further_spacings_um": [1.0, 2.0]}
    run(step.train_step, tmp_path, part, entry=entry, autoencoders=files)
    _, train, _, settings = trained[0]
    np.testing.assert_array_equal(read_all(train), pixels)
    assert [s["weight"].tolist() for s in settings["autoencoders"]] == [[0.0, 0.0], [1.0, 1.0]]


def test_a_network_that_starts_from_another_tells_what_that_has_learned_from(tmp_path, trained):
    """Its card names the slides of the start, and of the start's start."""
    _, part = write_three_spacings(tmp_path / "a.zarr")
    learnt = {"slides": ["colon-1"], "slides_of_start": ["node-1"]}
    write_json(tmp_path / "start.json", {"training": learnt})
    start = str(tmp_path / "start.safetensors")
    run(step.train_step, tmp_path, part, entry={}, autoencoders=[], start=start)
    (*_, settings), (about,) = trained
    assert settings["start"] == start
    assert about["slides_of_start"] == ["colon-1", "node-1"]


def test_holes_of_the_truth_are_closed_as_the_entry_says(tmp_path, slide, trained):
    """A hole of one px is tumour for a segmenter whose `max_blob_px` is 1, and for no other."""
    truth = np.full((64, 96), VIABLE, np.uint8)
    truth[5, 7] = 0
    write_array(tmp_path / "a.tif", truth, spacing_um=0.5)
    part = {**slide, "truths": [str(tmp_path / "a.tif")]}
    for n_px in (0, 1):
        run(step.train_step, tmp_path, part, entry={"max_blob_px": n_px}, autoencoders=[])
    tumour = [next(train.in_order(6))[1].double().mean().item() for _, train, *_ in trained[::2]]
    assert tumour == [pytest.approx(1 - 1 / (64 * 96)), 1.0]


def test_a_rule_trains_in_as_many_processes_as_the_entry_says(monkeypatch):
    """`gpus` of the entry; the job's own number is what must be there."""
    seen, asked = {}, []
    monkeypatch.setattr(step, "launch", lambda of, **settings: seen.update(settings, step=of))
    monkeypatch.setattr(step, "require_gpus", lambda n, *, allow_cpu: asked.append((n, allow_cpu)))
    job = {"log_path": "a.log", "gpus": 3, "allow_cpu": False, "scratch_dir": None}
    step.launch_step(step.train_step, {}, entry={"gpus": 2}, data={}, **job)
    assert (seen["gpus"], seen["step"], asked) == (2, step.train_step, [(3, False)])


def test_an_entry_freezes_moves_and_colours(tmp_path, slide, monkeypatch):
    """From files to files: a segmenter's encoder stands still, patches are moved and coloured."""
    given = note_fit(monkeypatch)
    fitting = {"training": {**FITTING, "epochs": 1, "frozen_epochs": 1}}
    entry = {**SEGMENTER, **fitting, "augmentation": {"hue": 0.1, "shift_px": 8}}
    run(step.train_step, tmp_path, slide, entry=entry, autoencoders=[])
    end = load_file(tmp_path / "w.safetensors")
    encoder = [k for k in end if k.startswith("network.encoder.")]
    assert all(torch.equal(end[k], given["start"][k]) for k in encoder)
    assert not all(torch.equal(end[k], given["start"][k]) for k in end.keys() - set(encoder))
    assert given["colours"] == ColourChanges(hue=0.1)
    assert given["train"]._moves == Moves(shift_px=8)
