"""What the figures of a slide have in common: its maps, no finer than a picture can show."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.heatmaps.codes import decode
from microtome.rasters.label_tiff import Raster, open_raster
from microtome.rasters.resampling import resample
from microtome.tissue.picture_size import picture_step

# Rasters of large slides are much finer than a picture needs.
_SHOWN_PX = 2048


def read_panels(
    overview: str | Path,
    tissue: str | Path,
    heatmap: str | Path,
    tumour: str | Path,
    truth: str | Path | None,
) -> tuple[float, dict]:
    """What both figures show, and the spacing of its maps."""
    pixels = np.asarray(Image.open(overview))
    mask, found = open_raster(tissue), open_raster(heatmap)
    encoded, spacing_um = read_shown(found)
    mask_thin, mask_um = read_shown(mask)
    on_tissue = resample(mask_thin, encoded.shape, ratio=spacing_um / mask_um) > 0
    labels, _ = read_shown(open_raster(tumour))
    shown = None
    if truth:
        raster = open_raster(truth)
        step = max(1, int(spacing_um / raster.spacing_um))
        coarse = raster.thin(step)
        shown = resample(coarse, labels.shape, ratio=spacing_um / (raster.spacing_um * step))
    return spacing_um, {
        "overview": pixels,
        "overview_spacing_um": mask.spacing_um * picture_step(mask.shape),
        # Patches reach beyond the tissue; what they say of glass is of no interest.
        "probability": np.where(on_tissue, decode(encoded), np.nan),
        "labels": labels,
        "truth": shown,
    }


def read_shown(raster: Raster) -> tuple[np.ndarray, float]:
    """As many pixels of a raster as a picture can show, and their spacing."""
    step = -(-max(raster.shape) // _SHOWN_PX)
    return raster.thin(step), raster.spacing_um * step
