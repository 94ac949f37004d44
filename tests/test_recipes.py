"""The recipes, scaled down, on a tiny demo cohort; cross-validation and compression as well."""

import csv
import json

import pytest
import tifffile
import yaml

from conftest import REPOSITORY, SMALL_COHORT

TINY = {"width_px": 1600, "height_px": 1408, "artefacts": {}}
FITTING = {"epochs": 1, "batch": 4}


def table(path) -> list[dict[str, str]]:
    """Read a table of results."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def scaled_down(recipe: str) -> dict:
    """Make a recipe small enough for two cores: tiny slides, an epoch, batches of four."""
    config = yaml.safe_load((REPOSITORY / "recipes" / f"{recipe}.yaml").read_text())
    for model in config["models"].values():
        for run in {"pretraining", "training"} & model.keys():
            model[run] = {**model[run], **FITTING}
    return {**config, "slides": "slides.tsv", "demo": TINY, "inference": {"overlap": 0, "batch": 4}}


@pytest.mark.parametrize("recipe", ["histocae", "mr_histocae"])
def test_a_recipe_runs(make_workflow, recipe):
    """From the sheet to Table 1 and the curves, every listed model."""
    workflow = make_workflow()
    config = scaled_down(recipe)
    workflow.configure(config, SMALL_COHORT)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    rows = table(results / "evaluation" / "table1.csv")
    assert [row["model"] for row in rows] == config["run"]
    assert all(0 <= float(row["test accuracy"]) <= 1 for row in rows)
    for model in config["run"]:
        card = json.loads((results / "models" / model / "weights.json").read_text())
        assert card["training"]["slides"] == ["demo-01", "demo-02"]
    if recipe == "mr_histocae":
        made = results / "models" / "mr_histocae"
        caes = {path.name for path in made.glob("cae_*.safetensors")}
        assert caes == {"cae_0.5um.safetensors", "cae_1um.safetensors", "cae_2um.safetensors"}
        history = table(made / "training_curves.csv")
        assert float(history[0]["train_reconstruction"]) > 0
        stores = {path.name for path in (results / "patches").iterdir()}
        assert "0.5um_256px_every256px_with_1um_2um" in stores


def test_cross_validation(make_workflow):
    """Each slide is tested by the model that has not seen its fold; the table says the spread."""
    workflow = make_workflow()
    rows = {
        slide: {"annotation": f"demo/cohort/{slide}_{kind}", "fold": fold}
        for slide, kind, fold in (
            ("demo-01", "paip.xml", 1),
            ("demo-02", "asap.xml", 2),
            ("demo-10", "paip.xml", 3),
        )
    }
    config = {
        "slides": "slides.tsv",
        "run": ["colour"],
        "cross_validation": {"folds": 3},
        "demo": {**TINY, "width_px": 3200, "height_px": 2800},
    }
    workflow.configure(config, rows)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    for fold, (tested, validated) in enumerate(
        [("demo-01", "demo-02"), ("demo-02", "demo-10"), ("demo-10", "demo-01")], start=1
    ):
        name = f"colour-fold{fold}"
        evaluated = table(results / "evaluation" / f"{name}.csv")
        assert [row["slide"] for row in evaluated] == [tested]
        card = json.loads((results / "models" / name / "weights.json").read_text())
        assert set(card["training"]["slides"]) == set(rows) - {tested, validated}
    (row,) = table(results / "evaluation" / "models.tsv")
    assert (row["model"], row["folds"], row["slides"]) == ("colour", "3", "3")
    dice = [
        float(table(results / "evaluation" / f"colour-fold{k}.csv")[0]["dice"]) for k in (1, 2, 3)
    ]
    assert float(row["dice"]) == pytest.approx(sum(dice) / 3, rel=1e-4)
    assert float(row["dice_sd"]) > 0


def test_compression(finished):
    """The scored slide becomes latents, a picture, and a row of figures beside JPEG's."""
    done = finished.run("compression")
    assert done.returncode == 0, done.stdout
    results = finished.folder / "results"
    (row,) = table(results / "compression" / "histocae1.tsv")
    assert row["slide"] == "demo-10"
    assert 0 < float(row["ssim"]) < 1
    assert float(row["ratio"]) > 6  # 256 x 256 x 3 bytes against 16 x 16 x 64 of two
    with tifffile.TiffFile(results / "reconstructions" / "histocae1" / "demo-10.tif") as tiff:
        assert tiff.pages[0].shape == (1400, 1600, 3)
    assert finished.planned("compression") == set()
