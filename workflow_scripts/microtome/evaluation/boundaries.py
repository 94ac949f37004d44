"""How far the outline of a tumour map lies from that of the truth.

A boundary pixel is one of the mask with a 4-neighbour outside it. Beyond the slide's edge is
outside, so that a mask that is not empty always has a boundary. Memory grows with the length of
the boundaries, never with the slide's area.
"""

import numpy as np
from scipy.spatial import KDTree

from microtome.rasters.bands import ReadRows, band_rows, bands, read_window
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE

_FAR_PERCENT = 95


def boundary_points(
    rows: ReadRows, shape: tuple[int, int], *, n_rows: int | None = None
) -> np.ndarray:
    """The boundary pixels of a mask, from the top down.

    Parameters
    ----------
    rows : callable
        ``rows(first_row, n_rows)`` gives the mask, bool ndarray of shape (n_rows, width).
    shape : tuple of int
        Height and width in px.
    n_rows : int, optional
        Rows of a band; the points do not depend on it.

    Returns
    -------
    ndarray of shape (n, 2), int32
        Row and column.
    """
    height, width = shape
    found = [np.empty((0, 2), np.int32)]
    for first, n in bands(height, n_rows or band_rows(width)):
        mask, above = read_window(rows, height, first, n, margin=1)
        below = len(mask) - above - n
        padded = np.pad(mask, ((1 - above, 1 - below), (1, 1)))
        centre = padded[1:-1, 1:-1]
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        found.append(np.argwhere(centre & ~inner).astype(np.int32) + np.int32([first, 0]))
    return np.concatenate(found)


def boundary_f(to_truth_px: np.ndarray, to_map_px: np.ndarray, *, tolerance_px: int) -> float:
    """F-score of the boundary pixels that have one of the other boundary near them.

    Parameters
    ----------
    to_truth_px : ndarray of shape (n,)
        Distance of every boundary pixel of the map to the nearest one of the truth.
    to_map_px : ndarray of shape (m,)
        The reverse. Both are empty where one of the two masks is; then there is nothing near.
    tolerance_px : int
        Near is up to this distance.
    """
    precision, recall = (np.mean(d <= tolerance_px) for d in (to_truth_px, to_map_px))
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def hausdorff95(to_truth_px: np.ndarray, to_map_px: np.ndarray) -> float:
    """The larger of the two 95th percentiles (interpolated) of the distances, in px."""
    return float(max(np.percentile(d, _FAR_PERCENT) for d in (to_truth_px, to_map_px)))


def boundary_metrics(
    truth: Raster, labels: Raster, *, tolerance_um: float
) -> dict[str, float | None]:
    """Boundary F-score and 95 % Hausdorff distance of viable tumour over a whole slide.

    Both are exact on the coarser of the two grids; the other raster is taken at its pixels'
    centres.

    Parameters
    ----------
    truth, labels : Raster
        Truth map and tumour map, with the labels of `microtome.rasters.labels`.
    tolerance_um : float
        Distance up to which a boundary pixel counts as found, rounded to whole pixels as every
        length of the workflow is: slides of slightly different spacing are measured alike.

    Returns
    -------
    dict
        ``boundary_f``: 1 where neither has tumour, 0 where only one has. ``hausdorff95_um``: None
        unless both have tumour.
    """
    coarser = max(labels, truth, key=lambda raster: raster.spacing_um)
    in_truth, in_map = (_viable_boundary(raster, coarser) for raster in (truth, labels))
    if not (len(in_truth) and len(in_map)):
        return {"boundary_f": float(len(in_truth) == len(in_map)), "hausdorff95_um": None}
    to_truth, to_map = _distances(in_map, in_truth), _distances(in_truth, in_map)
    tolerance_px = round(tolerance_um / coarser.spacing_um)
    return {
        "boundary_f": boundary_f(to_truth, to_map, tolerance_px=tolerance_px),
        "hausdorff95_um": hausdorff95(to_truth, to_map) * coarser.spacing_um,
    }


def _viable_boundary(raster: Raster, grid: Raster) -> np.ndarray:
    """Boundary of the viable tumour of a raster, on another's grid that is no finer."""
    taken = raster.rows_on(grid.shape, grid.spacing_um)
    # Of so few rows that what is read of a finer raster makes a band of ordinary size.
    n_rows = band_rows(round(raster.shape[1] * (grid.spacing_um / raster.spacing_um)))
    return boundary_points(lambda *band: taken(*band) == VIABLE, grid.shape, n_rows=n_rows)


def _distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of every point to the nearest of the others, shape (n,), float64."""
    return KDTree(others).query(points)[0]
