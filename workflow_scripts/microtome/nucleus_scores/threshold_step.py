"""From predictions of validation images and their truth to the threshold of a model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.nucleus_images.labelled_image import make_image
from microtome.nucleus_images.prediction_file import read_predictions
from microtome.nucleus_scores.detections import curve_of_images
from microtome.nucleus_scores.matching import detection_rates


def choose_threshold(
    model: str,
    *,
    rows: Sequence[dict],
    predictions: str | Path,
    validated: Sequence[str],
    match_um: float,
) -> dict:
    """Choose the threshold of the greatest F over validation images, all of them together.

    Every confidence that occurs is tried; detections of at least the threshold are taken.

    Parameters
    ----------
    model : str
        Its name.
    rows : sequence of dict
        Of the image sheet, see `microtome.nucleus_images.image_rows`.
    predictions : str or Path
        The model's file of these images.
    validated : sequence of str
        Ids of the images that choose.
    match_um : float
        As in `microtome.nucleus_scores.matching.match_points`.

    Returns
    -------
    dict
        ``threshold``; ``precision``, ``recall`` and ``f`` there; ``images`` and ``nuclei``.

    Raises
    ------
    InputError
        If there are no true nuclei on the images, or the model found none.
    """
    images = {image.name: image for image in map(make_image, rows)}
    curve = curve_of_images(
        [images[name] for name in validated], read_predictions(predictions), within_um=match_um
    )
    threshold = curve.best_threshold()
    if threshold is None:
        raise InputError(
            f"models.{model}: {len(validated)} validation images hold {curve.n_true} nuclei, and"
            f" {curve.n_found.max(initial=0)} were found; both are needed for nuclei.threshold:"
            " validation"
        )
    at = int(np.flatnonzero(curve.threshold == threshold)[0])
    n_right, n_found = int(curve.n_right[at]), int(curve.n_found[at])
    rates = detection_rates(n_right=n_right, n_found=n_found, n_true=curve.n_true)
    return {"threshold": threshold, **rates, "images": len(validated), "nuclei": curve.n_true}
