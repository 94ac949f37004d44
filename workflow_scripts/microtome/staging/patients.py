"""From the classes of lymph nodes to patients' pN stages, and their agreement with the labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.io.atomic import read_json
from microtome.io.text_tables import markdown_table
from microtome.staging.kappa import bootstrap_interval, quadratic_kappa
from microtome.staging.pn_stages import (
    BEYOND,
    CLASSES,
    FORESTS,
    SEEN,
    STAGES,
    pn_stage,
    stage_patients,
)

# By what judges a node: the column of the table of nodes that holds its class, and that of the
# table of patients that holds the stage.
_CLASS_COLUMNS = {"forests": "class", **{name: name for name in FORESTS}, "size rule": "size_rule"}
_STAGE_COLUMNS = {
    "forests": "stage",
    **{name: f"{name}_stage" for name in FORESTS},
    "size rule": "size_rule_stage",
}
COLUMNS = (
    "patient",
    *_STAGE_COLUMNS.values(),
    "true_stage",
    "nodes",
    "missing",
    "excluded",
    "complete",
    "note",
)
AGREEMENT = ("of", "by", "n", "kappa", "kappa_low", "kappa_high", "accuracy")
LABELS = ("split", *CLASSES, "unlabelled")
_ALL_STAGES = (*STAGES, BEYOND)


def patient_rows(
    nodes: Sequence[Mapping[str, str]],
    rows: Mapping[str, Mapping[str, str]],
    *,
    nodes_per_patient: int | None,
) -> list[dict]:
    """Stage all patients of a sheet: a row of `COLUMNS` each.

    `nodes` is the table of nodes, `rows` has ``patient``, ``node`` and ``label`` of every slide of
    the sheet: one that has no class was excluded. If `nodes_per_patient` is unset, none is missing.
    ``true_stage`` is that of the labels where every node of the sheet has one. A forest's stage is
    empty where there are no forests.
    """
    by_slide = {row["slide"]: row for row in nodes}

    def staged(column: str) -> list[dict]:
        classes = [
            {**row, "class": by_slide.get(slide, {}).get(column)} for slide, row in rows.items()
        ]
        return stage_patients(classes, nodes_per_patient=nodes_per_patient)

    stages = [[row["stage"] for row in staged(column)] for column in _CLASS_COLUMNS.values()]
    found = []
    for row, *of_row in zip(staged("class"), *stages, strict=True):
        labels = [r["label"] for r in rows.values() if r["patient"] == row["patient"]]
        truth = pn_stage(labels) if all(labels) else ""
        by_each = dict(zip(_STAGE_COLUMNS.values(), of_row, strict=True))
        found.append({**row, **by_each, "true_stage": truth})
    return found


def select_judged(
    nodes: Sequence[Mapping[str, str]], patients: Sequence[Mapping]
) -> tuple[list[Mapping[str, str]], list[Mapping]]:
    """Select nodes and patients with a label, but for those that forests were trained on."""
    known = [row for row in nodes if row["truth"] and row["how"] != SEEN]
    seen = {row["patient"] for row in nodes if row["how"] == SEEN}
    staged = [p for p in patients if p["true_stage"] and p["stage"] and p["patient"] not in seen]
    return known, staged


def measure_agreement(
    nodes: Sequence[Mapping[str, str]],
    patients: Sequence[Mapping],
    *,
    seed: int,
    known_to_networks: Sequence[str] = (),
    validation: str | Path | None = None,
) -> dict:
    """Measure how well classes and stages agree with the labels.

    Of the tables of nodes and patients those of `select_judged` count. The dict has ``nodes`` and
    ``patients``, each with what judges (``forests``, which is their vote, each forest, ``size
    rule``) -> ``n``, ``kappa`` (quadratic weights), ``accuracy``; of patients also ``kappa_low``
    and ``kappa_high``, 95 % bootstrap interval; and as ``cross_validation`` what the JSON
    `validation` says, if there is one. Under ``known_to_networks`` are those of the patients that
    networks have learned from, where there are any: they make all this too good.
    """
    known, staged = select_judged(nodes, patients)
    of_nodes = {
        name: _measure([r["truth"] for r in known], [r[column] for r in known], CLASSES)
        for name, column in _CLASS_COLUMNS.items()
        if known and known[0].get(column)
    }
    of_patients = {}
    for name, column in _STAGE_COLUMNS.items():
        if not (staged and staged[0][column]):
            continue
        truth, stages = [p["true_stage"] for p in staged], [p[column] for p in staged]
        low, high = bootstrap_interval(truth, stages, _ALL_STAGES, seed=seed)
        interval = {"kappa_low": low, "kappa_high": high}
        of_patients[name] = _measure(truth, stages, _ALL_STAGES) | interval
    found = {"nodes": of_nodes, "patients": of_patients}
    if seen := sorted({row["patient"] for row in known} & {*known_to_networks}):
        found["known_to_networks"] = seen
    if validation:
        found["cross_validation"] = read_json(validation)
    return found


def agreement_rows(found: Mapping) -> list[dict]:
    """Make a table of what `measure_agreement` found: a row of `AGREEMENT` for each that judges.

    With Table 6 of the generalized framework in it: patients by each forest and by their vote.
    """
    return [
        {"of": kind, "by": name, **figures}
        for kind in ("patients", "nodes")
        for name, figures in found[kind].items()
    ]


def label_rows(rows: Mapping[str, Mapping[str, str]]) -> list[dict]:
    """Count the labels of the nodes of a sheet by split, as the framework's Table 4 does.

    A row of `LABELS` a split, in the sheet's order; that of nodes without one is ``none``.

    Examples
    --------
    >>> rows = {"a": {"split": "", "label": "itc"}, "b": {"split": "", "label": ""}}
    >>> label_rows(rows)
    [{'split': 'none', 'negative': 0, 'itc': 1, 'micro': 0, 'macro': 0, 'unlabelled': 1}]
    """
    counts = Counter((row["split"], row["label"]) for row in rows.values())
    names = dict(zip((*CLASSES, ""), LABELS[1:], strict=True))
    return [
        {"split": split or "none"} | {names[label]: counts[split, label] for label in names}
        for split in dict.fromkeys(row["split"] for row in rows.values())
    ]


def summarize(patients: Sequence[Mapping], found: Mapping) -> str:
    """Write the stages and their agreement as Markdown."""
    shown = ("patient", "stage", "size_rule_stage", "true_stage", "nodes", "note")
    text = "# pN stages\n\n" + markdown_table([{c: p[c] for c in shown} for p in patients])
    for kind in ("patients", "nodes"):
        rows = []
        for name, f in found[kind].items():
            row = {kind: name} | {key: f[key] for key in ("n", "accuracy", "kappa")}
            if "kappa_low" in f:
                row["95 % interval"] = f"{f['kappa_low']:.2f} to {f['kappa_high']:.2f}"
            rows.append(row)
        if rows:
            text += "\n" + markdown_table(rows)
    notes = [*found.get("cross_validation", {}).get("notes", [])]
    if seen := found.get("known_to_networks"):
        notes.insert(
            0,
            f"too good to be true: the networks have learned from {len(seen)} of these patients"
            f" ({', '.join(seen)})",
        )
    return text + "".join(f"\n- {note}" for note in notes) + "\n" * bool(notes)


def _measure(truth: Sequence[str], found: Sequence[str], labels: Sequence[str]) -> dict:
    accuracy = sum(a == b for a, b in zip(truth, found, strict=True)) / len(truth)
    kappa = quadratic_kappa(truth, found, labels)
    return {"n": len(truth), "kappa": kappa, "accuracy": accuracy}
