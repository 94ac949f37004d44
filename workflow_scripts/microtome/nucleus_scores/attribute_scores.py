"""Scores of a model that tells attributes of the nucleus in the centre of a labelled image."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from microtome.errors import InputError
from microtome.nucleus_images.labelled_image import LabelledImage
from microtome.nucleus_images.prediction_file import Predictions
from microtome.nucleus_scores.auroc import attribute_aurocs
from microtome.nucleus_scores.parts import group_by_part


def score_attributes(
    images: Mapping[str, LabelledImage],
    predictions: Predictions,
    *,
    tested: Iterable[Mapping[str, str]],
    attributes: Sequence[str],
) -> dict:
    """Score the attributes of the nuclei of test images.

    Parameters
    ----------
    images, tested
        As in `microtome.nucleus_scores.detection_scores.score_detection`.
    predictions : Predictions
        Of the test images: ``probability`` of each attribute.
    attributes : sequence of str
        Their names, in this order.

    Returns
    -------
    dict
        ``images``: a row each, with ``part``, ``image``, of each attribute its name (1: the nucleus
        has it) and ``NAME probability``. ``parts``: a row each, with ``images``, ``nuclei`` (as
        many), ``auroc`` (mean over attributes), ``aurocs`` (by name) and ``left_out``: the names of
        attributes that all nuclei of the part have, or none has, which have no AUROC.

    Raises
    ------
    InputError
        If the sheet says nothing of attributes.
    """
    rows = []
    for one in tested:
        image = images[one["image"]]
        if image.attributes is None:
            raise InputError(
                f"{image.about}: the image sheet has no column attributes; add it, with the"
                " attributes of the nucleus in the centre of each image"
            )
        row = {"part": one["part"], "image": image.name}
        probabilities = predictions[image.name]["probability"].tolist()
        for name, probability in zip(attributes, probabilities, strict=True):
            row |= {name: int(name in image.attributes), f"{name} probability": probability}
        rows.append(row)
    parts = [
        _score_part(part, of_part, attributes) for part, of_part in group_by_part(rows).items()
    ]
    return {"images": rows, "parts": parts}


def _score_part(part: str, rows: Sequence[Mapping], attributes: Sequence[str]) -> dict:
    has = np.array([[row[name] for name in attributes] for row in rows], bool)
    probability = np.array([[row[f"{name} probability"] for name in attributes] for row in rows])
    aurocs = attribute_aurocs(probability, has, attributes)
    known = [value for value in aurocs.values() if value is not None]
    return {
        "part": part,
        "images": len(rows),
        "nuclei": len(rows),
        "auroc": sum(known) / len(known) if known else None,
        "aurocs": aurocs,
        "left_out": [name for name, value in aurocs.items() if value is None],
    }
