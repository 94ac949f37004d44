"""The curves behind CAMELYON16's scores: FROC of lesions, ROC of slides."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from microtome.challenges.froc import RATES
from microtome.figures.curves import draw_curves
from microtome.figures.style import INK, save_figure

_DOT, _PALE = "#c2185b", "#607d8b"


def draw_camelyon16(
    path: str | Path, scores: Mapping, cases: Sequence[Mapping[str, str]], *, name: str
) -> None:
    """Draw the curves of the submission `name`, as far as it was scored.

    `scores` and `cases` are what `microtome.challenges.scores.score_camelyon16` gives, the cases as
    they are read from a table.
    """
    figure = Figure(figsize=(8.8, 4.5), layout="constrained", dpi=110)
    figure.suptitle(f"CAMELYON16  ·  {name}", color=INK, fontsize=12, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    curve, froc, auc = (scores[key] for key in ("froc_curve", "froc", "auc"))
    lines = {}
    if curve:
        # Beyond its last point the curve stays level.
        false = np.array([max(RATES[-1], *curve["false_positives"]), *curve["false_positives"]])
        found = np.array(curve["sensitivity"])
        lines = {"FROC": (false, np.array([found[0], *found]))}
    title = f"lesions: FROC{f' {froc:.3f}' if curve else ', not scored'}"
    labels = {"x": "false positives per slide", "y": "sensitivity"}
    draw_curves(left, lines, title=title, **labels)
    if curve:
        at = [scores[f"sensitivity_at_{rate:g}"] for rate in RATES]
        left.plot(RATES, at, "o", ms=5, color=_DOT, mec="white", mew=0.6, zorder=3)
    left.set(xlim=(-0.1, RATES[-1] + 0.1), box_aspect=1)
    lines = {}
    if auc is not None:
        truth = [int(case["tumour"]) for case in cases]
        said = [float(case["probability"]) for case in cases]
        lines = {"ROC": roc_curve(truth, said, drop_intermediate=False)[:2]}
    title = f"slides: AUC{f' {auc:.3f}' if lines else ', not scored'}"
    labels = {"x": "false positive rate", "y": "true positive rate"}
    draw_curves(right, lines, title=title, **labels)
    right.plot([0, 1], [0, 1], color=_PALE, lw=0.8, ls=(0, (4, 3)))
    right.set(xlim=(-0.01, 1.02), box_aspect=1)
    save_figure(figure, path)
