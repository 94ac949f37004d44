"""The figure of a slide's nuclei: their density, and two places with what was found there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy import ndimage

from microtome.figures.panels import draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.figure_maps import read_overview
from microtome.nuclei.density import measure_tissue
from microtome.rasters.label_tiff import open_raster, read_raster
from microtome.rasters.resampling import resample
from microtome.slides.slide import Slide

_DENSITY = mpl.colormaps["viridis"]
_FOUND = "#00e676"
_PLACES = (("half the tissue is denser", "#0097a7"), ("the densest place", "#d84315"))
# Of the two places: how wide they are, and their px, if the slide is no coarser.
_PLACE_UM, _PLACE_PX_UM = 160, 0.5
# A place is judged by a square of so many px of the density map, if so much of it is tissue.
_JUDGED_PX, _FULL = 3, 0.97


def draw_nucleus_figure(
    path: str | Path,
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    model: str,
    slide: Slide,
    overview: str | Path,
    tissue: str | Path,
    density: str | Path,
    counts: Sequence[Mapping],
) -> None:
    """Draw a slide, the density of its nuclei, and the nuclei found at two places, side by side.

    Parameters
    ----------
    path : path
        Of the PNG.
    batches : iterable of mapping of str to ndarray of shape (n,)
        Nuclei: ``x_um`` and ``y_um``, from the slide's corner.
    model : str
        What found them, for the title.
    slide : Slide
        Opened, for the two places.
    overview, tissue, density : path
        The slide's picture, its tissue mask, and the map that `microtome.nuclei.density` writes.
    counts : sequence of mapping
        What `microtome.nuclei.counts.count_nuclei` gives; the first is of all tissue.
    """
    mask = open_raster(tissue)
    pixels, shown_um = read_overview(overview, tissue)
    shape = pixels.shape[:2]
    per_mm2, density_um = read_raster(density)
    mm2 = measure_tissue(mask, shape=per_mm2.shape, spacing_um=density_um)
    # The middle of a place, x and y in µm, becomes its upper left corner.
    corners_um = [
        (np.array(place[::-1]) + 0.5) * density_um - _PLACE_UM / 2
        for place in choose_places(per_mm2, mm2 / (density_um**2 * 1e-6))
    ]

    aspect = max(0.6, shape[0] / shape[1])
    figure = Figure(figsize=(16.6, 4 * aspect + 0.75), layout="constrained", dpi=110)
    axes = figure.subplots(1, 4)
    title = f"{slide.name}  ·  {model}  ·  {counts[0]['nuclei']:,} nuclei on tissue"
    if counts[0]["nuclei_per_mm2"] is not None:
        title += f", {counts[0]['nuclei_per_mm2']:,.0f} per mm²"
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    draw_panel(axes[0], pixels, "slide")
    draw_scale_bar(axes[0], shape, shown_um)
    _draw_density(axes[1], lighten(pixels), resample(per_mm2, shape, ratio=shown_um / density_um))
    found = _find_inside(batches, corners_um)
    for axis, (name, colour), corner, nuclei in zip(
        axes[2:], _PLACES, corners_um, found, strict=False
    ):
        side = _PLACE_UM / shown_um
        box = Rectangle(corner / shown_um, side, side, fill=False, edgecolor=colour, linewidth=1.6)
        axes[0].add_patch(box)
        _draw_place(axis, slide, corner, nuclei, name=name, colour=colour)
    for axis in axes[2 + len(corners_um) :]:
        axis.set_axis_off()
    save_figure(figure, path)


def choose_places(per_mm2: np.ndarray, tissue: np.ndarray) -> list[tuple[int, int]]:
    """Choose two places on a map of densities: one of median density, and the densest.

    By the mean of 3 x 3 px full of tissue; where there are none, by single px. No place is chosen
    where there is no tissue.

    Parameters
    ----------
    per_mm2, tissue : ndarray of shape (height, width)
        Density, NaN without tissue, and the share of each px that is tissue.

    Returns
    -------
    list of (row, column)

    Examples
    --------
    >>> choose_places(np.array([[np.nan, 1.0, 5.0, 2.0]]), np.array([[0, 1, 1, 1]]))
    [(0, 3), (0, 2)]
    """
    square = {"size": _JUDGED_PX, "mode": "constant"}
    is_full = ndimage.uniform_filter(tissue.astype(float), **square) >= _FULL
    mean = ndimage.uniform_filter(np.nan_to_num(per_mm2.astype(float)), **square)
    if not is_full.any():
        is_full, mean = ~np.isnan(per_mm2), per_mm2
    known = np.flatnonzero(is_full)
    if not len(known):
        return []
    order = known[np.argsort(mean.ravel()[known], kind="stable")]
    chosen = order[len(order) // 2], order[-1]
    return [tuple(int(i) for i in np.unravel_index(place, mean.shape)) for place in chosen]


def _find_inside(
    batches: Iterable[Mapping[str, np.ndarray]], corners_um: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Find the nuclei of each place: x and y from its corner in µm, (n, 2)."""
    found: list[list[np.ndarray]] = [[np.empty((0, 2))] for _ in corners_um]
    for batch in batches:
        points = np.stack([batch["x_um"], batch["y_um"]], axis=1)
        for inside, corner in zip(found, corners_um, strict=True):
            moved = points - corner
            inside.append(moved[((moved >= 0) & (moved < _PLACE_UM)).all(axis=1)])
    return [np.concatenate(inside) for inside in found]


def _draw_density(axes: Axes, ground: np.ndarray, per_mm2: np.ndarray) -> None:
    draw_panel(axes, ground, "nuclei per mm² of tissue")
    unknown = np.isnan(per_mm2)
    # A single px of tissue at the border may hold a nucleus: it is not to set the scale.
    top = max(1.0, float(np.quantile(per_mm2[~unknown], 0.99))) if not unknown.all() else 1.0
    alpha = np.where(unknown, 0, 0.85)
    image = axes.imshow(per_mm2, cmap=_DENSITY, vmin=0, vmax=top, alpha=alpha)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.035, pad=0.01, extend="max")
    bar.ax.yaxis.set_major_formatter("{x:,.0f}")


def _draw_place(
    axes: Axes, slide: Slide, corner_um: np.ndarray, nuclei: np.ndarray, *, name: str, colour: str
) -> None:
    """Show a place as the slide has it, with a ring about each nucleus found."""
    scale = slide.scale_for(max(_PLACE_PX_UM, slide.spacing_um))
    px_um = scale * slide.spacing_um
    side = round(_PLACE_UM / px_um)
    pixels = slide.read(*(corner_um / slide.spacing_um).tolist(), side, side, scale=scale)
    draw_panel(axes, pixels, f"{name}: {len(nuclei):,} found in {_PLACE_UM} x {_PLACE_UM} µm")
    axes.spines[:].set(color=colour, linewidth=2)
    # Px have their middle at whole numbers here, and their corner at -0.5.
    x, y = nuclei.T / px_um - 0.5
    axes.scatter(x, y, s=36, facecolors="none", edgecolors=_FOUND, linewidths=1.3)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
