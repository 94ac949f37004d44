"""The maps of a slide for its figures, no finer than a picture can show."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.figures.panels import MAX_SIDE_PX
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

    That is what `read_overview` gives, ``overview`` and ``overview_spacing_um``; on px of the same
    size ``probability`` (NaN outside the tissue), ``labels`` of the tumour map and ``truth`` (None
    where it is not known).
    """
    mask = open_raster(tissue)
    pixels, pixel_um = read_overview(overview, tissue)
    encoded, spacing_um = read_thinned(open_raster(heatmap))
    thin_mask, mask_um = read_thinned(mask)
    is_tissue = resample(thin_mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    labels, _ = read_thinned(open_raster(tumour))
    true_labels = read_labels(truth, labels.shape, spacing_um) if truth else None
    return spacing_um, {
        "overview": pixels,
        "overview_spacing_um": pixel_um,
        "probability": np.where(is_tissue, decode(encoded), np.nan),
        "labels": labels,
        "truth": true_labels,
    }


def read_labels(path: str | Path, shape: tuple[int, int], spacing_um: float) -> np.ndarray:
    """Read the labels of a truth or tumour map on px of a picture: ndarray of `shape`, uint8."""
    raster = open_raster(path)
    step = max(1, int(spacing_um / raster.spacing_um))
    return resample(raster.thin(step), shape, ratio=spacing_um / (raster.spacing_um * step))


def read_overview(
    overview: str | Path, tissue: str | Path, *, most_px: int = MAX_SIDE_PX
) -> tuple[np.ndarray, float]:
    """Read the picture of a slide, no side longer than `most_px`: RGB, uint8, and its µm per px."""
    mask = open_raster(tissue)
    pixels = np.asarray(Image.open(overview))
    step = -(-max(pixels.shape[:2]) // most_px)
    return pixels[::step, ::step], mask.spacing_um * picture_step(mask.shape) * step


def read_thinned(raster: Raster) -> tuple[np.ndarray, float]:
    """Read as many pixels of a raster as a picture can show, and give their spacing in µm."""
    step = -(-max(raster.shape) // _SHOWN_PX)
    return raster.thin(step), raster.spacing_um * step
