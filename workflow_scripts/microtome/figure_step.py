"""The figures of a slide, from files to file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from microtome.figures import slide_figure
from microtome.files import read_json
from microtome.masks import resampled
from microtome.overviews import picture_step
from microtome.rasters import Raster, open_raster
from microtome.stitching import decode
from microtome.uncertainty_figure import uncertainty_figure

# Rasters of large slides are much finer than a picture needs.
_SHOWN_PX = 2048


def draw_slide(
    figure: str | Path,
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
    """Draw the figure of one slide and model.

    Parameters
    ----------
    figure : str or Path
        PNG to write.
    name, model : str
        For the title.
    overview, tissue, heatmap, tumour, burden, truth : str or Path
        The slide's results; `truth` where it is known.
    """
    spacing_um, settings = _panels(overview, tissue, heatmap, tumour, truth)
    slide_figure(
        figure,
        title=f"{name}  ·  {model}  ·  tumour burden {read_json(burden)['burden']:.0%}",
        spacing_um=spacing_um,
        **settings,
    )


def draw_uncertainty(
    figure: str | Path,
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
    """Draw where a model is unsure of one slide.

    Parameters
    ----------
    uncertainty : mapping of str to str or Path
        Its uncertainty maps.
    summary : str or Path
        What `microtome.uncertainty_step.summarize` found.
    figure, name, model, overview, tissue, heatmap, tumour, truth
        See `draw_slide`.
    """
    spacing_um, settings = _panels(overview, tissue, heatmap, tumour, truth)
    found = read_json(summary)
    title = f"{name}  ·  {model}"
    if "burden" in found:
        low, high = found["burden_low"], found["burden_high"]
        title += f"  ·  tumour burden {found['burden']:.0%} ({low:.0%} to {high:.0%})"
    uncertainty_figure(
        figure,
        title=title,
        spacing_um=spacing_um,
        variances={kind: _shown(open_raster(path))[0] for kind, path in uncertainty.items()},
        **settings,
    )


def _panels(
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    truth: str | Path | None,
) -> tuple[float, dict]:
    """What both figures show, and the spacing of its maps."""
    pixels = np.asarray(Image.open(overview))
    mask, found = open_raster(tissue), open_raster(heatmap)
    encoded, spacing_um = _shown(found)
    mask_thin, mask_um = _shown(mask)
    on_tissue = resampled(mask_thin, encoded.shape, ratio=spacing_um / mask_um) > 0
    labels, _ = _shown(open_raster(tumour))
    shown = None
    if truth:
        raster = open_raster(truth)
        step = max(1, int(spacing_um / raster.spacing_um))
        coarse = raster.thinned(step)
        shown = resampled(coarse, labels.shape, ratio=spacing_um / (raster.spacing_um * step))
    return spacing_um, {
        "overview": pixels,
        "overview_spacing_um": mask.spacing_um * picture_step(mask.shape),
        # Patches reach beyond the tissue; what they say of glass is of no interest.
        "probability": np.where(on_tissue, decode(encoded), np.nan),
        "labels": labels,
        "truth": shown,
    }


def _shown(raster: Raster) -> tuple[np.ndarray, float]:
    """As many pixels of a raster as a picture can show, and their spacing."""
    step = -(-max(raster.shape) // _SHOWN_PX)
    return raster.thinned(step), raster.spacing_um * step
