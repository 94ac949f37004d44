"""The report of the trial: tables in Markdown and CSV, and a picture."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from microtome.figures.style import INK, save_figure
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table

_METRICS = {
    "balanced_accuracy": "balanced accuracy",
    "auc": "AUC",
    "accuracy": "accuracy",
    "f1_tumour": "F1 carcinoma",
    "f1_other": "F1 normal",
}
_COLOURS = {"autoencoder": "#c2185b", "random": "#607d8b"}


def write_report(results: Path, *, models: dict, starts: dict, images: dict) -> None:
    """Write ``models.csv``, ``labels.csv``, ``summary.md`` and ``trial.png``.

    Parameters
    ----------
    results : Path
        Folder.
    models : dict of str to list of dict
        Model -> its figures, one a fold.
    starts : dict of (str, float) to list of dict
        (start, share of the labels) -> the figures of HistoCAE1, one a fold.
    images : dict
        What the images are.
    """
    rows = [{"model": name, **_figures(folds)} for name, folds in models.items()]
    shares = [
        {
            "start": start,
            "labels": f"{share:.0%}",
            "images": _mean(folds, "labels"),
            **_figures(folds),
        }
        for (start, share), folds in starts.items()
    ]
    write_table(results / "models.csv", _numbers("model", models))
    write_table(
        results / "labels.csv",
        _numbers("start", {f"{start} {share:g}": v for (start, share), v in starts.items()}),
    )
    left_out = ", ".join(images["left_out"]) or "none"
    text = (
        f"{images['images']} images of {images['side_px']} px ({images['carcinoma']} carcinoma), in"
        f" {images['groups']} groups of overlapping fields (the largest has"
        f" {images['largest_group']}), {len(images['folds'])} folds of"
        f" {' '.join(map(str, images['folds']))} images; {datetime.now(UTC):%Y-%m-%d}. Mean ±"
        " standard deviation over the folds. Left out because the same picture has both labels:"
        f" {left_out}.\n\n{markdown_table(rows)}\nHistoCAE1 with a share of the labels, from its"
        f" autoencoder (trained on all images without labels) or from random weights\n\n"
        f"{markdown_table(shares)}\n{_paired(models, starts)}"
    )
    with atomic(results / "summary.md") as temporary:
        temporary.write_text(text)
    _picture(results / "trial.png", models, starts)


def _figures(folds: list[dict]) -> dict:
    shown = {title: _spread([f[key] for f in folds]) for key, title in _METRICS.items()}
    return {
        **shown,
        "parameters": f"{folds[0]['parameters']:,}",
        "s a fold": f"{_mean(folds, 'seconds'):.0f}",
    }


def _mean(folds: list[dict], key: str) -> float:
    return float(np.mean([fold[key] for fold in folds]))


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def _numbers(column: str, runs: dict[str, list[dict]]) -> list[dict]:
    """One row a run and fold."""
    return [
        {column: name, "fold": fold, **figures}
        for name, folds in runs.items()
        for fold, figures in enumerate(folds, start=1)
    ]


def _paired(models: dict, starts: dict) -> str:
    """Differences fold by fold: what the folds share does not count as spread."""

    def line(what: str, first: list[dict], second: list[dict]) -> str:
        gain = [
            a["balanced_accuracy"] - b["balanced_accuracy"]
            for a, b in zip(first, second, strict=True)
        ]
        n_better = sum(value > 0 for value in gain)
        return (
            f"- {what}: {np.mean(gain):+.3f} ± {np.std(gain, ddof=1):.3f},"
            f" better in {n_better} of {len(gain)} folds\n"
        )

    text = "Balanced accuracy, fold by fold\n\n"
    baseline = models["colour only"]
    for name, folds in models.items():
        if folds is not baseline:
            text += line(f"{name} against colour only", folds, baseline)
    for share in dict.fromkeys(share for _, share in starts):
        pair = starts["autoencoder", share], starts["random", share]
        what = f"HistoCAE1 from its autoencoder against random weights, {share:.0%} of the labels"
        text += line(what, *pair)
    return text


def _picture(path: Path, models: dict, starts: dict) -> None:
    figure = Figure(figsize=(9.5, 3.6), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2, sharey=True)
    for x, folds in enumerate(models.values()):
        values = [fold["balanced_accuracy"] for fold in folds]
        left.plot([x] * len(values), values, "o", ms=5, color=INK, alpha=0.45, mew=0)
        left.plot([x - 0.22, x + 0.22], [np.mean(values)] * 2, color="#c2185b", lw=2.5)
    left.set_xticks(range(len(models)), list(models))
    left.set(ylabel="balanced accuracy", title="Five folds (dots) and their mean")
    shares = list(dict.fromkeys(share for _, share in starts))
    for offset, (start, colour) in zip((-0.08, 0.08), _COLOURS.items(), strict=True):
        values = np.array([[f["balanced_accuracy"] for f in starts[start, s]] for s in shares])
        x = np.arange(len(shares)) + offset
        right.plot(
            np.repeat(x, values.shape[1]), values.ravel(), "o", ms=5, alpha=0.4, mew=0, color=colour
        )
        right.plot(
            x,
            values.mean(1),
            "-",
            lw=2,
            color=colour,
            label=f"from {start} weights" if start == "random" else "from its autoencoder",
        )
    right.set_xticks(range(len(shares)), [f"{share:.0%}" for share in shares])
    right.set(xlabel="labels used", title="HistoCAE1: what pretraining is worth")
    right.legend(frameon=False, loc="lower left")
    for axis in (left, right):
        axis.axhline(0.5, color="#bbbbbb", lw=1, zorder=0)
        axis.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
