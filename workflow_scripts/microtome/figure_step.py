"""The figure of a slide, from files to file."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.figures import slide_figure
from microtome.files import read_json
from microtome.masks import resampled
from microtome.rasters import open_raster, read_raster
from microtome.stitching import decode

# The overview is our own file, and that of a large slide is more than Pillow takes for harmless.
Image.MAX_IMAGE_PIXELS = None


def draw_slide(
    figure: str | Path,
    *,
    name: str,
    model: str,
    inspected: str | Path,
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
    inspected, overview, tissue, heatmap, tumour, burden, truth : str or Path
        The slide's results; `truth` where it is known.
    """
    pixels = np.asarray(Image.open(overview))
    info, result = read_json(inspected), read_json(burden)
    encoded, spacing_um = read_raster(heatmap)
    mask, mask_um = read_raster(tissue)
    on_tissue = resampled(mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    labels, _ = read_raster(tumour)
    shown = None
    if truth:
        raster = open_raster(truth)
        # Every few rows are enough for a picture, and the truth is much finer than it.
        step = max(1, int(spacing_um / raster.spacing_um))
        coarse = raster.pixels[::step, ::step]
        shown = resampled(coarse, labels.shape, ratio=spacing_um / (raster.spacing_um * step))
    slide_figure(
        figure,
        title=f"{name}  ·  {model}  ·  tumour burden {result['burden']:.0%}",
        overview=pixels,
        overview_spacing_um=info["spacing_um"] * info["width_px"] / pixels.shape[1],
        # Patches reach beyond the tissue; what they say of glass is of no interest.
        probability=np.where(on_tissue, decode(encoded), np.nan),
        labels=labels,
        spacing_um=spacing_um,
        truth=shown,
    )
