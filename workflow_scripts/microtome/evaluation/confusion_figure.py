"""Confusion matrices of the patches that count, a matrix a model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from microtome.evaluation.metrics import CLASSES
from microtome.figures.matrices import draw_matrix
from microtome.figures.style import INK, save_figure

_COLUMNS = 5
_SIDE = 2.5  # inches


def draw_confusion(path: str | Path, counts: Mapping[str, np.ndarray]) -> None:
    """Draw the counts of `microtome.evaluation.metrics.confusion` of each model, pooled."""
    n_rows, n_columns = -(-len(counts) // _COLUMNS), min(len(counts), _COLUMNS)
    side = max(_SIDE, 0.085 * max(map(len, counts)))  # wide enough for the longest name
    size = (side * n_columns + 0.4, (_SIDE + 0.4) * n_rows + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    figure.suptitle("Patches", color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in panels[len(counts) :]:
        axis.set_axis_off()
    for axis, (model, of_model) in zip(panels, counts.items(), strict=False):
        total = int(of_model.sum())
        accuracy = f", {np.trace(of_model) / total:.1%} right" if total else ""
        said = {"found": f"called  ·  {total}{accuracy}", "truth": "truth"}
        draw_matrix(axis, of_model, CLASSES, title=model, **said)
    save_figure(figure, path)
