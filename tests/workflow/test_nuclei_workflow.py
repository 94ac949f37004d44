"""`snakemake nuclei`, once, on the small cohort and a few drawn images; room for every stage."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from conftest import SMALL_COHORT, SMALL_CONFIG
from microtome.io.tables import read_table
from microtome.nuclei.density import measure_tissue
from microtome.nuclei.table import read_about, read_nuclei
from microtome.nucleus_images.label_images import write_label_image
from microtome.nucleus_images.point_tables import write_point_table
from microtome.rasters.label_tiff import open_raster, read_raster

FITTING = {"epochs": 2, "batch": 4, "optimizer": "sgd", "learning_rate": 0.01, "momentum": 0.9}
SIZED = {"reduction": 4, "width": 0.02, "sparsity_percent": 20.0, "spacing_um": 0.5, "patch_px": 20}
SUPERVISED = {"network": "crosswise", "start": "csp", "training": FITTING, "seed": 1}
CSP = {"kind": "crosswise", "variant": "crosswise", **SIZED, "seed": 1}
MODELS = {
    "csp": {**CSP, "pretraining": {"patches": 40, **FITTING}},
    "detector": {
        **SUPERVISED,
        "kind": "nucleus_detector",
        "training": {**FITTING, "new_layers_epochs": 1},
    },
    "classifier": {**SUPERVISED, "kind": "nucleus_classifier", "attributes": ["large"]},
    "segmenter": {
        **SUPERVISED,
        **SIZED,
        "kind": "nucleus_segmenter",
        "start": None,
        "reduction": 1,
        "spacing_um": 1.0,
    },
}
PARTS = ("train", "train", "validation", "test")


def draw_images(folder) -> None:
    """Draw images of 40 px with two nuclei each, and the sheet that names them."""
    folder.mkdir()
    lines = ["image\tpath\tspacing_um\tsplit\tnuclei\tlabels\tattributes"]
    for seed, part in enumerate(PARTS):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(150, 240, (40, 40, 3), dtype=np.uint8)
        labels = np.zeros((40, 40), np.int32)
        for number, corner in enumerate(rng.integers(2, 30, (2, 2)), 1):
            row, column = corner
            labels[row : row + 6, column : column + 6] = number
        pixels[labels > 0] = (90, 50, 140)
        name = f"image{seed}"
        Image.fromarray(pixels).save(folder / f"{name}.png")
        write_label_image(folder / f"{name}_labels.png", labels)
        points = [np.argwhere(labels == n).mean(0)[::-1] + 0.5 for n in np.unique(labels)[1:]]
        write_point_table(folder / f"{name}.csv", np.array(points))
        files = f"images/{name}.csv\timages/{name}_labels.png"
        attributes = "large" * (seed % 2)
        lines.append(f"{name}\timages/{name}.png\t0.5\t{part}\t{files}\t{attributes}")
    (folder / "images.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def nuclei(make_workflow, finished):
    """Run the target nuclei where all that the small cohort needs is there already."""
    workflow = make_workflow()
    shutil.copytree(finished.folder, workflow.folder, dirs_exist_ok=True, symlinks=True)
    draw_images(workflow.folder / "images")
    section = {"run": list(MODELS), "images": "images/images.tsv"}
    section |= {"outlines": "segmenter", "classes": "classifier"}
    config = {
        **SMALL_CONFIG,
        "models": {**SMALL_CONFIG["models"], **MODELS},
        "nuclei": section,
    }
    workflow.configure(config, SMALL_COHORT)
    done = workflow.run("nuclei")
    assert done.returncode == 0, done.stdout
    return workflow


def test_what_was_made_already_is_not_made_again(nuclei):
    """The run of the cohort is as it was: no model for nuclei is part of it."""
    assert nuclei.planned() == set()
    assert nuclei.planned("nuclei") == set()


@pytest.mark.parametrize("model", MODELS)
def test_each_network_is_trained(nuclei, model):
    """Weights, a card that says from what, and a loss for each epoch."""
    folder = nuclei.folder / "results" / "models" / model
    training = json.loads((folder / "weights.json").read_text())["training"]
    if model == "csp":
        assert (training["slides"], training["windows"]) == (["demo-01", "demo-02"], 40)
    else:
        assert training["images"] == ["image0", "image1"]
    history = read_table(folder / "training_curves.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert all(float(row["train_loss"]) > 0 for row in history)
    assert all(float(row["validation_loss"]) > 0 for row in history)
    assert (folder / "training_curves.png").exists()


def test_each_model_is_judged_in_the_table_of_its_kind(nuclei):
    """By the test image alone: its nuclei, what it took, and an attribute of one class left out."""
    folder = nuclei.folder / "results" / "nuclei" / "evaluation"
    tables = ("detection", "sparsity", "attributes", "features", "segmentation", "costs")
    rows = {name: read_table(folder / f"{name}.csv") for name in tables}
    models = {name: [row["model"] for row in found] for name, found in rows.items()}
    assert models == {
        "detection": ["csp", "detector"],
        "sparsity": ["csp"],
        "attributes": ["classifier"],
        "features": ["classifier"],
        "segmentation": ["segmenter"],
        "costs": list(MODELS),
    }
    for row in rows["detection"] + rows["segmentation"]:
        assert (row["parts"], row["images"], row["nuclei"]) == ("1", "1", "2")
    assert [row["method"] for row in rows["detection"]] == ["CSP-CAE", "CSP-CNN"]
    assert (rows["attributes"][0]["auroc"], rows["attributes"][0]["left_out"]) == ("", "large")
    assert all(float(row["seconds_per_image"]) > 0 for row in rows["costs"])
    for name in tables[:-1]:
        assert (folder / f"{name}.md").read_text()
    assert (folder / "detection.png").exists()


@pytest.mark.parametrize("model", ["csp", "detector"])
def test_nuclei_of_slides_are_listed(nuclei, model):
    """A table of each scored slide, whose nuclei lie in its tissue, by the model named in it."""
    path = nuclei.folder / "results" / "nuclei" / model / "demo-10.parquet"
    about = read_about(path)
    assert (about["slide"], about["model"]) == ("demo-10", model)
    tissue, mask_um = read_raster(nuclei.folder / "results" / "tissue" / "demo-10.tif")
    for part in read_nuclei(path, ["x_um", "y_um", "confidence"]):
        row, column = (part[name].astype(float) / mask_um for name in ("y_um", "x_um"))
        assert tissue[row.astype(int), column.astype(int)].all()
        assert (part["confidence"] >= about["threshold"]).all()


@pytest.mark.parametrize("model", ["csp", "detector"])
def test_nuclei_of_slides_are_outlined_and_classified(nuclei, model):
    """Each of them once, with all that was known before, and named in what the tables are about."""
    folder = nuclei.folder / "results" / "nuclei"
    paths = [folder / part / model / "demo-10.parquet" for part in (".", "outlines", "classes")]
    tables = [list(read_nuclei(path)) for path in paths]
    about = read_about(paths[2])
    assert (about["outlines"], about["classes"]) == ("segmenter", "classifier")
    found, outlined, full = ({k: np.concatenate([p[k] for p in t]) for k in t[0]} for t in tables)
    assert full.keys() - outlined.keys() == {"probability_large", "class"}
    assert outlined.keys() - found.keys() == {"area_um2", "outline"}
    orders = [np.lexsort((one["x_px"], one["y_px"])) for one in (found, outlined, full)]
    for name in found:
        for one, order in zip((outlined, full), orders[1:], strict=True):
            np.testing.assert_array_equal(one[name][order], found[name][orders[0]])
    for one, area in zip(full["outline"], full["area_um2"], strict=True):
        assert (len(one) > 0) == (area > 0)
    is_large = full["probability_large"] >= 0.5
    assert (full["class"] == np.where(is_large, "large", "")).all()


@pytest.mark.parametrize("model", ["csp", "detector"])
def test_what_is_made_of_the_nuclei_of_a_slide(nuclei, model):
    """GeoJSON of all in the table, a density that adds up to the counts, and a figure."""
    folder = nuclei.folder / "results" / "nuclei"
    places = [part["x_px"] for part in read_nuclei(folder / model / "demo-10.parquet")]
    features = json.loads((folder / "geojson" / model / "demo-10.geojson").read_text())["features"]
    assert len(features) == sum(map(len, places))
    table = read_table(folder / "counts" / f"{model}.tsv")
    rows = {row["region"]: row for row in table if row["class"] == "all"}
    assert set(rows) == {"tissue", "viable_tumour", "whole_tumour", "other_tissue"}
    n = {region: int(row["nuclei"]) for region, row in rows.items()}
    assert n["tissue"] == n["whole_tumour"] + n["other_tissue"] <= len(features)
    density, spacing_um = read_raster(folder / "density" / model / "demo-10.tif")
    tissue = open_raster(nuclei.folder / "results" / "tissue" / "demo-10.tif")
    mm2 = measure_tissue(tissue, shape=density.shape, spacing_um=spacing_um)
    assert np.nansum(density * mm2) == pytest.approx(n["tissue"], abs=0.01)
    assert float(rows["tissue"]["area_mm2"]) == pytest.approx(mm2.sum(), rel=1e-5)
    assert (folder / "figures" / model / "demo-10.png").stat().st_size > 10_000


def test_drawn_nuclei_judge_what_is_found(nuclei):
    """Each drawn slide and all of them, in the tissue alone."""
    scores = nuclei.folder / "results" / "nuclei" / "scores" / "csp_demo.tsv"
    one, both = read_table(scores)
    assert (one["slide"], both["slide"]) == ("demo-10", "all")
    drawn = read_table(nuclei.folder / "demo" / "cohort" / "demo-10_nuclei.csv")
    assert 0.8 * len(drawn) < int(one["nuclei"]) <= len(drawn)
    assert int(one["right"]) <= int(one["found"])
