"""The picture of a slide's results."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from microtome.figures.panels import MAX_SIDE_PX, outline, paled, panel, scale_bar
from microtome.figures.style import INK, save_figure
from microtome.rasters.resampling import resample

_HEAT = mpl.colormaps["magma"]


def slide_figure(
    path: str | Path,
    *,
    title: str,
    overview: np.ndarray,
    overview_spacing_um: float,
    probability: np.ndarray,
    labels: np.ndarray,
    spacing_um: float,
    truth: np.ndarray | None,
) -> None:
    """Draw a slide, its truth where there is one, its heatmap and its tumour map side by side.

    Parameters
    ----------
    path : str or Path
        PNG to write.
    title : str
        Above the panels.
    overview : ndarray of shape (height, width, 3), uint8
        The slide at `overview_spacing_um` µm/px.
    probability : ndarray of shape (h, w), float
        Tumour probability at `spacing_um` µm/px, NaN where nothing was scored.
    labels : ndarray of shape (h, w), uint8
        Tumour map (0, 1 whole, 2 viable) at `spacing_um`.
    truth : ndarray of shape (h, w), uint8, optional
        The same of the truth.
    """
    step = -(-max(overview.shape[:2]) // MAX_SIDE_PX)
    overview = overview[::step, ::step]
    shape, shown_um = overview.shape[:2], overview_spacing_um * step
    probability, labels = (
        resample(raster, shape, ratio=shown_um / spacing_um) for raster in (probability, labels)
    )
    panels = 3 if truth is None else 4
    aspect = shape[0] / shape[1]
    figure = Figure(figsize=(4 * panels + 0.6, 4 * aspect + 0.75), layout="constrained", dpi=110)
    axes = figure.subplots(1, panels)
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    pale = paled(overview)
    panel(axes[0], overview, "slide")
    if truth is not None:
        panel(axes[1], overview, "truth")
        outline(axes[1], resample(truth, shape, ratio=shown_um / spacing_um))
    heat = panel(axes[-2], pale, "tumour probability")
    image = heat.imshow(
        probability, cmap=_HEAT, vmin=0, vmax=1, alpha=np.where(np.isnan(probability), 0, 0.75)
    )
    figure.colorbar(image, ax=heat, fraction=0.035, pad=0.01, ticks=[0, 0.5, 1])
    panel(axes[-1], overview, "viable (pink) in whole tumour (yellow)")
    outline(axes[-1], labels, fill=True)
    scale_bar(axes[0], shape, shown_um)
    save_figure(figure, path)
