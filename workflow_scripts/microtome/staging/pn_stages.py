"""The pN stage of a patient from the classes of the lymph nodes, by the rules of CAMELYON17.

Table 3 of "A generalized deep learning framework for whole-slide image segmentation and analysis"
(2021), which is the challenge's own, a simplified TNM.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from microtome.errors import InputError

CLASSES = ("negative", "itc", "micro", "macro")
STAGES = ("pN0", "pN0(i+)", "pN1mi", "pN1", "pN2")
BEYOND = "pN3"
# What gives nodes a class: partial or complete training data, imbalanced or balanced.
FORESTS = ("rf_pi", "rf_pb", "rf_ci", "rf_cb")
# Where a class is from that says nothing of how good forests are.
SEEN = "forests trained on it"

_MOST_OF_PN1, _MOST_OF_PN2 = 3, 9


def pn_stage(classes: Iterable[str]) -> str:
    """Stage one patient.

    Parameters
    ----------
    classes : iterable of str
        The class of each lymph node, one of `CLASSES`, in any order.

    Returns
    -------
    str
        One of `STAGES`: pN0 without any finding; pN0(i+) with isolated tumour cells (ITC) alone;
        pN1mi with micro-metastases and no macro-metastasis, however many; with a macro-metastasis
        pN1 for one to three positive nodes and pN2 for four to nine. Positive is micro or macro;
        ITCs do not count. Ten or more positive nodes with a macro-metastasis are beyond the
        challenge, whose patients have five: they give `BEYOND` (pN3a in TNM 8), no member of
        `STAGES`.

    Raises
    ------
    InputError
        There is no node, or a class is none of `CLASSES`.

    Examples
    --------
    >>> pn_stage(["negative", "micro", "macro", "itc", "negative"])
    'pN1'
    """
    counts = Counter(classes)
    for name in counts:
        if name not in CLASSES:
            raise InputError(f"{name!r} is no class of a lymph node; known: {', '.join(CLASSES)}")
    if not counts:
        raise InputError("a patient without lymph nodes has no pN stage; give at least one node")
    if counts["macro"]:
        positive = counts["micro"] + counts["macro"]
        if positive > _MOST_OF_PN2:
            return BEYOND
        return "pN1" if positive <= _MOST_OF_PN1 else "pN2"
    if counts["micro"]:
        return "pN1mi"
    return "pN0(i+)" if counts["itc"] else "pN0"


def stage_patients(
    nodes: Iterable[Mapping[str, str | None]], *, nodes_per_patient: int | None = None
) -> list[dict]:
    """Stage every patient of a table of nodes.

    From rows of ``patient``, ``node`` (its name) and ``class`` (None or empty where the node was
    excluded) to one row a patient, sorted: ``patient``; ``stage``, of the nodes that are left,
    empty where none is; ``nodes``, how many were staged; ``missing``, how many of
    `nodes_per_patient` have no row, if it is set (five in CAMELYON17); ``excluded``, names in
    order, parted by spaces; ``complete``, whether none is missing or excluded; ``note``, in words
    why it is not complete. A stage from too few nodes is a lower bound.

    Raises
    ------
    InputError
        A node is named twice for a patient, or a class is unknown.
    """
    patients: dict[str, dict[str, str | None]] = {}
    for row in nodes:
        of_patient = patients.setdefault(row["patient"], {})
        if row["node"] in of_patient:
            raise InputError(
                f"patient {row['patient']}: node {row['node']} is there twice; remove one"
            )
        of_patient[row["node"]] = row["class"]
    return [
        _patient_row(patient, patients[patient], nodes_per_patient) for patient in sorted(patients)
    ]


def _patient_row(patient: str, classes: dict[str, str | None], expected: int | None) -> dict:
    staged = [name for name in classes.values() if name]
    excluded = sorted(node for node, name in classes.items() if not name)
    missing = max(0, expected - len(classes)) if expected else 0
    notes = []
    if not staged:
        notes.append("no node is left to stage")
    if missing:
        notes.append(f"{missing} of {expected} nodes missing")
    if excluded:
        notes.append(f"excluded: {' '.join(excluded)}")
    try:
        stage = pn_stage(staged) if staged else ""
    except InputError as error:
        raise InputError(f"patient {patient}: {error}") from error
    return {
        "patient": patient,
        "stage": stage,
        "nodes": len(staged),
        "missing": missing,
        "excluded": " ".join(excluded),
        "complete": not notes,
        "note": "; ".join(notes),
    }
