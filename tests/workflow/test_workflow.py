"""The workflow itself: what it writes, when it reruns, and what it makes of new cohorts."""

import json
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import openslide
import pytest
import tifffile
import yaml
import zarr
from snakemake.utils import update_config

from conftest import NODE, REPOSITORY, SMALL_COHORT, SMALL_CONFIG, Workflow, write_sheet
from microtome.io.tables import read_table

RESULTS = (
    "results/cohort.tsv",
    "results/models/histocae1/weights.safetensors",
    "results/models/histocae1/training_curves.csv",
    "results/models/histocae1/training_curves.png",
    "results/models/histocae1/pretraining_1um_curves.png",
    "results/burden/histocae1.tsv",
    "results/figures/histocae1/demo-10.png",
    "results/evaluation/histocae1.csv",
    "results/evaluation/colour.csv",
    "results/evaluation/models.tsv",
    "results/evaluation/table1.csv",
    "results/evaluation/tests.csv",
    "results/evaluation/costs.csv",
    "results/evaluation/models.png",
    "results/evaluation/summary.md",
)


def test_small_cohort_runs_from_the_sheet_to_the_comparison(finished):
    """A run of a small cohort ends well and leaves every result, none of them empty."""
    for path in RESULTS:
        assert (finished.folder / path).stat().st_size > 0, path


def test_nothing_half_written_is_left(finished):
    """No temporary file or folder is left after a run."""
    assert not list(finished.folder.rglob(".partial-*"))


def test_every_slide_is_in_the_cohort_table(finished):
    """The cohort table lists the slides of the sheet in its order, with spacing and size."""
    cohort = finished.cohort()
    assert list(cohort) == ["demo-01", "demo-02", "demo-03", "demo-10"]
    assert {row["state"] for row in cohort.values()} == {"ok"}
    assert cohort["demo-10"]["spacing_um"] == "0.5"
    assert (cohort["demo-10"]["width_px"], cohort["demo-10"]["height_px"]) == ("3200", "2800")


def test_only_held_out_slides_are_scored(finished):
    """Slides of train and validation are not scored unless `score_splits` says so."""
    scored = finished.folder / "results" / "scores" / "histocae1"
    assert [path.name for path in scored.iterdir()] == ["demo-10.zarr"]


def test_every_tissue_patch_has_a_score(finished):
    """As many patches are scored as the grid holds, and they cover every tissue pixel."""
    results = finished.folder / "results"
    scores = zarr.open_group(results / "scores" / "histocae1" / "demo-10.zarr", mode="r")
    with np.load(results / "grids" / "1um_128px_every64px" / "demo-10.npz") as grid:
        assert len(grid["row"]) == scores["probability"].shape[0]
    heatmap = tifffile.imread(results / "heatmaps" / "histocae1" / "demo-10.tif")
    tissue = tifffile.imread(results / "tissue" / "demo-10.tif")
    assert tissue.any()
    assert (heatmap[tissue > 0] > 0).all()


def test_patches_that_count_are_those_worth_learning_from(finished):
    """Those with tissue enough and not too white; how many were scored stands beside it."""
    results = finished.folder / "results"
    scores = zarr.open_group(results / "scores" / "histocae1" / "demo-10.zarr", mode="r")
    kept = (scores["tissue_fraction"][:] > 0.25) & (scores["white"][:, 0, 0] < 0.7)
    (row,) = read_table(results / "evaluation" / "histocae1.csv")
    assert (int(row["patches"]), int(row["scored_patches"])) == (kept.sum(), len(kept))
    assert 0 < kept.sum() < len(kept)


def test_geometry_of_the_maps_follows_from_the_slide(finished):
    """Heatmap, tissue and tumour map are the slide's size at their spacing, and say so."""
    for kind in ("heatmaps/histocae1", "tumour/histocae1", "tissue"):
        path = finished.folder / "results" / kind / "demo-10.tif"
        with tifffile.TiffFile(path) as tiff:
            assert tiff.series[0].levels[0].shape == (175, 200)
            assert 'PhysicalSizeX="8.0"' in tiff.ome_metadata


