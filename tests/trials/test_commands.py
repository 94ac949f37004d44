"""The commands of the trials, with the arguments that `make` gives them, on tiny made-up data."""

import importlib
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import oral
import tiles
from conftest import REPOSITORY
from helpers.pictures import noise
from helpers.trial_data import SMALL_FORESTS, write_tables, write_test_tables, write_tiles
from microtome.io.tables import read_table
from microtome.patches.grid_spec import GridSpec
from node_methods import call_by_length, vote_of_forests


def shorten(entry: dict) -> dict:
    """Make settings of a model short: one epoch."""
    return entry | {key: {**entry[key], "epochs": 1} for key in entry if key.endswith("training")}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command of a target of the Makefile, with some of its settings changed."""

    def run_target(target: str, data: Path, **settings: object) -> Path:
        asked = ["make", "--dry-run", "--old-file=.venv/.installed", target]
        planned = subprocess.run(
            [*asked, f"IMAGES={data}", f"TABLES={data}"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        (line,) = (line for line in planned.stdout.splitlines() if line.startswith("python"))
        _, script, *arguments = shlex.split(line)
        module = importlib.import_module(Path(script).stem)
        for name, value in settings.items():
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        monkeypatch.chdir(tmp_path)
        module.main()
        assert f"cat {arguments[1]}/summary.md" in planned.stdout
        return tmp_path / arguments[1]

    return run_target


def test_oral_trains_every_model_once(run, tmp_path):
    """Every model and start has figures of each fold; run again, it trains nothing."""
    rng = np.random.default_rng(0)
    for name, red in (("Normal", 40), ("OSCC", 215)):
        (tmp_path / name).mkdir()
        for i in range(6):
            pixels = np.kron(noise(12, 12, seed=rng.integers(2**31)), np.ones((4, 4, 1), np.uint8))
            pixels[..., 0] = red
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name / f"{name}{i}.jpg")
    small = {"patch_px": 64, "architecture": "efficientnet_b0"}
    models = {name: shorten(entry) | small for name, entry in oral.MODELS.items()}
    command = partial(
        run,
        "trial-oral",
        tmp_path,
        SIDE_PX=64,
        N_FOLDS=3,
        LABEL_SHARES=(1.0, 0.5),
        HISTOCAE=models["HistoCAE1"],
        MODELS=models,
    )
    results = command()
    rows = read_table(results / "models.csv")
    assert [row["model"] for row in rows] == np.repeat(list(oral.MODELS), 3).tolist()
    starts = read_table(results / "labels.csv")
    assert [(row["start"], row["labels"]) for row in starts[::3]] == [
        ("autoencoder 1", "4"),
        ("random 1", "4"),
        ("autoencoder 0.5", "4"),
        ("random 0.5", "4"),
    ]
    assert "12 images of 64 px (6 carcinoma), in 12 groups" in (results / "summary.md").read_text()
    assert (results / "trial.png").stat().st_size > 10_000
    kept = {path: path.stat().st_mtime_ns for path in (results / "runs").iterdir()}
    assert len(kept) == (4 + 3) * 3
    command()
    assert {path: path.stat().st_mtime_ns for path in (results / "runs").iterdir()} == kept


def test_tiles_trains_both_networks_for_each_tile(run, tmp_path):
    """Each tile is mapped by colour, by both networks and by both together, which is reported."""
    results = run(
        "trial-tiles",
        write_tiles(tmp_path, {"s_1": 24, "s_2": 48}),
        NETWORKS={name: shorten(entry) for name, entry in tiles.NETWORKS.items()},
        run_fold=partial(
            tiles.run_fold,
            patches=GridSpec(tiles.SPACING_UM, 64, 64),
            inference=GridSpec(tiles.SPACING_UM, 64, 32),
        ),
    )
    rows = read_table(results / "tiles.csv")
    methods = ["everything tumour", "colour alone", "UNet++", "U-Net", "both"]
    assert [row["method"] for row in rows] == methods * 2
    for row in rows[2:5]:
        assert 0 < float(row["auc"]) < 1
    assert {path.stem for path in (results / "checkpoints").iterdir()} == {
        f"{name}-without-{tile}" for name in tiles.NETWORKS for tile in ("s_1", "s_2")
    }
    assert "2 tiles" in (results / "summary.md").read_text()
    assert (results / "trial.png").stat().st_size > 10_000


def test_nodes_compares_methods_in_folds_and_on_test_slides(run, tmp_path):
    """Figures of forests on every fold, of methods for every seed, and of the test slides."""
    write_test_tables(write_tables(tmp_path))
    few = {key: SMALL_FORESTS[key] for key in ("n_trees", "n_draws")}
    results = run(
        "trial-nodes",
        tmp_path,
        settings=lambda: few,
        vote_of_chosen_forests=partial(vote_of_forests, **few),
        METHODS={"longest axis alone": call_by_length},
        BEST={},
        SEEDS=(1, 2),
        N_FOLDS=3,
        N_SAMPLES=20,
    )
    assert len(read_table(results / "folds.csv")) == 7 * 3
    assert [row["seed"] for row in read_table(results / "methods.csv")] == ["1", "2"]
    rows = read_table(results / "held_out.csv")
    assert [row["method"] for row in rows][1:] == ["forests as they are", "longest axis alone"]
    assert all(float(row["kappa"]) > 0.5 for row in rows)
    assert len(read_table(results / "test_slides.csv")) == 3 * 2 * 9
    assert len(read_table(results / "shifts.csv")) == 3 * 4
    text = (results / "summary.md").read_text()
    assert "24 slides of CAMELYON16" in text
    assert "9 test slides (3 negative, 0 itc, 3 micro, 3 macro)" in text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("camelyon16_tables.py", "derived_train_max_lesion_diameter.csv: cannot be read"),
        ("oral.py", "lacks images in Normal or OSCC, as Normal/a.jpg"),
        ("tiles.py", "images does not exist; tiles are in images and masks"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path, preloaded_python, script, words):
    """No traceback of a folder without data; the script finds the library by itself."""
    done = subprocess.run(
        [preloaded_python, f"trials/{script}", str(tmp_path), str(tmp_path / "out")],
        cwd=REPOSITORY,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
