"""Px of evaluated slides counted by probability, truth and uncertainty, and rows made of that."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from microtome.calibration.ranking import Ranking
from microtome.calibration.temperature import (
    brier,
    count_codes,
    expected_calibration_error,
    negative_log_likelihood,
)
from microtome.heatmaps.aligned import erase_glass, open_viable
from microtome.heatmaps.codes import NO_DATA, decode
from microtome.io.atomic import atomic
from microtome.rasters.label_tiff import open_raster
from microtome.uncertainty.error_detection import auroc, error_counts
from microtome.uncertainty.summary import LARGEST_VARIANCE

_CODES = "codes"


def count_pixels(
    *,
    heatmap: str | Path,
    tissue: str | Path,
    truth: str | Path,
    uncertainty: Mapping[str, str | Path],
    threshold: float,
) -> dict[str, np.ndarray]:
    """Count the scored tissue px of a slide.

    Parameters
    ----------
    uncertainty : mapping of str to str or Path
        ``aleatoric`` and ``epistemic``, those there are; variances on the heatmap's px.
    threshold : float
        From this probability on a px is called tumour.

    Returns
    -------
    dict of str to ndarray
        ``codes``: see `microtome.calibration.temperature.count_codes`. Of each uncertainty map the
        counts of `microtome.uncertainty.error_detection.error_counts`: whether the px that are
        called wrong are those of large variance.
    """
    opened = open_raster(heatmap)
    pixels = {"shape": opened.shape, "spacing_um": opened.spacing_um}
    encoded = erase_glass(opened.rows, tissue, **pixels)
    viable = open_viable(truth, **pixels)
    found = {_CODES: count_codes(encoded, viable, opened.shape)}

    def wrong(first: int, n: int) -> np.ndarray:
        return (np.nan_to_num(decode(encoded(first, n))) >= threshold) != viable(first, n)

    for kind, path in uncertainty.items():
        variance = open_raster(path)

        def of_tissue(first: int, n: int, variance=variance) -> np.ndarray:
            return np.where(encoded(first, n) == NO_DATA, np.nan, variance.rows(first, n))

        found[kind] = error_counts(of_tissue, wrong, opened.shape, largest=LARGEST_VARIANCE)
    return found


def save_counts(path: str | Path, counts: Mapping[str, np.ndarray]) -> None:
    """Write what `count_pixels` found as NPZ.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save_counts(Path(folder) / "a.npz", {"codes": np.eye(2, dtype=int)})
    ...     load_counts(Path(folder) / "a.npz")
    {'codes': array([[1, 0],
           [0, 1]])}
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **counts)


def load_counts(path: str | Path) -> dict[str, np.ndarray]:
    """Read what `save_counts` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def codes_by_model(found: Iterable[tuple[str, dict]]) -> dict[str, np.ndarray]:
    """Sum the codes of (model, counts) over the slides of each model."""
    sums: dict[str, np.ndarray] = {}
    for model, counts in found:
        sums[model] = sums.get(model, 0) + counts[_CODES]
    return sums


def calibration_rows(
    codes: Mapping[str, np.ndarray], rankings: Mapping[str, Ranking | None]
) -> list[dict]:
    """One row a model: how well its probabilities are calibrated, over all px of all slides.

    And how well they rank these: the areas under the curves of its ranking, where it has one.
    """
    return [
        {
            "model": model,
            "px": int(counts.sum()),
            "tumour_share": float(counts[:, 1].sum() / counts.sum()) if counts.any() else None,
            "expected_calibration_error": expected_calibration_error(counts),
            "brier": brier(counts),
            "negative_log_likelihood": negative_log_likelihood(counts),
            "auroc": rankings[model].auroc if rankings[model] else None,
            "average_precision": rankings[model].average_precision if rankings[model] else None,
        }
        for model, counts in codes.items()
    ]


def error_detection_rows(
    found: Iterable[tuple[str, str, dict]], intervals: Mapping[tuple[str, str], dict]
) -> list[dict]:
    """Whether a model is unsure where it is wrong: one row a slide, and one of all its slides.

    `found` are model, slide and what `count_pixels` counted; `intervals` are of ensembles,
    ``burden_low``, ``burden_high`` and ``true_burden``, None where that is not known. Slide 'all'
    is of all px together. An AUROC is None where there is no such map, or nothing is wrong;
    ``covered`` is 1 or 0, of all slides how many of those it is known of.
    """
    by_model: dict[str, list[tuple[str, dict]]] = defaultdict(list)
    for model, slide, counts in found:
        by_model[model].append((slide, counts))
    rows = []
    for model, slides in by_model.items():
        of_slides = [
            _row(model, slide, counts, intervals.get((model, slide), {}))
            for slide, counts in slides
        ]
        total: dict[str, np.ndarray] = {}
        for _, counts in slides:
            total = {kind: total.get(kind, 0) + values for kind, values in counts.items()}
        known = [row["covered"] for row in of_slides if row["covered"] is not None]
        pooled = _row(model, "all", total, {})
        pooled["covered"] = f"{sum(known)} of {len(known)}" if known else None
        rows += [*of_slides, pooled]
    return rows


def _row(model: str, slide: str, counts: dict, interval: dict) -> dict:
    low, high, truth = (interval.get(key) for key in ("burden_low", "burden_high", "true_burden"))
    known = None not in (low, high, truth)
    kinds = ("aleatoric", "epistemic")
    aurocs = {f"auroc_{k}": auroc(counts[k]) if k in counts else None for k in kinds}
    return {
        "model": model,
        "slide": slide,
        **aurocs,
        "burden_low": low,
        "burden_high": high,
        "true_burden": truth,
        "covered": int(low <= truth <= high) if known else None,
    }
