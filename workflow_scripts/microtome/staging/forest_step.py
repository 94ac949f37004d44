"""Training the forests of pN staging and asking them, from tables to tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import read_table, write_table
from microtome.staging.cross_validation import Slides, Validation, cross_validate
from microtome.staging.features import FEATURES
from microtome.staging.forest_files import read_forests, write_forests
from microtome.staging.forests import Forests
from microtome.staging.node_classes import (
    CROSS_VALIDATION,
    classified,
    feature_matrix,
    prediction_rows,
)
from microtome.staging.pn_stages import CLASSES

# One feature is counted in px of the heatmap: forests know heatmaps of one spacing only.
_SPACING_TOLERANCE = 0.05
_IMPORTANCES = ("feature", "impurity", "impurity_sd", "permutation", "permutation_sd")


def train(
    table: str | Path,
    *,
    annotated: Sequence[str],
    spacing_um: float,
    trees: int,
    folds: int,
    seed: int,
    forests: str | Path,
    cross_validation: str | Path,
    validation: str | Path,
    importances: str | Path,
) -> None:
    """Train forests on the nodes that have a label and are not of split test, and validate them.

    Parameters
    ----------
    table : str or Path
        Features of all nodes.
    annotated : sequence of str
        Slides with outlines.
    spacing_um : float
        Of the heatmaps.
    trees, folds, seed
        See `microtome.staging.cross_validation.cross_validate`.
    forests : str or Path
        ``.safetensors`` to write, and a JSON beside it.
    cross_validation : str or Path
        Table to write: what forests say of the nodes of patients they have not seen.
    validation : str or Path
        JSON to write: kappas, confusion matrices and settings of the cross-validation, notes.
    importances : str or Path
        Table to write: a row a feature.
    """
    rows = [r for r in read_table(table) if r["label"] and r["split"] != "test"]
    slides = Slides(
        features=feature_matrix(rows),
        classes=np.array([CLASSES.index(row["label"]) for row in rows]),
        annotated=np.array([row["slide"] in annotated for row in rows]),
        patients=np.array([row["patient"] for row in rows]),
        names=np.array([row["slide"] for row in rows]),
        feature_names=FEATURES,
    )
    found = cross_validate(slides, seed=seed, n_trees=trees, n_folds=folds)
    trained = slides.train(seed=seed, n_trees=trees, **found.chosen)
    card = {"spacing_um": spacing_um, "slides": slides.names.tolist()}
    write_forests(forests, trained, card=card)
    write_table(cross_validation, _crossed(slides, found), columns=CROSS_VALIDATION)
    write_json(validation, _summary(found, trained))
    write_table(importances, found.importances, columns=_IMPORTANCES)


def classify(
    table: str | Path,
    *,
    forests: str | Path | None,
    cross_validation: str | Path | None,
    spacing_um: float,
) -> list[dict]:
    """Classify all nodes.

    Parameters
    ----------
    table : str or Path
        Their features.
    forests, cross_validation : str or Path, optional
        What `train` wrote, here or elsewhere.
    spacing_um : float
        Of the heatmaps.

    Returns
    -------
    list of dict
        See `microtome.staging.node_classes.classified`.

    Raises
    ------
    InputError
        The forests cannot be read, or know heatmaps of another spacing.
    """
    rows = read_table(table)
    crossed = read_table(cross_validation) if cross_validation else []
    if not forests:
        return classified(rows, None, crossed, learnt=[])
    trained, card = read_forests(forests)
    known_um = card.get("spacing_um", spacing_um)
    if abs(known_um / spacing_um - 1) > _SPACING_TOLERANCE:
        raise InputError(
            f"forests {forests}: were trained on heatmaps of {known_um:g} µm/px; set"
            f" heatmap.spacing_um, which is {spacing_um:g}, to that"
        )
    return classified(rows, trained, crossed, learnt=card.get("slides", []))


def _crossed(slides: Slides, found: Validation) -> list[dict]:
    """What was found of each slide; nothing where there was no cross-validation."""
    if found.prediction is None:
        return []
    said = zip(slides.names, found.fold, prediction_rows(found.prediction), strict=True)
    return [{"slide": name, "fold": fold, **row} for name, fold, row in said]


def _summary(found: Validation, trained: Forests) -> dict:
    return {
        "classes": list(CLASSES),
        "chosen": found.chosen,
        "kappas": found.kappas,
        "settings": found.settings,
        "confusion": {name: matrix.tolist() for name, matrix in found.confusion.items()},
        "trained_on": trained.settings["slides"],
        "notes": [*trained.notes, *found.notes],
    }
