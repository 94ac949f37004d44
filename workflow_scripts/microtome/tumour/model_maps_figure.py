"""The tumour maps of several models of one slide side by side, beside the truth.

Roy et al. 2021 (HistoCAE), figure 3: false positives are boxed.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from microtome.figures.panels import draw_outlines, draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.figure_maps import read_labels, read_overview
from microtome.rasters.bands import rows_of
from microtome.rasters.labels import VIABLE
from microtome.rasters.morphology import apply_opening

_COLUMNS = 6
_PANEL_INCH, _MOST_PX = 2.9, 640
FALSE_COLOUR = "#00c853"
# A patch at 20x, half of one at 10x: a border that lies off by less is no region of its own.
_LEAST_WIDTH_UM = 128


def draw_model_maps(
    path: str | Path,
    *,
    name: str,
    overview: str | Path,
    tissue: str | Path,
    truth: str | Path,
    tumours: Mapping[str, str | Path],
    dice: Mapping[str, float],
) -> None:
    """Draw a slide, its truth and the tumour map of each model alike, false positives boxed.

    Writes a PNG to `path` from the files of the slide's results; `tumours` and `dice` are the
    tumour map of each model and its Dice on this slide, by the model's name.
    """
    pixels, shown_um = read_overview(overview, tissue, most_px=_MOST_PX)
    shape = pixels.shape[:2]
    true_labels = read_labels(truth, shape, shown_um)
    n_panels = 2 + len(tumours)
    columns = min(n_panels, _COLUMNS)
    rows = -(-n_panels // columns)
    height = _PANEL_INCH * shape[0] / shape[1] + 0.3
    size = (_PANEL_INCH * columns, height * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    figure.suptitle(f"{name}  ·  models side by side", color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    draw_panel(panels[0], pixels, "slide")
    draw_scale_bar(panels[0], shape, shown_um)
    ground = lighten(pixels)
    draw_outlines(draw_panel(panels[1], ground, "truth"), true_labels, fill=True)
    for axes, (model, tumour) in zip(panels[2:], tumours.items(), strict=False):
        labels = read_labels(tumour, shape, shown_um)
        draw_panel(axes, ground, f"{model}  ·  Dice {dice[model]:.2f}")
        draw_outlines(axes, labels, fill=True)
        for rows_px, columns_px in find_false_regions(labels, true_labels, spacing_um=shown_um):
            corner = columns_px.start - 1.5, rows_px.start - 1.5
            sides = (s.stop - s.start + 2 for s in (columns_px, rows_px))
            box = Rectangle(corner, *sides, fill=False, edgecolor=FALSE_COLOUR, linewidth=1.6)
            axes.add_patch(box)
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    save_figure(figure, path)


def find_false_regions(
    labels: np.ndarray, true_labels: np.ndarray, *, spacing_um: float
) -> list[tuple[slice, slice]]:
    """Find the regions that a tumour map calls viable tumour and the truth does not.

    Those that a disc of 128 µm fits into, so that a rim along a true border is none. Both maps have
    the labels of `microtome.rasters.labels`, (h, w), at `spacing_um`, µm per px.

    Returns
    -------
    list of (rows, columns)
        The rectangle around each region, in px of the maps.

    Examples
    --------
    >>> found = np.zeros((40, 40), np.uint8)
    >>> found[10:30, 5:25] = VIABLE
    >>> find_false_regions(found, np.zeros_like(found), spacing_um=16)
    [(slice(10, 30, None), slice(5, 25, None))]
    """
    is_false = (labels == VIABLE) & (true_labels != VIABLE)
    radius_px = max(0, int((_LEAST_WIDTH_UM / spacing_um - 1) / 2))  # of a disc with a middle px
    opened = apply_opening(rows_of(is_false), is_false.shape, radius_px)(0, len(is_false))
    # Regions that meet at a corner are one.
    return ndimage.find_objects(ndimage.label(opened, structure=np.ones((3, 3)))[0])
