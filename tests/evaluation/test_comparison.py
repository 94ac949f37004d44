"""The comparison of models: tables, text and box plots."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from microtome.evaluation.comparison import (
    cost_rows,
    describe_models,
    model_rows,
    patch_counts,
    rows_of_tests,
    slide_values,
    summarize,
    table1_rows,
)
from microtome.evaluation.comparison_figure import draw_comparison
from microtome.evaluation.confusion_figure import draw_confusion
from microtome.evaluation.intervals import bound_over_slides
from microtome.io.tables import read_table, write_table

TABLE1 = {
    "accuracy": "test accuracy",
    "precision_other": "precision non-tumour",
    "precision_tumour": "precision tumour",
    "recall_other": "recall non-tumour",
    "recall_tumour": "recall tumour",
    "f1_other": "F1 non-tumour",
    "f1_tumour": "F1 tumour",
    "share_correct": "proportion of correct patches",
    "dice": "Dice",
}
BURDENS = ("burden", "true_burden", "burden_error")
FIGURES = (
    *TABLE1,
    "balanced_accuracy",
    "pooled_dice",
    "jaccard",
    "boundary_f",
    "hausdorff95_um",
    *BURDENS,
)


GRID = "1um_256px_every64px"
COUNTED = {"patches": 10, "scored_patches": 12, "patch_counts": [[4, 3], [2, 1]]}


def figures(value: float, **others: float | None) -> dict:
    """All figures the same but some."""
    return dict.fromkeys(FIGURES, value) | others


def as_text(rows: list[dict]) -> list[dict]:
    """Rows as they are read from a table."""
    return [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]


def run(entries: list[tuple[str, str, int | None, dict, list[dict]]], **card: int) -> list[dict]:
    """Describe models of (name, model, fold, cohort, slides)."""
    keys = ("name", "model", "fold", "networks")
    return describe_models(
        [dict(zip(keys, (*entry[:3], 1), strict=True), grid=GRID) for entry in entries],
        cohorts=[{**COUNTED, **cohort} for *_, cohort, _ in entries],
        slides=[as_text(rows) for *_, rows in entries],
        cards=[card for _ in entries],
    )


def summary_of(trained: list[dict]) -> str:
    """The text with all tests."""
    return summarize(trained, rows_of_tests(slide_values(trained)))


def test_an_ensemble_has_the_parameters_of_all_its_networks():
    """Cards of members follow one another; where one does not say, the sum is not known."""
    models = [
        {"name": name, "model": name, "fold": None, "networks": n}
        for name, n in (("e", 3), ("a", 1), ("f", 2))
    ]
    cards = [{"parameters": n} for n in (1, 20, 300, 4000, 7)] + [{}]
    found = describe_models(models, cohorts=[{}] * 3, slides=[[]] * 3, cards=cards)
    assert [model["parameters"] for model in found] == [321, 4000, None]


def two_folds() -> list[dict]:
    """A model of two folds that share a slide, and one that was trained once."""
    first = [{"slide": "s1", **figures(0.8)}, {"slide": "s2", **figures(0.6)}]
    second = [
        {"slide": "s2", **figures(0.4, burden_error=-0.2)},
        {"slide": "s3", **figures(0.9, f1_tumour=None)},
    ]
    return run(
        [
            ("cae-fold1", "cae", 1, figures(0.7), first),
            ("cae-fold2", "cae", 2, figures(0.8, precision_tumour=None), second),
            ("colour", "colour", None, figures(0.5), first),
        ],
        parameters=8,
    )


def test_a_model_is_the_mean_over_its_folds():
    """Means, sample standard deviations, slides counted once, patches of all folds."""
    cae, colour = model_rows(two_folds())
    counts = ("folds", "slides", "patches", "scored_patches")
    assert [cae[key] for key in ("model", *counts)] == ["cae", 2, 3, 20, 24]
    assert cae["dice"] == pytest.approx(0.75)
    assert cae["dice_sd"] == pytest.approx(0.1 / 2**0.5)
    assert cae["parameters"] == 8
    assert (colour["model"], colour["folds"], colour["slides"]) == ("colour", 1, 2)
    assert (colour["dice"], colour["dice_sd"]) == (0.5, None)


def test_means_over_slides_have_their_interval():
    """That of the slides of all folds, each once; the burden's error is absolute."""
    cae, colour = model_rows(two_folds())
    for key in ("dice", "jaccard", "boundary_f", "burden"):
        assert (cae[f"{key}_low"], cae[f"{key}_high"]) == bound_over_slides([0.8, 0.5, 0.9])
        assert (colour[f"{key}_low"], colour[f"{key}_high"]) == bound_over_slides([0.8, 0.6])
    errors = bound_over_slides([0.8, (0.6 + 0.2) / 2, 0.9])
    assert (cae["burden_error_low"], cae["burden_error_high"]) == errors
    assert "accuracy_low" not in cae


