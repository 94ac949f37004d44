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

    Like all checks here it yields words that follow the file's name, one line each, and raises
    InputError, in such words too, if the file is no CSV.
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
    """Say what is wrong with ``submission.csv`` of CAMELYON17, for patients and their slides.

    Stages and classes may be in upper or lower case. Nodes need no rows. If all nodes of a patient
    have one, the stage is that of their classes; with some of them it is not below.
    """
    kinds = {f"{patient}.zip": ("stage", STAGES) for patient in patients}
    kinds |= {f"{slide}.tif": ("class", CLASSES) for of in patients.values() for slide in of}
    given: dict[str, str] = {}  # empty for what is not known
    for line, row in _skip_header(_read(path), ("patient", "stage")):
        if len(row) != 2:
            yield f"line {line}: has {len(row)} cells and not 2"
            continue
        name, text = row
        if name not in kinds:
            yield f"line {line}: {name!r} is neither <patient>.zip nor <slide>.tif of the cohort"
        elif name in given:
            yield f"line {line}: {name} is there twice"
        else:
            what, known = kinds[name]
            given[name] = next((value for value in known if value.lower() == text.lower()), "")
            if not given[name]:
                one_of = ", ".join(known)
                yield f"line {line}: {name} has the {what} {text!r}, which is none of {one_of}"
    for patient, slides in sorted(patients.items()):
        if f"{patient}.zip" not in given:
            yield f"lacks {patient}.zip"
        elif stage := given[f"{patient}.zip"]:
            classes = [given.get(f"{slide}.tif", "") for slide in slides]
            yield from _compare_stage(patient, stage, classes)


def _compare_stage(patient: str, stage: str, classes: list[str]) -> Iterator[str]:
    given = [name for name in classes if name]
    if not given:
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
