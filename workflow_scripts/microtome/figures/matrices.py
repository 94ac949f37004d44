"""Confusion matrices in figures."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from microtome.figures.style import INK

_CELLS = LinearSegmentedColormap.from_list("cells", ["#ffffff", "#f48fb1", "#880e4f"])
_PALE = "#607d8b"
_DARK = 0.6  # shares from here on have white figures


def draw_matrix(
    axis: Axes, counts: np.ndarray, labels: Sequence[str], *, title: str, found: str, truth: str
) -> None:
    """Draw counts (n, n), int, a row for each true label; colours are shares of the rows.

    `found` and `truth` are written along the columns and the rows.
    """
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axis.imshow(shares, cmap=_CELLS, vmin=0, vmax=1)
    for (i, j), n in np.ndenumerate(counts):
        colour = "white" if shares[i, j] > _DARK else INK
        axis.text(j, i, n or "·", ha="center", va="center", color=colour, fontsize=10)
    axis.set_title(title, fontsize=10, color=INK, loc="left")
    axis.set_xticks(range(len(labels)), labels, fontsize=8, rotation=30, ha="right")
    axis.set_yticks(range(len(labels)), labels, fontsize=8)
    axis.set_xlabel(found, fontsize=8.5, color=_PALE)
    axis.set_ylabel(truth, fontsize=8.5, color=_PALE)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_color("#cfd8dc")
