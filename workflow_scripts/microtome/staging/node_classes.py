"""Classes of lymph nodes, by forests and by size, one row a node."""

from collections.abc import Mapping, Sequence

from microtome.staging.feature_table import FEATURES, LARGEST, feature_matrix
from microtome.staging.forests import Forests, Prediction
from microtome.staging.pn_stages import CLASSES, FORESTS, SEEN
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


def prediction_rows(found: Prediction) -> list[dict]:
    """Tell of each slide the vote as ``class``, the class of each forest, mean probabilities."""
    votes, means = [CLASSES[c] for c in found.vote], found.mean.tolist()
    called = [[CLASSES[c] for c in of_slide] for of_slide in found.classes.T]
    return [
        dict(zip(_OF_FORESTS, (vote, *of_forests, *mean), strict=True))
        for vote, of_forests, mean in zip(votes, called, means, strict=True)
    ]


def classify_nodes(
    rows: Sequence[Mapping[str, str]],
    forests: Forests | None,
    crossed: Sequence[Mapping[str, str]],
    *,
    learnt: Sequence[str],
) -> list[dict]:
    """Classify the nodes of a table of features: a row of `COLUMNS` each.

    Without forests the size rule gives the class. Nodes that the forests were trained on (`learnt`)
    have it from `crossed`, the table `CROSS_VALIDATION`. ``how`` says where it is from:
    ``forests``, ``cross-validation``, ``forests trained on it`` (there was no cross-validation: too
    good to be true) or ``size rule``.
    """
    by_slide = {row["slide"]: row for row in crossed}
    said: list[dict] = [{} for _ in rows]
    if forests is not None:
        slides = [row["slide"] for row in rows]
        found = forests.predict(feature_matrix(rows), names=FEATURES, slides=slides)
        said = prediction_rows(found)
    found = []
    for row, asked in zip(rows, said, strict=True):
        by_size = size_class(float(row[LARGEST]))
        crossed_row = by_slide.get(row["slide"])
        if crossed_row:
            of_forests, how = {key: crossed_row[key] for key in _OF_FORESTS}, "cross-validation"
            of_forests |= {key: float(crossed_row[key]) for key in PROBABILITIES}
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
