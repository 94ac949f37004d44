"""The class of a lymph node by the length of its largest lesion alone."""

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage.measure import label

from microtome.errors import InputError
from microtome.heatmaps.codes import is_at_least
from microtome.rasters.bands import rows_of
from microtome.rasters.convex_hull import find_hull_corners

# The longest isolated tumour cells and the longest micrometastasis, as CAMELYON17 has them.
ITC_UM, MICRO_UM = 200.0, 2000.0


def largest_lesion_um(
    heatmap: np.ndarray, *, spacing_um: float, threshold: float, merge_um: float = 75.0
) -> float:
    """Measure the length of the longest lesion.

    Px of tumour are one lesion where all that is nearer than half of `merge_um` to any of them
    hangs together, corners included, as in the evaluation of CAMELYON16. (It fills holes, too:
    that can only join a lesion to one around it, whose length stays the same.) Distances are those
    of the px's centres, so the gap that is bridged is `merge_um` to within two px of the heatmap.

    Parameters
    ----------
    heatmap : ndarray of shape (height, width), uint8
        0 where nothing was scored, else 1 + 254 * probability.
    spacing_um : float
        Of the heatmap, µm per px.
    threshold : float
        Tumour from this probability on.
    merge_um : float
        What is this far apart, in µm, may be one lesion; 0 for 8-connected px alone.

    Returns
    -------
    float
        The largest Feret diameter in µm, between the middles of the px's edges as scikit-image
        measures it: one px is one px long, n px in a row or a column are n px long. 0 where there
        is no tumour.
    """
    tumour = is_at_least(heatmap, threshold)
    if not tumour.any():
        return 0.0
    # What joins two px lies between them, so nothing is lost by a crop to the px of tumour.
    (box,) = ndimage.find_objects(tumour.astype(np.uint8))
    tumour = tumour[box]
    near = ndimage.distance_transform_edt(~tumour) < merge_um / 2 / spacing_um
    lesions = np.where(tumour, label(near | tumour, connectivity=2), 0)
    return _longest_px(lesions) * spacing_um


def size_class(length_um: float) -> str:
    """Tell a lymph node's class by the length of its largest lesion (AJCC, as in CAMELYON17).

    Parameters
    ----------
    length_um : float
        In µm; 0 where there is no lesion.

    Returns
    -------
    {'negative', 'itc', 'micro', 'macro'}
        Up to 200 µm and up to 2000 µm, both inclusive, are isolated tumour cells and a
        micrometastasis.

    Raises
    ------
    InputError
        The length is no number from 0 on.

    Examples
    --------
    >>> [size_class(length_um) for length_um in (0, 200, 2000, 2100)]
    ['negative', 'itc', 'micro', 'macro']
    """
    if not length_um >= 0:
        raise InputError(f"{length_um} µm is no length of a lesion; give 0 or more")
    if length_um == 0:
        return "negative"
    if length_um <= ITC_UM:
        return "itc"
    return "micro" if length_um <= MICRO_UM else "macro"


def _longest_px(lesions: np.ndarray) -> float:
    """Measure the largest Feret diameter of all lesions, in px."""
    boxes = ndimage.find_objects(lesions)
    diagonal = [np.hypot(*(side.stop - side.start for side in box)) for box in boxes]
    longest = 0.0
    # No lesion is longer than its box: the specks beside a large lesion are never measured.
    for k in np.argsort(diagonal, kind="stable")[::-1]:
        if diagonal[k] <= longest:
            break
        mask = lesions[boxes[k]] == k + 1
        longest = max(longest, float(pdist(find_hull_corners(rows_of(mask), mask.shape)).max()))
    return longest
