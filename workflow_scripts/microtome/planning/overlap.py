"""Patients that networks learn from and then give heatmaps of, for forests to learn from.

A heatmap of a patient that its network has learned from is sharper than one of a new patient.
Forests that learn from such maps expect as much of every map, and what is measured of them is too
good.
"""

from collections.abc import Iterator, Mapping

from microtome.io.atomic import read_json
from microtome.planning.cohort import Cohort
from microtome.planning.known_files import read_known
from microtome.planning.training_checks import name_some


def find_overlap(cohort: Cohort) -> list[str]:
    """List the patients with labelled nodes whose heatmaps come from networks that know them.

    Forests learn from nodes with a label, or are compared with them. A network knows the patients
    of the slides that train it, validate its training, or give it threshold or temperature; if its
    weights are given, of those that trained it by the card beside them; and what the network that
    it started from knows. In the sheet's order.
    """
    known: dict[str, set[str]] = {}
    found: dict[str, None] = {}
    for slide, row in cohort.sheet.items():
        if not (cohort.is_node(slide) and "label" in row):
            continue
        run = cohort.staging_run(slide)
        if run not in known:
            known[run] = _find_patients(cohort, run)
        if row["patient"] in known[run]:
            found[row["patient"]] = None
    return list(found)


def check_overlap(cohort: Cohort, config: Mapping) -> Iterator[str]:
    """Find patients that both networks and forests learn from, unless the config allows it."""
    patients = find_overlap(cohort)
    if patients and not config["staging"]["allow_overlap"]:
        yield (
            f"{_describe(patients)}: sharper ones than of a new patient, for forests to learn from"
            " and to be judged by; set cross_validation.folds, so that no network knows the"
            " patient; or give networks and forests different patients (node empty for the"
            " networks', split empty for the forests'); or take it as it is by"
            " staging.allow_overlap: true"
        )


def note_overlap(cohort: Cohort, config: Mapping) -> Iterator[str]:
    """Note patients that both networks and forests learn from, where the config allows it."""
    patients = find_overlap(cohort) if config["staging"]["allow_overlap"] else []
    if patients:
        yield f"{_describe(patients)}: what is measured of forests is too good"


def _describe(patients: list[str]) -> str:
    several = "patients" if len(patients) > 1 else "patient"
    return (
        f"networks learn from {len(patients)} {several} of whose labelled nodes they then give"
        f" heatmaps ({name_some(patients)})"
    )


def _find_patients(cohort: Cohort, run: str) -> set[str]:
    """Find the patients that the networks behind a model have learned from."""
    slides = {slide for slide in cohort.sheet if cohort.is_for_tuning(slide, run)}
    for network in cohort.models.members(run):
        slides |= _find_slides(cohort, network)
    return {row["patient"] for s, row in cohort.sheet.items() if s in slides and "patient" in row}


def _find_slides(cohort: Cohort, network: str) -> set[str]:
    if "weights" in cohort.models.entry(network):
        (path,) = cohort.models.cards_of_members(network)
        training = (read_known(read_json, path) or {}).get("training", {})
        return {*training.get("slides", []), *training.get("slides_of_start", [])}
    start = cohort.models.runs[network].start
    learnt = {slide for slide in cohort.sheet if cohort.is_learnt(slide, network)}
    return learnt | (_find_slides(cohort, start) if start else set())
