"""Whole tumour and tumour burden of a map of viable tumour.

Generalized framework, "viable tumour burden": whole tumour = hull of viable tumour AND tissue;
burden = viable area / whole area.
"""

import numpy as np

from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.convex_hull import draw_hull, find_hull_corners
from microtome.rasters.labels import VIABLE, WHOLE


def label_tumour(viable: ReadRows, tissue: ReadRows, shape: tuple[int, int]) -> ReadRows:
    """Label every pixel 0 no tumour, 1 whole tumour but not viable, 2 viable tumour.

    `viable` and `tissue` give rows of bool or 0/1; the first is read twice: once here. The result
    gives rows of uint8. Viable tumour is clipped to the whole tumour, so the burden is in [0, 1] by
    construction.

    Examples
    --------
    >>> from microtome.rasters.bands import rows_of
    >>> viable, tissue = np.array([[0, 1, 0, 1]]), np.ones((1, 4))
    >>> labels = label_tumour(rows_of(viable), rows_of(tissue), (1, 4))
    >>> labels(0, 1)
    array([[0, 2, 1, 2]], dtype=uint8)
    >>> round(measure_burden(labels, (1, 4), spacing_um=8)["burden"], 3)
    0.667
    """
    hull = draw_hull(find_hull_corners(viable, shape), shape)

    def labels(first: int, n: int) -> np.ndarray:
        whole = hull(first, n) & (tissue(first, n) != 0)
        return np.where(whole & (viable(first, n) != 0), np.uint8(VIABLE), whole * np.uint8(WHOLE))

    return labels


def measure_burden(
    labels: ReadRows, shape: tuple[int, int], *, spacing_um: float
) -> dict[str, float]:
    """Measure ``viable_mm2``, ``whole_mm2`` and ``burden`` of a tumour map.

    The burden is viable / whole, and 0 where there is no tumour.
    """
    counts = np.zeros(VIABLE + 1, np.int64)
    for band in bands(shape[0], band_rows(shape[1])):
        counts += np.bincount(labels(*band).ravel(), minlength=len(counts))
    n_viable, n_whole = int(counts[VIABLE]), int(counts[WHOLE] + counts[VIABLE])
    mm2 = spacing_um**2 / 1e6
    return {
        "viable_mm2": n_viable * mm2,
        "whole_mm2": n_whole * mm2,
        "burden": n_viable / n_whole if n_whole else 0.0,
    }
