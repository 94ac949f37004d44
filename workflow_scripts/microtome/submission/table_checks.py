"""What is wrong with a table of a submission.

Held to how the organizers read them: no empty lines, no blanks beside a number.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.staging.pn_stages import BEYOND, CLASSES, STAGES, pn_stage

# Of one kind of repetition at most, so that a long cell takes no longer than its length.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)

Rows = Sequence[tuple[int, list[str]]]  # line, cells


def check_predictions(path: Path, cases: Collection[str]) -> Iterator[str]:
    """Say what is wrong with ``prediction.csv`` of PAIP 2019: each case once, in percent.

    Parameters
    ----------
    path : Path
        The CSV.
    cases : collection of str
        Ids of all cases.

    Yields
    ------
    str
        What is wrong, in words that follow the file's name.

    Raises
    ------
    InputError
        It is no CSV, in such words too. So do the other checks.
    """
    rows = _skip_header(_read(path), ("wsi_id", "ratio"))
    yield from _check_numbers(rows, cases, what="ratio", most=100)


def check_probabilities(path: Path, slides: Collection[str]) -> Iterator[str]:
    """Say what is wrong with the slides' table of CAMELYON16, with or without a header.

    Slides may end with ``.tif`` in the CSV; `slides` are all of them, without.
    """
    rows = _read(path)
    if rows and [cell.lower() for cell in rows[0][1]] == ["name", "probability"]:
        rows = rows[1:]
    yield from _check_numbers(rows, slides, what="probability", most=1, suffix=".tif")


def check_detections(path: Path, size_px: tuple[int, int]) -> Iterator[str]:
    """Say what is wrong with the lesions of a slide of CAMELYON16, of a width and height in px.

    There may be none, and there is no header.
    """
    for line, row in _read(path):
        if len(row) != 3:
            yield f"line {line}: has {len(row)} cells and not confidence,x,y"
            continue
        if not 0 <= _parse_number(row[0]) <= 1:
            yield f"line {line}: the confidence {row[0]!r} is no number from 0 to 1"
        for axis, cell, side in zip("xy", row[1:], size_px, strict=True):
            if not _INTEGER.fullmatch(cell):
                yield f"line {line}: {axis} {cell!r} is no whole number of px"
            elif not 0 <= float(cell) < side:
                yield f"line {line}: {axis} {cell} is outside the slide's {side} px"


def check_stages(path: Path, patients: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Say what is wrong with ``submission.csv`` of CAMELYON17.

    Stages and classes may be in upper or lower case. Nodes need no rows. If all nodes of a patient
    have one, the stage is that of their classes; with some of them it is not below.

    Parameters
    ----------
    path : Path
        The CSV.
    patients : mapping of str to collection of str
        Patient -> its slides, both without suffix.
    """
    stages = {f"{patient}.zip": _Value(STAGES, "stage") for patient in patients}
    nodes = {f"{slide}.tif": _Value(CLASSES, "class") for p in patients.values() for slide in p}
    known = stages | nodes
    for line, row in _skip_header(_read(path), ("patient", "stage")):
        if len(row) != 2:
            yield f"line {line}: has {len(row)} cells and not 2"
        elif row[0] not in known:
            yield f"line {line}: {row[0]!r} is neither <patient>.zip nor <slide>.tif of the cohort"
        else:
            yield from (f"line {line}: {row[0]} {wrong}" for wrong in known[row[0]].take(row[1]))
    for patient, slides in sorted(patients.items()):
        stage = stages[f"{patient}.zip"]
        if not stage.is_there:
            yield f"lacks {patient}.zip"
        yield from _compare_stage(patient, stage.value, [nodes[f"{s}.tif"].value for s in slides])


class _Value:
    """What the one row of a patient or slide gives, empty where it gives none that is known."""

    def __init__(self, known: Sequence[str], what: str) -> None:
        self._known, self._what = known, what
        self.is_there, self.value = False, ""

    def take(self, text: str) -> Iterator[str]:
        if self.is_there:
            yield "is there twice"
            return
        self.is_there = True
        self.value = next((value for value in self._known if value.lower() == text.lower()), "")
        if not self.value:
            yield f"has the {self._what} {text!r}, which is none of {', '.join(self._known)}"


def _compare_stage(patient: str, stage: str, classes: list[str]) -> Iterator[str]:
    given = [name for name in classes if name]
    if not (stage and given):
        return
    implied = pn_stage(given)
    order = (*STAGES, BEYOND)
    is_whole = len(given) == len(classes)
    if stage != implied and (is_whole or order.index(stage) < order.index(implied)):
        yield f"{patient}.zip has the stage {stage}, and its nodes are {implied}"


def _check_numbers(
    rows: Rows, known: Collection[str], *, what: str, most: int, suffix: str = ""
) -> Iterator[str]:
    """Hold rows of a name and a number to one row each; names may end with `suffix`."""
    seen = set()
    for line, row in rows:
        if len(row) != 2:
            yield f"line {line}: has {len(row)} cells and not 2"
            continue
        name, cell = row[0].removesuffix(suffix), row[1]
        if name not in known:
            yield f"line {line}: {name!r} is none of the cohort"
        elif name in seen:
            yield f"line {line}: {name} is there twice"
        seen.add(name)
        if not 0 <= _parse_number(cell) <= most:
            yield f"line {line}: the {what} {cell!r} is no number from 0 to {most}"
    yield from (f"lacks {name}" for name in sorted(set(known) - seen))


def _read(path: Path) -> Rows:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file, strict=True)
            return [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"is no CSV in UTF-8 ({error})") from error


def _skip_header(rows: Rows, header: tuple[str, ...]) -> Rows:
    if not rows or tuple(rows[0][1]) != header:
        first = ",".join(rows[0][1]) if rows else ""
        raise InputError(f"begins with {first!r} and not with the columns {','.join(header)}")
    return rows[1:]


def _parse_number(text: str) -> float:
    """Read a number as every program does; NaN where it is none."""
    return float(text) if _NUMBER.fullmatch(text) else float("nan")
