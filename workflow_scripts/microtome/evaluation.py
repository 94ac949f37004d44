"""How good the maps are: patches, pixels and burden, per slide and over the cohort."""

import numpy as np

from microtome.rasters import TILE_PX, Raster
from microtome.score_stores import Scores
from microtome.tumour import VIABLE

_CLASSES = ("other", "tumour")
_MOST_LIKELY = 0.5  # the more likely of two classes; maps have a threshold of their own


def confusion(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Counts of shape (2, 2), int64: row the truth, column the prediction, 0 other, 1 tumour."""
    pairs = 2 * truth.astype(np.int64).ravel() + prediction.astype(np.int64).ravel()
    return np.bincount(pairs, minlength=4).reshape(2, 2)


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


def pixel_confusion(truth: Raster, labels: np.ndarray, *, spacing_um: float) -> np.ndarray:
    """Confusion of viable tumour over a whole slide, at the truth's resolution, in bands.

    Parameters
    ----------
    truth : Raster
        Truth map with the labels of `microtome.tumour`.
    labels : ndarray of shape (height, width), uint8
        Tumour map at `spacing_um` µm/px.

    Returns
    -------
    ndarray of shape (2, 2), int64
    """
    counts = np.zeros((2, 2), np.int64)
    height, width = truth.shape
    ratio = truth.spacing_um / spacing_um
    column = np.minimum(((np.arange(width) + 0.5) * ratio).astype(np.int64), labels.shape[1] - 1)
    for top in range(0, height, TILE_PX):
        n_rows = min(TILE_PX, height - top)
        row = ((np.arange(top, top + n_rows) + 0.5) * ratio).astype(np.int64)
        predicted = labels[np.ix_(np.minimum(row, labels.shape[0] - 1), column)] == VIABLE
        counts += confusion(truth.rows(top, n_rows) == VIABLE, predicted)
    return counts


def evaluate_slide(
    name: str,
    *,
    scores: Scores,
    labels: np.ndarray,
    spacing_um: float,
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
        Its patches, labelled; a patch is called tumour from a mean probability of 0.5 on.
    labels : ndarray of shape (height, width), uint8
        Its tumour map at `spacing_um` µm/px.
    truth : Raster
        Its truth map.
    burden, true_burden : float
        Measured and true; the latter None where the whole tumour is not annotated.

    Returns
    -------
    dict
        ``metrics``: the slide's row of the table, None where not defined. ``patch_counts``: the
        confusion matrix of its patches, to be pooled.
    """
    patch_counts = confusion(
        scores.grid.label == 1, scores.probability.mean((1, 2)) >= _MOST_LIKELY
    )
    metrics = {
        "slide": name,
        "patches": int(patch_counts.sum()),
        **classification_metrics(patch_counts),
        **overlap_metrics(pixel_confusion(truth, labels, spacing_um=spacing_um)),
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
