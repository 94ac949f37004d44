"""Tissue and truth of a slide on the px of one of its maps."""

from pathlib import Path

import numpy as np

from microtome.heatmaps.codes import NO_DATA
from microtome.rasters.bands import ReadRows
from microtome.rasters.label_tiff import open_raster, read_raster
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample


class OnMap:
    """What lies under the centres of the px of a map.

    Parameters
    ----------
    shape : tuple of int
        The map's height and width.
    spacing_um : float
        Its µm per px.
    tissue, truth : str or Path
        The slide's tissue mask and truth map.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        spacing_um: float,
        *,
        tissue: str | Path,
        truth: str | Path,
    ) -> None:
        self._tissue, self._truth = (
            open_raster(path).rows_on(shape, spacing_um) for path in (tissue, truth)
        )

    def viable(self, first_row: int, n_rows: int) -> np.ndarray:
        """Viable tumour, (n_rows, width), bool."""
        return self._truth(first_row, n_rows) == VIABLE

    def tissue_of(self, encoded: ReadRows) -> ReadRows:
        """Rows of a heatmap, as if nothing but tissue had been scored."""
        return lambda first, n: np.where(
            self._tissue(first, n) != 0, encoded(first, n), np.uint8(NO_DATA)
        )


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
    there = resample(mask, encoded.shape, ratio=spacing_um / mask_um) > 0
    tissue_mm2 = float(np.count_nonzero(mask)) * mask_um**2 * 1e-6
    return np.where(there, encoded, np.uint8(NO_DATA)), spacing_um, tissue_mm2
