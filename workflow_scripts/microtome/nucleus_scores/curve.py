"""Precision and recall of detections at every threshold, and the best of them, exactly."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from microtome.nucleus_scores.matching import near_pairs


class Image(NamedTuple):
    """Detections and truth of one image.

    ``found`` (n, 2) and ``truth`` (m, 2) are x and y in µm, ``confidence`` (n,) is that of the
    detections, in any order.
    """

    found: np.ndarray
    confidence: np.ndarray
    truth: np.ndarray

    def above(self, threshold: float) -> np.ndarray:
        """Give the detections of at least this confidence, (k, 2), the surest first."""
        falling = np.argsort(-self.confidence, kind="stable")
        return self.found[falling[self.confidence[falling] >= threshold]]


@dataclass(frozen=True)
class Curve:
    """Detections of several images together, at every confidence that occurs, from the top down.

    Attributes
    ----------
    threshold : ndarray of shape (k,), float
        The confidences, each once, falling: detections of at least it are taken.
    n_found, n_right : ndarray of shape (k,), int64
        How many these are, and how many of them are right, see `microtome.nucleus_scores.matching`.
    n_true : int
        True nuclei of all images.
    """

    threshold: np.ndarray
    n_found: np.ndarray
    n_right: np.ndarray
    n_true: int

    def f_scores(self) -> np.ndarray:
        """Compute F at each threshold, (k,), float64."""
        return 2 * self.n_right / (self.n_found + self.n_true)

    def best_threshold(self) -> float | None:
        """Return the threshold of the greatest F; of equally good ones the greatest.

        None if nothing was found or there are no true nuclei: then none is better than another.
        """
        if not (len(self.threshold) and self.n_true):
            return None
        return float(self.threshold[np.argmax(self.f_scores())])


def detection_curve(images: Iterable[Image], *, within_um: float) -> Curve:
    """Count right detections at each threshold, over all images together.

    At each it is what `match_points` counts among the detections that are left. The time is that of
    sorting: nothing is matched anew for a threshold.

    Examples
    --------
    >>> found, truth = np.array([[0.0, 2.0], [9.0, 9.0], [0.0, 1.0]]), np.array([[0.0, 0.0]])
    >>> curve = detection_curve([Image(found, np.array([0.9, 0.8, 0.7]), truth)], within_um=3)
    >>> curve.n_found.tolist(), curve.n_right.tolist(), curve.best_threshold()
    ([1, 2, 3], [1, 1, 1], 0.9)
    """
    confidences, changes, n_true = [np.empty(0)], [np.empty(0, np.int64)], 0
    for image in images:
        falling = np.argsort(-image.confidence, kind="stable")
        confidences.append(image.confidence[falling].astype(np.float64))
        changes.append(_changes(image.found[falling], image.truth, within_um=within_um))
        n_true += len(image.truth)
    confidence, change = np.concatenate(confidences), np.concatenate(changes)
    falling = np.argsort(-confidence, kind="stable")
    confidence, n_right = confidence[falling], np.cumsum(change[falling])
    # Equal confidences are taken together.
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))[: len(confidence)]
    return Curve(confidence[last], last + 1, n_right[last], n_true)


def _changes(found: np.ndarray, truth: np.ndarray, *, within_um: float) -> np.ndarray:
    """By how many the right ones grow or shrink as the detections, surest first, come one by one.

    A pair of nucleus and detection holds from when the detection comes until a nearer one of the
    nucleus does, and a detection is right while it has a pair that holds.
    """
    n = len(found)
    pairs = near_pairs(found, truth, within_um=within_um)
    pairs = pairs[np.lexsort((pairs["found"], pairs["distance_um"], pairs["nucleus"]))]
    comes, nucleus = pairs["found"], pairs["nucleus"]
    # When the first of those that are nearer to the nucleus comes, n if there are none. The nuclei
    # are on falling steps of n + 1, so that a running minimum begins anew with each.
    step = (len(truth) - nucleus) * (n + 1)
    lowest = np.minimum.accumulate(comes + step)
    is_first = np.append(True, nucleus[1:] != nucleus[:-1])[: len(pairs)]
    ends = np.where(is_first, n, np.roll(lowest, 1) - step)
    lost = np.zeros(n, np.int64)
    np.maximum.at(lost, comes, ends)
    came = np.arange(n)
    is_ever_right = lost > came
    gains = np.bincount(came[is_ever_right], minlength=n + 1)
    return (gains - np.bincount(lost[is_ever_right], minlength=n + 1))[:n]