def test_patches_are_the_slides_pixels(finished):
    """A stored patch is OpenSlide's pixels of that place, two by two, to 40 dB."""
    folder = finished.folder
    store = zarr.open_group(
        folder / "results" / "patches" / "1um_128px_every256px" / "demo-01.zarr", mode="r"
    )
    slide = openslide.OpenSlide(folder / "demo" / "cohort" / "demo-01.svs")
    assert store["pixels"].shape[0] > 3
    for i in (0, store["pixels"].shape[0] - 1):
        corner = int(store["x_px"][i]), int(store["y_px"][i])
        full = np.asarray(slide.read_region(corner, 0, (256, 256)).convert("RGB"), float)
        expected = full.reshape(128, 2, 128, 2, 3).mean(axis=(1, 3))
        assert np.mean((store["pixels"][i] - expected) ** 2) <= 255**2 / 1e4


def test_burden_is_viable_over_whole_of_the_tumour_map(finished):
    """The burden in the table is that of the tumour map's pixels."""
    results = finished.folder / "results"
    labels = tifffile.imread(results / "tumour" / "histocae1" / "demo-10.tif")
    burden = json.loads((results / "burden" / "histocae1" / "demo-10.json").read_text())
    whole = (labels > 0).sum()
    assert burden["burden"] == pytest.approx((labels == 2).sum() / whole if whole else 0)
    assert burden["whole_mm2"] == pytest.approx(whole * 64e-6)


def test_training_reads_the_slides_where_nothing_is_stored(finished, tmp_path):
    """With codec none no store is made, and a model learns from the slides' own pixels."""
    weights = "results/models/direct/weights.safetensors"
    workflow = replace(finished, folder=tmp_path / "run")
    shutil.copytree(finished.folder, workflow.folder)
    entry = {"kind": "colour", "spacing_um": 1.0, "patch_px": 256}
    patches = {"codec": "none", "stride_px": 512}
    workflow.configure(
        {**SMALL_CONFIG, "run": ["direct"], "models": {"direct": entry}, "patches": patches}
    )
    done = workflow.run(weights)
    assert done.returncode == 0, done.stdout
    assert "rule extract_patches" not in done.stdout
    results = workflow.folder / "results"
    assert not (results / "patches" / "1um_256px_every512px").exists()
    card = json.loads((workflow.folder / weights).with_suffix(".json").read_text())
    grid = np.load(results / "grids" / "1um_256px_every512px" / "demo-01.npz")
    assert card["training"]["slides"][0] == "demo-01"
    assert card["training"]["patches"] >= np.sum(grid["tissue_fraction"] > 0.25) > 0


def test_a_second_run_has_nothing_to_do(finished):
    """Nothing is planned after a finished run."""
    assert finished.planned() == set()


def otherwise(settings: object) -> object:
    """Write the same settings otherwise: 1.0 for 1, 1 for 1.0, keys in reverse."""
    if isinstance(settings, dict):
        return {key: otherwise(settings[key]) for key in reversed(settings)}
    if isinstance(settings, list):
        return [otherwise(item) for item in settings]
    if isinstance(settings, int) and not isinstance(settings, bool):
        return float(settings)
    is_whole = isinstance(settings, float) and settings.is_integer()
    return int(settings) if is_whole else settings


def test_equal_settings_rerun_nothing(finished):
    """Every number of the config and every order of its keys is another."""
    config = yaml.safe_load((finished.source / "config.yaml").read_text())
    update_config(config, SMALL_CONFIG)
    finished.configure(otherwise(config))
    planned = finished.planned()
    finished.configure(SMALL_CONFIG)
    assert planned == set()


def test_two_slides_that_swap_their_splits_train_anew(finished):
    """The same files as before go into training, by other names: Snakemake alone is blind to it."""
    rows = {**SMALL_COHORT}
    for slide, split in (("demo-02", "validation"), ("demo-03", "train")):
        rows[slide] = {**rows[slide], "split": split}
    write_sheet(finished.folder / "slides.tsv", rows)
    assert finished.run("results/cohort.tsv").returncode == 0
    planned = finished.planned("results/models/histocae1/weights.safetensors")
    write_sheet(finished.folder / "slides.tsv", SMALL_COHORT)
    assert finished.run("results/cohort.tsv").returncode == 0
    assert planned == {"pretrain_cae", "train_classifier"}


def test_touching_files_reruns_nothing(finished):
    """New dates on code, config, sheet, slides and intermediate results rerun nothing."""
    touched = [
        *finished.source.rglob("*.py"),
        *finished.source.rglob("*.smk"),
        finished.source / "Snakefile",
        *finished.folder.glob("*.*"),
        *(finished.folder / "demo" / "cohort").iterdir(),
        *(finished.folder / "results" / "tissue").iterdir(),
    ]
    for path in touched:
        os.utime(path)
    assert len(touched) > 60
    assert finished.planned() == set()


