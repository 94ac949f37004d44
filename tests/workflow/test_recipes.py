"""The recipes, scaled down, on a tiny demo cohort."""

import json
import shutil
from itertools import product

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from conftest import NODE, REPOSITORY, SMALL_COHORT
from microtome.io.tables import read_table
from microtome.planning.cohort import Cohort
from microtome.planning.models import Models
from microtome.planning.results import Results
from microtome.rasters.label_tiff import open_raster

TINY = {"width_px": 1600, "height_px": 1408, "artefacts": {}}
FITTING = {"epochs": 1, "batch": 4}


@pytest.fixture(scope="module")
def drawn(make_workflow):
    """Give a function that makes a workflow whose tiny slides are drawn already, once for all."""
    first = make_workflow()
    first.configure({"slides": "slides.tsv", "run": ["colour"], "demo": TINY}, SMALL_COHORT)
    done = first.run("--until", "make_demo_cohort")
    assert done.returncode == 0, done.stdout

    def make():
        workflow = make_workflow()
        shutil.copytree(first.folder / "demo", workflow.folder / "demo")
        return workflow

    return make


def scaled_down(*recipes: str) -> dict:
    """Make recipes, one over the other, fit for two cores: tiny slides, an epoch, few patches."""
    config: dict = {}
    for recipe in recipes:
        update_config(config, yaml.safe_load((REPOSITORY / f"recipes/{recipe}.yaml").read_text()))
    for model in config["models"].values():
        for run in {"pretraining", "training"} & model.keys():
            model[run] = {**model[run], **FITTING}
    return {**config, "slides": "slides.tsv", "demo": TINY, "inference": {"overlap": 0}}


@pytest.mark.parametrize("recipe", ["histocae", "mr_histocae"])
def test_a_recipe_runs(drawn, recipe):
    """From the sheet to Table 1 and the curves."""
    workflow = drawn()
    config = scaled_down("histocae", recipe)
    for name in (*config["models"], "colour"):
        config["models"].setdefault(name, {})["patch_px"] = 128
    if recipe == "mr_histocae":
        config["run"] = [recipe]  # what it is compared with are plain HistoCAEs
    workflow.configure(config, SMALL_COHORT)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    rows = read_table(results / "evaluation" / "table1.csv")
    assert [row["model"] for row in rows] == config["run"]
    assert all(0 <= float(row["test accuracy"]) <= 1 for row in rows)
    for model in config["run"]:
        card = json.loads((results / "models" / model / "weights.json").read_text())
        assert card["training"]["slides"] == ["demo-01", "demo-02"]
    if recipe == "mr_histocae":
        made = results / "models" / "mr_histocae"
        caes = {path.name for path in made.glob("cae_*.safetensors")}
        assert caes == {"cae_0.5um.safetensors", "cae_1um.safetensors", "cae_2um.safetensors"}
        history = read_table(made / "training_curves.csv")
        assert float(history[0]["train_reconstruction"]) > 0
        stores = {path.name for path in (results / "patches").iterdir()}
        assert "0.5um_128px_every256px_with_1um_2um" in stores


@pytest.mark.parametrize(
    ("recipe", "autoencoders"),
    [
        ("histocae_table1", 7),
        ("histocae_magnification", 3),
        ("mr_histocae", 2 * 3 + 2),
        ("histocae_pooling", 2),
    ],
)
def test_a_table_of_histocae_is_planned(recipe, autoencoders):
    """The test slide judges every model, and each autoencoder that is trained for it."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    update_config(config, scaled_down("histocae", recipe))
    results = Results(Cohort(SMALL_COHORT, config, Models(config), lambda: SMALL_COHORT))
    assert results.judged_by("demo-10") == config["run"]
    assert results.compared_maps() == ["results/comparison/maps/demo-10.png"]
    assert len(results.reconstructed_patches()) == autoencoders


# What the dense recipes are cut down to: patches of 64 px at 4 µm, without ImageNet's weights.
SMALL_FCN = {"spacing_um": 4.0, "patch_px": 64, "pretrained": "none"}
FOLDED_COHORT = {
    slide: {**row, "fold": fold}
    for (slide, row), fold in zip(SMALL_COHORT.items(), (1, 2, "", ""), strict=True)
}


def dense_and_small(*recipes: str) -> dict:
    """Make recipes of dense networks small: the same settings, a small encoder, on less."""
    config = scaled_down(*recipes)
    for model in config["models"].values():
        if "encoder" in model:
            model["encoder"] = "resnet18"  # the paper's are tested by themselves
        if "spacing_um" in model:
            model |= {**SMALL_FCN, "stride_px": 64}
        if "inference_patch_px" in model:
            model["inference_patch_px"] = 128
        if "validation_fold" in model:
            model["validation_fold"] = 1 + model["validation_fold"] % 2
        if "test_time_augmentation" in model:
            model["test_time_augmentation"] = ["rotate_90"]
    config["inference"] = {"overlap": 0.5}
    return config


@pytest.mark.parametrize(
    ("recipe", "more"), [("camelyon16", {"write_submission"}), ("digestpath", set())]
)
def test_the_same_framework_elsewhere(make_workflow, recipe, more):
    """The other cohorts' recipes are complete and ask for the same steps; only settings differ."""
    workflow = make_workflow()
    planned = []
    for name in (recipe, "generalized_paip"):
        workflow.configure(dense_and_small(name), FOLDED_COHORT | NODE)
        planned.append(workflow.planned())
    assert planned[0] - planned[1] == more
    assert planned[1] <= planned[0]
    assert {"train_segmenter", "cohort", "tissue_mask"} <= planned[0]


