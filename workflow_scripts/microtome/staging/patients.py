"""From the classes of lymph nodes to patients' pN stages, and their agreement with the labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.io.atomic import read_json
from microtome.io.text_tables import markdown_table
from microtome.staging.kappa import bootstrap_interval, quadratic_kappa
from microtome.staging.pn_stages import BEYOND, CLASSES, SEEN, STAGES, pn_stage, stage_patients

COLUMNS = (
    "patient",
    "stage",
    "size_rule_stage",
    "true_stage",
    "nodes",
    "missing",
    "excluded",
    "complete",
    "note",
)
# Columns of the table of nodes that hold a class, by what they come from.
_CLASS_COLUMNS = {
    "forests": "class",
    **{name: name for name in ("rf_pi", "rf_pb", "rf_ci", "rf_cb")},
    "size rule": "size_rule",
}
_STAGE_COLUMNS = {"forests": "stage", "size rule": "size_rule_stage"}
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
    ``true_stage`` is that of the labels where every node of the sheet has one.
    """
    by_slide = {row["slide"]: row for row in nodes}

    def staged(column: str) -> list[dict]:
        classes = [
            {**row, "class": by_slide.get(slide, {}).get(column)} for slide, row in rows.items()
        ]
        return stage_patients(classes, nodes_per_patient=nodes_per_patient)

    found = []
    for row, by_size in zip(staged("class"), staged("size_rule"), strict=True):
        labels = [r["label"] for r in rows.values() if r["patient"] == row["patient"]]
        truth = pn_stage(labels) if all(labels) else ""
        found.append({**row, "size_rule_stage": by_size["stage"], "true_stage": truth})
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
    ``patients``, each with what is judged (``forests``, ``size rule``, of nodes also each forest)
    -> ``n``, ``kappa`` (quadratic weights), ``accuracy``; of patients also ``kappa_low`` and
    ``kappa_high``, 95 % bootstrap interval; and as ``cross_validation`` what the JSON `validation`
    says, if there is one. Under ``known_to_networks`` are those of the patients that networks have
    learned from, where there are any: they make all this too good.
    """
    known, staged = select_judged(nodes, patients)
    of_nodes = {
        name: _measure([r["truth"] for r in known], [r[column] for r in known], CLASSES)
        for name, column in _CLASS_COLUMNS.items()
        if known and known[0].get(column)
    }
    of_patients = {}
    for name, column in _STAGE_COLUMNS.items() if staged else ():
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
