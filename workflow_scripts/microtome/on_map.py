"""Tissue and truth of a slide on the px of one of its maps."""

from pathlib import Path

import numpy as np

from microtome.bands import ReadRows
from microtome.masks import resampled_rows
from microtome.rasters import open_raster
from microtome.stitching import NO_DATA
from microtome.tumour import VIABLE


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
            resampled_rows(raster.rows, raster.shape, shape, ratio=spacing_um / raster.spacing_um)
            for raster in map(open_raster, (tissue, truth))
        )

    def viable(self, first_row: int, n_rows: int) -> np.ndarray:
        """Viable tumour, (n_rows, width), bool."""
        return self._truth(first_row, n_rows) == VIABLE

    def tissue_of(self, encoded: ReadRows) -> ReadRows:
        """Rows of a heatmap, as if nothing but tissue had been scored."""
        return lambda first, n: np.where(
            self._tissue(first, n) != 0, encoded(first, n), np.uint8(NO_DATA)
        )
