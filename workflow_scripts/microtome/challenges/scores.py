"""Scores of four challenges, as their organizers publish them, from what was read of the files.

Every function gives a summary and one row a case; a score of all cases is None while one of them
is missing, and beside it stands the score of those that are there. Keys with ``_low`` and ``_high``
are 95 % intervals over the cases (`microtome.evaluation.intervals`; CAMELYON17's over patients).
"""

from collections.abc import Mapping, Sequence
from statistics import fmean, median

import numpy as np
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from microtome.challenges.froc import RATES, Froc, SlideHits, compute_froc
from microtome.challenges.mask_overlap import Overlap
from microtome.errors import InputError
from microtome.evaluation.intervals import Interval, bound_over_slides
from microtome.staging.kappa import bootstrap_interval, quadratic_kappa
from microtome.staging.pn_stages import STAGES

Scored = tuple[dict, list[dict]]

# Below these Jaccard indices a case of PAIP 2019 scores 0: the score's, and the tie breaker's.
_PAIP_CUT, _PAIP_TIE_CUT = 0.65, 0.35


def score_paip2019(
    overlaps: Mapping[str, Overlap | None],
    burdens: Mapping[str, float],
    true_burdens: Mapping[str, float],
) -> Scored:
    """Score PAIP 2019: segmentation of viable tumour (task 1) and its burden (task 2).

    `overlaps` are of every case of the truth, None where its mask was not submitted; burdens are
    percent of the whole tumour.

    Returns
    -------
    summary : dict
        ``task1``: mean over the cases of the Jaccard index, or 0 where that is below 0.65;
        ``task1_median_65`` and ``task1_mean_35``, which break ties: the median of the same, and
        the mean with 0.35 in place of 0.65. ``task2``: mean of (1 - abs(error) / 100) * task 1,
        a reading of the organizers' text, whose formula is not available. All are None while a
        case is missing; those with ``_present`` are over the cases there are.
    rows : list of dict
        ``case``, ``jaccard``, ``task1``, ``burden``, ``true_burden`` and ``task2``.
    """
    rows = []
    for case in sorted(overlaps):
        found, burden, true_burden = overlaps[case], burdens.get(case), true_burdens.get(case)
        jaccard = found.jaccard if found else None
        task1 = _cut(jaccard, _PAIP_CUT)
        task2 = None
        if task1 is not None and burden is not None and true_burden is not None:
            task2 = (1 - abs(burden - true_burden) / 100) * task1
        row = {"case": case, "jaccard": jaccard, "task1": task1, "burden": burden}
        rows.append(row | {"true_burden": true_burden, "task2": task2})
    first = [row["task1"] for row in rows]
    second = [row["task2"] for row in rows]
    summary = {
        "challenge": "paip2019",
        "cases": len(rows),
        "missing": [row["case"] for row in rows if row["task1"] is None],
        "task1": _average(first),
        **_bounds("task1", first),
        "task1_present": _average_present(first),
        "task1_median_65": _average(first, median),
        "task1_mean_35": _average([_cut(row["jaccard"], _PAIP_TIE_CUT) for row in rows]),
        "without_task2": [row["case"] for row in rows if row["task2"] is None],
        "task2": _average(second),
        **_bounds("task2", second),
        "task2_present": _average_present(second),
    }
    return summary, rows


def score_camelyon17(submitted: Mapping[str, str], truth: Mapping[str, str]) -> Scored:
    """Score CAMELYON17: quadratic kappa of the patients' stages, with a 95 % bootstrap interval.

    Both give the stage by patient, one of `STAGES` in upper or lower case. InputError is raised if
    a patient of the truth was not submitted.
    """
    spelling = {stage.casefold(): stage for stage in STAGES}
    rows = []
    for patient in sorted(truth):
        if patient not in submitted:
            raise InputError(f"patient {patient}: no stage was submitted; add its row")
        stage, true_stage = (spelling[of[patient].casefold()] for of in (submitted, truth))
        row = {"patient": patient, "stage": stage, "true_stage": true_stage}
        rows.append(row | {"right": int(stage == true_stage)})
    pair = [row["true_stage"] for row in rows], [row["stage"] for row in rows]
    low, high = bootstrap_interval(*pair, STAGES)
    summary = {
        "challenge": "camelyon17",
        "patients": len(rows),
        "kappa": quadratic_kappa(*pair, STAGES),
        "kappa_low": low,
        "kappa_high": high,
        "accuracy": fmean(row["right"] for row in rows),
    }
    return summary, rows


