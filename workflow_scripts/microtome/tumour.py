"""From a heatmap to viable tumour, whole tumour and tumour burden.

Generalized framework, "viable tumour burden": threshold, morphology, convex hull of what is left;
whole tumour = hull AND tissue; burden = viable area / whole area.
"""

import numpy as np
from skimage.morphology import convex_hull_image

from microtome.masks import opened, without_small

NONE, WHOLE, VIABLE = 0, 1, 2  # the labels of a tumour map and of a truth map


def viable_mask(
    probability: np.ndarray,
    tissue: np.ndarray,
    *,
    spacing_um: float,
    threshold: float,
    opening_um: float,
    max_hole_um2: float,
    min_area_um2: float,
) -> np.ndarray:
    """Segment viable tumour.

    Parameters
    ----------
    probability : ndarray of shape (height, width), float
        Tumour probability at `spacing_um`; NaN where nothing was scored.
    tissue : ndarray of shape (height, width), bool
        Tissue at the same spacing.
    threshold : float
        Tumour from this probability on.
    opening_um : float
        Radius of the disc of the opening that removes thin false positives.
    max_hole_um2, min_area_um2 : float
        Smaller holes are filled, smaller pieces dropped.

    Returns
    -------
    ndarray of shape (height, width), bool
        Viable tumour; inside the tissue.
    """
    mask = np.nan_to_num(probability, nan=-1.0) >= threshold
    mask = opened(mask, round(opening_um / spacing_um))
    mask = ~without_small(~mask, max_hole_um2 / spacing_um**2) & tissue
    return without_small(mask, min_area_um2 / spacing_um**2)


def tumour_map(viable: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Label every pixel 0 no tumour, 1 whole tumour but not viable, 2 viable tumour.

    Parameters
    ----------
    viable, tissue : ndarray of shape (height, width), bool
        Viable tumour and tissue.

    Returns
    -------
    ndarray of shape (height, width), uint8
        Viable tumour is clipped to the whole tumour, so the burden is in [0, 1] by construction.
    """
    labels = np.zeros(viable.shape, np.uint8)
    if viable.any():
        whole = convex_hull_image(viable) & tissue
        labels[whole] = WHOLE
        labels[whole & viable] = VIABLE
    return labels


def burden(labels: np.ndarray, *, spacing_um: float) -> dict[str, float]:
    """Areas and tumour burden of a tumour map.

    Returns
    -------
    dict
        ``viable_mm2``, ``whole_mm2`` and ``burden`` (viable / whole; 0 where there is no tumour).
    """
    n_viable, n_whole = int((labels == VIABLE).sum()), int((labels != NONE).sum())
    mm2 = spacing_um**2 / 1e6
    return {
        "viable_mm2": n_viable * mm2,
        "whole_mm2": n_whole * mm2,
        "burden": n_viable / n_whole if n_whole else 0.0,
    }