def test_a_figure_that_a_fold_lacks_is_the_others():
    """Not defined in one fold: the mean of the rest, and no spread of one."""
    cae, _ = model_rows(two_folds())
    assert (cae["precision_tumour"], cae["precision_tumour_sd"]) == (0.7, None)
    (row,) = model_rows(run([("m", "m", None, figures(0.1, dice=None), [])]))
    assert (row["dice"], row["dice_sd"], row["parameters"]) == (None, None, None)


def test_table1_has_the_papers_columns_in_its_order():
    """Accuracy; precision, recall and F1 of both classes; correct patches; Dice; with spreads."""
    cohort = {key: float(i) for i, key in enumerate(FIGURES)}
    (row,) = table1_rows(model_rows(run([("m", "m", None, cohort, [])])))
    further = (" sd", " low", " high")
    means = {key: value for key, value in row.items() if not key.endswith(further)}
    expected = {title: cohort[key] for key, title in TABLE1.items()}
    assert means == {"model": "m", **expected}
    assert list(row)[:3] == ["model", "test accuracy", "test accuracy sd"]
    assert list(means) == ["model", *expected]
    cae, colour = table1_rows(model_rows(two_folds()))
    assert cae["Dice sd"] == pytest.approx(0.1 / 2**0.5)
    assert colour["Dice sd"] is None
    assert [key for key in row if key.startswith("Dice")] == [
        "Dice",
        *(f"Dice{k}" for k in further),
    ]
    assert (row["Dice low"], row["Dice high"]) == (None, None)  # of no slide
    assert cae["Dice low"] == 0.5 < cae["Dice high"] == 0.9


def test_slides_of_all_folds_are_pooled():
    """A slide of two folds counts once, with its mean; the burden's error is absolute."""
    values = slide_values(two_folds())
    assert values["dice"]["cae"] == pytest.approx({"s1": 0.8, "s2": 0.5, "s3": 0.9})
    assert values["burden_error"]["cae"]["s2"] == pytest.approx((0.6 + 0.2) / 2)
    assert values["f1_tumour"]["cae"] == pytest.approx({"s1": 0.8, "s2": 0.5})
    assert values["dice"]["colour"] == {"s1": 0.8, "s2": 0.6}


def write_benchmark(folder, name: str, slide: str, *seconds: float) -> None:
    """Write what Snakemake measures, one line a repeat."""
    (folder / name).mkdir(exist_ok=True)
    lines = "".join(f"{s}\t0:00:01\t-\n" for s in seconds)
    (folder / name / f"{slide}.tsv").write_text("s\th:m:s\tmax_rss\n" + lines)


def test_costs_are_means_over_slides_and_folds(tmp_path):
    """Benchmarks that are missing are left out; without any the cell is empty."""
    write_benchmark(tmp_path, "cae-fold1", "s1", 10)
    write_benchmark(tmp_path, "cae-fold2", "s3", 20)
    write_benchmark(tmp_path, "cae-fold2", "not-evaluated", 900)
    assert cost_rows(two_folds(), tmp_path) == [
        {
            "model": model,
            "parameters": 8,
            "patch_px": 256,
            "overlap": 0.75,
            "scored_patches": patches,
            "dice": pytest.approx(value),
            "boundary_f": pytest.approx(value),
            "seconds_per_slide": seconds,
        }
        for model, patches, value, seconds in (("cae", 24, 0.75, 15), ("colour", 12, 0.5, None))
    ]


