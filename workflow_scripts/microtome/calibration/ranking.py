"""How well probabilities rank px, whatever the threshold: ROC and precision against recall."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ranking:
    """Curves over all thresholds, and the areas under them.

    Attributes
    ----------
    false_positive_rate, true_positive_rate : ndarray of shape (n,), float64
        The ROC curve, from (0, 0) to (1, 1).
    recall, precision : ndarray of shape (m,), float64
        From the lowest threshold, recall 1, to the highest, recall 0.
    auroc, average_precision : float
        The area under the ROC curve; the mean precision weighted by the gains in recall.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    auroc: float
    average_precision: float


def rank_pixels(counts: np.ndarray) -> Ranking | None:
    """Rank px by their probability; None unless there is tumour and other tissue.

    `counts` are those of `microtome.calibration.temperature.count_codes`, (n_codes, 2).

    Examples
    --------
    >>> found = rank_pixels(np.array([[3, 0], [1, 1], [0, 1]]))
    >>> found.auroc, found.true_positive_rate
    (0.9375, array([0. , 0.5, 1. , 1. ]))
    """
    from sklearn.metrics import (  # noqa: PLC0415, seconds
        auc,
        average_precision_score,
        precision_recall_curve,
        roc_curve,
    )

    if not counts.sum(axis=0).all():
        return None
    truth = np.tile([0, 1], len(counts))
    code = np.repeat(np.arange(len(counts)), 2)
    weight = {"sample_weight": counts.ravel()}
    false_positive_rate, true_positive_rate, _ = roc_curve(
        truth, code, drop_intermediate=False, **weight
    )
    precision, recall, _ = precision_recall_curve(truth, code, **weight)
    return Ranking(
        false_positive_rate,
        true_positive_rate,
        recall,
        precision,
        auroc=float(auc(false_positive_rate, true_positive_rate)),
        average_precision=float(average_precision_score(truth, code, **weight)),
    )
