"""The picture of where a model is unsure."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from microtome.figures.panels import MAX_SIDE_PX, draw_outlines, draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample

_HEAT, _UNSURE = mpl.colormaps["magma"], mpl.colormaps["viridis"]
_WRONG = np.array([194, 24, 91], np.uint8)
_LEAST_TOP = 0.1  # a map that is sure everywhere is to look so


def uncertainty_figure(
    path: str | Path,
    *,
    title: str,
    overview: np.ndarray,
    overview_spacing_um: float,
    probability: np.ndarray,
    labels: np.ndarray,
    variances: Mapping[str, np.ndarray],
    spacing_um: float,
    truth: np.ndarray | None,
) -> None:
    """Draw a slide's heatmap and uncertainty maps side by side, and what is wrong if that is known.

    Parameters
    ----------
    path : str or Path
        PNG to write.
    title : str
        Above the panels.
    overview : ndarray of shape (height, width, 3), uint8
        The slide at `overview_spacing_um` µm/px.
    probability : ndarray of shape (h, w), float
        Tumour probability at `spacing_um` µm/px, NaN where nothing is to be shown.
    labels : ndarray of shape (h, w), uint8
        Tumour map, see `microtome.rasters.labels`.
    variances : mapping of str to ndarray of shape (h, w), float32
        ``aleatoric`` and ``epistemic``, those there are.
    truth : ndarray of shape (h, w), uint8, optional
        Like `labels`, of the truth.
    """
    step = -(-max(overview.shape[:2]) // MAX_SIDE_PX)
    overview = overview[::step, ::step]
    shape, shown_um = overview.shape[:2], overview_spacing_um * step

    def shown(raster: np.ndarray) -> np.ndarray:
        return resample(raster, shape, ratio=shown_um / spacing_um)

    probability, labels = shown(probability), shown(labels)
    unknown = np.isnan(probability)
    spreads = {
        kind: np.where(unknown, np.nan, np.sqrt(shown(variance)))
        for kind, variance in variances.items()
    }
    panels = 2 + len(spreads) + (truth is not None)
    aspect = shape[0] / shape[1]
    figure = Figure(figsize=(4 * panels + 0.6, 4 * aspect + 0.75), layout="constrained", dpi=110)
    axes = list(figure.subplots(1, panels))
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    first = draw_panel(axes.pop(0), overview, "viable (pink) in whole tumour (yellow)")
    draw_outlines(first, labels)
    draw_scale_bar(first, shape, shown_um)
    pale = lighten(overview)
    heat = draw_panel(axes.pop(0), pale, "tumour probability")
    image = heat.imshow(probability, cmap=_HEAT, vmin=0, vmax=1, alpha=np.where(unknown, 0, 0.75))
    figure.colorbar(image, ax=heat, fraction=0.035, pad=0.01, ticks=[0, 0.5, 1])
    if truth is not None:
        wrong = (shown(truth) == VIABLE) != (labels == VIABLE)
        pixels = np.where((wrong & ~unknown)[..., None], _WRONG, pale)
        draw_panel(axes.pop(0), pixels, f"wrong: {wrong[~unknown].mean():.1%} of the scored tissue")
    top = max(
        [_LEAST_TOP, *(np.nanquantile(s, 0.995) for s in spreads.values() if s[~unknown].size)]
    )
    for kind, spread in spreads.items():
        axis = draw_panel(axes.pop(0), pale, f"{kind} uncertainty (standard deviation)")
        image = axis.imshow(
            spread, cmap=_UNSURE, vmin=0, vmax=top, alpha=np.where(np.isnan(spread), 0, 0.9)
        )
        figure.colorbar(image, ax=axis, fraction=0.035, pad=0.01)
    save_figure(figure, path)
