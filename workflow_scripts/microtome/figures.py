"""The picture of a slide's results."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from microtome.drawing import INK, save_figure
from microtome.masks import resampled
from microtome.tumour import NONE, VIABLE

_VIABLE, _WHOLE = "#c2185b", "#f9a825"
_HEAT = mpl.colormaps["magma"]
MAX_SIDE_PX = 1600
_SCALE_BARS_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


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
        resampled(raster, shape, ratio=shown_um / spacing_um) for raster in (probability, labels)
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
        outline(axes[1], resampled(truth, shape, ratio=shown_um / spacing_um))
    heat = panel(axes[-2], pale, "tumour probability")
    image = heat.imshow(
        probability, cmap=_HEAT, vmin=0, vmax=1, alpha=np.where(np.isnan(probability), 0, 0.75)
    )
    figure.colorbar(image, ax=heat, fraction=0.035, pad=0.01, ticks=[0, 0.5, 1])
    panel(axes[-1], overview, "viable (pink) in whole tumour (yellow)")
    outline(axes[-1], labels, fill=True)
    scale_bar(axes[0], shape, shown_um)
    save_figure(figure, path)


def paled(pixels: np.ndarray) -> np.ndarray:
    """A slide as the ground for a map: RGB uint8, nearer to white."""
    return (255 - (255 - pixels.astype(np.float32)) * 0.45).astype(np.uint8)


def panel(axes: Axes, pixels: np.ndarray, title: str) -> Axes:
    """Show a picture without ticks, titled."""
    axes.imshow(pixels)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cfd8dc")
    return axes


def outline(axes: Axes, labels: np.ndarray, *, fill: bool = False) -> None:
    """Draw around whole and viable tumour of a tumour map, (h, w)."""
    for mask, colour in ((labels != NONE, _WHOLE), (labels == VIABLE, _VIABLE)):
        if mask.any():
            padded = np.pad(mask, 1)  # contours that touch the border are closed
            at = [np.arange(-1, n + 1) for n in mask.shape]
            if fill:
                axes.contourf(at[1], at[0], padded, levels=[0.5, 1.5], colors=[colour], alpha=0.25)
            axes.contour(at[1], at[0], padded, levels=[0.5], colors=[colour], linewidths=1.2)
    axes.set(xlim=(-0.5, labels.shape[1] - 0.5), ylim=(labels.shape[0] - 0.5, -0.5))


def scale_bar(axes: Axes, shape: tuple[int, int], spacing_um: float) -> None:
    """Draw a bar of a round length into the lower right corner."""
    width_mm = shape[1] * spacing_um / 1000
    length_mm = max((mm for mm in _SCALE_BARS_MM if mm < width_mm / 3), default=_SCALE_BARS_MM[0])
    right, y = 0.96 * shape[1], 0.95 * shape[0]
    axes.plot([right - length_mm * 1000 / spacing_um, right], [y, y], color=INK, lw=3)
    axes.text(right, y - 0.02 * shape[0], f"{length_mm:g} mm", ha="right", va="bottom", color=INK)
