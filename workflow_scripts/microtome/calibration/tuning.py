"""What a model's validation slides decide: the temperature of its probabilities, its threshold."""

from collections.abc import Mapping, Sequence

import numpy as np

from microtome.calibration.temperature import (
    best_threshold,
    count_codes,
    expected_calibration_error,
    fit_temperature,
)
from microtome.errors import InputError
from microtome.heatmaps.aligned import erase_glass, open_viable
from microtome.heatmaps.codes import apply_temperature
from microtome.heatmaps.step import open_stitcher


def tune(
    model: str, slides: Sequence[Mapping], *, is_calibrated: bool, **stitching: object
) -> dict:
    """Fit temperature and threshold of a model on heatmaps of slides it was not trained on.

    Parameters
    ----------
    slides : sequence of mapping
        Of each slide ``name``, and the files ``scores``, ``inspected``, ``tissue`` and ``truth``.
    is_calibrated : bool
        Whether heatmaps get the temperature; the threshold is then one of calibrated ones.
    **stitching
        What is left of the arguments of `open_stitcher`.

    Returns
    -------
    dict
        ``temperature`` (Guo et al. 2017; None where not asked for), ``threshold`` (of greatest
        Dice over the px of all slides together), the expected calibration error before and after,
        ``slides`` and ``px``.

    Raises
    ------
    InputError
        If the slides do not hold both classes.
    """
    counts = sum(_counts_of(slide, **stitching) for slide in slides)
    n_other, n_tumour = np.sum(counts, axis=0).tolist() if len(slides) else (0, 0)
    if not n_other or not n_tumour:
        raise InputError(
            f"models.{model}: the annotated slides of split validation hold {n_tumour} px of tumour"
            f" and {n_other} of other tissue; both are needed for threshold: validation and"
            " calibration.temperature"
        )
    found = {
        "temperature": None,
        "threshold": best_threshold(counts),
        "expected_calibration_error": expected_calibration_error(counts),
        "slides": [slide["name"] for slide in slides],
        "px": n_other + n_tumour,
    }
    if is_calibrated:
        temperature = fit_temperature(counts)
        calibrated = _at_temperature(counts, temperature)
        found |= {
            "temperature": temperature,
            "threshold": best_threshold(calibrated),
            "expected_calibration_error_after": expected_calibration_error(calibrated),
        }
    return found


def _counts_of(slide: Mapping, **stitching: object) -> np.ndarray:
    """Codes of the uncalibrated heatmap, stitched on the fly, against the truth."""
    stitcher, spacing_um = open_stitcher(
        slide["scores"],
        part="probability",
        inspected=slide["inspected"],
        name=slide["name"],
        **stitching,
    )
    pixels = {"shape": stitcher.shape, "spacing_um": spacing_um}
    encoded = erase_glass(stitcher.encoded_rows, slide["tissue"], **pixels)
    return count_codes(encoded, open_viable(slide["truth"], **pixels), stitcher.shape)


def _at_temperature(counts: np.ndarray, temperature: float) -> np.ndarray:
    """Move the counts of each code to the code that its probability has at a temperature."""
    steps = len(counts) - 1
    code = np.rint(apply_temperature(np.arange(len(counts)) / steps, temperature) * steps)
    found = np.zeros_like(counts)
    np.add.at(found, code.astype(np.int64), counts)
    return found
