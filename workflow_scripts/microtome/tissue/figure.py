"""The figure of a slide's tissue: the stages of its mask, and the grid of patches over it.

Generalized framework (Khened et al. 2021), Figs. 3 and 4.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from microtome.figures.panels import draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.patches.grid import Grid
from microtome.rasters.label_tiff import open_raster
from microtome.tissue.picture_size import picture_step
from microtome.tissue.stages import find_stages

_TISSUE, _CENTRE = "#00838f", "#c2185b"
_SHOWN_PATCHES = 4  # sides of patches that the small region is wide
_DOT_OF_STRIDE = 0.45
_LARGEST_DOT, _LEAST_DOT = 4.0, 0.6


def draw_tissue(
    path: str | Path,
    *,
    name: str,
    overview: str | Path,
    tissue: str | Path,
    grid: str | Path,
    settings: Mapping,
) -> None:
    """Draw the stages of the tissue mask of slide `name`, and the grid of patches over it.

    From the picture `overview`, the mask `tissue`, the `grid` and the config's section ``tissue``
    (`settings`) to a PNG, `path`. The stages are measured on the picture.
    """
    picture = np.asarray(Image.open(overview))
    mask = open_raster(tissue)
    step = picture_step(mask.shape)
    shown_um, is_tissue = mask.spacing_um * step, mask.thin(step) > 0
    stages = find_stages(picture, spacing_um=shown_um, settings=settings, beside=path)
    patches = Grid.load(grid)
    side_px = patches.patch_px * patches.spacing_um / shown_um  # px of the picture
    centres = find_centres(patches, shown_um)
    aspect = picture.shape[0] / picture.shape[1]
    figure = Figure(figsize=(13.5, 2 * (4.3 * aspect + 0.35) + 0.4), layout="constrained", dpi=110)
    title = f"{name}  ·  tissue and patches"
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    axes = figure.subplots(2, 3).ravel()
    draw_scale_bar(draw_panel(axes[0], picture, "slide"), picture.shape[:2], shown_um)
    measured = draw_panel(axes[1], picture, stages.name)
    image = measured.imshow(stages.measured, cmap="magma", vmin=0)
    figure.colorbar(image, ax=measured, fraction=0.035, pad=0.01)
    shown = np.where(stages.above, np.uint8(255), np.uint8(0))
    draw_panel(axes[2], np.dstack([shown] * 3), "above the threshold")
    _draw_mask(draw_panel(axes[3], picture, "tissue"), is_tissue)
    every = f"{patches.patch_px} px every {patches.stride_px} px"
    said = f"centres of {len(patches)} patches of {every}, {patches.spacing_um:.3g} µm/px"
    _draw_centres(draw_panel(axes[4], lighten(picture), said), centres, patches, shown_um)
    _draw_region(axes[5], picture, is_tissue, centres, patches, side_px=side_px, shown_um=shown_um)
    save_figure(figure, path)


def find_centres(grid: Grid, spacing_um: float) -> np.ndarray:
    """Find the centres of the patches of a grid on a picture of the slide.

    `spacing_um` is µm per px of the picture; the result, x and y, is (n_patches, 2), float64. A
    px of the picture has its middle at whole numbers.
    """
    corners = np.stack([grid.x_px, grid.y_px], axis=1) / grid.scale  # in patch px
    return (corners + grid.patch_px / 2) * grid.spacing_um / spacing_um - 0.5


def _draw_mask(axes: Axes, mask: np.ndarray) -> None:
    cover = np.zeros((*mask.shape, 4), np.float32)
    cover[mask] = (0, 0.51, 0.56, 0.35)
    axes.imshow(cover)
    axes.contour(np.pad(mask, 1)[1:-1, 1:-1], levels=[0.5], colors=[_TISSUE], linewidths=0.9)


def _draw_centres(axes: Axes, centres: np.ndarray, grid: Grid, shown_um: float) -> None:
    stride_px = grid.stride_px * grid.spacing_um / shown_um
    width_pt = axes.figure.get_size_inches()[0] / 3 * 72  # of a panel
    dot = _DOT_OF_STRIDE * stride_px * width_pt / axes.get_images()[0].get_array().shape[1]
    size = float(np.clip(dot, _LEAST_DOT, _LARGEST_DOT))
    axes.plot(*centres.T, "o", ms=size, color=_CENTRE, mew=0, ls="none")
    _keep_view(axes)


def _draw_region(
    axes: Axes,
    picture: np.ndarray,
    mask: np.ndarray,
    centres: np.ndarray,
    grid: Grid,
    *,
    side_px: float,
    shown_um: float,
) -> None:
    """Draw the patches about the one that is nearest to the middle of all, one with its outline."""
    middle = centres[np.argmin(((centres - centres.mean(axis=0)) ** 2).sum(axis=1))]
    draw_panel(axes, picture, "a part of it: tissue, centres, one patch")
    _draw_mask(axes, mask)
    axes.plot(*centres.T, "o", ms=5, color=_CENTRE, mec="white", mew=0.6, ls="none")
    corner = middle - side_px / 2
    axes.add_patch(Rectangle(corner, side_px, side_px, fill=False, ec=INK, lw=1.6))
    whole = np.array([picture.shape[1], picture.shape[0]])
    shown = whole * min(1, _SHOWN_PATCHES * side_px / whole[0])
    first = np.clip(middle - shown / 2, -0.5, whole - shown - 0.5)
    (left, top), (right, bottom) = first, first + shown
    axes.set(xlim=(left, right), ylim=(bottom, top))


def _keep_view(axes: Axes) -> None:
    height, width = axes.get_images()[0].get_array().shape[:2]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
