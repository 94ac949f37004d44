"""Box plots of the models over the slides."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from microtome.evaluation.significance import Values
from microtome.figures.style import INK, save_figure

# In two rows, read from the left.
_PANELS = {
    "dice": "Dice",
    "share_correct": "accuracy (correct patches)",
    "precision_tumour": "precision tumour",
    "recall_tumour": "recall tumour",
    "f1_tumour": "F1 tumour",
    "boundary_f": "boundary F",
    "burden_error": "burden error (absolute)",
    "precision_other": "precision non-tumour",
    "recall_other": "recall non-tumour",
    "f1_other": "F1 non-tumour",
}
_ROWS = 2
_LOWER_IS_BETTER = ("burden_error",)
_BOX, _DOT, _STRIPE = "#cfd8dc", "#c2185b", "#f5f7f8"
# Heights within a box at which dots lie in turn, so that equal ones do not hide each other.
_LANES = 0.1 * np.array([0, 1, -1, 2, -2])
_LEAST_SPAN = 0.1  # an axis shows at least this much: differences of nothing look like nothing


def draw_comparison(path: str | Path, values: dict[str, Values]) -> None:
    """Draw one panel a metric of HistoCAE's Table 1 and two more, one box a model, one dot a slide.

    Boxes are quartiles with the median; whiskers reach to the last slide within 1.5 times the
    quartiles' distance. `values` are those of `microtome.evaluation.comparison.slide_values`.
    """
    models = list(values["dice"])
    columns = len(_PANELS) // _ROWS
    width = 2.3 * columns + 0.09 * max(map(len, models))
    size = (width, _ROWS * (0.36 * len(models) + 0.75) + 0.3)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    figure.suptitle("Models over the slides", color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(_ROWS, columns, sharey=True)
    for axis, (metric, title) in zip(panels.flat, _PANELS.items(), strict=True):
        samples = [np.fromiter(values[metric][model].values(), float) for model in models]
        _draw_panel(axis, samples)
        every = np.concatenate(samples)
        if metric in _LOWER_IS_BETTER:
            ends, better = (0, every.max(initial=_LEAST_SPAN)), "lower"
        else:
            ends, better = (every.min(initial=1 - _LEAST_SPAN), 1), "higher"
        axis.set_xlim(*(np.array(ends) + 0.05 * (ends[1] - ends[0]) * np.array([-1, 1])))
        axis.set_title(title, fontsize=10, color=INK, loc="left")
        axis.set_xlabel(f"{better} is better", fontsize=8, color="#607d8b")
    panels[0, 0].set_yticks(range(len(models)), models)
    panels[0, 0].set_ylim(len(models) - 0.5, -0.5)
    save_figure(figure, path)


def _draw_panel(axis: Axes, samples: list[np.ndarray]) -> None:
    for place, sample in enumerate(samples):
        if place % 2 == 0:
            axis.axhspan(place - 0.5, place + 0.5, color=_STRIPE, zorder=0)
        axis.boxplot(
            sample,
            orientation="horizontal",
            positions=[place],
            widths=0.6,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": _BOX, "edgecolor": "none"},
            medianprops={"color": INK, "linewidth": 2},
            whiskerprops={"color": "#90a4ae"},
            capprops={"linewidth": 0},
            manage_ticks=False,
        )
        at = np.resize(_LANES, len(sample)) + place  # neighbours by value in different lanes
        axis.plot(np.sort(sample), at, "o", ms=3.5, color=_DOT, alpha=0.75, mew=0, zorder=3)
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.tick_params(labelsize=9, colors=INK, length=0)
    axis.grid(axis="x", color="#cfd8dc", lw=0.6)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