def test_confusion_matrices_are_pooled_over_folds_and_drawn(tmp_path):
    """The counts of both folds of a model together; a panel a model, five in a row."""
    counts = patch_counts(two_folds())
    assert {m: c.tolist() for m, c in counts.items()} == {
        "cae": [[8, 6], [4, 2]],
        "colour": [[4, 3], [2, 1]],
    }
    sizes = []
    for n in (1, 5, 6):
        draw_confusion(tmp_path / "a.png", {f"m{i}": counts["cae"] for i in range(n)})
        sizes.append(Image.open(tmp_path / "a.png").size)
    assert sizes[0][0] < sizes[1][0] == sizes[2][0]
    assert sizes[0][1] == sizes[1][1] < sizes[2][1]


def many_slides(n: int = 8) -> list[dict]:
    """Two models on n slides, one better on all of them."""
    rng = np.random.default_rng(0)
    slides = {
        "cae": [{"slide": f"s{i}", **figures(v)} for i, v in enumerate(0.8 + 0.2 * rng.random(n))],
        "colour": [{"slide": f"s{i}", **figures(v)} for i, v in enumerate(0.5 * rng.random(n))],
    }
    return run([(m, m, None, figures(0.5), rows) for m, rows in slides.items()], parameters=8)


def test_every_metric_is_tested():
    """Two tests over all models and one a pair for each metric of Table 1 and beyond."""
    tests = rows_of_tests(slide_values(many_slides()))
    metrics = [*FIGURES[1:9], "boundary_f", "burden_error"]
    assert [row["metric"] for row in tests] == [m for m in metrics for _ in range(3)]
    assert [row["test"] for row in tests[:3]] == ["ANOVA", "Kruskal-Wallis", "Wilcoxon"]
    assert all(row["p"] < 0.05 for row in tests)


def markdown_rows(text: str, table: int) -> list[list[str]]:
    """Cells of a table of a Markdown text, the header first."""
    found = [part for part in text.split("\n\n") if part.startswith("|")][table]
    lines = [line.strip("| ").split("|") for line in found.splitlines()]
    return [[cell.strip() for cell in line] for line in lines if not set(line[0]) <= {"-", " "}]


def test_summary_begins_with_table_1():
    """Three digits, with the spread where there are folds."""
    text = summary_of(two_folds())
    header, cae, colour = markdown_rows(text, 0)
    assert header == ["model", *TABLE1.values()]
    assert (cae[0], cae[1], cae[3]) == ("cae", "0.750 ± 0.071", "0.700")
    assert cae[-1] == "0.750 ± 0.071 [0.500, 0.900]"
    assert (colour[0], colour[1]) == ("colour", "0.500")
    header, cae, _ = markdown_rows(text, 1)
    assert header[:5] == ["model", "folds", "slides", "patches", "scored patches"]
    assert cae[:5] == ["cae", "2", "3", "20", "24"]
    assert "± is the standard deviation over folds" in text
    assert "[ ] holds the mean of 95% of 2000 samples of the slides" in text
    assert "±" not in summary_of(many_slides())


def test_summary_says_what_differs():
    """p-values, and which of a few pairs differ, the better named first by its sign."""
    header, *rows = markdown_rows(summary_of(many_slides()), 2)
    assert header == ["metric", "ANOVA p", "Kruskal-Wallis p", "pairs that differ"]
    assert len(rows) == 10
    dice = next(row for row in rows if row[0] == "Dice")
    assert float(dice[1]) < 1e-4
    assert dice[3] == "1 of 1: cae > colour"


def test_summary_of_few_slides_says_why_there_is_no_test():
    """Three slides: no pair is tested. One model: there is no table of tests."""
    trained = many_slides(3)
    text = summary_of(trained)
    assert {row[3] for row in markdown_rows(text, 2)[1:]} == {"fewer than 6 slides in common"}
    text = summary_of(trained[:1])
    assert "differ" not in text
    assert markdown_rows(text, 2)[0][:2] == ["model", "slide"]


