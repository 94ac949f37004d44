"""Scores of a model that segments the nuclei of labelled images."""

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from microtome.errors import InputError
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.prediction_file import Predictions
from microtome.nucleus_scores.dice import (
    dice_ensemble,
    dice_mask,
    label_regions,
)
from microtome.nucleus_scores.parts import group_by_part, mean_of

_COEFFICIENTS = ("dice_average", "dice_mask", "dice_ensemble")


def score_segmentation(
    images: Mapping[str, LabelledImage],
    predictions: Predictions,
    *,
    tested: Iterable[Mapping[str, str]],
    spacing_um: float,
) -> dict:
    """Score the masks of nuclei of test images, at the model's spacing.

    Each connected region of a mask is one nucleus, as in the paper.

    Parameters
    ----------
    images, tested
        As in `microtome.nucleus_scores.detection_scores.score_detection`.
    predictions : Predictions
        Of the test images: ``mask``.
    spacing_um : float
        Of the masks, µm per px.

    Returns
    -------
    dict
        ``images``: a row each, with ``part``, ``image``, true ``nuclei``, regions ``found``,
        ``dice_average``, ``dice_mask``, ``dice_ensemble`` (see `microtome.nucleus_scores.dice`).
        The three are None where nothing is true and nothing was found. ``parts``:
        means over the images that have a figure, the number of ``images``, the sum of ``nuclei``.

    Raises
    ------
    InputError
        If a mask does not have the size of the truth.
    """

    @cache
    def score(name: str) -> dict:
        mask, truth = predictions[name]["mask"], images[name].read_labels(spacing_um)
        if mask.shape != truth.shape:
            height, width = truth.shape
            raise InputError(
                f"{images[name].about}: its labels are {width} x {height} px at {spacing_um} µm/px,"
                f" its prediction is {mask.shape[1]} x {mask.shape[0]} px; image and labels must"
                " have one size"
            )
        return _compare(mask, truth)

    rows = [{"part": t["part"], "image": t["image"], **score(t["image"])} for t in tested]
    parts = [
        {
            "part": part,
            "images": len(of_part),
            "nuclei": sum(row["nuclei"] for row in of_part),
            **{key: mean_of(of_part, key) for key in _COEFFICIENTS},
        }
        for part, of_part in group_by_part(rows).items()
    ]
    return {"images": rows, "parts": parts}


def _compare(mask: np.ndarray, truth: np.ndarray) -> dict:
    regions = label_regions(mask)
    first, second = dice_mask(mask, truth), dice_ensemble(regions, truth)
    average = None if first is None else (first + second) / 2
    return {
        "nuclei": len(np.unique(truth[truth != 0])),
        "found": int(regions.max(initial=0)),
        **dict(zip(_COEFFICIENTS, (average, first, second), strict=True)),
    }
