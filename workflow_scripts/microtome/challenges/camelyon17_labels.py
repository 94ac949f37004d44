"""The labels of CAMELYON17: tables of the classes of nodes and the stages of patients."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from microtome.errors import InputError
from microtome.io.downloaded_folders import read_columns
from microtome.staging.pn_stages import CLASSES, STAGES, pn_stage

# By name alone: an example of a submission, which may lie beside them, has the same columns.
TABLES = ("stages.csv", "stage_labels.csv")

SLIDE = re.compile(r"patient_[0-9]{3}_node_[0-9]")
PATIENT = re.compile(r"patient_[0-9]{3}")


@dataclass
class Labels:
    """The class of each slide, one of `CLASSES`, and the stage of each patient, one of `STAGES`."""

    classes: dict[str, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)


def get_patient(slide: str) -> str:
    """Name the patient of a slide."""
    return slide.rpartition("_node_")[0]


def read_labels(tables: Iterable[Path]) -> tuple[Labels, list[str]]:
    """Read classes and stages, and note rows of something else, one line each.

    Tables are CSV files with the columns `patient` and `stage`: rows `patient_000.zip,pN0` and
    `patient_000_node_0.tif,negative`, upper and lower case alike. If the second is empty nothing is
    known. Several may say the same; InputError is raised if two contradict each other, one cannot
    be read or a value is unknown.
    """
    labels, notes = Labels(), []
    known = {"class": {c.lower(): c for c in CLASSES}, "stage": {s.lower(): s for s in STAGES}}
    for path in tables:
        rows = read_columns(path, "patient", "stage")
        if rows is None:
            raise InputError(f"{path}: lacks the columns patient and stage; download it again")
        for line, cells in rows:
            where = f"{path}, line {line}"
            if len(cells) < 2:
                raise InputError(f"{where}: has fewer cells than the first row")
            name, value = cells
            # `patient_000.zip` is what a patient's slides came in.
            key = name.lower().removesuffix(".zip").removesuffix(".tif")
            if SLIDE.fullmatch(key):
                kind, into = "class", labels.classes
            elif PATIENT.fullmatch(key):
                kind, into = "stage", labels.stages
            else:
                notes.append(f"{where}: {name!r} names neither a patient nor a slide")
                continue
            if not value:
                continue
            if value.lower() not in known[kind]:
                raise InputError(
                    f"{where}: {value!r} is no {kind}; known are {', '.join(known[kind].values())}"
                )
            stated = known[kind][value.lower()]
            if into.setdefault(key, stated) != stated:
                raise InputError(
                    f"{where}: {key} is {stated} here and {into[key]} before; remove one"
                )
    return labels, notes


def list_wrong_stages(labels: Labels) -> list[str]:
    """List patients whose stage in the tables is another than their nodes give, a line each."""
    classes: dict[str, list[str]] = {}
    for slide, label in labels.classes.items():
        classes.setdefault(get_patient(slide), []).append(label)
    return [
        f"{patient}: the table says {stage}, its {len(classes[patient])} labelled nodes give"
        f" {pn_stage(classes[patient])}"
        for patient, stage in sorted(labels.stages.items())
        if patient in classes and pn_stage(classes[patient]) != stage
    ]
