"""What is wrong with a sheet: its columns, its cells, and rows that do not fit together."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from microtome.cohort.mistakes import suggest
from microtome.cohort.schema_messages import describe_error
from microtome.cohort.sheet_files import find_file_mistakes
from microtome.cohort.sheet_rows import SLIDES, SheetKind, parse_rows

# What programs write where there is no value.
_MISSING = {"na", "n/a", "nan", "null", "none", "<na>", "-"}
_MONTH = "(Jan|Feb|Mar|Mrz|Apr|May|Mai|Jun|Jul|Aug|Sep|Oct|Okt|Nov|Dec|Dez)"
_SPOILT = {
    r"#[A-Z0-9/]+[!?]?": "is the error of a formula; type the value",
    r"['=’‘“”\"].*": "is a formula or begins with a quotation mark; type the value alone",
}
_SPOILT_IDS = {
    r"\d+([.,]\d+)?E\+\d+": "is a long number that a spreadsheet has cut; make the column text",
    rf"\d\d?-{_MONTH}(-\d\d)?|{_MONTH}-\d\d": (
        "is a date that a spreadsheet makes of ids; make the column text and type the id again"
    ),
}
_UNITS = {"burden": "a share, not percent", "spacing_um": "µm per pixel"}
# A schema that has no more than these takes any cell that is not empty.
_ANY_TEXT = {"type", "description", "minLength"}

Row = tuple[int, dict]


def find_mistakes(
    rows: Sequence[tuple[int, list[str]]],
    *,
    schema: Mapping,
    sheet: Path,
    made_by_workflow: str = "",
    kind: SheetKind = SLIDES,
    check_rows: Callable[[Sequence[Row]], Iterator[tuple[int, str, str]]] | None = None,
) -> list[str]:
    """Find all mistakes in what `microtome.cohort.sheet_rows.read_rows` gave.

    Each is a line that names row and slide, the column, the value and what to do. `schema` is that
    of a row; files below `made_by_workflow` need not be there yet. Of another kind of sheet
    `check_rows` finds what does not fit together: row, column and what is wrong.
    """
    known = schema.get("properties", {})
    columns = rows[0][1]
    if not known.keys() & {column.casefold() for column in columns}:
        return [
            f"row {rows[0][0]} should name the columns ({', '.join(known)}) and has"
            f" {', '.join(map(repr, columns[:5]))}; put their names there, with nothing above"
        ]
    named = list(parse_rows(rows))
    found: list[tuple[int, str, str]] = [
        *_check_cells(named, schema, columns, kind),
        *_check_ids(named, kind),
        *(check_rows or _check_patients)(named),
        *find_file_mistakes(named, kind=kind, sheet=sheet, made_by_workflow=made_by_workflow),
    ]
    items = {number: row.get(kind.item) for number, row in named}
    found.sort(key=lambda mistake: mistake[0])
    return [
        *_check_columns(rows, known, schema.get("required", [])),
        *(
            f"row {number}{f', {kind.item} {items[number]}' * bool(items[number])}:"
            f" {f'{column}: ' * bool(column)}{wrong}"
            for number, column, wrong in found
        ),
    ]


def _check_columns(
    rows: Sequence[tuple[int, list[str]]], known: Mapping, required: Sequence[str]
) -> Iterator[str]:
    columns = rows[0][1]
    for column in dict.fromkeys(columns):
        if column and columns.count(column) > 1:
            yield f"column {column!r} is there twice; take one out"
        if column and column not in known:
            yield (
                f"column {column!r} is not known{suggest(column, known)}; take it out, or call it"
                f" one of {', '.join(known)}"
            )
    for column in required:
        if column not in columns:
            yield f"has no column {column!r}"
    for place in range(max(len(cells) for _, cells in rows)):
        if place >= len(columns) or not columns[place]:
            below = ((number, cells[place]) for number, cells in rows if len(cells) > place)
            number, cell = next(((n, cell) for n, cell in below if cell), (0, ""))
            if cell:
                yield (
                    f"column {place + 1} has no name, but cells, as {cell!r} in row {number}; give"
                    " it a name, or take it out"
                )


def _check_cells(
    named: Sequence[Row], schema: Mapping, columns: Sequence[str], kind: SheetKind
) -> Iterator[tuple[int, str, str]]:
    validators = {
        column: Draft202012Validator(part)
        for column, part in schema.get("properties", {}).items()
        if part.keys() - _ANY_TEXT or part.get("type") != "string"
    }

    @cache
    def find_wrong(column: str, value: str | float, _type: type) -> str:
        wrong = _find_spoilt(column, value, kind) if isinstance(value, str) else ""
        if wrong or column not in validators:
            return wrong
        error = next(validators[column].iter_errors(value), None)
        return _describe(error, column) if error else ""

    for number, row in named:
        if len(row) == 1 and re.search(r"[,;| ]", cell := str(*row.values())):
            yield number, "", f"has one cell, {cell!r}; put tabs between cells"
            continue
        for column in schema.get("required", []):
            if column in columns and column not in row:
                yield number, "", f"{column!r} is missing"
        for column, value in row.items():
            wrong = "" if column in kind.files else find_wrong(column, value, type(value))
            if wrong:
                yield number, column, wrong


def _find_spoilt(column: str, cell: str, kind: SheetKind) -> str:
    """Say what programs have made of a cell that nobody meant; '' if nothing."""
    if cell.casefold() in _MISSING and column != kind.item:
        return f"{cell!r} is no value; leave the cell empty"
    if not cell.isprintable():
        return f"{cell!r} has a character that cannot be seen; type it again"
    patterns = {**_SPOILT, **(_SPOILT_IDS if column in kind.ids else {})}
    return next((f"{cell!r} {why}" for p, why in patterns.items() if re.fullmatch(p, cell)), "")


def _describe(error, column: str) -> str:
    value = error.instance
    if error.validator == "type":
        kind = "whole number" if error.validator_value == "integer" else "number"
        number = re.fullmatch(r"(\d+)[.,](\d+)\s*[^\d.,]*", str(value))
        meant = f"; did you mean {number[1]}.{number[2]}?" if number and kind == "number" else ""
        return f"{value!r} is no {kind}{meant}"
    text = describe_error(error)
    if error.validator == "enum":
        text += suggest(str(value), error.validator_value)
    if column in _UNITS and error.validator == "maximum":
        text += f"; it is {_UNITS[column]}"
    return text


def without_spelling(name: str) -> str:
    """Make names equal that differ in case, or in how programs write a number: 1, 01 and 1.0."""
    return name.casefold().removesuffix(".0").lstrip("0")


def _check_ids(named: Sequence[Row], kind: SheetKind) -> Iterator[tuple[int, str, str]]:
    seen: dict[str, int] = {}
    for number, row in named:
        name = row.get(kind.item)
        if name and (first := seen.setdefault(name, number)) != number:
            yield (
                number,
                "",
                f"is in row {first} already; give each {kind.item} one row and its own id",
            )


def _check_patients(named: Sequence[Row]) -> Iterator[tuple[int, str, str]]:
    """Find nodes that are there twice, and patients on two sides."""
    nodes: dict[tuple[str | None, str], int] = {}
    patients: dict[tuple[str, str], Row] = {}
    for number, row in named:
        patient, node = row.get("patient"), row.get("node")
        if node and not patient:
            yield number, "node", "has no patient; a node is staged with the patient's others"
        key = patient, without_spelling(node or "")
        if node and patient and (first := nodes.setdefault(key, number)) != number:
            yield number, "node", f"{node} of patient {patient} is in row {first} already"
        for part in ("split", "fold") if patient else ():
            other, before = patients.setdefault((patient, part), (number, row))
            if before.get(part) != row.get(part):
                yield (
                    number,
                    part,
                    f"patient {patient} is in {row.get(part, 'none')} here and in"
                    f" {before.get(part, 'none')} in row {other}; one patient's slides share it",
                )
