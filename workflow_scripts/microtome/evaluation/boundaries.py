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


def find_boundary(
    rows: ReadRows, shape: tuple[int, int], *, n_rows: int | None = None
) -> np.ndarray:
    """Find the boundary pixels of a mask, from the top down: rows and columns, int32 (n, 2).

    ``rows(first_row, n_rows)`` gives the mask, bool of shape (n_rows, width), and `shape` is its
    height and width in px. It is read in bands of `n_rows`, on which the points do not depend.
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


def boundary_metrics(
    truth: Raster, labels: Raster, *, tolerance_um: float
) -> dict[str, float | None]:
    """Measure boundary F-score and 95 % Hausdorff distance of viable tumour over a whole slide.

    The F-score is that of boundary pixels with one of the other boundary near them. The Hausdorff
    distance is the larger of both 95th percentiles (interpolated) of distances. Both are exact on
    the coarser of the two grids; the other raster is taken at its pixels' centres. Near is up to
    `tolerance_um`, rounded to whole pixels as every length of the workflow is: slides of slightly
    different spacing are measured alike.

    ``boundary_f`` is 1 where neither truth nor tumour map, with the labels of
    `microtome.rasters.labels`, has tumour, and 0 where only one has. ``hausdorff95_um`` is None
    unless both have tumour.
    """
    coarser = max(labels, truth, key=lambda raster: raster.spacing_um)
    in_truth, in_map = (_find_viable_boundary(raster, coarser) for raster in (truth, labels))
    if not (len(in_truth) and len(in_map)):
        return {"boundary_f": float(len(in_truth) == len(in_map)), "hausdorff95_um": None}
    to_truth, to_map = KDTree(in_truth).query(in_map)[0], KDTree(in_map).query(in_truth)[0]
    tolerance_px = round(tolerance_um / coarser.spacing_um)
    precision, recall = (np.mean(d <= tolerance_px) for d in (to_truth, to_map))
    f_score = 2 * precision * recall / (precision + recall) if precision + recall else 0
    far_px = max(np.percentile(d, _FAR_PERCENT) for d in (to_truth, to_map))
    return {"boundary_f": float(f_score), "hausdorff95_um": float(far_px) * coarser.spacing_um}


def _find_viable_boundary(raster: Raster, grid: Raster) -> np.ndarray:
    """Find the boundary of a raster's viable tumour on another's grid, which is no finer."""
    taken = raster.rows_on(grid.shape, grid.spacing_um)
    # Of so few rows that what is read of a finer raster makes a band of ordinary size.
    n_rows = band_rows(round(raster.shape[1] * (grid.spacing_um / raster.spacing_um)))
    return find_boundary(lambda *band: taken(*band) == VIABLE, grid.shape, n_rows=n_rows)
