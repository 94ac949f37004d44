"""The trial on tables of CAMELYON16: what is joined, and what is said of it."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

import camelyon16_tables as trial
import node_report as report
from helpers.trial_data import SMALL_FORESTS, TRUTH_TABLE, write_tables, write_test_tables
from microtome.errors import InputError
from microtome.io.tables import read_table
from microtome.staging.cross_validation import cross_validate
from microtome.staging.pn_stages import CLASSES
from node_methods import call_by_cut_offs, fit_cut_offs


@pytest.fixture
def folder(tmp_path):
    """Tables that agree."""
    return write_tables(tmp_path)


def edit(path, old: str, new: str):
    """Replace text that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refused(folder) -> str:
    """Read what cannot be read; give the line that says why."""
    with pytest.raises(InputError) as caught:
        trial.load_slides(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tables_are_joined_by_slide_whatever_its_case(folder):
    """Both thresholds side by side; neither the truth nor a row's number is a feature."""
    slides, notes = trial.load_slides(folder)
    assert notes == []
    columns = ("ratio", "major_axis_length_largest")
    assert slides.feature_names == tuple(f"{c}_{part}" for part in (50, 90) for c in columns)
    assert slides.features.shape == (24, 4)
    assert slides.names.tolist()[9:11] == ["normal_009", "tumor_000"]
    assert np.bincount(slides.classes).tolist() == [10, 5, 5, 4]
    for suffix, column in (("0.5", 0), ("0.9", 2)):
        row = read_table(folder / f"tumor_threshold_{suffix}.csv")[0]
        expected = [float(row[name]) for name in columns]
        assert slides.features[10, column : column + 2].tolist() == expected
    assert len(set(slides.patients)) == 24
    assert slides.annotated.all()


def test_slides_that_a_table_lacks_are_left_out_and_named(folder):
    """One without a class, one without features at 0.9."""
    edit(folder / TRUTH_TABLE, "Tumor_003,itc\n", "")
    lines = (folder / "normal_threshold_0.9.csv").read_text().splitlines(keepends=True)
    (folder / "normal_threshold_0.9.csv").write_text("".join(lines[:-1]))
    slides, notes = trial.load_slides(folder)
    assert len(slides.names) == 22
    assert notes == [
        "1 slides of the classes left out: normal_009",
        "2 slides of the features at 0.5 left out: normal_009, tumor_003",
        "1 slides of the features at 0.9 left out: tumor_003",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("tumor_threshold_0.5.csv", "tumor_002.tif", "TUMOR_001.tif", "tumor_001 is there twice"),
        ("tumor_threshold_0.5.csv", "tumor_002.tif", "", "a row lacks name"),
        ("tumor_threshold_0.5.csv", ",major_axis_length_largest", ",other", "lack major_axis"),
        ("tumor_threshold_0.9.csv", ",ratio", ",rate", "slide tumor_000: ratio is None, no number"),
        (TRUTH_TABLE, "Tumor_001,micro", "Tumor_001,big", "class is big"),
        (TRUTH_TABLE, "slide,", "case,", "a row lacks slide"),
        (TRUTH_TABLE, "mor_", "x_", None),
    ],
)
def test_spoiled_tables_are_refused_in_one_line(folder, name, old, new, why):
    """By file or by slide."""
    edit(folder / name, old, new)
    if name.startswith("tumor") and "major" in old:
        edit(folder / "normal_threshold_0.5.csv", old, new)
    if why is None:
        edit(folder / name, "Normal_", "n_")
        why = "no slide is in all tables"
    assert why in refused(folder)


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read"), (b"name\n", "has no rows"), (b"\xff", "cannot be read")],
)
def test_missing_empty_and_binary_tables_are_refused(folder, content, why):
    """By their path."""
    path = folder / "normal_threshold_0.9.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert refused(folder).startswith(f"{path}: {why}")


def test_tables_of_test_slides_are_joined_alike(folder):
    """By the names of their own tables."""
    write_test_tables(folder)
    slides, notes = trial.load_slides(folder, "test_classes.csv", kinds=("test",))
    learnt, _ = trial.load_slides(folder)
    assert notes == []
    assert slides.names.tolist() == [f"test_{i:03d}" for i in range(9)]
    assert slides.classes.tolist() == [0, 2, 3] * 3
    assert slides.feature_names == learnt.feature_names


