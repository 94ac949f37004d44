"""Free-response ROC of lesion detections, as the organizers' evaluation of CAMELYON16 does.

The curve and its score: see the challenge's paper (Ehteshami Bejnordi et al., JAMA 2017).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops_table

from microtome.errors import InputError

# False positives per slide at which the sensitivity is read.
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

_REACH_UM = 75 / 2  # two pieces nearer than 75 µm, five tumour cells, are one lesion
_ITC_BELOW_UM = 275.0  # 200 µm, and what the reach adds to either side
_MAX_MASK_PX = 2**28


@dataclass(frozen=True)
class SlideHits:
    """What the detections of one slide hit.

    Attributes
    ----------
    best : ndarray of shape (n_lesions,)
        float64, the highest confidence on each lesion; 0 where none hits it, and for an ITC.
    is_itc : ndarray of shape (n_lesions,)
        bool. Such lesions count for nothing.
    false_positives : ndarray of shape (n_false,)
        float64, the confidence of each detection beside every lesion.
    """

    best: np.ndarray
    is_itc: np.ndarray
    false_positives: np.ndarray


@dataclass(frozen=True)
class Froc:
    """A FROC curve and what is read off it.

    Attributes
    ----------
    false_positives : ndarray of shape (n,)
        float64, falling as the threshold rises to infinity: per slide, over all slides.
    sensitivity : ndarray of shape (n,), or None
        float64, the share of the lesions found; None without any lesion that counts.
    at_rates : tuple of float, or None
        Sensitivity at `RATES`.
    score : float or None
        Mean of `at_rates`.
    """

    false_positives: np.ndarray
    sensitivity: np.ndarray | None
    at_rates: tuple[float, ...] | None
    score: float | None


def number_lesions(mask: np.ndarray, *, spacing_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Number the lesions of a slide as the organizers' evaluation mask does.

    A lesion is an 8-connected piece of tumour, where `mask` (bool) is true, and of what is nearer
    to it than 37.5 µm, holes filled. InputError is raised if the mask has more than 2 ** 28 px.

    Returns
    -------
    labels : ndarray of the mask's shape
        int32, 0 beside every lesion, else its number from 1 on.
    is_itc : ndarray of shape (n_lesions,)
        bool, for lesion 1, 2, ...: isolated tumour cells, for the major axis (of the ellipse with
        the same second moments) is below 275 µm.

    Examples
    --------
    >>> labels, is_itc = number_lesions(np.eye(3, dtype=bool), spacing_um=50)
    >>> labels.tolist(), is_itc.tolist()
    ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [True])
    """
    if mask.size > _MAX_MASK_PX:
        raise InputError(
            f"a mask of {mask.shape[1]} x {mask.shape[0]} px is too large to number its lesions; "
            "give one of at most 2^28 px"
        )
    labels = np.zeros(mask.shape, np.int32)
    if not mask.any():
        return labels, np.zeros(0, bool)
    reach_px = _REACH_UM / spacing_um
    part = _bound(mask, int(np.ceil(reach_px)) + 1)
    near = ndimage.distance_transform_edt(~mask[part]) < reach_px
    labels[part] = label(ndimage.binary_fill_holes(near), connectivity=2)
    axes = regionprops_table(labels[part], properties=("axis_major_length",))["axis_major_length"]
    return labels, axes < _ITC_BELOW_UM / spacing_um


def match_detections(
    detections: Iterable[tuple[float, int, int]],
    labels: np.ndarray | None = None,
    is_itc: np.ndarray | None = None,
    *,
    scale_px: float = 1.0,
) -> SlideHits:
    """Tell for every lesion the best detection on it, and which detections are false.

    Detections are confidence in [0, 1], x and y in level-0 px, of which the mask of
    `number_lesions` has one px every `scale_px`; without its labels the slide is free of tumour.
    One outside the mask is false, one on an ITC is neither right nor false; of several on one
    lesion the most confident counts and the others count for nothing.

    Examples
    --------
    >>> labels, is_itc = np.array([[0, 1], [2, 0]]), np.array([False, True])
    >>> found = match_detections([(0.9, 1, 0), (0.7, 1, 0), (0.8, 0, 0)], labels, is_itc)
    >>> found.best.tolist(), found.false_positives.tolist()
    ([0.9, 0.0], [0.8])
    """
    confidence, x_px, y_px = np.array(list(detections), np.float64).reshape(-1, 3).T
    if labels is None or is_itc is None:
        return SlideHits(np.zeros(0), np.zeros(0, bool), confidence)
    row, column = (np.floor(at / scale_px).astype(np.int64) for at in (y_px, x_px))
    height, width = labels.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    lesion = np.zeros(len(confidence), np.int64)
    lesion[inside] = labels[row[inside], column[inside]]
    best = np.zeros(len(is_itc) + 1)
    np.maximum.at(best, lesion, confidence)
    return SlideHits(np.where(is_itc, 0.0, best[1:]), is_itc, confidence[lesion == 0])


def compute_froc(slides: Sequence[SlideHits]) -> Froc:
    """Draw the FROC curve of a set of slides and score it.

    Thresholds are all confidences that occur, those of hits (0 for a lesion that is missed) and of
    false positives, without the lowest, which is the organizers' way: one confidence alone gives no
    curve. Between the points the curve is straight, beyond the last it stays level. `slides` are
    at least one and all there are, also those without any detection or lesion: false positives are
    averaged over them.
    """
    hits = np.sort(np.concatenate([slide.best for slide in slides]))
    false = np.sort(np.concatenate([slide.false_positives for slide in slides]))
    n_lesions = sum(int(np.count_nonzero(~slide.is_itc)) for slide in slides)
    thresholds = np.append(np.unique(np.concatenate([hits, false]))[1:], np.inf)
    rates = _count_from(false, thresholds) / len(slides)
    if not n_lesions:
        return Froc(rates, None, None, None)
    sensitivity = _count_from(hits, thresholds) / n_lesions
    at_rates = np.interp(RATES, rates[::-1], sensitivity[::-1])
    score = float(at_rates.mean())
    return Froc(rates, sensitivity, tuple(at_rates.tolist()), score)


def _bound(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Bound all tumour with a margin: what is farther off is beside every lesion."""
    bounds = []
    for axis in (1, 0):
        filled = np.flatnonzero(mask.any(axis=axis))
        bounds.append(slice(max(0, int(filled[0]) - margin), int(filled[-1]) + 1 + margin))
    return bounds[0], bounds[1]


def _count_from(ordered: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return len(ordered) - np.searchsorted(ordered, thresholds, side="left")
