"""Nuclei of a DAPI image, outlined by level sets.

A level set of Chan and Vese parts the image into two phases, each as even as can be, with a smooth
border. It starts from a threshold, and acts on what DAPI stands out from its surroundings relative
to the brightest nucleus nearby: so neither vignetting nor a dim nucleus beside bright ones moves
the border away from half of a nucleus's own height.
"""

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label
from skimage.morphology import remove_small_objects
from skimage.segmentation import morphological_chan_vese

LEAST_AREA_UM2 = 8.0
# The background is the least over a window wider than clumps of nuclei; the window of the
# brightest is as wide as a nucleus. What is dimmer than a share of the range is not enhanced.
_SMOOTH_UM, _BACKGROUND_UM, _NUCLEUS_UM, _LEAST_HEIGHT = 0.5, 30.0, 12.0, 0.3
_N_STEPS = 30


def segment_nuclei(dapi: np.ndarray, *, spacing_um: float) -> np.ndarray:
    """Label each bright region of a DAPI image as a nucleus; nuclei that touch are not parted.

    Parameters
    ----------
    dapi : ndarray of shape (height, width), float
        From 0, the background, to 1, bright nuclei.
    spacing_um : float
        µm per px.

    Returns
    -------
    ndarray of shape (height, width), int32
        0 for the background; 1, 2, ... for the nuclei: holes filled, those below 8 µm² left out.

    Examples
    --------
    >>> dapi = np.zeros((40, 60))
    >>> dapi[10:20, 10:20], dapi[22:30, 40:50], dapi[5, 50] = 1, 0.4, 1
    >>> labels = segment_nuclei(dapi, spacing_um=0.5)
    >>> labels.max(), labels[15, 15], labels[26, 45], labels[5, 50]
    (np.int32(2), np.int32(1), np.int32(2), np.int32(0))
    """
    height = _measure_height(dapi, spacing_um)
    if not np.ptp(height):
        return np.zeros(dapi.shape, np.int32)
    start = height > threshold_otsu(height)
    phases = morphological_chan_vese(height, _N_STEPS, init_level_set=start, smoothing=1) > 0
    nuclei = ndimage.binary_fill_holes(_choose_brighter(height, phases))
    least_px = np.ceil(LEAST_AREA_UM2 / spacing_um**2)
    large = remove_small_objects(nuclei, max_size=least_px - 1, connectivity=1)
    return label(large, connectivity=1).astype(np.int32)


def _measure_height(dapi: np.ndarray, spacing_um: float) -> np.ndarray:
    """How far each px stands out, as a share of the highest nearby."""

    def px(um: float) -> int:
        return max(1, round(um / spacing_um))

    smooth = ndimage.gaussian_filter(dapi, _SMOOTH_UM / spacing_um)
    least = ndimage.minimum_filter(smooth, px(_BACKGROUND_UM))
    height = smooth - ndimage.gaussian_filter(least, _BACKGROUND_UM / 2 / spacing_um)
    highest = ndimage.maximum_filter(height, px(_NUCLEUS_UM))
    highest = ndimage.gaussian_filter(highest, _NUCLEUS_UM / 2 / spacing_um)
    return height / np.maximum(highest, _LEAST_HEIGHT)


def _choose_brighter(height: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """Take the brighter phase, since it is not fixed which one is 1; none if one is empty."""
    if phases.all() or not phases.any():
        return np.zeros(phases.shape, bool)
    return phases if height[phases].mean() > height[~phases].mean() else ~phases
