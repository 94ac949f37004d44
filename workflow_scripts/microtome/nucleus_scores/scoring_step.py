"""From predictions of labelled images and their truth to the scores of a model."""

from collections.abc import Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.nucleus_images.prediction_file import read_predictions
from microtome.nucleus_images.sheet import load_image_sheet
from microtome.nucleus_scores.attribute_scores import score_attributes
from microtome.nucleus_scores.detection_scores import choose_threshold, score_detection
from microtome.nucleus_scores.segmentation_scores import score_segmentation


def choose_model_threshold(
    model: str,
    *,
    sheet: str | Path,
    predictions: str | Path,
    validated: Sequence[str],
    match_um: float,
) -> dict:
    """Choose the threshold of a model by validation images, see `choose_threshold`.

    `sheet` is that of the labelled images, `predictions` the model's file of them, `validated` the
    ids of the images that choose, `match_um` as in `match_points`.
    """
    images = {image.name: image for image in load_image_sheet(sheet)}
    return choose_threshold(
        model,
        [images[name] for name in validated],
        read_predictions(predictions),
        within_um=match_um,
    )


def score_model(
    model: str,
    entry: dict,
    *,
    sheet: str | Path,
    predictions: str | Path,
    tested: Sequence[dict],
    threshold: float | str,
    chosen: str | Path | None,
    match_um: float,
) -> dict:
    """Score a model on labelled images.

    Parameters
    ----------
    model, entry : str, dict
        Its name and its registry entry: ``kind``, ``spacing_um``, of a classifier ``attributes``.
    sheet, predictions : str or Path
        Of the labelled images, and the model's file of them.
    tested : sequence of dict
        The ``image`` and the ``part`` (fold or split) that it counts to.
    threshold : float or str
        Least confidence of detections; 'validation': what the file `chosen` says.
    match_um : float
        As in `microtome.nucleus_scores.matching.match_points`.

    Returns
    -------
    dict
        ``images``, a row each; ``parts``, a row each; of detectors ``curve``. See
        `score_detection`, `score_attributes`, `score_segmentation`.

    Raises
    ------
    InputError
        If no image tests the model, or one lacks what its kind is judged by.
    """
    if not tested:
        raise InputError(
            f"models.{model}: no image tests it; give some the split test in {sheet}, or a fold"
        )
    images = {image.name: image for image in load_image_sheet(sheet)}
    about = (images, read_predictions(predictions))
    if entry["kind"] == "nucleus_classifier":
        return score_attributes(*about, tested=tested, attributes=entry["attributes"])
    if entry["kind"] == "nucleus_segmenter":
        return score_segmentation(*about, tested=tested, spacing_um=entry["spacing_um"])
    taken = read_json(chosen)["threshold"] if chosen else threshold
    return score_detection(*about, tested=tested, threshold=taken, within_um=match_um)