def edited(workflow: Workflow, file: str, old: str, new: str) -> set[str]:
    """The rules that would run after an edit of a library file, which is undone again."""
    path = workflow.source / "workflow_scripts" / "microtome" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        return workflow.planned()
    finally:
        path.write_text(text)


def test_changed_stitching_reruns_stitching_and_what_follows(finished):
    """An edit of the stitching reruns no training, no scoring, nothing before it."""
    planned = edited(finished, "heatmaps/stitching.py", "total / weights", "total / (weights + 0)")
    assert planned >= {"stitch_heatmap", "tumour_burden", "slide_figure"}
    assert planned <= {
        "stitch_heatmap",
        "tumour_burden",
        "burden_table",
        "slide_figure",
        "evaluate_slide",
        "evaluate",
        "compare_models",
        "tumour_polygons",
        "count_pixels",
        "calibration_tables",
    }


def test_changed_loss_reruns_pretraining(finished):
    """An edit of a function that only pretraining uses reruns pretraining."""
    planned = edited(
        finished, "networks/reconstruction_loss.py", "0.01**2, 0.03**2", "0.01**2, 0.04**2"
    )
    assert "pretrain_cae" in planned
    assert not planned & {"inspect_slide", "tissue_mask", "patch_grid", "extract_patches"}


def test_changed_comment_reruns_nothing(finished):
    """An edit of a comment or docstring reruns nothing."""
    assert edited(finished, "slides/slide.py", '"""Reading whole', '"""How to read whole') == set()


def test_changed_setting_reruns_what_it_is_about(finished):
    """Another segmentation threshold reruns segmentation, and no scoring."""
    finished.configure({**SMALL_CONFIG, "segmentation": {"threshold": 0.6}})
    planned = finished.planned()
    finished.configure(SMALL_CONFIG)
    assert "tumour_burden" in planned
    assert not planned & {"stitch_heatmap", "score_slide", "train_classifier", "tissue_mask"}


# Those that test_recipes.py plans: that of nuclei has a target and files of its own.
ELSEWHERE = {"crosswise.yaml", "generalized_patches.yaml"}
RECIPES = {path.name for path in (REPOSITORY / "recipes").iterdir()} - ELSEWHERE


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_recipes_are_valid_configs(finished, recipe):
    """Every recipe passes the schema and gives a plan, over those that its head names first."""
    text = (REPOSITORY / "recipes" / recipe).read_text()
    files, *_ = re.findall(rf"--configfile ((?:recipes/\S+ )*recipes/{recipe})", text)
    config = {}
    for file in files.split():
        update_config(config, yaml.safe_load((REPOSITORY / file).read_text()))
    rows = {
        slide: {**row, "split": row["split"].replace("validation", "train"), "fold": fold}
        for fold, (slide, row) in enumerate(SMALL_COHORT.items(), start=1)
    }
    # Where the threshold is that of validation slides, there must be one.
    last = {"fold": len(rows) + 1}
    rows["demo-08"] = last | {"split": "validation", "annotation": "demo/cohort/demo-08_paip.xml"}
    rows |= {node: row | last for node, row in NODE.items()}
    finished.configure(
        {**config, "slides": "slides.tsv", "demo": SMALL_CONFIG["demo"]},
        rows,
    )
    planned = finished.planned()
    finished.configure(SMALL_CONFIG, SMALL_COHORT)
    assert planned & {"pretrain_cae", "train_segmenter"}


def apply_config(finished: Workflow) -> dict:
    """A config that applies the finished run's models and trains nothing."""
    models = finished.folder / "results" / "models"
    return {
        "slides": "slides.tsv",
        "models": {
            name: {"patch_px": 128, "weights": str(models / name / "weights.safetensors")}
            for name in ("histocae1", "colour")
        },
    }