def test_every_fold_is_measured_with_what_other_folds_taught(folder):
    """Kappa and AUC by hand, of the vote, of a forest and of the baselines."""
    slides, _ = trial.load_slides(folder)
    slides.features[::4, 1] = 0  # so that one feature errs
    found = cross_validate(slides, **SMALL_FORESTS)
    rows = {(row["method"], row["fold"]): row for row in report.fold_rows(slides, found)}
    assert len(rows) == 7 * 3
    for k in (1, 2, 3):
        tested = found.fold == k
        truth = slides.classes[tested]
        values = slides.features[:, 1]
        cut_offs = fit_cut_offs(values[~tested], slides.classes[~tested])
        of_pb = 1 - found.prediction.probabilities[1, tested, 0]
        for name, called, score in (
            ("vote", found.prediction.vote[tested], found.prediction.tumour_probability[tested]),
            ("rf_pb", found.prediction.classes[1, tested], of_pb),
            ("one feature", call_by_cut_offs(values[tested], cut_offs), values[tested]),
        ):
            kappa = cohen_kappa_score(truth, called, labels=range(4), weights="quadratic")
            assert rows[name, k]["kappa"] == pytest.approx(kappa)
            assert rows[name, k]["auc"] == pytest.approx(roc_auc_score(truth > 0, score))
        assert (rows["majority class", k]["kappa"], rows["majority class", k]["auc"]) == (0, 0.5)


def test_the_report_holds_what_was_found(folder, tmp_path):
    """Tables a row a method and fold, a slide, a feature; the same bytes again."""
    slides, _ = trial.load_slides(folder)
    found = cross_validate(slides, **SMALL_FORESTS)
    figures = {"auc": 0.5, "micro_missed": 0.25, "false_alarms": 0.0}
    compared = [{"method": "a", "seed": i, "kappa": i / 10, **figures} for i in (1, 2, 3)]
    for place in ("a", "b"):
        report.write_report(
            tmp_path / place,
            slides,
            found,
            compared=compared,
            tested=None,
            calls={},
            notes=["2 slides left out: x, y"],
            n_samples=20,
        )
    for name in ("folds.csv", "slides.csv", "importances.csv", "methods.csv", "summary.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    of_slides = read_table(tmp_path / "a" / "slides.csv")
    assert [row["slide"] for row in of_slides] == slides.names.tolist()
    for column, classes in (("truth", slides.classes), ("vote", found.prediction.vote)):
        assert [CLASSES.index(row[column]) for row in of_slides] == classes.tolist()
    text = (tmp_path / "a" / "summary.md").read_text()
    kappas = [r["vote"] for r in found.kappas[:3]]
    for part in (
        "24 slides of CAMELYON16 (10 negative, 5 itc, 5 micro, 4 macro)",
        "- 2 slides left out: x, y\n",
        f"{np.mean(kappas):.3f} ± {np.std(kappas, ddof=1):.3f}",
        "| negative | ",
        "0.200 ± 0.100",
        "0.250 ± 0.000",
    ):
        assert part in text


def test_slides_that_nobody_trained_on_are_counted_seed_by_seed(folder, tmp_path):
    """One seed is right, the other calls the last two of six negative; the first method is both."""
    classes = np.array([0, 0, 2, 3, 2, 3])
    right, wrong = classes, np.array([0, 0, 2, 3, 0, 0])
    calls = {"a": [(right, right), (wrong, wrong)], "b": [(right, right), (right, right)]}
    first, second = report.held_out_rows(classes, calls, n_samples=200)
    kappa = cohen_kappa_score(classes, wrong, labels=range(4), weights="quadratic")
    assert first["kappa"] == pytest.approx((1 + kappa) / 2)
    assert first["kappa_range"] == pytest.approx(1 - kappa)
    assert (first["micro_missed"], first["false_alarms"], first["moved"]) == (0.25, 0, 2)
    assert first["kappa_low"] < first["kappa"] < first["kappa_high"] <= 1
    assert (first["gain_low"], first["gain_high"]) == (0, 0)
    assert [second[key] for key in ("kappa", "kappa_sd", "kappa_low", "moved")] == [1, 0, 1, 0]
    assert 0 <= second["gain_low"] < 1 - first["kappa"] < second["gain_high"]
