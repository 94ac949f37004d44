"""Reliability diagrams of the models."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from microtome.calibration.temperature import expected_calibration_error, reliability_table
from microtome.figures.style import INK, save_figure

_LINE, _BAR, _GRID, _PALE = "#c2185b", "#90a4ae", "#eceff1", "#607d8b"
_LEAST_PX = 100  # the share of fewer is left to chance
_COLUMNS = 6
_TICKS = (0, 0.5, 1)


def reliability_figure(path: str | Path, counts: dict[str, np.ndarray]) -> None:
    """Draw one column a model: share of tumour over probability, and below how many px.

    A calibrated model lies on the diagonal, one that is too sure is flatter. Bins of fewer than
    100 px have no dot. `counts` are those of each model, from `count_codes`.
    """
    n_rows, n_columns = -(-len(counts) // _COLUMNS), min(len(counts), _COLUMNS)
    column = max(2.3, 0.09 * max(map(len, counts)))  # wide enough for the longest name
    size = (column * n_columns + 0.6, (4 / 3 * column + 0.9) * n_rows)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    figure.suptitle("Reliability", color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(2 * n_rows, n_columns, squeeze=False, height_ratios=[3, 1] * n_rows)
    tables = {model: reliability_table(of_model) for model, of_model in counts.items()}
    most = max(row["pixels"] for table in tables.values() for row in table)
    for place in range(n_rows * n_columns):
        above, below = panels[place // n_columns * 2 :, place % n_columns][:2]
        if place >= len(counts):
            above.set_axis_off()
            below.set_axis_off()
            continue
        model = list(counts)[place]
        _diagram(above, tables[model])
        _histogram(below, tables[model], most=most)
        error = expected_calibration_error(counts[model])
        above.set_title(model, fontsize=10, color=INK, loc="left")
        said = "no px" if error is None else f"ECE {error:.3f}"
        above.text(0.04, 0.96, said, fontsize=9, color=INK, va="top", transform=above.transAxes)
        if place % n_columns:
            above.tick_params(labelleft=False)
            below.tick_params(labelleft=False)
        else:
            above.set_ylabel("share of tumour", fontsize=9, color=_PALE)
            below.set_ylabel("px", fontsize=9, color=_PALE)
        below.set_xlabel("tumour probability", fontsize=9, color=_PALE)
    save_figure(figure, path)


def _diagram(axis: Axes, table: list[dict]) -> None:
    axis.plot([0, 1], [0, 1], color=_BAR, lw=1, ls=(0, (4, 3)))
    shown = [row for row in table if row["pixels"] >= _LEAST_PX]
    if shown:
        x, y = zip(*((row["probability"], row["tumour_share"]) for row in shown), strict=True)
        axis.plot(x, y, "o-", color=_LINE, lw=1.6, ms=3.5, clip_on=False, zorder=3)
    axis.set(xlim=(0, 1), ylim=(0, 1), xticks=_TICKS, yticks=_TICKS, box_aspect=1)
    axis.tick_params(labelbottom=False)
    _plain(axis)


def _histogram(axis: Axes, table: list[dict], *, most: int) -> None:
    filled = {row["above"]: row["pixels"] for row in table if row["pixels"]}
    axis.set_yscale("log")
    axis.bar([*filled], [*filled.values()], 0.9 / len(table), align="edge", color=_BAR)
    axis.set(xlim=(0, 1), xticks=_TICKS, ylim=(0.7, max(2 * most, 10)), box_aspect=1 / 3)
    axis.yaxis.set_major_locator(LogLocator(numticks=4))
    axis.yaxis.set_minor_locator(NullLocator())
    _plain(axis)


def _plain(axis: Axes) -> None:
    axis.tick_params(labelsize=8, colors=INK, length=0)
    axis.grid(color=_GRID, lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
