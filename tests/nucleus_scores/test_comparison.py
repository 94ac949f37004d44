"""Tables 3 to 7 and the curves, from scores of runs."""

import numpy as np
import pytest
from PIL import Image

from microtome.nucleus_scores.comparison import attribute_rows, cost_rows, group_runs, make_tables
from microtome.nucleus_scores.curve_figure import draw_curves
from microtome.nucleus_scores.methods import labels_used, method_name
from microtome.nucleus_scores.table_texts import write_text

KEYS = ("kind", "network", "start", "frozen", "labels_percent", "sparsity_percent", "attributes")


def run(name: str, kind: str, parts: list[dict], **settings) -> tuple[dict, dict]:
    """Describe a run, ``MODEL`` or ``MODEL-foldN``, and its scores."""
    model = name.partition("-")[0]
    about = {"name": name, "model": model} | dict.fromkeys(KEYS) | {"kind": kind} | settings
    every = [{"images": 2, "nuclei": 10} | part for part in parts]
    return about, {"parts": every, "predicted": 4}


def detected(f: float, **more) -> dict:
    """Scores of a part; all rates the same."""
    return {"precision": f, "recall": f, "f": f, "threshold": 0.5} | more


def tables_of(*runs: tuple[dict, dict]) -> dict:
    """Make all tables of runs."""
    return make_tables(group_runs(*zip(*runs, strict=True)))


SUPERVISED = {"network": "crosswise", "start": "cae", "frozen": False, "labels_percent": 100}
RUNS = (
    run("cae", "crosswise", [detected(0.5), detected(0.7)], sparsity_percent=1.6),
    run("thin", "crosswise", [detected(0.4), detected(0.4)], sparsity_percent=1.2),
    run("csp-fold1", "nucleus_detector", [detected(0.8)], **SUPERVISED),
    run("csp-fold2", "nucleus_detector", [detected(0.9, recall=None)], **SUPERVISED),
)


def test_folds_become_mean_and_spread():
    """Of a model of two runs and of one that is judged in two parts; counts are summed."""
    table = tables_of(*RUNS)["detection"]
    cae, thin, csp = table.rows
    assert [row["model"] for row in table.rows] == ["cae", "thin", "csp"]
    assert (cae["f"], cae["f_sd"]) == pytest.approx((0.6, 0.1 * 2**0.5))
    assert (thin["f"], thin["f_sd"]) == pytest.approx((0.4, 0))
    assert (csp["f"], csp["f_sd"]) == pytest.approx((0.85, 0.05 * 2**0.5))
    assert (csp["recall"], csp["recall_sd"]) == (0.8, None)  # of the part that has one
    assert [csp[key] for key in ("parts", "images", "nuclei")] == [2, 4, 20]
    assert [row["labels_percent"] for row in table.rows] == [0, 0, 100]
    assert [row["method"] for row in table.rows] == ["CSP-CAE", "CSP-CAE", "CSP-CNN"]
    assert [row["start"] for row in table.rows] == [None, None, "cae"]
    assert set(table.columns) == set(cae)


def test_the_table_of_sparsity_has_those_without_labels_by_p():
    """Table 5: unsupervised models alone."""
    rows = tables_of(*RUNS)["sparsity"].rows
    assert [(row["model"], row["sparsity_percent"]) for row in rows] == [
        ("thin", 1.2),
        ("cae", 1.6),
    ]


def test_attributes_and_features():
    """Table 3 has all classifiers, Table 6 those of a crosswise autoencoder, by p."""
    first = {"auroc": 0.8, "aurocs": {"pale": 0.8, "round": None}, "left_out": ["round"]}
    second = {"auroc": 0.6, "aurocs": {"pale": 0.7, "round": 0.5}, "left_out": []}
    kind, names = "nucleus_classifier", {"attributes": ["pale", "round"]}
    runs = [
        run("a-fold1", kind, [first], **SUPERVISED, **names, sparsity_percent=2),
        run("a-fold2", kind, [second], **SUPERVISED, **names, sparsity_percent=2),
        run("vgg", kind, [second], network="vgg16", frozen=False, labels_percent=100, **names),
        run("mlp", kind, [second], **SUPERVISED | {"frozen": True}, **names, sparsity_percent=1.2),
    ]
    tables = tables_of(*runs)
    attributes, features = tables["attributes"].rows, tables["features"].rows
    assert [row["model"] for row in attributes] == ["a", "vgg", "mlp"]
    assert [row["model"] for row in features] == ["mlp", "a"]
    assert [row["method"] for row in features] == ["CSP-CAE-MLP", "CSP-CNN"]
    assert [row["frozen"] for row in features] == [True, False]
    assert (attributes[0]["auroc"], attributes[0]["left_out"]) == (pytest.approx(0.7), "round")
    each = attribute_rows(group_runs(*zip(*runs, strict=True)))
    assert [row["attribute"] for row in each] == ["pale", "round"] * 3
    assert (each[0]["parts"], each[0]["auroc"]) == (2, pytest.approx(0.75))
    assert (each[1]["parts"], each[1]["auroc"], each[1]["auroc_sd"]) == (1, 0.5, None)
    text = write_text(tables["attributes"], each=each)
    assert "0.7000 ± 0.1414" in text
    assert "Attribute by attribute" in text


