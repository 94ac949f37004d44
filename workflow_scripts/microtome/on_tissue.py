"""A heatmap where there is tissue."""

from pathlib import Path

import numpy as np

from microtome.masks import resampled
from microtome.rasters import read_raster
from microtome.stitching import NO_DATA


def heatmap_on_tissue(heatmap: str | Path, tissue: str | Path) -> tuple[np.ndarray, float, float]:
    """Read a heatmap. Patches reach beyond the tissue; what they say of glass does not count.

    Parameters
    ----------
    heatmap, tissue : str or Path
        Heatmap and tissue mask.

    Returns
    -------
    encoded : ndarray of shape (height, width)
        uint8 as in the file, as if nothing but tissue had been scored.
    spacing_um : float
        Its µm per px.
    tissue_mm2 : float
        Area of the tissue.
    """
    encoded, spacing_um = read_raster(heatmap)
    mask, mask_um = read_raster(tissue)
    there = resampled(mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    tissue_mm2 = float(np.count_nonzero(mask)) * mask_um**2 * 1e-6
    return np.where(there, encoded, np.uint8(NO_DATA)), spacing_um, tissue_mm2
