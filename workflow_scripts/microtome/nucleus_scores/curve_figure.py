"""Precision against recall of the models that find nuclei."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microtome.figures.style import INK, save_figure

_COLOURS = mpl.color_sequences["tab10"]
_LEVELS = (0.2, 0.4, 0.6, 0.8)  # of F, drawn behind the curves
_PALE = "#cfd8dc"


def draw_curves(path: str | Path, runs: Sequence[tuple[Mapping, Mapping]]) -> None:
    """Draw a line for each run of each detector, and a dot at its threshold for each fold.

    Parameters
    ----------
    runs : sequence of (described, scores)
        The ``model`` of the registry that it is a run of, and what
        `microtome.nucleus_scores.scoring_step.score_model` found of it. Runs without a ``curve``
        are not of detectors, and left out.
    """
    figure = Figure(figsize=(6.4, 4.6), layout="constrained", dpi=110)
    figure.suptitle("Detection of nuclei", color=INK, fontsize=12, x=0.01, ha="left")
    axis = figure.subplots()
    _draw_levels(axis)
    drawn = [(about["model"], scores) for about, scores in runs if "curve" in scores]
    colours = dict.fromkeys(model for model, _ in drawn)
    colours = {model: _COLOURS[i % len(_COLOURS)] for i, model in enumerate(colours)}
    named = set()
    for model, scores in drawn:
        curve, colour = scores["curve"], colours[model]
        label = None if model in named else model
        axis.plot(curve["recall"], curve["precision"], lw=1.2, color=colour, label=label)
        named.add(model)
        known = [
            part for part in scores["parts"] if None not in (part["recall"], part["precision"])
        ]
        at = [[part[key] for part in known] for key in ("recall", "precision")]
        axis.plot(*at, "o", ms=5, color=colour, mec="white", mew=0.6, zorder=3)
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9, colors=INK)
    if drawn:
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    else:
        axis.text(0.5, 0.5, "no model that finds nuclei was scored", ha="center", color=INK)
    save_figure(figure, path)


def _draw_levels(axis: Axes) -> None:
    """Draw where F is the same."""
    for f in _LEVELS:
        recall = np.linspace(f / (2 - f), 1, 100)
        axis.plot(recall, f * recall / (2 * recall - f), color=_PALE, lw=0.8, zorder=0)
        axis.text(1.01, f / (2 - f), f"F {f:g}", fontsize=7, color="#90a4ae", va="center")
