"""The figure of where a model is unsure of a slide, and where it is wrong."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from microtome.figures.panels import draw_outlines, draw_panel, draw_scale_bar, lighten
from microtome.figures.style import INK, save_figure
from microtome.heatmaps.figure_maps import read_figure_maps, read_thinned
from microtome.io.atomic import read_json
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample

_HEAT, _UNSURE = mpl.colormaps["magma"], mpl.colormaps["viridis"]
_WRONG = np.array([194, 24, 91], np.uint8)
_LEAST_TOP = 0.1  # a map that is sure everywhere is to look so


def draw_uncertainty(
    path: str | Path,
    *,
    name: str,
    model: str,
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    uncertainty: Mapping[str, str | Path],
    summary: str | Path,
    truth: str | Path | None,
) -> None:
    """Draw a slide's heatmap and uncertainty maps side by side, and what is wrong if that is known.

    `uncertainty` are the maps there are, ``aleatoric`` and ``epistemic``; `summary` is what
    `microtome.uncertainty.summary.summarize` found, whose burden stands in the title.
    """
    spacing_um, maps = read_figure_maps(overview, tissue, heatmap, tumour, truth)
    found = read_json(summary)
    title = f"{name}  ·  {model}"
    if "burden" in found:
        low, high = found["burden_low"], found["burden_high"]
        title += f"  ·  tumour burden {found['burden']:.0%} ({low:.0%} to {high:.0%})"
    slide, shown_um = maps["overview"], maps["overview_spacing_um"]
    shape = slide.shape[:2]

    def shown(raster: np.ndarray) -> np.ndarray:
        return resample(raster, shape, ratio=shown_um / spacing_um)

    probability, labels = shown(maps["probability"]), shown(maps["labels"])
    unknown = np.isnan(probability)
    spreads = {
        kind: np.where(unknown, np.nan, np.sqrt(shown(read_thinned(open_raster(variances))[0])))
        for kind, variances in uncertainty.items()
    }
    panels = 2 + len(spreads) + bool(truth)
    aspect = shape[0] / shape[1]
    figure = Figure(figsize=(4 * panels + 0.6, 4 * aspect + 0.75), layout="constrained", dpi=110)
    axes = list(figure.subplots(1, panels))
    figure.suptitle(title, color=INK, fontsize=12, x=0.01, ha="left")
    first = draw_panel(axes.pop(0), slide, "viable (pink) in whole tumour (yellow)")
    draw_outlines(first, labels)
    draw_scale_bar(first, shape, shown_um)
    pale = lighten(slide)
    heat = draw_panel(axes.pop(0), pale, "tumour probability")
    image = heat.imshow(probability, cmap=_HEAT, vmin=0, vmax=1, alpha=np.where(unknown, 0, 0.75))
    figure.colorbar(image, ax=heat, fraction=0.035, pad=0.01, ticks=[0, 0.5, 1])
    if truth:
        wrong = (shown(maps["truth"]) == VIABLE) != (labels == VIABLE)
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