def test_the_table_of_segmentation():
    """Table 7: both coefficients and their mean, over folds that have them."""
    part = {"dice_average": 0.8, "dice_mask": 0.9, "dice_ensemble": 0.7}
    unet = {"network": "unet", "frozen": False, "labels_percent": 100}
    nothing = dict.fromkeys(part)
    (row,) = tables_of(run("u", "nucleus_segmenter", [part, nothing], **unet))["segmentation"].rows
    assert row["method"] == "U-net"
    assert [row[key] for key in (*part, "dice_average_sd")] == [0.8, 0.9, 0.7, None]


@pytest.mark.parametrize(
    ("network", "start", "frozen", "labels", "expected"),
    [
        ("crosswise", "c", False, 100, "CSP-CNN"),
        ("crosswise", "c", False, 5, "CSP-CNN (5% data)"),
        ("crosswise", "c", True, 100, "CSP-CAE-MLP"),
        ("crosswise", None, False, 100, "SUP-CSP-CNN"),
        ("sparse", "s", False, 100, "SP-CNN"),
        ("dense", "d", False, 100, "DEN-CNN"),
        ("plain", None, False, 100, "SUP-CNN"),
        ("vgg16", None, False, 100, "VGG16"),
        ("unet", None, False, 100, "U-net"),
        ("unet", None, None, None, "U-net"),
        ("dense", None, False, 5, ""),
        ("sparse", "s", True, 100, ""),
    ],
)
def test_methods_have_the_names_of_the_paper(network, start, frozen, labels, expected):
    """Section 5.5; what it does not have gets no name, what is not set is as usual."""
    model = {"kind": "nucleus_detector", "network": network, "start": start, "frozen": frozen}
    model["labels_percent"] = labels
    assert method_name(model) == expected
    assert labels_used(model) == (labels or 100)


def test_text_has_four_decimals_a_spread_and_the_figures_of_the_table():
    """As the paper prints them; p and labels as they are in the config."""
    text = write_text(tables_of(*RUNS)["detection"])
    (line,) = [line for line in text.splitlines() if line.startswith("| csp")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:4] == ["csp", "CSP-CNN", "cae", "100"]
    assert "0.8500 ± 0.0707" in cells
    assert "± is the standard deviation" in text
    alone = write_text(tables_of(RUNS[2])["detection"])
    assert "±" not in alone


def test_a_table_of_no_models_says_so():
    """It has its columns, and a sentence instead of rows."""
    table = tables_of(RUNS[0])["segmentation"]
    assert table.rows == []
    assert "dice_average" in table.columns
    assert "No model of this kind was scored" in write_text(table)


def test_costs_are_those_of_the_whole_jobs_by_image(tmp_path):
    """Both runs of a model together; not known where one of them has not been timed."""
    for name, seconds in (("csp-fold1", 10), ("csp-fold2", 20), ("cae", 2)):
        (tmp_path / f"{name}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:10\n")
    about, scores = zip(*RUNS, strict=True)
    assert cost_rows(about, scores, tmp_path) == [
        {"model": "cae", "images": 4, "seconds_per_image": 0.5},
        {"model": "thin", "images": 4, "seconds_per_image": None},
        {"model": "csp", "images": 8, "seconds_per_image": 3.75},
    ]


def with_curve(name: str, points: int) -> tuple[dict, dict]:
    """A detector with a curve of so many points."""
    about, scores = run(name, "nucleus_detector", [detected(0.6), detected(0.5, precision=None)])
    line = np.linspace(0.1, 0.9, points).tolist()
    return about, scores | {"curve": {"precision": line[::-1], "recall": line}}


def test_curves_are_drawn_the_same_each_time(tmp_path):
    """Of two folds of a model, another without detections, and a model that finds no nuclei."""
    runs = [with_curve("m-fold1", 9), with_curve("m-fold2", 9), with_curve("o", 0)]
    runs.append(run("seg", "nucleus_segmenter", []))
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        draw_curves(path, runs)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    draw_curves(tmp_path / "none.png", runs[3:])
    with Image.open(tmp_path / "a.png") as drawn, Image.open(tmp_path / "none.png") as empty:
        assert drawn.size == empty.size
        assert len(np.unique(np.asarray(drawn.convert("RGB")).reshape(-1, 3), axis=0)) > 10
        assert drawn.tobytes() != empty.tobytes()
