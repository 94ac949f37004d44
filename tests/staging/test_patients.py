"""Classes and stages of patients, and what agrees with the labels."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from helpers.simulated_heatmaps import simulated_cohort
from microtome.errors import InputError
from microtome.io.atomic import read_json, write_json
from microtome.io.tables import read_table, write_table
from microtome.rasters.label_tiff import write_array
from microtome.staging.agreement_figure import draw_agreement
from microtome.staging.feature_table import COLUMNS as FEATURE_COLUMNS
from microtome.staging.feature_table import FEATURES, feature_matrix
from microtome.staging.forest_step import classify, train
from microtome.staging.forests import Prediction
from microtome.staging.node_classes import COLUMNS, classify_nodes, prediction_rows
from microtome.staging.patient_figure import draw_patient
from microtome.staging.patients import (
    AGREEMENT,
    agreement_rows,
    label_rows,
    measure_agreement,
    patient_rows,
    summarize,
)
from microtome.staging.pn_stages import CLASSES, FORESTS, SEEN

SETTINGS = {
    "trees": 20,
    "draws": 4,
    "min_leaf": 1,
    "max_features": "sqrt",
    "folds": 3,
    "seed": 1,
    "spacing_um": 8.0,
}


def sheet_rows(labels: dict[str, str]) -> dict[str, dict]:
    """Rows of nodes named PATIENT-NODE."""
    return {
        slide: {"patient": slide[0], "node": slide[2], "split": "", "label": label}
        for slide, label in labels.items()
    }


def node(slide: str, called: str, *, size_rule: str = "negative", **more: str) -> dict:
    """Make a row of the table of nodes."""
    row = {"slide": slide, "patient": slide[0], "class": called, "how": "forests", "truth": ""}
    return {**row, "size_rule": size_rule, **more}


@pytest.mark.parametrize(
    ("labels", "called", "expected"),
    [
        (("macro", "negative"), ("micro", "itc"), {"stage": "pN1mi", "true_stage": "pN1"}),
        (("macro", "negative"), ("micro", "itc"), {"nodes": 2, "missing": 3, "complete": False}),
        (("macro", "itc"), (None, "itc"), {"stage": "pN0(i+)", "excluded": "1", "nodes": 1}),
        (("macro", "itc"), (None, "itc"), {"true_stage": "pN1", "size_rule_stage": "pN1"}),
        (("macro", ""), ("macro", "itc"), {"true_stage": ""}),
    ],
)
def test_stages_come_from_classes_sizes_and_labels(labels, called, expected):
    """A node without a class was excluded; the truth of a patient is that of all nodes, or none."""
    rows = sheet_rows(dict(zip(("a-1", "a-2"), labels, strict=True)))
    nodes = [node(s, c, size_rule="macro") for s, c in zip(rows, called, strict=True) if c]
    (row,) = patient_rows(nodes, rows, nodes_per_patient=5)
    assert {key: row[key] for key in expected} == expected


def judge(nodes, rows, **options) -> tuple[list[dict], dict]:
    """Stage all patients, and compare with the labels."""
    patients = patient_rows(nodes, rows, nodes_per_patient=None)
    return patients, measure_agreement(nodes, patients, seed=1, **options)


def test_agreement_is_that_of_scikit_learn():
    """Kappas of nodes and patients are scikit-learn's, quadratic."""
    rng = np.random.default_rng(0)
    truth = dict(zip([f"{p}-{n}" for p in "abcdefgh" for n in range(3)], CLASSES * 6, strict=True))
    rows = sheet_rows(truth)
    nodes = [
        node(s, str(rng.choice(CLASSES)), size_rule=str(rng.choice(CLASSES)), truth=label)
        for s, label in truth.items()
    ]
    _, found = judge(nodes, rows)
    for name, column in (("forests", "class"), ("size rule", "size_rule")):
        called = [CLASSES.index(row[column]) for row in nodes]
        true = [CLASSES.index(row["truth"]) for row in nodes]
        expected = cohen_kappa_score(true, called, weights="quadratic")
        assert found["nodes"][name]["kappa"] == pytest.approx(expected)
        assert found["nodes"][name]["accuracy"] == np.mean(np.equal(true, called))
    of_patients = found["patients"]["forests"]
    assert of_patients["kappa_low"] <= of_patients["kappa"] <= of_patients["kappa_high"]
    assert of_patients["n"] == 8


def test_each_forest_stages_and_is_judged():
    """One that calls every node right has a kappa of 1; the table has a row for each of them."""
    labels = {"a-1": "negative", "b-1": "micro", "c-1": "macro"}
    rows = sheet_rows(labels)
    others = dict.fromkeys(FORESTS[1:], "negative")
    nodes = [node(s, "micro", truth=c, rf_pi=c, **others) for s, c in labels.items()]
    patients, found = judge(nodes, rows)
    assert [p["rf_pi_stage"] for p in patients] == [p["true_stage"] for p in patients]
    assert [p["rf_cb_stage"] for p in patients] == ["pN0"] * 3
    table = agreement_rows(found)
    judges = ["forests", *FORESTS, "size rule"]
    assert [(row["of"], row["by"]) for row in table] == [
        (kind, name) for kind in ("patients", "nodes") for name in judges
    ]
    kappas = {row["by"]: row["kappa"] for row in table if row["of"] == "patients"}
    assert kappas == {name: float(name == "rf_pi") for name in judges}
    assert set(table[0]) == set(AGREEMENT)