def test_real_slides_with_given_weights(finished, make_workflow, real_slides):
    """Trained weights on real slides: no training, tissue found, maps of the right geometry."""
    workflow = make_workflow()
    rows = {
        "CMU-1": {"path": real_slides / "CMU-1-Small-Region.svs"},
        "TCGA": {"path": real_slides / "TCGA-CR-7395-01A-01-TS1.svs", "spacing_um": 0.5},
    }
    workflow.configure(apply_config(finished), rows)
    assert not workflow.planned() & {"pretrain_cae", "train_classifier", "fit_colour_baseline"}
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    assert not (results / "models").exists()
    assert not (results / "evaluation").exists()
    cohort = workflow.cohort()
    assert {row["state"] for row in cohort.values()} == {"ok"}
    assert float(cohort["CMU-1"]["spacing_um"]) == pytest.approx(0.499)
    # 2220 x 2967 px of 0.499 µm and 4443 x 3567 px of 0.5 µm, in pixels of 16 level-0 px.
    for slide, shape, spacing_um in (("CMU-1", (186, 139), 7.984), ("TCGA", (223, 278), 8.0)):
        with tifffile.TiffFile(results / "heatmaps" / "histocae1" / f"{slide}.tif") as tiff:
            assert tiff.series[0].levels[0].shape == shape
            assert f'PhysicalSizeX="{spacing_um}"' in tiff.ome_metadata
        tissue = tifffile.imread(results / "tissue" / f"{slide}.tif")
        assert 0.2 < tissue.mean() < 0.8
        burden = json.loads((results / "burden" / "histocae1" / f"{slide}.json").read_text())
        assert 0 <= burden["burden"] <= 1
        assert burden["unreadable_patches"] == 0
        assert (results / "figures" / "histocae1" / f"{slide}.png").stat().st_size > 10_000


def test_another_split_looks_at_no_slide_again(finished):
    """Moving a slide to another split reruns the table and training, not what read the slide."""
    write_sheet(
        finished.folder / "slides.tsv",
        SMALL_COHORT | {"demo-02": SMALL_COHORT["demo-02"] | {"split": "validation"}},
    )
    planned = finished.planned()
    write_sheet(finished.folder / "slides.tsv", SMALL_COHORT)
    assert "cohort" in planned
    assert not planned & {"inspect_slide", "tissue_mask", "patch_grid", "extract_patches"}


def test_cross_validation(finished, make_workflow):
    """Each slide is tested by the model that has not seen its fold; the table says the spread."""
    workflow = make_workflow()
    shutil.copytree(finished.folder / "demo", workflow.folder / "demo")
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
        "demo": SMALL_CONFIG["demo"],
    }
    workflow.configure(config, rows)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    results = workflow.folder / "results"
    for fold, (tested, validated) in enumerate(
        [("demo-01", "demo-02"), ("demo-02", "demo-10"), ("demo-10", "demo-01")], start=1
    ):
        name = f"colour-fold{fold}"
        evaluated = read_table(results / "evaluation" / f"{name}.csv")
        assert [row["slide"] for row in evaluated] == [tested]
        card = json.loads((results / "models" / name / "weights.json").read_text())
        assert set(card["training"]["slides"]) == set(rows) - {tested, validated}
    (row,) = read_table(results / "evaluation" / "models.tsv")
    assert (row["model"], row["folds"], row["slides"]) == ("colour", "3", "3")
    each = [read_table(results / "evaluation" / f"colour-fold{fold}.csv")[0] for fold in (1, 2, 3)]
    dice = [float(row["dice"]) for row in each]
    assert float(row["dice"]) == pytest.approx(sum(dice) / 3, rel=1e-4)
    assert float(row["dice_sd"]) > 0


def test_what_is_made_on_request(finished):
    """The scored slide as latents and back, beside JPEG; models and autoencoders side by side."""
    done = finished.run("compression", "comparison")
    assert done.returncode == 0, done.stdout
    results = finished.folder / "results"
    (row,) = read_table(results / "compression" / "histocae1.tsv")
    assert row["slide"] == "demo-10"
    assert 0 < float(row["ssim"]) < 1
    assert float(row["ratio"]) > 6  # 128 x 128 x 3 bytes against 8 x 8 x 64 of two
    with tifffile.TiffFile(results / "reconstructions" / "histocae1" / "demo-10.tif") as tiff:
        assert tiff.pages[0].shape == (1400, 1600, 3)
    (row,) = read_table(results / "autoencoders" / "reconstruction.csv")
    assert (row["model"], row["spacing_um"], row["slides"]) == ("histocae1", "1", "1")
    assert 0 < float(row["ssim"]) < 1
    for picture in ("autoencoders/reconstructions", "autoencoders/latents"):
        assert (results / f"{picture}.png").stat().st_size > 0
    for kind in ("maps", "borders"):
        assert (results / "comparison" / kind / "demo-10.png").stat().st_size > 0
    assert finished.planned("compression", "comparison") == set()
