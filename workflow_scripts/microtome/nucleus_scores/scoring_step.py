"""From predictions of labelled images and their truth to the scores of a model."""

from collections.abc import Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.nucleus_images.labelled_image import make_image
from microtome.nucleus_images.prediction_file import read_predictions
from microtome.nucleus_scores.attribute_scores import score_attributes
from microtome.nucleus_scores.detection_scores import score_detection
from microtome.nucleus_scores.segmentation_scores import score_segmentation


def score_model(
    model: str,
    entry: dict,
    *,
    rows: Sequence[dict],
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
    rows : sequence of dict
        Of the image sheet, see `microtome.nucleus_images.image_rows`.
    predictions : str or Path
        The model's file of these images.
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
        `score_detection`, `score_attributes`, `score_segmentation`. And ``predicted``, the number
        of images in the file.

    Raises
    ------
    InputError
        If no image tests the model, or one lacks what its kind is judged by.
    """
    if not tested:
        raise InputError(
            f"models.{model}: no labelled image tests it; give some the split test, or a fold, in"
            " the sheet of nuclei.images"
        )
    images = {image.name: image for image in map(make_image, rows)}
    about = (images, read_predictions(predictions))
    if entry["kind"] == "nucleus_classifier":
        scores = score_attributes(*about, tested=tested, attributes=entry["attributes"])
    elif entry["kind"] == "nucleus_segmenter":
        scores = score_segmentation(*about, tested=tested, spacing_um=entry["spacing_um"])
    else:
        taken = read_json(chosen)["threshold"] if chosen else threshold
        scores = score_detection(*about, tested=tested, threshold=taken, within_um=match_um)
    return {**scores, "predicted": len(about[1])}
