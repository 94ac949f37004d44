"""Tissue and truth of a slide on the px of its heatmap."""

from pathlib import Path

import numpy as np

from microtome.heatmaps.codes import NO_DATA
from microtome.rasters.bands import ReadRows
from microtome.rasters.label_tiff import open_raster, read_raster
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample


def erase_glass(
    encoded: ReadRows, tissue: str | Path, *, shape: tuple[int, int], spacing_um: float
) -> ReadRows:
    """Give the rows of a heatmap of `shape` and `spacing_um` with no score outside the tissue."""
    mask = open_raster(tissue).rows_on(shape, spacing_um)
    return lambda first, n: np.where(mask(first, n) != 0, encoded(first, n), np.uint8(NO_DATA))


def open_viable(truth: str | Path, *, shape: tuple[int, int], spacing_um: float) -> ReadRows:
    """Open a truth map as rows of bool, viable tumour or not, on a map of `shape`."""
    labels = open_raster(truth).rows_on(shape, spacing_um)
    return lambda first, n: labels(first, n) == VIABLE


def read_heatmap(heatmap: str | Path, tissue: str | Path) -> tuple[np.ndarray, float, float]:
    """Read a whole heatmap with no score outside the tissue.

    Patches reach beyond the tissue; what they say of glass does not count. Gives codes of
    `microtome.heatmaps.codes`, (height, width), uint8; their µm per px; and the mm² of tissue.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from microtome.rasters.label_tiff import write_array
    >>> with TemporaryDirectory() as folder:
    ...     heatmap, tissue = Path(folder) / "heatmap.tif", Path(folder) / "tissue.tif"
    ...     write_array(heatmap, np.array([[1, 128, 255]]), spacing_um=1000)
    ...     write_array(tissue, np.array([[1, 1, 0]]), spacing_um=1000)
    ...     read_heatmap(heatmap, tissue)
    (array([[  1, 128,   0]], dtype=uint8), 1000.0, 2.0)
    """
    encoded, spacing_um = read_raster(heatmap)
    mask, mask_um = read_raster(tissue)
    is_tissue = resample(mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    tissue_mm2 = float(np.count_nonzero(mask)) * mask_um**2 * 1e-6
    return np.where(is_tissue, encoded, np.uint8(NO_DATA)), spacing_um, tissue_mm2
