"""Scores of a model that finds nuclei on labelled images, and the threshold that it gets."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from microtome.errors import InputError
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.prediction_file import Predictions
from microtome.nucleus_scores.curve import Curve, Image, detection_curve
from microtome.nucleus_scores.matching import detection_rates, match_points
from microtome.nucleus_scores.parts import group_by_part, mean_of

_POINTS_DRAWN = 200


def choose_threshold(
    model: str,
    images: Sequence[LabelledImage],
    predictions: Predictions,
    *,
    within_um: float,
) -> dict:
    """Choose the threshold of the greatest F over validation images, all of them together.

    Every confidence that occurs is tried; detections of at least the threshold are taken.

    Returns
    -------
    dict
        ``threshold``; ``precision``, ``recall`` and ``f`` there; ``images`` and ``nuclei``.

    Raises
    ------
    InputError
        If there are no true nuclei on the images, or the model found none.
    """
    curve = _curve(images, predictions, within_um=within_um)
    threshold = curve.best_threshold()
    if threshold is None:
        raise InputError(
            f"models.{model}: {len(images)} validation images hold {curve.n_true} nuclei, and"
            f" {curve.n_found[-1] if len(curve.n_found) else 0} were found; both are needed for"
            " nuclei.threshold: validation"
        )
    at = int(np.flatnonzero(curve.threshold == threshold)[0])
    n_right, n_found = int(curve.n_right[at]), int(curve.n_found[at])
    rates = detection_rates(n_right=n_right, n_found=n_found, n_true=curve.n_true)
    return {"threshold": threshold, **rates, "images": len(images), "nuclei": curve.n_true}


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
        Of the test images: ``x_um``, ``y_um``, ``confidence``, ``seconds``.
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
        ``precision``, ``recall``, ``f``, ``seconds``. ``parts``: the same of all nuclei of a part
        together, with the number of ``images``, the ``threshold`` and mean ``seconds``. ``curve``:
        ``precision`` and ``recall`` at up to 200 thresholds from the top down, of all images.
    """

    @cache  # what has not learnt from labels is tested on an image in several parts
    def score(image: str) -> dict:
        one = _read(images[image], predictions)
        matches = match_points(one.above(threshold), one.truth, within_um=within_um)
        counts = (matches.n_true, matches.n_found, matches.n_right)
        return _rated(*counts) | {"seconds": float(predictions[image]["seconds"])}

    tested = list(tested)
    rows = [{"part": t["part"], "image": t["image"], **score(t["image"])} for t in tested]
    parts = [
        {
            "part": part,
            "images": len(of_part),
            **_rated(*(sum(row[key] for row in of_part) for key in ("nuclei", "found", "right"))),
            "threshold": threshold,
            "seconds": mean_of(of_part, "seconds"),
        }
        for part, of_part in group_by_part(rows).items()
    ]
    names = dict.fromkeys(t["image"] for t in tested)
    curve = _curve([images[name] for name in names], predictions, within_um=within_um)
    return {"images": rows, "parts": parts, "curve": _thinned(curve)}


def _rated(n_true: int, n_found: int, n_right: int) -> dict:
    rates = detection_rates(n_right=n_right, n_found=n_found, n_true=n_true)
    return {"nuclei": n_true, "found": n_found, "right": n_right, **rates}


def _curve(images: Sequence[LabelledImage], predictions: Predictions, *, within_um: float) -> Curve:
    return detection_curve((_read(one, predictions) for one in images), within_um=within_um)


def _read(image: LabelledImage, predictions: Predictions) -> Image:
    arrays = predictions[image.name]
    found = np.stack([arrays["x_um"], arrays["y_um"]], axis=1)
    return Image(found, arrays["confidence"], image.read_points())


def _thinned(curve: Curve) -> dict[str, list[float]]:
    """Precision and recall at some of the thresholds, first and last among them."""
    if not (curve.n_true and len(curve.threshold)):
        return {"precision": [], "recall": []}
    last = len(curve.threshold) - 1
    at = np.unique(np.linspace(0, last, _POINTS_DRAWN).round().astype(int))
    precision, recall = curve.n_right[at] / curve.n_found[at], curve.n_right[at] / curve.n_true
    return {"precision": precision.tolist(), "recall": recall.tolist()}
