"""Panels of a slide's figures: a picture, outlines of tumour, a scale bar."""

import numpy as np
from matplotlib.axes import Axes

from microtome.figures.colours import VIABLE_COLOUR, WHOLE_COLOUR
from microtome.figures.style import INK
from microtome.rasters.labels import NONE, VIABLE

MAX_SIDE_PX = 1600
_SCALE_BARS_MM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def lighten(pixels: np.ndarray) -> np.ndarray:
    """Bring a picture, RGB uint8, nearer to white, as the ground for a map.

    Examples
    --------
    >>> lighten(np.array([[[0, 100, 255]]], np.uint8))
    array([[[140, 185, 255]]], dtype=uint8)
    """
    return (255 - (255 - pixels.astype(np.float32)) * 0.45).astype(np.uint8)


def draw_panel(axes: Axes, pixels: np.ndarray, title: str) -> Axes:
    """Show a picture without ticks, titled."""
    axes.imshow(pixels)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#cfd8dc")
    return axes


def draw_outlines(axes: Axes, labels: np.ndarray, *, fill: bool = False) -> None:
    """Draw around whole and viable tumour of a tumour map, (h, w)."""
    for mask, colour in ((labels != NONE, WHOLE_COLOUR), (labels == VIABLE, VIABLE_COLOUR)):
        draw_outline(axes, mask, colour=colour, fill=fill)


def draw_outline(axes: Axes, mask: np.ndarray, *, colour: str, fill: bool = False) -> None:
    """Draw around a mask, (h, w), bool, and tint what is inside if it is to be filled."""
    if mask.any():
        padded = np.pad(mask, 1)  # contours that touch the border are closed
        at = [np.arange(-1, n + 1) for n in mask.shape]
        if fill:
            axes.contourf(at[1], at[0], padded, levels=[0.5, 1.5], colors=[colour], alpha=0.25)
        axes.contour(at[1], at[0], padded, levels=[0.5], colors=[colour], linewidths=1.2)
    axes.set(xlim=(-0.5, mask.shape[1] - 0.5), ylim=(mask.shape[0] - 0.5, -0.5))


def draw_scale_bar(axes: Axes, shape: tuple[int, int], spacing_um: float) -> None:
    """Draw a bar of a round length into the lower right corner."""
    width_mm = shape[1] * spacing_um / 1000
    length_mm = max((mm for mm in _SCALE_BARS_MM if mm < width_mm / 3), default=_SCALE_BARS_MM[0])
    right, y = 0.96 * shape[1], 0.95 * shape[0]
    axes.plot([right - length_mm * 1000 / spacing_um, right], [y, y], color=INK, lw=3)
    axes.text(right, y - 0.02 * shape[0], f"{length_mm:g} mm", ha="right", va="bottom", color=INK)