def count_jobs(done) -> dict[str, str]:
    """Read from what a dry run prints how many jobs each rule has."""
    assert done.returncode == 0, done.stdout
    return dict(line.split() for line in done.stdout.splitlines() if len(line.split()) == 2)


def test_patches_are_compared_on_the_same_weights(make_workflow):
    """Three sizes with four overlaps of an ensemble, and each member alone: three trainings."""
    recipe = yaml.safe_load((REPOSITORY / "recipes" / "generalized_patches.yaml").read_text())
    patches = [(m["inference_patch_px"], m["overlap"]) for m in recipe["models"].values()]
    assert patches == [*product((256, 512, 1024), (0, 0.25, 0.5, 0.75))]
    workflow = make_workflow()
    config = dense_and_small("generalized_paip", "generalized_patches")
    workflow.configure(config, FOLDED_COHORT)
    assert count_jobs(workflow.run("--dry-run"))["train_segmenter"] == "3"


def test_forests_of_camelyon17_learn_out_of_fold(make_workflow):
    """Each network is trained once a fold; if it were trained once alone, the run is refused."""
    workflow = make_workflow()
    folds = (1, 2, 3, 4)
    taught = {
        slide: {**row, "split": "train", "fold": fold}
        for fold, (slide, row) in zip(folds, SMALL_COHORT.items(), strict=True)
    }
    (row,) = NODE.values()
    nodes = {
        f"patient_{fold}_node_{node}": {
            **row,
            "path": f"demo/cohort/nodes/patient_{fold}_node_{node}.svs",
            "patient": f"patient_{fold}",
            "node": node,
            "split": "train" if fold < 5 else "test",
            "fold": fold,
            "label": label,
        }
        for fold in (*folds, 5)
        for node, label in enumerate(("negative", "macro"))
    }
    workflow.configure(dense_and_small("camelyon17"), taught | nodes)
    counts = count_jobs(workflow.run("--dry-run"))
    assert (counts["train_segmenter"], counts["write_submission"]) == ("15", "1")
    once = {**dense_and_small("camelyon17"), "cross_validation": {"folds": 0}}
    once["staging"] = {"model": "generalized"}
    workflow.configure(once, taught | nodes)
    done = workflow.run("--dry-run")
    assert done.returncode == 1
    assert "networks learn from 4 patients of whose labelled nodes they then give" in done.stdout


def test_an_ensemble_runs(drawn):
    """From the sheet to heatmaps of ensemble and members, their uncertainty and calibration."""
    recipe = "generalized_paip"
    workflow = drawn()
    workflow.configure(dense_and_small(recipe), FOLDED_COHORT)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    config = yaml.safe_load((REPOSITORY / "recipes" / f"{recipe}.yaml").read_text())
    members = config["models"]["generalized"]["members"]
    assert [r["model"] for r in read_table(results / "evaluation" / "table1.csv")] == config["run"]
    # One pass over the slide scores all members.
    assert [path.name for path in (results / "scores").iterdir()] == ["generalized"]
    learnt = [
        json.loads((results / "models" / member / "weights.json").read_text())["training"]["slides"]
        for member in members
    ]
    assert learnt == [["demo-01"], ["demo-02"], ["demo-01"]]  # folds 2, 1 and 2 validate
    (row,) = read_table(results / "uncertainty" / "generalized.tsv")
    burdens = [
        json.loads((results / "burden" / m / "demo-10.json").read_text())["burden"]
        for m in ("generalized", *members)
    ]
    assert float(row["burden"]) == pytest.approx(burdens[0], abs=1e-5)
    assert float(row["burden_sd"]) == pytest.approx(np.std(burdens[1:], ddof=1), abs=1e-5)
    assert 0 <= float(row["burden_low"]) <= float(row["burden"]) <= float(row["burden_high"]) <= 1
    for kind in ("aleatoric", "epistemic"):
        variance = open_raster(results / "uncertainty" / kind / "generalized" / "demo-10.tif")
        values = variance.rows(0, variance.shape[0])
        assert 0 < np.nanmax(values) <= 0.25
        assert float(row[f"{kind}_tissue_mean"]) > 0
    # The threshold is the validation slide's, which no member has seen.
    chosen = json.loads((results / "calibration" / "generalized.json").read_text())
    assert chosen["slides"] == ["demo-03"]
    assert 0 < chosen["threshold"] < 1
    calibration = read_table(results / "evaluation" / "calibration.csv")
    assert [r["model"] for r in calibration] == config["run"]
    detected = read_table(results / "evaluation" / "uncertainty.csv")
    assert [(r["model"], r["slide"]) for r in detected[:2]] == [
        ("generalized", "demo-10"),
        ("generalized", "all"),
    ]
    outlines = results / "polygons" / "generalized" / "demo-10.geojson"
    assert json.loads(outlines.read_text())["type"] == "FeatureCollection"
    assert (results / "figures" / "generalized" / "uncertainty" / "demo-10.png").exists()
    assert workflow.planned() == set()


