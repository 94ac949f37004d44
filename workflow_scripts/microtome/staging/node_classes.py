"""Classes of lymph nodes, by forests and by size, one row a node."""

from collections.abc import Mapping, Sequence

import numpy as np

from microtome.staging.feature_step import LARGEST
from microtome.staging.features import FEATURES
from microtome.staging.forests import FORESTS, Forests, Prediction
from microtome.staging.patients import SEEN
from microtome.staging.pn_stages import CLASSES
from microtome.staging.size_rule import size_class

PROBABILITIES = tuple(f"p_{name}" for name in CLASSES)
_OF_FORESTS = ("class", *FORESTS, *PROBABILITIES)
CROSS_VALIDATION = ("slide", "fold", *_OF_FORESTS)
COLUMNS = (
    "slide",
    "patient",
    "node",
    "truth",
    "class",
    "how",
    *FORESTS,
    *PROBABILITIES,
    "size_rule",
    LARGEST,
)


def feature_matrix(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """The features of a table of nodes: ndarray of shape (n, 32), float64, in `FEATURES`' order."""
    cells = [[float(row[name]) for name in FEATURES] for row in rows]
    return np.array(cells, np.float64).reshape(len(rows), len(FEATURES))


def prediction_rows(found: Prediction) -> list[dict]:
    """What forests say of each slide: ``class``, that of each forest, mean probabilities."""
    return [
        {"class": CLASSES[found.vote[i]]}
        | {
            name: CLASSES[of_forest[i]]
            for name, of_forest in zip(FORESTS, found.classes, strict=True)
        }
        | dict(zip(PROBABILITIES, map(float, found.mean[i]), strict=True))
        for i in range(len(found.vote))
    ]


def classified(
    rows: Sequence[Mapping[str, str]],
    forests: Forests | None,
    crossed: Sequence[Mapping[str, str]],
    *,
    learnt: Sequence[str],
) -> list[dict]:
    """Classify the nodes.

    Parameters
    ----------
    rows : sequence of mapping
        The table of features.
    forests : Forests, optional
        Without them the size rule gives the class.
    crossed : sequence of mapping
        `CROSS_VALIDATION`: of nodes that the forests were trained on, by forests that were not.
    learnt : sequence of str
        The slides that the forests were trained on.

    Returns
    -------
    list of dict
        `COLUMNS`; ``how`` says where ``class`` is from: ``forests``, ``cross-validation``,
        ``forests trained on it`` (there was no cross-validation: too good to be true) or
        ``size rule``.
    """
    by_slide = {row["slide"]: row for row in crossed}
    said: list[dict] = [{} for _ in rows]
    if forests is not None:
        said = prediction_rows(
            forests.predict(
                feature_matrix(rows), names=FEATURES, slides=[row["slide"] for row in rows]
            )
        )
    found = []
    for row, asked in zip(rows, said, strict=True):
        by_size = size_class(float(row[LARGEST]))
        crossed_row = by_slide.get(row["slide"])
        if crossed_row:
            of_forests, how = _of_forests(crossed_row), "cross-validation"
        elif asked:
            of_forests, how = asked, SEEN if row["slide"] in learnt else "forests"
        else:
            of_forests, how = {"class": by_size}, "size rule"
        found.append(
            {"slide": row["slide"], "patient": row["patient"], "node": row["node"]}
            | {"truth": row["label"], **of_forests, "how": how}
            | {"size_rule": by_size, LARGEST: float(row[LARGEST])}
        )
    return found


def _of_forests(row: Mapping[str, str]) -> dict:
    return {key: float(row[key]) if key in PROBABILITIES else row[key] for key in _OF_FORESTS}
