"""The threshold of a model, given or chosen by its validation slides."""

from pathlib import Path

from microtome.io.atomic import read_json


def set_chosen_threshold(segmentation: dict, calibration: str | Path | None) -> dict:
    """Put the threshold that validation slides chose into the settings of a segmentation.

    Parameters
    ----------
    segmentation : dict
        The config's section ``segmentation`` for a model.
    calibration : str or Path, optional
        What `microtome.calibration.tuning.tune` found, JSON; None if the threshold is given.
    """
    if not calibration:
        return segmentation
    return {**segmentation, "threshold": read_json(calibration)["threshold"]}