def test_labels_are_counted_by_split():
    """Nodes without a label or a split are counted too."""
    rows = sheet_rows({"a-1": "itc", "a-2": "macro", "b-1": "", "c-1": "itc"})
    for slide, split in (("b-1", "test"), ("c-1", "test")):
        rows[slide]["split"] = split
    none = {"split": "none", "negative": 0, "itc": 1, "micro": 0, "macro": 1, "unlabelled": 0}
    test = {"split": "test", "negative": 0, "itc": 1, "micro": 0, "macro": 0, "unlabelled": 1}
    assert label_rows(rows) == [none, test]


def test_what_forests_have_seen_is_not_counted():
    """Nodes that forests were trained on, and their patients, say nothing of how good they are."""
    rows = sheet_rows({"a-1": "macro", "b-1": "itc"})
    nodes = [node("a-1", "macro", truth="macro", how=SEEN), node("b-1", "itc", truth="itc")]
    _, found = judge(nodes, rows)
    assert found["nodes"]["forests"]["n"] == found["patients"]["forests"]["n"] == 1


def test_patients_that_networks_know_are_named():
    """In the JSON and in the text, where a label of theirs is compared."""
    rows = sheet_rows({"a-1": "macro", "b-1": "itc", "c-1": ""})
    nodes = [node(slide, "itc", truth=row["label"]) for slide, row in rows.items()]
    patients, found = judge(nodes, rows, known_to_networks=["c", "b"])
    assert found["known_to_networks"] == ["b"]
    said = "- too good to be true: the networks have learned from 1 of these patients (b)\n"
    assert summarize(patients, found).endswith(said)


def test_without_labels_there_is_nothing_to_agree_with():
    """Stages are given all the same."""
    patients, found = judge([node("a-1", "micro")], sheet_rows({"a-1": ""}))
    assert found == {"nodes": {}, "patients": {}}
    assert "pN1mi" in summarize(patients, found)


