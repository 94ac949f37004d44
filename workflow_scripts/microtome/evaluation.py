"""How good the maps are: patches, pixels and burden, per slide and over the cohort."""

import numpy as np

from microtome.bands import band_rows, bands
from microtome.masks import resampled_rows
from microtome.rasters import Raster
from microtome.score_stores import Scores
from microtome.tumour import VIABLE

_CLASSES = ("other", "tumour")
_MOST_LIKELY = 0.5  # the more likely of two classes; maps have a threshold of their own


def confusion(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Counts of shape (2, 2), int64: row the truth, column the prediction, 0 other, 1 tumour."""
    truth, prediction = np.asarray(truth, bool), np.asarray(prediction, bool)
    n_true, n_predicted = np.count_nonzero(truth), np.count_nonzero(prediction)
    n_both = np.count_nonzero(truth & prediction)
    neither = truth.size - n_true - n_predicted + n_both
    return np.array([[neither, n_predicted - n_both], [n_true - n_both, n_both]], np.int64)


def classification_metrics(counts: np.ndarray) -> dict[str, float | None]:
    """Accuracy, balanced accuracy, and precision, recall and F1 of both classes.

    Parameters
    ----------
    counts : ndarray of shape (2, 2), int
        From `confusion`.

    Returns
    -------
    dict
        None where a figure is not defined (no such patch, or none predicted).
    """
    result = {"accuracy": _ratio(np.trace(counts), counts.sum())}
    recalls = [_ratio(counts[c, c], counts[c].sum()) for c in (0, 1)]
    result["balanced_accuracy"] = None if None in recalls else sum(recalls) / 2
    for c, name in enumerate(_CLASSES):
        result[f"precision_{name}"] = _ratio(counts[c, c], counts[:, c].sum())
        result[f"recall_{name}"] = recalls[c]
        result[f"f1_{name}"] = _ratio(2 * counts[c, c], counts[c].sum() + counts[:, c].sum())
    return result


def overlap_metrics(counts: np.ndarray) -> dict[str, float]:
    """Dice and Jaccard of the tumour class; 1 where neither truth nor prediction has any."""
    both, either = counts[1, 1], counts.sum() - counts[0, 0]
    if not either:
        return {"dice": 1.0, "jaccard": 1.0}
    return {"dice": float(2 * both / (both + either)), "jaccard": float(both / either)}


def pixel_confusion(truth: Raster, labels: Raster) -> np.ndarray:
    """Confusion of viable tumour over a whole slide, at the truth's resolution, in bands.

    Parameters
    ----------
    truth : Raster
        Truth map with the labels of `microtome.tumour`.
    labels : Raster
        Tumour map.

    Returns
    -------
    ndarray of shape (2, 2), int64
    """
    height, width = truth.shape
    ratio = truth.spacing_um / labels.spacing_um
    predicted = resampled_rows(labels.rows, labels.shape, truth.shape, ratio=ratio)
    counts = np.zeros((2, 2), np.int64)
    for band in bands(height, band_rows(width)):
        counts += confusion(truth.rows(*band) == VIABLE, predicted(*band) == VIABLE)
    return counts


def evaluate_slide(
    name: str,
    *,
    scores: Scores,
    labels: Raster,
    truth: Raster,
    burden: float,
    true_burden: float | None,
) -> dict:
    """All figures of one slide.

    Parameters
    ----------
    name : str
        The slide's id.
    scores : Scores
        Its patches, labelled; a patch is called tumour from a mean probability of 0.5 on. Those
        that could not be read do not count.
    labels, truth : Raster
        Its tumour map and its truth map.
    burden, true_burden : float
        Measured and true; the latter None where the whole tumour is not annotated.

    Returns
    -------
    dict
        ``metrics``: the slide's row of the table, None where not defined. ``patch_counts``: the
        confusion matrix of its patches, to be pooled.
    """
    means = scores.means()
    is_scored = ~np.isnan(means)
    patch_counts = confusion(scores.grid.label[is_scored] == 1, means[is_scored] >= _MOST_LIKELY)
    metrics = {
        "slide": name,
        "patches": int(patch_counts.sum()),
        **classification_metrics(patch_counts),
        **overlap_metrics(pixel_confusion(truth, labels)),
        "burden": burden,
        "true_burden": true_burden,
        "burden_error": None if true_burden is None else burden - true_burden,
    }
    return {"metrics": metrics, "patch_counts": patch_counts.tolist()}


def cohort_metrics(slides: list[dict]) -> dict:
    """Figures over the slides: patches pooled; Dice, Jaccard and burden as means over slides.

    Parameters
    ----------
    slides : list of dict
        From `evaluate_slide`.

    Returns
    -------
    dict
        The same figures as of a slide; ``burden_error`` is the mean absolute error. Slides where
        a figure is not defined are left out of its mean.
    """
    pooled = np.sum([slide["patch_counts"] for slide in slides], axis=0)

    def mean(key: str) -> float | None:
        values = [slide["metrics"][key] for slide in slides]
        known = [abs(v) if key == "burden_error" else v for v in values if v is not None]
        return sum(known) / len(known) if known else None

    averaged = ("dice", "jaccard", "burden", "true_burden", "burden_error")
    return {
        "slides": len(slides),
        "patches": int(pooled.sum()),
        **classification_metrics(pooled),
        **{key: mean(key) for key in averaged},
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