def score_camelyon16(
    is_tumour: Mapping[str, bool],
    *,
    probabilities: Mapping[str, float] | None,
    hits: Mapping[str, SlideHits] | None,
) -> Scored:
    """Score CAMELYON16: AUC over slides (task 2) and FROC over lesions (task 1).

    `is_tumour` is of every slide of the truth; probabilities (of a slide to hold tumour) and hits
    are None where that task was not entered. The AUC is None with one class of slides only, and
    ``froc``, the mean sensitivity at 1/4 to 8 false positives per slide, without any lesion, and so
    is ``froc_curve``: lists of ``false_positives`` per slide, falling, and ``sensitivity``.
    InputError is raised if a slide has no probability.
    """
    slides = sorted(is_tumour)
    auc, of_auc, of_froc = None, (None, None), (None, None)
    if probabilities is not None:
        for slide in slides:
            if slide not in probabilities:
                raise InputError(f"slide {slide}: has no probability; every slide must have one")
        truth = [is_tumour[slide] for slide in slides]
        if len(set(truth)) == 2:
            said = [probabilities[slide] for slide in slides]
            auc = float(roc_auc_score(truth, said))
            of_auc = _bound_auc(np.array(truth), np.array(said))
    curve = compute_froc([hits[slide] for slide in slides]) if hits is not None else None
    if curve and curve.score is not None:
        of_froc = _bound_froc([hits[slide] for slide in slides])
    at_rates = (curve and curve.at_rates) or [None] * len(RATES)
    summary = {
        "challenge": "camelyon16",
        "slides": len(slides),
        "auc": auc,
        **_name_bounds("auc", of_auc),
        "froc": curve.score if curve else None,
        **_name_bounds("froc", of_froc),
        **{f"sensitivity_at_{rate:g}": value for rate, value in zip(RATES, at_rates, strict=True)},
        "froc_curve": _points(curve) if curve else None,
    }
    rows = [
        {
            "slide": slide,
            "tumour": int(is_tumour[slide]),
            "probability": probabilities[slide] if probabilities is not None else None,
            **(_hit_counts(hits[slide]) if hits is not None else {}),
        }
        for slide in slides
    ]
    return summary, rows


def score_digestpath(overlaps: Mapping[str, Overlap | None]) -> Scored:
    """Score DigestPath 2019's segmentation: Dice per image.

    `overlaps` are of every image of the truth, None where its mask was not submitted. ``dice`` is
    the mean over all images, None while one is missing, and ``dice_present`` over those there are;
    of these alone ``dice_lesion`` and ``dice_lesion_free``, over images with and without any lesion
    in truth. An image without lesion scores 1 if none is predicted, else 0.

    Examples
    --------
    >>> found = {"a": Overlap(jaccard=0.6, dice=0.75, truth_px=9), "b": None}
    >>> summary, rows = score_digestpath(found)
    >>> summary["dice"], summary["dice_present"], summary["missing"]
    (None, 0.75, ['b'])
    """
    rows = [
        {
            "image": image,
            "dice": found.dice if found else None,
            "lesion_free": int(found.truth_px == 0) if found else None,
        }
        for image, found in sorted(overlaps.items())
    ]
    dice = [row["dice"] for row in rows]
    by_kind = [[row["dice"] for row in rows if row["lesion_free"] == kind] for kind in (0, 1)]
    summary = {
        "challenge": "digestpath",
        "images": len(rows),
        "missing": [row["image"] for row in rows if row["dice"] is None],
        "dice": _average(dice),
        **_bounds("dice", dice),
        "dice_present": _average_present(dice),
        "dice_lesion": _average(by_kind[0]),
        "dice_lesion_free": _average(by_kind[1]),
    }
    return summary, rows


def _cut(jaccard: float | None, least: float) -> float | None:
    return 0.0 if jaccard is not None and jaccard < least else jaccard


def _average(values: Sequence[float | None], mean=fmean) -> float | None:
    """Average, unless one is missing."""
    return mean(values) if values and None not in values else None


def _average_present(values: Sequence[float | None]) -> float | None:
    return _average([value for value in values if value is not None])


def _bounds(key: str, values: Sequence[float | None]) -> dict[str, float | None]:
    """Bound the mean over the cases, unless one is missing."""
    return _name_bounds(key, (None, None) if None in values else bound_over_slides(values))


def _name_bounds(key: str, bounds: Interval) -> dict[str, float | None]:
    return dict(zip((f"{key}_low", f"{key}_high"), bounds, strict=True))


def _bound_auc(is_tumour: np.ndarray, probability: np.ndarray) -> Interval:
    """Bound the AUC by samples of the slides; those of one class have none."""

    def auc(drawn: np.ndarray, axis: int) -> np.ndarray:
        positive = is_tumour[drawn]
        n_positive = positive.sum(axis)
        n_pairs = n_positive * (drawn.shape[axis] - n_positive)
        ranks = (rankdata(probability[drawn], axis=axis) * positive).sum(axis)
        above = ranks - n_positive * (n_positive + 1) / 2
        return np.where(n_pairs, above / np.maximum(n_pairs, 1), np.nan)

    return bound_over_slides(np.arange(len(is_tumour)), auc)


def _bound_froc(hits: Sequence[SlideHits]) -> Interval:
    """Bound the score of the FROC by samples of the slides; those without a lesion have none."""

    def froc(drawn: np.ndarray, axis: int) -> np.ndarray:
        samples = np.moveaxis(drawn, axis, -1).reshape(-1, len(hits))
        scores = [compute_froc([hits[i] for i in sample]).score for sample in samples.tolist()]
        return np.array(scores, float).reshape(np.delete(drawn.shape, axis))

    return bound_over_slides(np.arange(len(hits)), froc)


def _points(curve: Froc) -> dict[str, list[float]] | None:
    if curve.sensitivity is None:
        return None
    points = {"false_positives": curve.false_positives, "sensitivity": curve.sensitivity}
    return {name: values.tolist() for name, values in points.items()}


def _hit_counts(found: SlideHits) -> dict[str, int]:
    return {
        "lesions": int((~found.is_itc).sum()),
        "itc": int(found.is_itc.sum()),
        "hit": int((found.best > 0).sum()),
        "false_positives": len(found.false_positives),
    }
