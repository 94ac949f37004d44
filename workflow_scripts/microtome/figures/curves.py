"""Curves of several models in one panel, such as ROC curves."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from microtome.figures.style import INK

_COLOURS = mpl.color_sequences["tab20"]
_PALE, _GRID = "#607d8b", "#eceff1"


def draw_curves(
    axis: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], *, x: str, y: str, title: str
) -> None:
    """Draw a line for each curve, its x and y of shape (n,), by its name; y is from 0 to 1.

    `x` and `y` are written along the axes. The legend is the caller's.
    """
    for i, (name, (at, values)) in enumerate(curves.items()):
        axis.plot(at, values, lw=1.4, color=_COLOURS[i % len(_COLOURS)], label=name)
    axis.set_title(title, fontsize=10, color=INK, loc="left")
    axis.set_xlabel(x, fontsize=9, color=_PALE)
    axis.set_ylabel(y, fontsize=9, color=_PALE)
    axis.set_ylim(-0.01, 1.02)
    axis.tick_params(labelsize=8, colors=INK, length=0)
    axis.grid(color=_GRID, lw=0.8)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
