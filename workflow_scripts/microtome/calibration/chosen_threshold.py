"""The threshold of a model, given or chosen by its validation slides."""

from pathlib import Path

from microtome.io.atomic import read_json


def set_chosen_threshold(segmentation: dict, calibration: str | Path | None) -> dict:
    """Put the threshold that validation slides chose into the settings of a segmentation.

    `calibration` is the JSON of what `microtome.calibration.tuning.tune` found; None if the
    threshold is given.

    Examples
    --------
    >>> set_chosen_threshold({"threshold": 0.7, "opening_um": 32}, None)
    {'threshold': 0.7, 'opening_um': 32}
    """
    if not calibration:
        return segmentation
    return {**segmentation, "threshold": read_json(calibration)["threshold"]}
