"""A worker's process scores slide after slide as each would be scored by itself."""

import json
import os
import tempfile
from pathlib import Path

import pytest
import torch

from helpers.pictures import files_of, grid_of, noise, write_slide
from microtome.errors import InputError
from microtome.inference import scoring
from microtome.inference import step as scoring_step
from microtome.inference.score_store import open_scores
from microtome.inference.step import score_step
from microtome.networks import registry
from microtome.parallel.step_client import run_step
from microtome.slides import inspection
from parallel.test_step_client import end_worker

COLOUR = {"kind": "colour", "spacing_um": 0.5, "patch_px": 64}
HEAD = {"downsampling": "stride", "head": "light", "dropout": 0.5}
ENTRIES = {"cae": {**COLOUR, "kind": "histocae", **HEAD}, "colour": COLOUR}


@pytest.fixture
def cohort(tmp_path):
    """Write two slides, a grid for each, and weights of two models and a second set of one."""
    for seed, name in enumerate("ab"):
        path = write_slide(tmp_path / f"{name}.svs", noise(256, 320, seed=seed))
        info = inspection.inspect(name=name, row={"path": str(path)}, spacing_tolerance=0.02)
        (tmp_path / f"{name}.json").write_text(json.dumps(info))
        places = [(r, c) for r in range(7) for c in range(9 - seed)]
        grid_of(places, patch_px=64, stride_px=32).save(tmp_path / f"{name}.npz")
    for model, entry in ENTRIES.items():
        for seed in (1, 2):
            network = registry.build_model(entry, seed=seed)
            path = tmp_path / f"{model}{seed}.safetensors"
            registry.save_weights(path, network, name=model, entry=entry, training={})
    return tmp_path


def score(cohort: Path, slide: str, model: str, /, **changes: object) -> Path:
    """Score a slide as the rule does; give the store of scores."""
    store = cohort / f"{len(list(cohort.iterdir()))}.zarr"
    settings = {
        "log": str(cohort / "x.log"),
        "scores": str(store),
        "name": slide,
        "model": model,
        "slide_path": str(cohort / f"{slide}.svs"),
        "inspected": str(cohort / f"{slide}.json"),
        "grid": str(cohort / f"{slide}.npz"),
        "weights": [str(cohort / f"{model}1.safetensors")],
        "members": {model: ENTRIES[model]},
        "entry": ENTRIES[model],
        "slide_settings": {"spacing_tolerance": 0.02, "upsample": False},
        "batch": None,
        "map_um": 8.0,
        "white_from": 210,
        "compiled": False,
        "threads": 1,
        "gpus": 1,
        "allow_cpu": True,
        "scratch_dir": None,
    }
    run_step(score_step, **{**settings, **changes})
    return store


def test_scores_have_the_same_bytes(cohort, monkeypatch):
    """Two slides by two models and by both together, in turns: as scored each by itself."""
    weights = [str(cohort / f"{model}1.safetensors") for model in ENTRIES]
    ensemble = {"members": ENTRIES, "weights": weights, "model": "ensemble", "entry": {}}
    runs = {
        "a by cae": ("a", "cae", {}),
        "b by cae": ("b", "cae", {"threads": 2}),
        "a by colour": ("a", "colour", {}),
        "a by cae again": ("a", "cae", {"scratch_dir": str(cohort / "scratch")}),
        "b by both": ("b", "cae", ensemble),
        "a by other weights": ("a", "cae", {"weights": [str(cohort / "cae2.safetensors")]}),
    }
    found = {}
    for use in (False, True):
        with tempfile.TemporaryDirectory() as name:
            monkeypatch.setenv("PACKED_SLURM_WORKER", name if use else "")
            stores = {run: score(cohort, *of, **changes) for run, (*of, changes) in runs.items()}
            assert (Path(name) / "pid").exists() is use
            end_worker(Path(name))
        found[use] = {run: files_of(store) for run, store in stores.items()}
    assert found[True] == found[False]
    assert all(len(files) > 5 for files in found[True].values())
    assert found[True]["a by cae"] == found[True]["a by cae again"]
    assert found[True]["a by cae"] != found[True]["a by other weights"]
    assert not list((cohort / "scratch").iterdir())
    assert open_scores(stores["a by cae again"]).attributes["path"] == str(cohort / "a.svs")


def test_networks_are_loaded_once(cohort, monkeypatch):
    """The next slide of a model uses its networks; another model, or new weights, are loaded."""
    monkeypatch.delenv("PACKED_SLURM_WORKER", raising=False)
    monkeypatch.setattr(scoring_step, "_LOADED", {})
    loaded = []
    real = registry.load_members

    def load_members(paths, *, entries):
        loaded.append(sorted(entries))
        return real(paths, entries=entries)

    monkeypatch.setattr(registry, "load_members", load_members)
    for slide, model in (("a", "cae"), ("b", "cae"), ("a", "colour"), ("b", "colour")):
        score(cohort, slide, model)
    assert loaded == [["cae"], ["colour"]]
    assert len(scoring_step._LOADED) == 1
    # The entry says what the weights mean, too.
    entry = {**ENTRIES["colour"], "stride_px": 7}
    score(cohort, "a", "colour", members={"colour": entry})
    assert len(loaded) == 3
    os.utime(cohort / "colour1.safetensors", ns=(1, 1))
    score(cohort, "a", "colour", members={"colour": entry})
    assert len(loaded) == 4


def test_scoring_reads_the_copy_with_its_threads(cohort, monkeypatch):
    """The slide is read from scratch, and PyTorch has as many threads as the job."""
    monkeypatch.delenv("PACKED_SLURM_WORKER", raising=False)
    seen = []
    real = inspection.open_inspected

    def opened(*arguments, **settings):
        seen.append((settings["read_from"], torch.get_num_threads()))
        return real(*arguments, **settings)

    monkeypatch.setattr(inspection, "open_inspected", opened)
    for threads, scratch_dir in ((2, str(cohort / "scratch")), (1, None)):
        score(cohort, "a", "colour", threads=threads, scratch_dir=scratch_dir)
    assert seen[0][0].startswith(str(cohort / "scratch"))
    assert seen[1][0] is None
    assert [threads for _, threads in seen] == [2, 1]


def test_views_and_further_spacings_are_those_of_the_entry(cohort, monkeypatch):
    """The model's own entry says them, not its members'."""
    monkeypatch.delenv("PACKED_SLURM_WORKER", raising=False)
    given = {}

    def note(*_, **settings):
        given.update(settings)
        return iter(())

    monkeypatch.setattr(scoring, "score", note)
    entry = {"test_time_augmentation": ["rotate_90"], "further_spacings_um": [1.0]}
    score(cohort, "a", "colour", entry=entry)
    assert (given["augmentations"], given["spacings_um"]) == (["rotate_90"], [1.0])
    assert given["epistemic"] == "views"
    score(cohort, "a", "colour", entry={"epistemic": "plain"})
    assert given["epistemic"] == "plain"


def test_no_gpu_is_an_error(cohort, monkeypatch):
    """Where a GPU was asked for and must be had, scoring ends with that line."""
    monkeypatch.delenv("PACKED_SLURM_WORKER", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"^no GPU on \S+, though one was asked for; "):
        score(cohort, "a", "colour", allow_cpu=False)
