"""What the trial on tables of nodes says: tables a row a thing, and a summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table
from microtome.staging.cross_validation import Validation
from microtome.staging.forests import Slides
from microtome.staging.pn_stages import CLASSES, FORESTS
from node_figures import bounds, count_moved, measure_calls, sample_means, tell_apart
from node_methods import Calls, call_by_cut_offs, fit_cut_offs, longest

_SEED_OF_SAMPLES = 1
_SHOWN_FEATURES, _SHOWN_SHIFTS = 8, 4
_FIGURES = {
    "kappa": "quadratic kappa",
    "auc": "AUC",
    "micro_missed": "micro called negative",
    "false_alarms": "false alarms",
}


def write_report(
    results: Path,
    slides: Slides,
    validation: Validation,
    *,
    compared: Sequence[Mapping],
    tested: Slides | None,
    calls: Mapping[str, Sequence[Calls]],
    notes: Sequence[str],
    n_samples: int,
) -> None:
    """Write ``folds.csv``, ``slides.csv``, ``importances.csv``, ``methods.csv``, ``summary.md``.

    `compared` is what `node_figures.cross_validated` found. With `tested`, slides that nobody
    trained on, and their `calls`, there are ``held_out.csv``, ``test_slides.csv``, ``shifts.csv``;
    `n_samples` of the slides bound their figures.
    """
    rows = fold_rows(slides, validation)
    write_table(results / "folds.csv", rows)
    write_table(results / "slides.csv", _slide_rows(slides, validation))
    write_table(results / "importances.csv", validation.importances)
    write_table(results / "methods.csv", compared)
    shown = [
        {
            "method": name,
            "quadratic kappa": _spread([r["kappa"] for r in rows if r["method"] == name]),
            "AUC": _spread([r["auc"] for r in rows if r["method"] == name]),
        }
        for name in dict.fromkeys(row["method"] for row in rows)
    ]
    best = sorted(validation.importances, key=lambda row: -row["permutation"])[:_SHOWN_FEATURES]
    text = (
        f"{len(slides.classes)} slides of CAMELYON16 ({_count(slides)}),"
        f" {len(slides.feature_names)} features, {validation.fold.max()} folds, each slide as a"
        " patient. Mean ± standard deviation over the folds. One feature: the longest axis at 0.5,"
        " with cut-offs chosen on the training folds.\n\n"
        f"{markdown_table(shown)}\nThe vote, all folds (columns: called)\n\n"
        f"{_confusion(validation.confusion['vote'])}\nFeatures by permutation\n\n"
        f"{markdown_table(best)}\nSettings and other learners, all folds together. Mean ± standard"
        " deviation over seeds, each of which deals other folds; the last is chosen anew for each"
        f" fold, without it.\n\n{markdown_table(_method_rows(compared))}"
    )
    if tested is not None:
        text += _describe_held_out(results, slides, tested, calls, n_samples=n_samples)
    text += "".join(f"\n- {note}" for note in (*notes, *validation.notes)) + "\n"
    with atomic(results / "summary.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def fold_rows(slides: Slides, validation: Validation) -> list[dict]:
    """Figures of every forest, of the vote and of two baselines on every fold.

    ``method``, ``fold`` and what `node_figures.measure_calls` gives.
    """
    prediction = validation.prediction
    scores = {
        **{f: 1 - p[:, 0] for f, p in zip(FORESTS, prediction.probabilities, strict=True)},
        "vote": prediction.tumour_probability,
    }
    calls = dict(zip(FORESTS, prediction.classes, strict=True)) | {"vote": prediction.vote}
    single = longest(slides)
    rows = []
    for k in range(1, validation.fold.max() + 1):
        tested, learnt = validation.fold == k, validation.fold != k
        truth = slides.classes[tested]
        majority = np.bincount(slides.classes[learnt]).argmax()
        cut_offs = fit_cut_offs(single[learnt], slides.classes[learnt])
        methods = {name: (called[tested], scores[name][tested]) for name, called in calls.items()}
        methods |= {
            "one feature": (call_by_cut_offs(single[tested], cut_offs), single[tested]),
            "majority class": (np.full(len(truth), majority), np.zeros(len(truth))),
        }
        rows += [
            {"method": name, "fold": k} | measure_calls(truth, found)
            for name, found in methods.items()
        ]
    return rows


def held_out_rows(
    classes: np.ndarray, calls: Mapping[str, Sequence[Calls]], *, n_samples: int
) -> list[dict]:
    """Figures of each method on slides that nobody trained on.

    ``method``; of each figure of `node_figures.measure_calls` its mean over seeds, ``_sd``,
    ``_range`` over seeds, ``_low`` and ``_high``, 95 % of samples of the slides; ``moved``, slides
    that not all seeds call alike; ``gain_low`` and ``gain_high``, 95 % of the difference in kappa
    from the first method on the same samples.
    """
    rows, first = [], None
    for name, of_seeds in calls.items():
        figures = [measure_calls(classes, found) for found in of_seeds]
        samples = sample_means(classes, of_seeds, seed=_SEED_OF_SAMPLES, n=n_samples)
        first = samples["kappa"] if first is None else first
        row: dict[str, object] = {"method": name}
        for key, of_samples in samples.items():
            values = np.array([found[key] for found in figures])
            low, high = bounds(of_samples)
            row |= {key: values.mean(), f"{key}_sd": values.std(ddof=1)}
            row |= {f"{key}_range": np.ptp(values), f"{key}_low": low, f"{key}_high": high}
        row["gain_low"], row["gain_high"] = bounds(samples["kappa"] - first)
        rows.append(row | {"moved": count_moved(of_seeds)})
    return rows


def _describe_held_out(
    results: Path,
    slides: Slides,
    tested: Slides,
    calls: Mapping[str, Sequence[Calls]],
    *,
    n_samples: int,
) -> str:
    rows = held_out_rows(tested.classes, calls, n_samples=n_samples)
    write_table(results / "held_out.csv", rows)
    write_table(
        results / "test_slides.csv",
        [
            {"method": method, "seed": seed, "slide": name, "truth": CLASSES[c]}
            | {"called": CLASSES[called[i]], "tumour": float(score[i])}
            for method, of_seeds in calls.items()
            for seed, (called, score) in enumerate(of_seeds, start=1)
            for i, (name, c) in enumerate(zip(tested.names, tested.classes, strict=True))
        ],
    )
    shifts = tell_apart(slides, tested)
    write_table(results / "shifts.csv", shifts)
    shown = [
        {"method": row["method"]}
        | {
            title: f"{row[key]:.3f} ± {row[f'{key}_sd']:.3f}"
            f" ({row[f'{key}_low']:.2f} to {row[f'{key}_high']:.2f})"
            for key, title in _FIGURES.items()
        }
        | {"votes that move": row["moved"]}
        | {"kappa more than the first": f"{row['gain_low']:.3f} to {row['gain_high']:.3f}"}
        for row in rows
    ]
    truth, (called, _) = tested.classes, calls[rows[1]["method"]][0]
    confusion = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(confusion, (truth, called), 1)
    apart = []
    for name in dict.fromkeys(row["class"] for row in shifts):
        of_class = [row for row in shifts if row["class"] == name]
        apart += sorted(of_class, key=lambda row: -abs(row["auc"] - 0.5))[:_SHOWN_SHIFTS]
    n_seeds = len(calls[rows[0]["method"]])
    return (
        f"\n{len(truth)} test slides ({_count(tested)}), called by what all {len(slides.classes)}"
        f" taught. Mean ± standard deviation over {n_seeds} seeds (95 % of samples of the slides)"
        f"\n\n{markdown_table(shown)}\n{rows[1]['method']}, the first seed (columns: called)\n\n"
        f"{_confusion(confusion)}\nThe features that tell test from training slides best, medians."
        " AUC 0.5: alike\n\n"
        f"{markdown_table(apart)}"
    )


def _method_rows(compared: Sequence[Mapping]) -> list[dict]:
    return [
        {"method": name}
        | {
            title: _spread([row[key] for row in compared if row["method"] == name])
            for key, title in _FIGURES.items()
        }
        for name in dict.fromkeys(row["method"] for row in compared)
    ]


def _slide_rows(slides: Slides, validation: Validation) -> list[dict]:
    prediction = validation.prediction
    return [
        {
            "slide": name,
            "fold": validation.fold[i],
            "truth": CLASSES[slides.classes[i]],
            "vote": CLASSES[prediction.vote[i]],
            "tumour_probability": float(prediction.tumour_probability[i]),
        }
        for i, name in enumerate(slides.names)
    ]


def _confusion(counts: np.ndarray) -> str:
    return markdown_table(
        [
            {"truth": name} | dict(zip(CLASSES, row.tolist(), strict=True))
            for name, row in zip(CLASSES, counts, strict=True)
        ]
    )


def _count(slides: Slides) -> str:
    counts = np.bincount(slides.classes, minlength=len(CLASSES))
    return ", ".join(f"{n} {name}" for n, name in zip(counts, CLASSES, strict=True))


def _spread(values: list[float]) -> str:
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1):.3f}"
