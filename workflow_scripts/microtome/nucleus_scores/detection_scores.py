"""Scores of a model that finds nuclei on labelled images."""

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.prediction_file import Predictions
from microtome.nucleus_scores.curve import Curve
from microtome.nucleus_scores.detections import curve_of_images, read_detections
from microtome.nucleus_scores.matching import detection_rates, match_points
from microtome.nucleus_scores.parts import group_by_part

_POINTS_DRAWN = 200


def score_detection(
    images: Mapping[str, LabelledImage],
    predictions: Predictions,
    *,
    tested: Iterable[Mapping[str, str]],
    threshold: float,
    within_um: float,
) -> dict:
    """Score the nuclei found on test images, of at least a threshold, image by image and pooled.

    Parameters
    ----------
    images : mapping of str to LabelledImage
        By id.
    predictions : Predictions
        Of the test images: ``x_um``, ``y_um``, ``confidence``.
    tested : iterable of mapping
        The ``image`` and the ``part`` (fold or split) that it counts to.
    threshold : float
        Detections of at least this confidence are taken.
    within_um : float
        As in `microtome.nucleus_scores.matching.match_points`.

    Returns
    -------
    dict
        ``images``: a row each, with ``part``, ``image``, ``nuclei``, ``found``, ``right``,
        ``precision``, ``recall``, ``f``. ``parts``: the same of all nuclei of a part together, with
        the number of ``images`` and the ``threshold``. ``curve``: ``precision`` and ``recall`` at
        up to 200 thresholds from the top down, of all images.
    """

    @cache  # what has not learnt from labels is tested on an image in several parts
    def score(image: str) -> dict:
        one = read_detections(images[image], predictions)
        matches = match_points(one.above(threshold), one.truth, within_um=within_um)
        return _rated(matches.n_true, matches.n_found, matches.n_right)

    tested = list(tested)
    rows = [{"part": t["part"], "image": t["image"], **score(t["image"])} for t in tested]
    parts = [
        {
            "part": part,
            "images": len(of_part),
            **_rated(*(sum(row[key] for row in of_part) for key in ("nuclei", "found", "right"))),
            "threshold": threshold,
        }
        for part, of_part in group_by_part(rows).items()
    ]
    names = dict.fromkeys(t["image"] for t in tested)
    curve = curve_of_images([images[name] for name in names], predictions, within_um=within_um)
    return {"images": rows, "parts": parts, "curve": _thinned(curve)}


def _rated(n_true: int, n_found: int, n_right: int) -> dict:
    rates = detection_rates(n_right=n_right, n_found=n_found, n_true=n_true)
    return {"nuclei": n_true, "found": n_found, "right": n_right, **rates}


def _thinned(curve: Curve) -> dict[str, list[float]]:
    """Precision and recall at some of the thresholds, first and last among them."""
    if not (curve.n_true and len(curve.threshold)):
        return {"precision": [], "recall": []}
    last = len(curve.threshold) - 1
    at = np.unique(np.linspace(0, last, _POINTS_DRAWN).round().astype(int))
    precision, recall = curve.n_right[at] / curve.n_found[at], curve.n_right[at] / curve.n_true
    return {"precision": precision.tolist(), "recall": recall.tolist()}
