"""Close-ups of one place at a slide's tumour border, as several models draw it.

Roy et al. 2021 (HistoCAE), figure 4: MR-HistoCAE at 20x beside HistoCAE at 10x.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from microtome.figures.colours import VIABLE_COLOUR
from microtome.figures.panels import draw_outline, draw_panel, draw_scale_bar
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.figure_maps import read_labels, read_overview
from microtome.rasters.label_tiff import Raster, open_raster
from microtome.rasters.labels import VIABLE
from microtome.slides.slide import Slide

_COLUMNS = 5
_PANEL_INCH, _MOST_PX = 3.6, 640
_TRUTH_COLOUR, _PLACE_COLOUR = "#0d47a1", "#00c853"
# Side of the place, four patches of 10x and eight of 20x, and its px, if the slide is no coarser.
_PLACE_UM, _PLACE_PX_UM = 1024, 2.0


def draw_borders(
    path: str | Path,
    *,
    slide: Slide,
    overview: str | Path,
    tissue: str | Path,
    truth: str | Path,
    tumours: Mapping[str, str | Path],
) -> None:
    """Draw where a slide's tumour border is longest, and there the border of truth and models.

    Writes a PNG to `path`. The slide is open, for the close-ups; `tumours` are the tumour map of
    each model by its name. Only viable tumour is outlined.
    """
    pixels, shown_um = read_overview(overview, tissue, most_px=_MOST_PX)
    is_viable = read_labels(truth, pixels.shape[:2], shown_um) == VIABLE
    corner_px = choose_place(is_viable, side_px=round(_PLACE_UM / shown_um))
    corner_um = np.array(corner_px[::-1]) * shown_um  # x, y
    scale = slide.scale_for(max(_PLACE_PX_UM, slide.spacing_um))
    px_um = scale * slide.spacing_um
    side = round(_PLACE_UM / px_um)
    close = slide.read(*(corner_um / slide.spacing_um).tolist(), side, side, scale=scale)

    n_panels = 2 + len(tumours)
    columns = min(n_panels, _COLUMNS)
    rows = -(-n_panels // columns)
    size = (_PANEL_INCH * columns, (_PANEL_INCH + 0.3) * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained", dpi=110)
    title = f"{slide.name}  ·  tumour border within {_PLACE_UM} x {_PLACE_UM} µm"
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    draw_panel(panels[0], pixels, "slide")
    draw_scale_bar(panels[0], pixels.shape[:2], shown_um)
    box = {"fill": False, "edgecolor": _PLACE_COLOUR, "linewidth": 1.8}
    wide = _PLACE_UM / shown_um
    panels[0].add_patch(Rectangle((corner_px[1] - 0.5, corner_px[0] - 0.5), wide, wide, **box))
    place = {"corner_um": corner_um, "side": side, "spacing_um": px_um}
    true_border = read_viable(open_raster(truth), **place)
    draw_outline(draw_panel(panels[1], close, "truth"), true_border, colour=_TRUTH_COLOUR)
    draw_scale_bar(panels[1], close.shape[:2], px_um)
    for axes, (model, tumour) in zip(panels[2:], tumours.items(), strict=False):
        draw_panel(axes, close, model)
        draw_outline(axes, true_border, colour=_TRUTH_COLOUR)
        draw_outline(axes, read_viable(open_raster(tumour), **place), colour=VIABLE_COLOUR)
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    save_figure(figure, path)


def choose_place(is_viable: np.ndarray, *, side_px: int) -> tuple[int, int]:
    """Choose the square that holds most of a mask's border: its upper row and left column.

    The mask, (h, w), bool, is that of the truth, so that no model has a say. Of equally good
    squares it is that in their middle; one that is larger than the mask begins at its corner.

    Examples
    --------
    >>> mask = np.zeros((12, 20), bool)
    >>> mask[4:8, 10:16] = True
    >>> choose_place(mask, side_px=8)
    (2, 9)
    """
    border = mask_border(is_viable)
    sums = np.pad(border.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
    height, width = (min(side_px, n) for n in border.shape)
    inside = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    best = np.argwhere(inside == inside.max())
    return tuple(best[np.square(best - best.mean(0)).sum(1).argmin()].tolist())


def mask_border(mask: np.ndarray) -> np.ndarray:
    """Mark the px of a mask, (h, w), bool, with a 4-neighbour outside it; the edge is no border."""
    return mask & ~ndimage.binary_erosion(mask, border_value=1)


def read_viable(
    raster: Raster, *, corner_um: np.ndarray, side: int, spacing_um: float
) -> np.ndarray:
    """Read where a square of a map is viable tumour: ndarray of shape (side, side), bool.

    `corner_um` is x and y of its upper left corner; its px are of `spacing_um` and take what lies
    under their centres. Beyond the map there is none.
    """
    centres = (np.arange(side) + 0.5) * spacing_um
    column, row = (((start + centres) / raster.spacing_um).astype(int) for start in corner_um)
    inside = [at < n for at, n in zip((row, column), raster.shape, strict=True)]
    row, column = (np.minimum(at, n - 1) for at, n in zip((row, column), raster.shape, strict=True))
    labels = raster.region(row[0], row[-1] + 1, column[0], column[-1] + 1)
    found = labels[np.ix_(row - row[0], column - column[0])] == VIABLE
    return found & inside[0][:, None] & inside[1]
