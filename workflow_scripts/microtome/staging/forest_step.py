"""Training the forests of pN staging and asking them, from tables to tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import read_table, write_table
from microtome.staging.cross_validation import cross_validate
from microtome.staging.feature_table import FEATURES, feature_matrix
from microtome.staging.forest_files import read_forests, write_forests
from microtome.staging.forests import Slides, train_forests
from microtome.staging.node_classes import CROSS_VALIDATION, classify_nodes, prediction_rows
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
    draws: int,
    min_leaf: int,
    max_features: str | float,
    folds: int,
    seed: int,
    forests: str | Path,
    cross_validation: str | Path,
    validation: str | Path,
    importances: str | Path,
) -> None:
    """Train forests on the nodes that have a label and are not of split test, and validate them.

    `table` holds the features of all nodes, `annotated` are the slides with outlines, `spacing_um`
    is that of the heatmaps; `trees`, `draws`, `min_leaf` and `max_features` are those of
    `microtome.staging.forests.train_forests`. Written are `forests` (``.safetensors`` and a JSON
    beside it); the tables `cross_validation`, what forests say of the nodes of patients they have
    not seen, and `importances`, a row a feature; and the JSON `validation`: kappas, confusion
    matrices and notes.
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
    settings = {
        "seed": seed,
        "n_trees": trees,
        "n_draws": draws,
        "min_leaf": min_leaf,
        "max_features": max_features,
    }
    found = cross_validate(slides, n_folds=folds, **settings)
    trained = train_forests(slides, **settings)
    card = {"spacing_um": spacing_um, "slides": slides.names.tolist()}
    write_forests(forests, trained, card=card)
    crossed = []
    if found.prediction is not None:
        said = zip(slides.names, found.fold, prediction_rows(found.prediction), strict=True)
        crossed = [{"slide": name, "fold": fold, **row} for name, fold, row in said]
    write_table(cross_validation, crossed, columns=CROSS_VALIDATION)
    summary = {
        "classes": list(CLASSES),
        "kappas": found.kappas,
        "confusion": {name: matrix.tolist() for name, matrix in found.confusion.items()},
        "trained_on": trained.settings["slides"],
        "notes": [*trained.notes, *found.notes],
    }
    write_json(validation, summary)
    write_table(importances, found.importances, columns=_IMPORTANCES)


def classify(
    table: str | Path,
    *,
    forests: str | Path | None,
    cross_validation: str | Path | None,
    spacing_um: float,
) -> list[dict]:
    """Read what `microtome.staging.node_classes.classify_nodes` needs, and call it.

    `forests` and `cross_validation` are what `train` wrote, here or elsewhere. Forests that cannot
    be read, or know heatmaps of another spacing than `spacing_um`, are an InputError.
    """
    rows = read_table(table)
    crossed = read_table(cross_validation) if cross_validation else []
    if not forests:
        return classify_nodes(rows, None, crossed, learnt=[])
    trained, card = read_forests(forests)
    known_um = card.get("spacing_um", spacing_um)
    if abs(known_um / spacing_um - 1) > _SPACING_TOLERANCE:
        raise InputError(
            f"forests {forests}: were trained on heatmaps of {known_um:g} µm/px; set"
            f" heatmap.spacing_um, which is {spacing_um:g}, to that"
        )
    return classify_nodes(rows, trained, crossed, learnt=card.get("slides", []))
