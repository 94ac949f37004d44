"""Truth maps cut into patches: what segmenters are trained to give, px by px."""

import numpy as np
from skimage.morphology import remove_small_holes

from microtome.patches.grid import Grid
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE
from microtome.training.random_placement import STILL, Move


class TruthPatches:
    """Viable tumour in the patches of one slide.

    Parameters
    ----------
    truth : Raster
        The slide's truth map.
    grid : Grid
        The patches.
    max_blob_px : int
        Holes in the tumour of at most so many patch px are closed (HistoCAE, comparison with
        segmenters: 50).
    """

    def __init__(self, truth: Raster, grid: Grid, *, max_blob_px: int) -> None:
        self.shape = (grid.patch_px, grid.patch_px)
        self._truth, self._max_blob_px = truth, max_blob_px
        # Of the grid, only what is needed to read: ten million patches have to fit.
        self._row, self._column, self._stride_px = grid.row, grid.column, grid.stride_px
        self._scale = grid.spacing_um / truth.spacing_um  # truth px per patch px

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        """Read the truth of one patch into `out`, (side, side), uint8: 1 viable tumour, 0 not.

        Wherever it is moved the same holes are closed: of as many px at another zoom as are as
        large on the slide.
        """
        # A hole that is to be closed and reaches into the patch lies wholly within this margin.
        margin = round(self._max_blob_px / move.zoom**2)
        side = len(out)
        centre = (
            int(self._row[row]) * self._stride_px + move.y_px + side / 2,
            int(self._column[row]) * self._stride_px + move.x_px + side / 2,
        )
        mask = self._viable(centre, side + 2 * margin, move.zoom)
        if margin:
            mask = remove_small_holes(mask, max_size=margin)
        out[...] = mask[margin : margin + side, margin : margin + side]

    def _viable(self, centre: tuple[float, float], side: int, zoom: float) -> np.ndarray:
        """Viable tumour at the centres of px, (side, side), bool; none outside the slide.

        `centre` is row and column in px of the grid, `zoom` how many of them a px is.
        """
        from_centre = (np.arange(side) + 0.5 - side / 2) * zoom
        places, inside = [], []
        for middle, size in zip(centre, self._truth.shape, strict=True):
            place = np.floor((middle + from_centre) * self._scale).astype(np.int64)
            inside.append((place >= 0) & (place < size))
            places.append(place[inside[-1]])
        mask = np.zeros((side, side), bool)
        if len(places[0]) and len(places[1]):
            (first, last), (start, end) = ((p[0], p[-1] + 1) for p in places)
            region = self._truth.region(first, last, start, end)
            found = region[np.ix_(places[0] - first, places[1] - start)] == VIABLE
            mask[np.ix_(*inside)] = found
        return mask