def test_the_joint_recipe_runs(drawn):
    """UNet++ and a vote: a class for the slide, by the patches of three spacings."""
    workflow = drawn()
    config = scaled_down("joint_liver")
    votes = ["vote_efficientnet_b0", "vote_efficientnet_b0_patches"]
    config["run"] = ["unet_plus_plus", *votes]  # the others are the same with another network
    for name, model in config["models"].items():
        if "spacing_um" in model:
            coarse = {"4x": 2.0, "16x": 3.0, "64x": 4.0}.get(name.rpartition("_")[2], 4.0)
            model |= {"pretrained": "none", "patch_px": 96, "stride_px": 48, "spacing_um": coarse}
    workflow.configure(config, SMALL_COHORT)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    for vote in votes:
        (row,) = read_table(results / "votes" / f"{vote}.tsv")
        assert (row["slide"], row["truth"]) == ("demo-10", "tumour")
        of_scales = [f"efficientnet_b0_{scale}" for scale in ("4x", "16x", "64x")]
        each = [int(row[f"{name}_patches"]) for name in of_scales]
        assert sum(each) == int(row["patches"])
        assert each[0] > each[1] > each[2] > 0
        shares = [float(row[f"{name}_tumour_share"]) for name in of_scales]
        by_scale = np.mean([share >= 0.5 for share in shares]) >= 0.5
        is_tumour = float(row["tumour_share"]) >= 0.5 if vote.endswith("patches") else by_scale
        assert row["class"] == ("tumour" if is_tumour else "other")
    assert [r["model"] for r in read_table(results / "evaluation" / "table1.csv")] == [
        "unet_plus_plus"
    ]
    history = read_table(results / "models" / "unet_plus_plus" / "training_curves.csv")
    assert 0 < float(history[0]["train_loss"]) < 1  # Dice loss


@pytest.mark.parametrize("laid_over", [(), ("demo_joint",)])
def test_the_joint_recipe_compares_six_networks(laid_over):
    """Table 1 has both networks at three spacings, Fig. 5 all six; on the demo too."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    for recipe in ("joint_liver", *laid_over):
        text = (REPOSITORY / "recipes" / f"{recipe}.yaml").read_text()
        update_config(config, yaml.safe_load(text))
    models = Models(config)
    results = Results(Cohort(SMALL_COHORT, config, models, lambda: list(SMALL_COHORT)))
    spacings = {}
    for one in results.at_spacings():
        spacings.setdefault(one["network"], []).append(one["spacing_um"])
    reduced = [2.0, 4.0, 8.0] if laid_over else [2.0, 8.0, 32.0]
    assert spacings == {"resnet50": reduced, "efficientnet_b0": reduced}
    losses = [one["loss"] for one in models.losses()]
    assert losses == ["dice of px"] + ["cross-entropy of patches"] * 6
    assert len(models.votes) == 4


def test_the_crosswise_recipe_is_that_of_the_paper(make_workflow, tmp_path):
    """Its models fit together, and a run trains one autoencoder a variant, networks a fold."""
    workflow = make_workflow()
    config = yaml.safe_load((REPOSITORY / "recipes" / "crosswise.yaml").read_text())
    csp = config["models"]["csp"]
    fitting = {"epochs": 6, "batch": 32, "learning_rate": 0.03, "momentum": 0.9}
    assert csp["pretraining"] == {"patches": 500_000, "optimizer": "sgd", **fitting}
    assert (csp["width"], csp["reduction"], csp["patch_px"]) == (1.0, 4, 100)
    rows = []
    for fold in (1, 2):
        (tmp_path / f"{fold}.png").touch()
        rows.append(f"i{fold}\t{tmp_path}/{fold}.png\t0.5\t{fold}")
    sheet = workflow.folder / "crc.tsv"
    sheet.write_text("\n".join(["image\tpath\tspacing_um\tfold", *rows]) + "\n")
    workflow.configure({**config, "slides": "slides.tsv", "demo": TINY}, SMALL_COHORT)
    done = workflow.run("--dry-run", "nuclei")
    assert done.returncode == 0, done.stdout
    jobs = [line.split() for line in done.stdout.splitlines()]
    counts = {line[0]: int(line[1]) for line in jobs if len(line) == 2 and line[1].isdecimal()}
    # csp, two more sparsities, SP-CAE and DEN-CAE; eleven networks of two folds each.
    assert counts["pretrain_crosswise"] == 5
    assert counts["train_nucleus_network"] == 22
