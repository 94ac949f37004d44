"""How good the maps are: patches, pixels and burden, per slide and over the cohort."""

import numpy as np

from microtome.evaluation.boundaries import boundary_metrics
from microtome.inference.score_store import Scores
from microtome.patches.grid import UNKNOWN, label_patches
from microtome.rasters.bands import band_rows, bands
from microtome.rasters.label_tiff import Raster
from microtome.rasters.labels import VIABLE

CLASSES = ("other", "tumour")
# Figures of the cohort that are means over slides; those of patches are pooled.
_AVERAGED = (
    "share_correct",
    "dice",
    "jaccard",
    "boundary_f",
    "hausdorff95_um",
    "burden",
    "true_burden",
    "burden_error",
)


def confusion(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Count cases: (2, 2), int64, row the truth, column the prediction, 0 other, 1 tumour."""
    truth, prediction = np.asarray(truth, bool), np.asarray(prediction, bool)
    n_true, n_predicted = np.count_nonzero(truth), np.count_nonzero(prediction)
    n_both = np.count_nonzero(truth & prediction)
    neither = truth.size - n_true - n_predicted + n_both
    return np.array([[neither, n_predicted - n_both], [n_true - n_both, n_both]], np.int64)


def classification_metrics(counts: np.ndarray) -> dict[str, float | None]:
    """Compute accuracy, balanced accuracy, and precision, recall and F1 of both classes.

    From counts of `confusion`; None where a figure is not defined: there is no such patch, or none
    was predicted.

    Examples
    --------
    >>> found = classification_metrics(confusion([0, 0, 1, 1], [0, 1, 1, 1]))
    >>> found["accuracy"], found["precision_other"], found["recall_tumour"]
    (0.75, 1.0, 1.0)
    """
    result = {"accuracy": _ratio(np.trace(counts), counts.sum())}
    recalls = [_ratio(counts[c, c], counts[c].sum()) for c in (0, 1)]
    result["balanced_accuracy"] = None if None in recalls else sum(recalls) / 2
    for c, name in enumerate(CLASSES):
        result[f"precision_{name}"] = _ratio(counts[c, c], counts[:, c].sum())
        result[f"recall_{name}"] = recalls[c]
        result[f"f1_{name}"] = _ratio(2 * counts[c, c], counts[c].sum() + counts[:, c].sum())
    return result


def overlap_metrics(counts: np.ndarray) -> dict[str, float]:
    """Compute Dice and Jaccard of the tumour class; 1 where neither has any.

    Examples
    --------
    >>> overlap_metrics(confusion([0, 0, 1, 1], [0, 1, 1, 1]))
    {'dice': 0.8, 'jaccard': 0.6666666666666666}
    """
    both, either = counts[1, 1], counts.sum() - counts[0, 0]
    if not either:
        return {"dice": 1.0, "jaccard": 1.0}
    return {"dice": float(2 * both / (both + either)), "jaccard": float(both / either)}


def pixel_confusion(truth: Raster, labels: Raster) -> np.ndarray:
    """Count px of viable tumour of truth and tumour map in bands, at the truth's resolution.

    Both have the labels of `microtome.rasters.labels`; the counts are those of `confusion`.
    """
    height, width = truth.shape
    predicted = labels.rows_on(truth.shape, truth.spacing_um)
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
    label_rule: str,
    min_tumour_fraction: float,
    min_tissue_fraction: float,
    max_white_fraction: float,
    boundary_tolerance_um: float,
) -> dict:
    """Compute all figures of one slide.

    Parameters
    ----------
    name : str
        The slide's id.
    scores : Scores
        Its patches, labelled. What the network calls tumour in a patch is judged by the rule that
        labelled it: a patch of one value is tumour from a probability of 0.5 on. Those that could
        not be read do not count, nor those that `Scores.are_kept` leaves out.
    labels, truth : Raster
        Its tumour map and its truth map.
    burden, true_burden : float
        Measured and true; the latter None where the whole tumour is not annotated.
    label_rule, min_tumour_fraction : str, float
        The rule of `microtome.patches.grid.label_patches`.
    min_tissue_fraction, max_white_fraction : float
        The rule of `Scores.are_kept`: what is nearly all glass is easily called right, and is no
        patch of the papers.
    boundary_tolerance_um : float
        Up to this distance a pixel of a boundary counts as found.

    Returns
    -------
    dict
        ``metrics``: the slide's row of the table, None where not defined; ``patches`` are those
        that count, ``scored_patches`` all that have a score and a truth. ``patch_counts`` and
        ``pixel_counts``: confusion matrices of the patches that count, and of all px, to be pooled.
    """
    called = label_patches(
        scores.tumour_shares(), rule=label_rule, min_tumour_fraction=min_tumour_fraction
    )
    is_scored = called != UNKNOWN
    counts = is_scored & scores.are_kept(
        min_tissue_fraction=min_tissue_fraction, max_white_fraction=max_white_fraction
    )
    pixel_counts = pixel_confusion(truth, labels)
    patch_counts = confusion(scores.grid.label[counts] == 1, called[counts] == 1)
    of_patches = classification_metrics(patch_counts)
    metrics = {
        "slide": name,
        "patches": int(patch_counts.sum()),
        "scored_patches": int(np.count_nonzero(is_scored)),
        **of_patches,
        "share_correct": of_patches["accuracy"],
        **overlap_metrics(pixel_counts),
        **boundary_metrics(truth, labels, tolerance_um=boundary_tolerance_um),
        "burden": burden,
        "true_burden": true_burden,
        "burden_error": None if true_burden is None else burden - true_burden,
    }
    counts = {"patch_counts": patch_counts.tolist(), "pixel_counts": pixel_counts.tolist()}
    return {"metrics": metrics, **counts}


def cohort_metrics(slides: list[dict]) -> dict:
    """Compute the figures of `evaluate_slide` over the slides: of patches pooled, others as means.

    ``share_correct`` is the paper's proportion of correct patches, a mean over slides, while
    ``accuracy`` is of all patches in one heap; likewise ``dice`` is a mean, and ``pooled_dice`` of
    all px in one heap (the paper's "overall dice similarity" may be either). ``patch_counts``
    are those of `confusion`. ``burden_error`` is
    the mean absolute error. Slides where a figure is not defined are left out of its mean.
    """
    pooled, pixels = (
        np.sum([slide[key] for slide in slides], axis=0) for key in ("patch_counts", "pixel_counts")
    )

    def mean(key: str) -> float | None:
        values = [slide["metrics"][key] for slide in slides]
        known = [abs(v) if key == "burden_error" else v for v in values if v is not None]
        return sum(known) / len(known) if known else None

    return {
        "slides": len(slides),
        "patches": int(pooled.sum()),
        "scored_patches": sum(slide["metrics"]["scored_patches"] for slide in slides),
        "patch_counts": pooled.tolist(),
        **classification_metrics(pooled),
        "pooled_dice": overlap_metrics(pixels)["dice"],
        **{key: mean(key) for key in _AVERAGED},
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
