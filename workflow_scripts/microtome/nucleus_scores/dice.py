"""DICE-average of the MICCAI 2015 challenge on the segmentation of nuclei in images.

It is the mean of two coefficients. Dice 1 is that of all nuclei together against the background.
Dice 2, "ensemble Dice", goes over all pairs of a true and a found nucleus that share a px: twice
the sum of what they share, divided by the sum of their sizes. A nucleus is in the sum once for each
partner, so that splitting and merging cost; one without a partner is in no sum, and costs in Dice 1
alone. (The organizers' pseudocode is in Vu et al., "Methods for segmentation and classification of
digital microscopy tissue images", 2019; HoVer-Net's metrics have both as well.)
"""

import numpy as np
from skimage.measure import label


def label_regions(mask: np.ndarray) -> np.ndarray:
    """Number the connected regions of a mask, each of which counts as one nucleus.

    Px that touch at a corner are connected. The paper says "each segmented region is considered one
    nucleus" and not which px are neighbours.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool

    Returns
    -------
    ndarray of shape (height, width), int
        From 1 on; 0 is background.
    """
    return label(mask, connectivity=2)


def dice_mask(found: np.ndarray, truth: np.ndarray) -> float | None:
    """Dice 1: twice the px in both masks, divided by the px of the one and of the other.

    None where both are empty, which says nothing of a method.

    Parameters
    ----------
    found, truth : ndarray of shape (height, width)
        Masks, or labels of which all but 0 are nuclei.

    Examples
    --------
    >>> dice_mask(np.array([[1, 1, 0]]), np.array([[0, 3, 3]]))
    0.5
    """
    found, truth = found != 0, truth != 0
    n_px = np.count_nonzero(found) + np.count_nonzero(truth)
    return float(2 * np.count_nonzero(found & truth) / n_px) if n_px else None


def dice_ensemble(found: np.ndarray, truth: np.ndarray) -> float | None:
    """Dice 2: over all pairs of nuclei that overlap, what they share against their sizes.

    0 where no pair overlaps (the organizers' code divides by zero there), None where both are
    empty.

    Parameters
    ----------
    found, truth : ndarray of shape (height, width), int
        Labels of nuclei, 0 is background. A label is one nucleus, also in pieces.

    Examples
    --------
    >>> truth = np.array([[1, 1, 1, 1, 0, 0]])
    >>> dice_ensemble(np.array([[5, 5, 0, 7, 7, 7]]), truth)  # 2 * (2 + 1) / (2 + 4 + 3 + 4)
    0.46153846153846156
    """
    if not (found.any() or truth.any()):
        return None
    _, found_number, found_px = np.unique(found, return_inverse=True, return_counts=True)
    _, true_number, true_px = np.unique(truth, return_inverse=True, return_counts=True)
    both = (found != 0) & (truth != 0)
    pair = found_number[both] * len(true_px) + true_number[both]
    pairs, shared_px = np.unique(pair, return_counts=True)
    of_found, of_truth = np.divmod(pairs, len(true_px))
    sizes_px = found_px[of_found].sum() + true_px[of_truth].sum()
    return float(2 * shared_px.sum() / sizes_px) if sizes_px else 0.0
