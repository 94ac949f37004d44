"""The lymph nodes of a patient side by side: slide, tumour probability, class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from microtome.figures.panels import draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.aligned import read_heatmap
from microtome.heatmaps.codes import decode
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.resampling import resample
from microtome.tissue.picture_size import picture_step

_HEAT = mpl.colormaps["magma"]
_WIDTH_PX = 2400  # of all nodes of a row together
_COLUMNS = 5
_WIDTH_IN = 15.0


@dataclass(frozen=True)
class _Node:
    title: str
    pixels: np.ndarray  # (height, width, 3) uint8
    probability: np.ndarray  # (height, width) float, NaN where there is no tissue
    spacing_um: float

    @property
    def size_um(self) -> np.ndarray:
        """Height and width."""
        return np.array(self.pixels.shape[:2]) * self.spacing_um


def draw_patient(
    path: str | Path,
    *,
    patient: str,
    slides: Sequence[str],
    nodes: Sequence[Mapping[str, str]],
    patients: Sequence[Mapping[str, str]],
    overviews: Sequence[str | Path],
    tissues: Sequence[str | Path],
    heatmaps: Sequence[str | Path],
) -> None:
    """Draw a patient's nodes, all of a row at one scale.

    `slides` are the patient's usable nodes, whose files are given in the same order; `nodes` and
    `patients` are the tables of all.
    """
    rows = {row["slide"]: row for row in nodes}
    files = zip(slides, overviews, tissues, heatmaps, strict=True)
    shown = [_read_node(rows[slide], *paths) for slide, *paths in files]
    bands = [shown[first : first + _COLUMNS] for first in range(0, len(shown), _COLUMNS)]
    inches = _WIDTH_IN / max(sum(node.size_um[1] for node in band) for band in bands)
    heights = [2 * max(node.size_um[0] for node in band) * inches + 0.5 for band in bands]
    figure = Figure(figsize=(_WIDTH_IN, sum(heights) + 0.5), layout="constrained", dpi=110)
    staged = next(row for row in patients if row["patient"] == patient)
    figure.suptitle(_title(staged), color=INK, fontsize=13, x=0.01, ha="left")
    parts = figure.subfigures(len(bands), 1, height_ratios=heights, squeeze=False)
    for part, band in zip(parts[:, 0], bands, strict=True):
        widths = [node.size_um[1] for node in band]
        # A last row of fewer nodes has the scale of the others.
        widths.append(max(1e-3, _WIDTH_IN / inches - sum(widths)))
        panels = part.subplots(2, len(widths), width_ratios=widths, squeeze=False)
        for column, node in enumerate(band):
            above = draw_panel(panels[0, column], node.pixels, node.title)
            below = draw_panel(panels[1, column], lighten(node.pixels), "")
            below.imshow(
                node.probability,
                cmap=_HEAT,
                vmin=0,
                vmax=1,
                alpha=np.where(np.isnan(node.probability), 0, 0.75),
            )
            # Slide and map of a node touch, however high the row's highest node is.
            above.set_anchor("S")
            below.set_anchor("N")
        last = band[-1]
        draw_scale_bar(panels[0, len(band) - 1], last.pixels.shape[:2], last.spacing_um)
        for axis in panels[:, -1]:
            axis.set_axis_off()
    save_figure(figure, path)


def _read_node(row: Mapping[str, str], overview: str, tissue: str, heatmap: str) -> _Node:
    pixels = np.asarray(Image.open(overview))
    mask = open_raster(tissue)
    step = max(1, -(-pixels.shape[1] * _COLUMNS // _WIDTH_PX) // 2)
    pixels = pixels[::step, ::step]
    spacing_um = mask.spacing_um * picture_step(mask.shape) * step
    encoded, heatmap_um, _ = read_heatmap(heatmap, tissue)
    probability = resample(decode(encoded), pixels.shape[:2], ratio=spacing_um / heatmap_um)
    truth = f" ({row['truth']})" if row["truth"] else ""
    return _Node(f"node {row['node']}\n{row['class']}{truth}", pixels, probability, spacing_um)


def _title(row: Mapping[str, str]) -> str:
    title = f"{row['patient']}  ·  {row['stage'] or 'not staged'}"
    if row["true_stage"]:
        title += f"  ·  by the labels (in brackets) {row['true_stage']}"
    return title + (f"  ·  {row['note']}" if row["note"] else "")
