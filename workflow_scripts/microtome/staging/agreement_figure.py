"""How classes of nodes and stages of patients agree with the labels, and what forests look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microtome.figures.matrices import draw_matrix
from microtome.figures.style import INK, save_figure
from microtome.staging.patients import select_judged
from microtome.staging.pn_stages import BEYOND, CLASSES, STAGES

_PALE, _BAR = "#607d8b", "#c2185b"
_SHOWN_FEATURES = 12


def draw_agreement(
    path: str | Path,
    *,
    nodes: Sequence[Mapping[str, str]],
    patients: Sequence[Mapping[str, str]],
    agreement: Mapping,
    importances: Sequence[Mapping[str, str]],
) -> None:
    """Draw confusion matrices of nodes and patients, and the features that matter most.

    `nodes` and `patients` are the tables, `agreement` what
    `microtome.staging.patients.measure_agreement` found, and `importances` rows of ``feature`` and
    ``impurity``, none without forests.
    """
    known, staged = select_judged(nodes, patients)
    stages = [s for s in (*STAGES, BEYOND) if s in STAGES or any(s in p.values() for p in staged)]
    figure = Figure(figsize=(15.5, 4.4), layout="constrained", dpi=110)
    figure.suptitle("pN staging", color=INK, fontsize=12, x=0.01, ha="left")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1.15, 1.1])
    for axis, title, columns, kind, name in (
        (axes[0], "nodes", ("truth", "class"), "nodes", "forests"),
        (axes[1], "nodes, size rule", ("truth", "size_rule"), "nodes", "size rule"),
        (axes[2], "patients", ("true_stage", "stage"), "patients", "forests"),
    ):
        rows, labels = (known, CLASSES) if kind == "nodes" else (staged, stages)
        counts = np.zeros((len(labels), len(labels)), int)
        for row in rows:
            counts[tuple(labels.index(row[column]) for column in columns)] += 1
        said = f"found  ·  {_describe(agreement[kind], name)}"
        draw_matrix(axis, counts, labels, title=title, found=said, truth="by the labels")
    _draw_bars(axes[3], importances)
    save_figure(figure, path)


def _describe(found: Mapping, name: str) -> str:
    if name not in found:
        return "no labels"
    text = f"n = {found[name]['n']}, κ = {found[name]['kappa']:.2f}"
    if "kappa_low" in found[name]:
        text += f" ({found[name]['kappa_low']:.2f} to {found[name]['kappa_high']:.2f})"
    return text


def _draw_bars(axis: Axes, importances: Sequence[Mapping[str, str]]) -> None:
    axis.set_title("what the forests look at", fontsize=10, color=INK, loc="left")
    if not importances:
        axis.text(0.5, 0.5, "no forests", ha="center", va="center", color=_PALE)
        axis.set_axis_off()
        return
    most = sorted(importances, key=lambda row: -float(row["impurity"]))[:_SHOWN_FEATURES]
    at = range(len(most))
    axis.barh(at, [float(row["impurity"]) for row in most], color=_BAR, alpha=0.8, height=0.65)
    axis.set_yticks(at, [row["feature"] for row in most], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel("share of the decrease of impurity", fontsize=8.5, color=_PALE)
    axis.tick_params(length=0, colors=INK, labelsize=8)
    axis.spines[:].set_visible(False)
    axis.grid(axis="x", color="#eceff1")
    axis.set_axisbelow(True)
