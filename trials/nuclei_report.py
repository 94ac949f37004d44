"""The report of the trial on nuclei: tables in Markdown and CSV, and a picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from microtome.figures.style import INK, save_figure
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table
from microtome.nucleus_images.labelled_image import LabelledImage

_RATES = ("precision", "recall", "f")
_DOT, _MEAN = "#90a4ae", "#c2185b"

# Part -> method -> figures, or why there are none.
Found = dict[str, dict[str, dict]]


def write_report(
    results: Path,
    found: Found,
    *,
    images: Sequence[LabelledImage],
    methods: Sequence[str],
    kept_back: str,
) -> None:
    """Write ``parts.csv``, ``summary.md`` and ``trial.png``.

    Parameters
    ----------
    results : Path
        Folder.
    found : dict of str to dict of str to dict
        Part -> method -> ``precision``, ``recall``, ``f``, ``seconds`` and more, or ``why``.
    images : sequence of LabelledImage
        All labelled images.
    methods : sequence of str
        In the order of the tables; each is compared with the first.
    kept_back : str
        The part that is no fold.
    """
    rows = [
        {"part": part, "method": method, **figures}
        for part, of_methods in found.items()
        for method, figures in of_methods.items()
    ]
    columns = ("part", "method", *_RATES, "n_right", "n_found", "n_true", "seconds", "why")
    write_table(results / "parts.csv", rows, columns=columns)
    folds = {part: figures for part, figures in found.items() if part != kept_back}
    n_nuclei = sum(next(iter(figures.values()))["n_true"] for figures in folds.values())
    seconds = sum(figures.get("seconds", 0) for of in found.values() for figures in of.values())
    text = (
        f"{len(images)} images, {n_nuclei} nuclei, {len(folds)} folds;"
        f" {datetime.now(UTC):%Y-%m-%d}, {seconds / 60:.0f} minutes. A detection within 6 px (3 µm)"
        " of a nucleus is right, if none is nearer. Mean ± standard deviation over the folds; the"
        f" difference is fold by fold, to {methods[0]}.\n\n"
        f"{markdown_table(summarize(folds, methods))}\n{kept_back}:\n\n"
        f"{markdown_table(list_kept_back(found[kept_back], methods))}"
    )
    with atomic(results / "summary.md") as temporary:
        temporary.write_text(text)
    _draw(results / "trial.png", folds, methods)


def summarize(folds: Found, methods: Sequence[str]) -> list[dict[str, str]]:
    """One row a method: its rates over the folds, and how it compares with the first method."""
    rows = []
    for method in methods:
        figures = [of_methods[method] for of_methods in folds.values()]
        why = next((each["why"] for each in figures if "why" in each), None)
        if why:
            rows.append({"method": method, **dict.fromkeys(_RATES, ""), "difference of F": why})
            continue
        gains = [of[method]["f"] - of[methods[0]]["f"] for of in folds.values()]
        n_better = sum(gain > 0 for gain in gains)
        rows.append(
            {"method": method}
            | {rate: _spread([each[rate] for each in figures]) for rate in _RATES}
            | {
                "difference of F": ""
                if method == methods[0]
                else f"{np.mean(gains):+.3f} ± {np.std(gains, ddof=1):.3f}, better in {n_better}"
            }
        )
    return rows


def list_kept_back(figures: dict[str, dict], methods: Sequence[str]) -> list[dict[str, str]]:
    """One row a method, of a single part."""
    return [
        {"method": method}
        | {rate: _number(figures[method].get(rate), figures[method]) for rate in _RATES}
        for method in methods
    ]


def _number(value: float | None, figures: dict) -> str:
    return figures.get("why", "not defined") if value is None else f"{value:.3f}"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "not defined"
    return f"{np.mean(known):.3f} ± {np.std(known, ddof=1):.3f}"


def _draw(path: Path, folds: Found, methods: Sequence[str]) -> None:
    """F of each fold and its mean, a line a method."""
    shown = [m for m in methods if all("f" in of_methods[m] for of_methods in folds.values())]
    figure = Figure(figsize=(7.2, 0.42 * len(shown) + 1.0), layout="constrained", dpi=110)
    axes = figure.subplots()
    for place, method in enumerate(shown):
        values = [of_methods[method]["f"] for of_methods in folds.values()]
        axes.plot(values, [place] * len(values), "o", color=_DOT, markersize=5)
        axes.plot([np.mean(values)], [place], "|", color=_MEAN, markersize=16, markeredgewidth=2.5)
    axes.set_yticks(range(len(shown)), shown, color=INK)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("F of each fold, and their mean", color=INK)
    axes.grid(axis="x", alpha=0.3)
    save_figure(figure, path)
