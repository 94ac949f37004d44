"""The figure of a slide: its picture, truth, tumour probability and tumour map."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from microtome.figures.panels import draw_outlines, draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.figure_maps import read_figure_maps
from microtome.io.atomic import read_json
from microtome.rasters.resampling import resample

_HEAT = mpl.colormaps["magma"]


def draw_slide_figure(
    path: str | Path,
    *,
    name: str,
    model: str,
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    burden: str | Path,
    truth: str | Path | None,
) -> None:
    """Draw a slide, its truth where there is one, its heatmap and its tumour map side by side.

    Writes a PNG to `path` from the files of the slide's results.
    """
    spacing_um, found = read_figure_maps(overview, tissue, heatmap, tumour, truth)
    pixels, shown_um = found["overview"], found["overview_spacing_um"]
    shape = pixels.shape[:2]
    probability, labels, true_labels = (
        None if raster is None else resample(raster, shape, ratio=shown_um / spacing_um)
        for raster in (found["probability"], found["labels"], found["truth"])
    )
    panels = 3 if truth is None else 4
    aspect = shape[0] / shape[1]
    figure = Figure(figsize=(4 * panels + 0.6, 4 * aspect + 0.75), layout="constrained", dpi=110)
    axes = figure.subplots(1, panels)
    title = f"{name}  ·  {model}  ·  tumour burden {read_json(burden)['burden']:.0%}"
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    draw_panel(axes[0], pixels, "slide")
    if true_labels is not None:
        draw_panel(axes[1], pixels, "truth")
        draw_outlines(axes[1], true_labels)
    heat = draw_panel(axes[-2], lighten(pixels), "tumour probability")
    image = heat.imshow(
        probability, cmap=_HEAT, vmin=0, vmax=1, alpha=np.where(np.isnan(probability), 0, 0.75)
    )
    figure.colorbar(image, ax=heat, fraction=0.035, pad=0.01, ticks=[0, 0.5, 1])
    draw_panel(axes[-1], pixels, "viable (pink) in whole tumour (yellow)")
    draw_outlines(axes[-1], labels, fill=True)
    draw_scale_bar(axes[0], shape, shown_um)
    save_figure(figure, path)
