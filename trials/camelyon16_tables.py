"""A trial on real features: the four forests and their vote on CAMELYON16, in five folds.

    python trials/camelyon16_tables.py FOLDER OUT

The features are another group's, of their heatmaps of the training slides; forests, balancing, vote
and nested cross-validation are the library's own.
"""

import argparse
import csv
import sys
import time
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from microtome.errors import InputError, one_line  # noqa: E402
from microtome.io.atomic import atomic  # noqa: E402
from microtome.io.tables import read_table, write_table  # noqa: E402
from microtome.io.text_tables import markdown_table  # noqa: E402
from microtome.staging.cross_validation import Validation, cross_validate  # noqa: E402
from microtome.staging.forests import Slides  # noqa: E402
from microtome.staging.kappa import quadratic_kappa  # noqa: E402
from microtome.staging.pn_stages import CLASSES, FORESTS  # noqa: E402

SEED = 2026
THRESHOLDS = {"_50": "0.5", "_90": "0.9"}
SINGLE = "major_axis_length_largest_50"
_TRUTH = "derived_train_max_lesion_diameter.csv"
_NO_FEATURES = ("", "name", "tumor")  # a number of the row, the slide, the truth
_N_QUANTILES = 20
_LABELS = range(len(CLASSES))


def main() -> None:
    """Run the trial and write its report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help=f"holds {_TRUTH} and the tables of features")
    parser.add_argument("results", type=Path, help="folder of results")
    arguments = parser.parse_args()
    started = time.perf_counter()
    slides, notes = load_slides(arguments.folder)
    validation = cross_validate(slides, seed=SEED)
    write_report(arguments.results, slides, validation, notes)
    print(f"{time.perf_counter() - started:.0f} s", flush=True)


def load_slides(folder: Path) -> tuple[Slides, list[str]]:
    """Join features at both thresholds with the classes, by the slides' names in lower case.

    Returns
    -------
    Slides
        Each slide is its own patient; all are annotated, for their classes come from outlines.
    list of str
        What was left out.

    Raises
    ------
    InputError
        A table is missing or spoiled, or no slide is in all.
    """
    truth = _read_by_slide(folder / _TRUTH, "slide")
    found: dict[str, dict[str, dict[str, str]]] = {}
    for suffix, threshold in THRESHOLDS.items():
        found[suffix] = {}
        for kind in ("normal", "tumor"):
            found[suffix] |= _read_by_slide(folder / f"{kind}_threshold_{threshold}.csv", "name")
    tables = {"the classes": truth} | {
        f"the features at {threshold}": found[suffix] for suffix, threshold in THRESHOLDS.items()
    }
    everywhere = sorted(set.intersection(*(set(table) for table in tables.values())))
    if not everywhere:
        raise InputError(f"{folder}: no slide is in all tables; give the folder as downloaded")
    notes = []
    for title, table in tables.items():
        left_out = sorted(set(table) - set(everywhere))
        if left_out:
            notes.append(f"{len(left_out)} slides of {title} left out: {', '.join(left_out)}")
    columns = [c for c in next(iter(found["_50"].values())) if c not in _NO_FEATURES]
    names = [f"{column}{suffix}" for suffix in THRESHOLDS for column in columns]
    if SINGLE not in names:
        raise InputError(f"{folder}: the tables of features lack {SINGLE.removesuffix('_50')}")
    features = [
        [_number(slide, c, found[suffix][slide].get(c)) for suffix in THRESHOLDS for c in columns]
        for slide in everywhere
    ]
    classes = [_class(slide, truth[slide].get("class")) for slide in everywhere]
    slides = Slides(
        features=np.array(features),
        classes=np.array(classes),
        annotated=np.ones(len(everywhere), bool),
        patients=np.array(everywhere),
        names=np.array(everywhere),
        feature_names=tuple(names),
    )
    return slides, notes


def fit_cut_offs(values: np.ndarray, classes: np.ndarray) -> tuple[float, ...]:
    """Choose the rising cut-offs between classes that give the best quadratic kappa.

    They are looked for among the 5 % quantiles of the values.
    """
    shares = np.arange(1, _N_QUANTILES) / _N_QUANTILES
    candidates = np.unique(np.quantile(values, shares)).tolist()
    return max(
        combinations_with_replacement(candidates, len(CLASSES) - 1),
        key=lambda cut_offs: quadratic_kappa(classes, call_by_cut_offs(values, cut_offs), _LABELS),
    )


def call_by_cut_offs(values: np.ndarray, cut_offs: tuple[float, ...]) -> np.ndarray:
    """Class of each value: how many cut-offs it exceeds."""
    return np.searchsorted(cut_offs, values)


def fold_rows(slides: Slides, validation: Validation) -> list[dict]:
    """Figures of every method on every outer fold: ``method``, ``fold``, ``kappa``, ``auc``."""
    prediction = validation.prediction
    scores = {
        **{f: 1 - p[:, 0] for f, p in zip(FORESTS, prediction.probabilities, strict=True)},
        "vote": prediction.tumour_probability,
    }
    calls = dict(zip(FORESTS, prediction.classes, strict=True)) | {"vote": prediction.vote}
    single = slides.features[:, slides.feature_names.index(SINGLE)]
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
            {
                "method": name,
                "fold": k,
                "kappa": quadratic_kappa(truth, called, _LABELS),
                "auc": _auc(truth > 0, score),
            }
            for name, (called, score) in methods.items()
        ]
    return rows


def write_report(results: Path, slides: Slides, validation: Validation, notes: list[str]) -> None:
    """Write ``folds.csv``, ``slides.csv``, ``importances.csv`` and ``summary.md``."""
    rows = fold_rows(slides, validation)
    write_table(results / "folds.csv", rows)
    write_table(results / "slides.csv", _slide_rows(slides, validation))
    write_table(results / "importances.csv", validation.importances)
    shown = [
        {
            "method": name,
            "quadratic kappa": _spread([r["kappa"] for r in rows if r["method"] == name]),
            "AUC": _spread([r["auc"] for r in rows if r["method"] == name]),
        }
        for name in dict.fromkeys(row["method"] for row in rows)
    ]
    confusion = [
        {"truth": name} | dict(zip(CLASSES, counts.tolist(), strict=True))
        for name, counts in zip(CLASSES, validation.confusion["vote"], strict=True)
    ]
    best = sorted(validation.importances, key=lambda row: -row["permutation"])[:8]
    n_of = np.bincount(slides.classes, minlength=len(CLASSES))
    counted = ", ".join(f"{n} {name}" for name, n in zip(CLASSES, n_of, strict=True))
    text = (
        f"{len(slides.classes)} slides of CAMELYON16 ({counted}), {len(slides.feature_names)}"
        f" features, {validation.fold.max()} outer folds, each slide as a patient. Mean ± standard"
        " deviation over the folds. One feature: the longest axis at 0.5, with cut-offs chosen on"
        " the training folds. The other group's network may have been trained on these very slides:"
        f" then all is too good but differences.\n\n{markdown_table(shown)}\nThe vote, all folds"
        f" (columns: called)\n\n{markdown_table(confusion)}\n{n_of[1]} slides are ITC. A training"
        " fold has no more, often fewer, so SMOTE puts its made-up slides on the lines between"
        " these few; what the forests make of ITC is not known from so few.\n\nSettings\n\n"
        f"{markdown_table(validation.settings)}\nFeatures by permutation\n\n"
        f"{markdown_table(best)}\n"
    )
    text += "".join(f"- {note}\n" for note in (*notes, *validation.notes))
    with atomic(results / "summary.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


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


def _read_by_slide(path: Path, column: str) -> dict[str, dict[str, str]]:
    """Rows of a table by slide: lower case, without ``.tif``."""
    try:
        rows = read_table(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)}); give it anew") from error
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if not row.get(column):
            raise InputError(f"{path}: a row lacks {column}; every row is a slide")
        slide = row[column].lower().removesuffix(".tif")
        if slide in found:
            raise InputError(f"{path}: {one_line(slide)} is there twice; remove one")
        found[slide] = row
    if not found:
        raise InputError(f"{path}: has no rows; give it anew")
    return found


def _number(slide: str, column: str, cell: str | None) -> float:
    try:
        return float(cell or "")
    except ValueError as error:
        raise InputError(f"slide {slide}: {column} is {one_line(cell)}, no number") from error


def _class(slide: str, name: str | None) -> int:
    if name not in CLASSES:
        raise InputError(f"slide {slide}: class is {one_line(name)}, not {', '.join(CLASSES)}")
    return CLASSES.index(name)


def _auc(truth: np.ndarray, score: np.ndarray) -> float:
    return float(roc_auc_score(truth, score)) if 0 < truth.sum() < len(truth) else float("nan")


def _spread(values: list[float]) -> str:
    return f"{np.nanmean(values):.3f} ± {np.nanstd(values, ddof=1):.3f}"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