def test_notes_of_the_cross_validation_are_handed_on(tmp_path):
    """Notes of training stand in the text for people."""
    write_json(tmp_path / "v.json", {"notes": ["rf_pi: something"]})
    rows = sheet_rows({"a-1": ""})
    patients, found = judge([node("a-1", "itc")], rows, validation=tmp_path / "v.json")
    assert "- rf_pi: something" in summarize(patients, found)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Forests of a simulated cohort, and its table of features: 12 patients, 3 of them of test."""
    folder = tmp_path_factory.mktemp("forests")
    rows = simulated_cohort(12, nodes=5, seed=3)
    tests = {row["patient"] for row in rows[-15:]}
    for row in rows:
        row["split"] = "test" if row["patient"] in tests else ""
        row["largest_lesion_um"] = 0.0
    write_table(folder / "features.tsv", rows, columns=FEATURE_COLUMNS)
    train(folder / "features.tsv", annotated=[], **SETTINGS, **outputs(folder))
    return folder


def outputs(folder) -> dict:
    """Where training writes."""
    tables = {name: folder / f"{name}.tsv" for name in ("cross_validation", "importances")}
    return {
        **tables,
        "forests": folder / "forests.safetensors",
        "validation": folder / "validation.json",
    }


def classes_of(folder, *, crossed: str | None = "cross_validation.tsv", spacing_um: float = 8.0):
    """Classify the nodes of a folder."""
    return classify(
        folder / "features.tsv",
        forests=folder / "forests.safetensors",
        cross_validation=folder / crossed if crossed else None,
        spacing_um=spacing_um,
    )


def test_forests_never_judge_what_they_were_trained_on(trained):
    """Training nodes have their class from cross-validation, test nodes from the forests."""
    rows = read_table(trained / "features.tsv")
    crossed = {row["slide"]: row for row in read_table(trained / "cross_validation.tsv")}
    assert set(crossed) == {row["slide"] for row in rows if row["split"] != "test"}
    found = classes_of(trained)
    assert {row["how"] for row in found} == {"cross-validation", "forests"}
    for row in found:
        if row["slide"] in crossed:
            assert row["how"] == "cross-validation"
            assert row["class"] == crossed[row["slide"]]["class"]
        assert sum(row[f"p_{name}"] for name in CLASSES) == pytest.approx(1, abs=1e-4)
        assert set(COLUMNS) <= set(row)


def test_the_cross_validation_of_simulated_heatmaps(trained):
    """No patient is in two folds, and the vote agrees with the labels better than chance."""
    rows = read_table(trained / "cross_validation.tsv")
    folds = {(row["slide"].rpartition("_node_")[0], row["fold"]) for row in rows}
    assert len(folds) == len({patient for patient, _ in folds}) == 9
    assert read_json(trained / "validation.json")["kappas"][-1]["vote"] > 0.4


def test_training_again_gives_the_same_bytes(trained, tmp_path):
    """Nothing depends on time or on what ran before."""
    train(trained / "features.tsv", annotated=[], **SETTINGS, **outputs(tmp_path))
    for path in [*outputs(tmp_path).values(), tmp_path / "forests.json"]:
        assert path.read_bytes() == (trained / path.name).read_bytes(), path.name


def test_forests_have_the_settings_of_the_config(trained, tmp_path):
    """And partial data are the outlined slides, one a class here."""
    rows = [row for row in read_table(trained / "features.tsv") if row["split"] != "test"]
    outlined = [next(r["slide"] for r in rows if r["label"] == name) for name in CLASSES]
    given = {**SETTINGS, "min_leaf": 5, "max_features": 0.5}
    train(trained / "features.tsv", annotated=outlined, **given, **outputs(tmp_path))
    settings = read_json(tmp_path / "forests.json")["settings"]
    assert set(settings.pop("slides")["rf_pi"].values()) == {1}
    assert settings == {
        "n_trees": 20,
        "n_draws": 4,
        "min_leaf": 5,
        "max_features": 0.5,
        "seed": 1,
    }


def test_forests_without_cross_validation_say_what_they_have_seen(trained):
    """Given forests that were trained on a node say so."""
    rows = read_table(trained / "features.tsv")
    found = classes_of(trained, crossed=None)
    seen = {row["slide"] for row in found if row["how"] == SEEN}
    assert seen == {row["slide"] for row in rows if row["split"] != "test"}


def test_forests_of_another_spacing_are_refused(trained):
    """One feature counts px of the heatmap."""
    with pytest.raises(InputError, match=r"8 µm/px; set heatmap\.spacing_um, which is 4"):
        classes_of(trained, spacing_um=4.0)


def test_without_forests_the_size_rule_decides():
    """The largest lesion against 0.2 and 2 mm."""
    rows = [
        {"slide": str(um), "patient": "a", "node": str(um), "label": "", "largest_lesion_um": um}
        for um in ("0", "150", "900", "2500")
    ]
    found = classify_nodes(rows, None, [], learnt=[])
    assert [row["class"] for row in found] == list(CLASSES)
    assert {row["how"] for row in found} == {"size rule"}


def test_a_row_says_what_each_forest_and_their_vote_say():
    """Two of four call it ITC; mean probabilities are those of all."""
    called = ("micro", "itc", "itc", "macro")
    probabilities = np.array([[np.equal(CLASSES, name)] for name in called], np.float64)
    (row,) = prediction_rows(Prediction.of(probabilities))
    assert row["class"] == "itc"
    assert tuple(row[name] for name in FORESTS) == called
    assert [row[f"p_{name}"] for name in CLASSES] == [0, 0.5, 0.25, 0.25]


def test_features_are_taken_by_name():
    """The order of a table's columns does not matter."""
    row = {name: str(i) for i, name in enumerate(FEATURES)}
    backwards = dict(reversed(row.items()))
    assert feature_matrix([row, backwards]).tolist() == [list(range(len(FEATURES)))] * 2


def test_the_figures_are_drawn(trained, tmp_path):
    """Matrices and bars; a patient's nodes at one scale: wider slides are wider."""
    nodes = [{k: str(v) for k, v in row.items()} for row in classes_of(trained)]
    labels = {row["slide"]: row for row in read_table(trained / "features.tsv")}
    patients, found = judge(nodes, labels)
    for name, rows in (("with", read_table(trained / "importances.tsv")), ("without", [])):
        draw_agreement(
            tmp_path / f"{name}.png",
            nodes=nodes,
            patients=patients,
            agreement=found,
            importances=rows,
        )
    assert Image.open(tmp_path / "with.png").size == Image.open(tmp_path / "without.png").size
    files = {"overviews": [], "tissues": [], "heatmaps": []}
    for i, row in enumerate(nodes[:5]):
        shape = (100, 80 + 40 * i)
        files["overviews"].append(tmp_path / f"{row['slide']}.jpg")
        Image.fromarray(np.full((*shape, 3), 230, np.uint8)).save(files["overviews"][-1])
        for kind, value in (("tissues", 1), ("heatmaps", 200)):
            files[kind].append(tmp_path / f"{row['slide']}_{kind}.tif")
            write_array(files[kind][-1], np.full(shape, value, np.uint8), spacing_um=8.0)
    draw_patient(
        tmp_path / "patient.png",
        patient=nodes[0]["patient"],
        slides=[row["slide"] for row in nodes[:5]],
        nodes=nodes,
        patients=patients,
        **files,
    )
    picture = np.asarray(Image.open(tmp_path / "patient.png").convert("RGB")).astype(int)
    assert picture.shape[1] > 1500
    assert np.ptp(picture, axis=2).max() > 100  # the probability is in colour
