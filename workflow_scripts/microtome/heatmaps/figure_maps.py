"""The maps of a slide for its figures, no finer than a picture can show."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.heatmaps.codes import decode
from microtome.rasters.label_tiff import Raster, open_raster
from microtome.rasters.resampling import resample
from microtome.tissue.picture_size import picture_step

_SHOWN_PX = 2048


def read_figure_maps(
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    truth: str | Path | None,
) -> tuple[float, dict]:
    """Read what the figures of a slide show: the µm per px of its maps, and these.

    That is ``overview``, the picture of the slide, and ``overview_spacing_um``; on px of the same
    size ``probability`` (NaN outside the tissue), ``labels`` of the tumour map and ``truth`` (None
    where it is not known).
    """
    mask = open_raster(tissue)
    encoded, spacing_um = read_thinned(open_raster(heatmap))
    thin_mask, mask_um = read_thinned(mask)
    is_tissue = resample(thin_mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    labels, _ = read_thinned(open_raster(tumour))
    true_labels = None
    if truth:
        raster = open_raster(truth)
        step = max(1, int(spacing_um / raster.spacing_um))
        ratio = spacing_um / (raster.spacing_um * step)
        true_labels = resample(raster.thin(step), labels.shape, ratio=ratio)
    return spacing_um, {
        "overview": np.asarray(Image.open(overview)),
        "overview_spacing_um": mask.spacing_um * picture_step(mask.shape),
        "probability": np.where(is_tissue, decode(encoded), np.nan),
        "labels": labels,
        "truth": true_labels,
    }


def read_thinned(raster: Raster) -> tuple[np.ndarray, float]:
    """Read as many pixels of a raster as a picture can show, and give their spacing in µm."""
    step = -(-max(raster.shape) // _SHOWN_PX)
    return raster.thin(step), raster.spacing_um * step
