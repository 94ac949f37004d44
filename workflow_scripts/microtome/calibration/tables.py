"""Reading px counts and intervals of burdens for the calibration tables."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from microtome.calibration.pixel_counts import load_counts
from microtome.io.tables import read_table


def read_counts(
    which: Iterable[dict], paths: Iterable[str | Path]
) -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """Read counts of px: model, slide and counts of each file; `which` says model and slide."""
    return [
        (one["model"], one["slide"], load_counts(path))
        for one, path in zip(which, paths, strict=True)
    ]


def intervals_of(
    which: Sequence[dict],
    *,
    tables: Mapping[str, str | Path],
    evaluations: Sequence[str | Path],
) -> dict[tuple[str, str], dict]:
    """Between what bounds ensembles see the burden, and what it is, by model and slide.

    `which` says ``model`` and ``slide``, model by model; `tables` are those of uncertainty, of
    each ensemble, and `evaluations` those of all models, in their order. ``true_burden`` is None
    where the whole tumour is not annotated.
    """
    models = dict.fromkeys(one["model"] for one in which)
    found = {}
    for model, evaluation in zip(models, evaluations, strict=True):
        if model not in tables:
            continue
        truth = {row["slide"]: row["true_burden"] for row in read_table(evaluation)}
        for row in read_table(tables[model]):
            if row["slide"] in truth:
                found[model, row["slide"]] = {
                    "burden_low": float(row["burden_low"]),
                    "burden_high": float(row["burden_high"]),
                    "true_burden": float(truth[row["slide"]]) if truth[row["slide"]] else None,
                }
    return found
