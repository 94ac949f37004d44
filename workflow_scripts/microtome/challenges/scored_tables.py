"""The tables of submissions: stages, probabilities, detections and burdens."""

from collections.abc import Iterable

from microtome.challenges.camelyon16_truth import fold_name
from microtome.challenges.scored_files import SubmissionFiles
from microtome.errors import InputError, one_line
from microtome.io.csv_cells import (
    Line,
    index_by_key,
    parse_number,
    parse_whole_number,
    read_lines,
    select_columns,
)
from microtome.staging.pn_stages import CLASSES, STAGES

BURDENS = "prediction.csv"
PROBABILITIES = "probabilities.csv"
PATIENTS = "submission.csv"

_STAGES = {stage.casefold() for stage in STAGES}


def read_burdens(source: SubmissionFiles) -> dict[str, float]:
    """Read ``prediction.csv`` of PAIP 2019, ``wsi_id,ratio``: percent by case.

    InputError is raised, as by all functions here, if a cell is wrong or a name is there twice.
    """
    lines, shown = _read(source, BURDENS), source.describe(BURDENS)
    return index_by_key(
        (where, case, parse_number(ratio, where, of="ratio", high=100))
        for where, (case, ratio) in select_columns(lines, "wsi_id", "ratio", shown=shown)
    )


def read_probabilities(source: SubmissionFiles) -> dict[str, float]:
    """Read ``probabilities.csv`` of CAMELYON16, ``name,probability``, by `fold_name`."""
    return index_by_key(
        (where, fold_name(name), parse_number(text, where, of="probability", high=1))
        for where, (name, text) in _read_headless(source, PROBABILITIES, "name", "probability")
    )


def read_detections(source: SubmissionFiles, name: str) -> list[tuple[float, int, int]]:
    """Read a slide's table of CAMELYON16, ``confidence,x,y``, x and y in level-0 px."""
    return [
        (
            parse_number(confidence, where, of="confidence", high=1),
            parse_whole_number(x, where, of="x"),
            parse_whole_number(y, where, of="y"),
        )
        for where, (confidence, x, y) in _read_headless(source, name, "confidence", "x", "y")
    ]


def read_patients(source: SubmissionFiles) -> dict[str, str]:
    """Read ``submission.csv`` of CAMELYON17, or the only CSV there is: stage by patient."""
    tables = [name for name in source.names if name.casefold().endswith(".csv")]
    if PATIENTS not in tables and len(tables) != 1:
        raise InputError(
            f"{source.path}: holds no {PATIENTS} and {len(tables)} other CSVs; give one"
        )
    name = PATIENTS if PATIENTS in tables else tables[0]
    lines = _read(source, name)
    return index_stages(select_columns(lines, "patient", "stage", shown=source.describe(name)))


def index_stages(lines: Iterable[Line]) -> dict[str, str]:
    """Gather the stage of each patient, in lower case and without `.zip`.

    Lines hold patient and stage; or node and its class, which is checked and left out.
    """
    rows = []
    for where, (name, stage) in lines:
        if stage.casefold() in _STAGES:
            rows.append((where, name.casefold().removesuffix(".zip"), stage))
        elif stage.casefold() not in CLASSES:
            raise InputError(
                f"{where}: {one_line(stage)!r} is neither a stage ({', '.join(STAGES)}) nor a"
                f" node's class ({', '.join(CLASSES)})"
            )
    return index_by_key(rows)


def _read(source: SubmissionFiles, name: str) -> list[Line]:
    with source.open_file(name) as path:
        return read_lines(path, shown=source.describe(name))


def _read_headless(source: SubmissionFiles, name: str, *header: str) -> list[Line]:
    """Read a table that may do without its header."""
    lines = _read(source, name)
    if lines and [cell.casefold() for cell in lines[0].cells] == list(header):
        lines = lines[1:]
    for where, cells in lines:
        if len(cells) != len(header):
            raise InputError(f"{where}: has {len(cells)} cells; a row is {','.join(header)}")
    return lines
