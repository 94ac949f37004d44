"""The models of a run side by side: their figures, cost and differences."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from microtome.evaluation.intervals import CONFIDENCE, N_RESAMPLES, bound_over_slides
from microtome.evaluation.significance import SIGNIFICANT, Values, model_tests, slides_needed
from microtome.io.tables import read_table
from microtome.io.text_tables import markdown_table
from microtome.patches.grid_spec import GridSpec

# HistoCAE's Table 1: its columns, in its order.
_TABLE1 = {
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
_BEYOND_TABLE1 = {
    "balanced_accuracy": "balanced accuracy",
    "pooled_dice": "Dice of all px",
    "jaccard": "Jaccard",
    "boundary_f": "boundary F",
    "hausdorff95_um": "Hausdorff 95 % (µm)",
    "burden": "burden",
    "true_burden": "true burden",
    "burden_error": "burden error",
}
# Means over slides that have an interval over the slides.
_BOUNDED = ("dice", "jaccard", "boundary_f", "burden", "burden_error")
# Patches that count, and all that were scored.
_COUNTED = ("patches", "scored_patches")
# On one slide the accuracy is the proportion of correct patches.
_PER_SLIDE = ("dice", "share_correct", "f1_tumour", "f1_other", "boundary_f", "hausdorff95_um")
_PER_SLIDE_BURDEN = ("burden", "true_burden", "burden_error")
_TESTED = (*(key for key in _TABLE1 if key != "accuracy"), "boundary_f", "burden_error")
_TITLES = _TABLE1 | _BEYOND_TABLE1
_DIFFERENCES = ("metric", "ANOVA p", "Kruskal-Wallis p", "pairs that differ")
_PAIRS_NAMED = 3


def describe_models(
    models: Iterable[dict],
    *,
    cohorts: Iterable[dict],
    slides: Iterable[list[dict]],
    cards: Iterable[dict],
) -> list[dict]:
    """Put together what is known of each trained model.

    Each has the ``name`` of the trained model, the ``model`` it is a fold of, ``fold``, None where
    it was trained once, of how many ``networks`` it is made, and the ``grid`` of patches that these
    score. In the same order come its figures
    over the cohort; the same per slide, as text; what is written beside the weights of each of its
    networks. To the entries are added ``cohort``, ``slides`` (numbers, None where not defined) and
    ``parameters`` of all networks together (None where unknown).
    """
    cards = iter(cards)
    found = []
    for model, cohort, rows in zip(models, cohorts, slides, strict=True):
        numbers = [
            {k: v if k == "slide" else float(v) if v else None for k, v in row.items()}
            for row in rows
        ]
        known = [card.get("parameters") for card in itertools.islice(cards, model["networks"])]
        parameters = None if None in known else sum(known)
        found.append({**model, "cohort": cohort, "slides": numbers, "parameters": parameters})
    return found


def model_rows(trained: list[dict]) -> list[dict]:
    """Give a row a model: means over its folds of the figures over the cohort, and their spread.

    From what `describe_models` gives to ``model``, ``folds`` (1 where it was trained once),
    ``slides`` (each counted once), ``patches`` and ``scored_patches`` (of all folds: those that
    count, and all), every figure and its ``_sd`` (sample standard deviation over folds, None where
    there are not two), of some also ``_low`` and ``_high`` (`bound_over_slides`, those of all folds
    together; None of one slide), ``parameters``.
    """
    rows = []
    for model, folds in _group_by_model(trained).items():
        row = {
            "model": model,
            "folds": len(folds),
            "slides": len({slide["slide"] for fold in folds for slide in fold["slides"]}),
            **{key: sum(fold["cohort"][key] for fold in folds) for key in _COUNTED},
        }
        for key in _TITLES:
            known = [f["cohort"][key] for f in folds if f["cohort"][key] is not None]
            row[key] = float(np.mean(known)) if known else None
            row[f"{key}_sd"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
            if key in _BOUNDED:
                bounds = bound_over_slides([*_average(folds, key).values()])
                row[f"{key}_low"], row[f"{key}_high"] = bounds
        rows.append(row | {"parameters": folds[0]["parameters"]})
    return rows


def table1_rows(rows: list[dict]) -> list[dict]:
    """Make HistoCAE's Table 1 of `model_rows`: its columns in its order.

    Each has its spread over folds, Dice also its interval over the slides.
    """
    return [
        {"model": row["model"]}
        | {
            f"{title}{part}": row[f"{key}{suffix}"]
            for key, title in _TABLE1.items()
            for part, suffix in (("", ""), (" sd", "_sd"), (" low", "_low"), (" high", "_high"))
            if f"{key}{suffix}" in row
        }
        for row in rows
    ]


def cost_rows(trained: list[dict], benchmarks: str | Path) -> list[dict]:
    """Tell what the models cost, and what that brings.

    A row has ``model``, ``parameters``, ``patch_px`` and ``overlap`` of the patches that it scores
    (a share of their side), ``scored_patches``, ``dice``, ``boundary_f`` and ``seconds_per_slide``.
    The seconds to score are a mean over slides and folds, from Snakemake's benchmarks in the
    folder, ``{name}/{slide}.tsv``. Any may be missing, as of a member that its ensemble scores;
    where none is left it is None.
    """
    figures = {row["model"]: row for row in model_rows(trained)}
    rows = []
    for model, folds in _group_by_model(trained).items():
        scored = [(fold["name"], slide["slide"]) for fold in folds for slide in fold["slides"]]
        paths = [Path(benchmarks) / name / f"{slide}.tsv" for name, slide in scored]
        seconds = [float(row["s"]) for p in paths if p.exists() for row in read_table(p)]
        grid = GridSpec.from_name(folds[0]["grid"])
        rows.append(
            {
                "model": model,
                "parameters": folds[0]["parameters"],
                "patch_px": grid.patch_px,
                "overlap": round(1 - grid.stride_px / grid.patch_px, 3),
                **{key: figures[model][key] for key in ("scored_patches", "dice", "boundary_f")},
                "seconds_per_slide": float(np.mean(seconds)) if seconds else None,
            }
        )
    return rows


def patch_counts(trained: list[dict]) -> dict[str, np.ndarray]:
    """Pool the confusion matrices of the patches of each model over its folds: (2, 2), int64."""
    return {
        model: np.sum([fold["cohort"]["patch_counts"] for fold in folds], axis=0)
        for model, folds in _group_by_model(trained).items()
    }


def slide_values(trained: list[dict]) -> dict[str, Values]:
    """Sort what is tested and drawn: metric -> model -> slide -> figure.

    The folds of a model are pooled; a slide that several of them scored counts once, with its
    mean. ``burden_error`` is absolute.
    """
    return {
        metric: {m: _average(folds, metric) for m, folds in _group_by_model(trained).items()}
        for metric in _TESTED
    }


def rows_of_tests(values: dict[str, Values]) -> list[dict]:
    """Test the models against each other by every metric of `slide_values`, a row a test."""
    return [
        {"metric": metric, **row} for metric, found in values.items() for row in model_tests(found)
    ]


def summarize(trained: list[dict], tests: list[dict]) -> str:
    """Write Table 1, further figures, tests if models are several, and every slide, as Markdown."""
    rows = model_rows(trained)
    table1 = [_show({"model": row["model"]}, row, _TABLE1) for row in rows]
    counts = ("model", "folds", "slides", *_COUNTED)
    more = [
        _show({key.replace("_", " "): row[key] for key in counts}, row, _BEYOND_TABLE1)
        | {"parameters": _format(row["parameters"], "")}
        for row in rows
    ]
    each = [
        _show({"model": t["name"], "slide": s["slide"]}, s, (*_PER_SLIDE, *_PER_SLIDE_BURDEN))
        for t in trained
        for s in t["slides"]
    ]
    has_folds = any(row["folds"] > 1 for row in rows)
    spread = " ± is the standard deviation over folds." * has_folds + (
        f" [ ] holds the mean of {CONFIDENCE:.0%} of {N_RESAMPLES} samples of the slides, drawn"
        " with replacement (bootstrap); of few slides it is too narrow."
    )
    return (
        "Table 1 of the HistoCAE paper, on the evaluated slides. Patches are pooled, those that"
        " would be learnt from (patches of the scored patches below); proportion of correct patches"
        f" and Dice are means over slides.{spread}\n\n"
        f"{markdown_table(table1)}\n"
        "Further figures, means over slides but for the first two; burden error: mean absolute"
        " error. Seconds per slide: `costs.csv`\n\n"
        f"{markdown_table(more)}\n"
        f"{_tell_differences(tests) if len(rows) > 1 else ''}"
        f"Per slide\n\n{markdown_table(each)}"
    )


def _tell_differences(tests: list[dict]) -> str:
    rows = []
    for metric in dict.fromkeys(row["metric"] for row in tests):
        anova, kruskal, *pairs = (row for row in tests if row["metric"] == metric)
        ps = [row["note"] if row["p"] is None else f"{row['p']:.3g}" for row in (anova, kruskal)]
        cells = (_TITLES[metric], *ps, _name_pairs(pairs))
        rows.append(dict(zip(_DIFFERENCES, cells, strict=True)))
    return (
        "Do the models differ? Pairs: Wilcoxon signed-rank tests on the slides, Holm-corrected"
        f" within a metric, at {SIGNIFICANT}. All tests: `tests.csv`\n\n{markdown_table(rows)}\n"
        f"{_tell_what_cannot_be(tests)}"
    )


def _tell_what_cannot_be(tests: list[dict]) -> str:
    """Say where too few slides let no pair differ, and how many would."""
    least = [row["p_holm_least"] for row in tests if row["p_holm_least"] is not None]
    if max(least, default=0) < SIGNIFICANT:
        return ""
    n_pairs = sum(row["test"] == "Wilcoxon" for row in tests) // len({r["metric"] for r in tests})
    return (
        f"Where the least p is {SIGNIFICANT} or more, no pair could differ, however far the models"
        f" are apart: there are too few slides. Of {n_pairs} pairs one can from"
        f" {slides_needed(n_pairs)} slides on (cross-validation evaluates all).\n\n"
    )


def _name_pairs(pairs: list[dict]) -> str:
    """Tell how many of the tested pairs differ and, of a few, which."""
    tested = [row for row in pairs if row["p_holm"] is not None]
    if not tested:
        return ", ".join(dict.fromkeys(row["note"] for row in pairs))
    least = min(row["p_holm_least"] for row in tested)
    if least >= SIGNIFICANT:
        return f"0 of {len(tested)} (least p {least:.3g})"
    differ = [row for row in tested if row["p_holm"] < SIGNIFICANT]
    named = [
        f"{row['model']} {'>' if row['difference'] > 0 else '<'} {row['other']}" for row in differ
    ]
    names = f": {', '.join(named)}" if 0 < len(named) <= _PAIRS_NAMED else ""
    return f"{len(differ)} of {len(tested)}{names}"


def _show(first: dict, row: dict, columns: Iterable[str]) -> dict:
    """Add figures to the first cells of a row, with their spread and interval if they have any."""
    cells = {}
    for key in columns:
        sd, low, high = (_format(row.get(f"{key}_{part}"), ".3f") for part in ("sd", "low", "high"))
        spread = f"{f' ± {sd}' if sd else ''}{f' [{low}, {high}]' if low else ''}"
        cells[_TITLES[key]] = _format(row[key], ".3f") + spread
    return first | cells


def _format(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _group_by_model(trained: list[dict]) -> dict[str, list[dict]]:
    """Give the folds of each model, in the order of the run."""
    found: dict[str, list[dict]] = {}
    for one in trained:
        found.setdefault(one["model"], []).append(one)
    return found


def _average(folds: list[dict], metric: str) -> dict[str, float]:
    """Give for each slide the mean over the folds that have the figure of it."""
    found: dict[str, list[float]] = {}
    for row in (row for fold in folds for row in fold["slides"]):
        if row[metric] is not None:
            value = abs(row[metric]) if metric == "burden_error" else row[metric]
            found.setdefault(row["slide"], []).append(value)
    return {slide: float(np.mean(values)) for slide, values in found.items()}