def test_summary_says_where_no_pair_can_differ():
    """Six slides and three pairs: one model far better, and the least p is 3 of 32."""
    rng = np.random.default_rng(0)
    slides = {
        name: [{"slide": f"s{i}", **figures(v)} for i, v in enumerate(base + 0.05 * rng.random(6))]
        for name, base in (("cae", 0.9), ("colour", 0.3), ("unet", 0.5))
    }
    trained = run([(m, m, None, figures(0.5), rows) for m, rows in slides.items()])
    text = summary_of(trained)
    assert {row[3] for row in markdown_rows(text, 2)[1:]} == {"0 of 3 (least p 0.0938)"}
    assert "no pair could differ" in text
    assert "Of 3 pairs one can from 7 slides on" in text
    assert "no pair could differ" not in summary_of(many_slides())


def test_summary_does_not_name_many_pairs():
    """Five models, ten pairs: how many differ is enough."""
    noise = np.random.default_rng(0).random((5, 30))
    dice = {f"m{i}": {f"s{j}": i + noise[i, j] for j in range(30)} for i in range(5)}
    tests = rows_of_tests({"dice": dice})
    _, row = markdown_rows(summarize(many_slides(), tests), 2)
    assert row[3] == "10 of 10"


def test_summary_ends_with_every_model_on_every_slide():
    """One row a trained model and slide; an empty cell is a figure that is not defined."""
    header, *rows = markdown_rows(summary_of(two_folds()), 3)
    of_slides = {"cae-fold1": ("s1", "s2"), "cae-fold2": ("s2", "s3"), "colour": ("s1", "s2")}
    assert [row[:2] for row in rows] == [[m, s] for m, slides in of_slides.items() for s in slides]
    assert rows[3][header.index("F1 tumour")] == ""
    assert rows[2][header.index("burden error")] == "-0.200"


def test_tables_can_be_written_and_read(tmp_path):
    """No cell holds what a table cannot; None is an empty cell."""
    trained = two_folds()
    write_table(tmp_path / "models.tsv", model_rows(trained))
    write_table(tmp_path / "tests.csv", rows_of_tests(slide_values(trained)))
    cae, _ = read_table(tmp_path / "models.tsv")
    assert (cae["folds"], cae["dice"], cae["precision_tumour_sd"]) == ("2", "0.75", "")
    lines = list(csv.reader(io.StringIO((tmp_path / "tests.csv").read_text())))
    assert {len(line) for line in lines} == {11}


def values_of(n_models: int, n_slides: int) -> dict:
    """Draw values of the metrics that the figure shows."""
    rng = np.random.default_rng(0)
    return {
        metric: {
            f"model{m}": {f"s{s}": rng.random() for s in range(n_slides)} for m in range(n_models)
        }
        for metric in slide_values([])
    }


@pytest.mark.parametrize(("n_models", "n_slides"), [(1, 1), (2, 3), (12, 50)])
def test_figure_grows_with_the_models(tmp_path, n_models, n_slides):
    """From one model and slide to a dozen: the same width, a line more for each model."""
    draw_comparison(tmp_path / "a.png", values_of(n_models, n_slides))
    with Image.open(tmp_path / "a.png") as image:
        assert 1200 < image.width < 1600
        assert image.height == pytest.approx(110 * (1.8 + 0.72 * n_models), abs=1)


def test_the_same_values_give_the_same_figure(tmp_path):
    """The same bytes; other values have others, and a figure not defined leaves its place empty."""
    lacking = values_of(3, 9)
    lacking["f1_tumour"]["model1"] = {}
    lacking["boundary_f"] = {model: {} for model in lacking["dice"]}
    found = []
    for values in (values_of(3, 9), values_of(3, 9), values_of(3, 8), lacking):
        draw_comparison(tmp_path / "a.png", values)
        found.append((tmp_path / "a.png").read_bytes())
    assert found[0] == found[1]
    assert len(set(found)) == 3


def pink_px(path) -> int:
    """Count the pixels in the colour of the dots."""
    with Image.open(path) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(int), 2, 0)
    return int(np.count_nonzero((red > green + 80) & (blue > green + 20)))


def test_every_slide_is_a_dot(tmp_path):
    """Five slides have five times the dots of one, even where their values are the same."""
    for n in (1, 5):
        values = {metric: {"m": {f"s{i}": 0.5 for i in range(n)}} for metric in values_of(1, 1)}
        draw_comparison(tmp_path / f"{n}.png", values)
    ratio = pink_px(tmp_path / "5.png") / pink_px(tmp_path / "1.png")
    assert 4 < ratio < 6
