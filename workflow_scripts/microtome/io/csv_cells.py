"""Cells of a CSV from outside: each mistake is an error of one line that names file and row."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from microtome.errors import InputError, one_line

MAX_BYTES = 2**26


class Line(NamedTuple):
    """A row of a CSV: file and line for messages, and its cells without spaces at both ends."""

    where: str
    cells: list[str]


def read_lines(path: Path, *, shown: str | None = None, delimiter: str = ",") -> list[Line]:
    """Read the rows of a CSV in UTF-8, with or without a byte order mark; blank ones are left out.

    Messages call the file `shown`; by its path if unset. Raises InputError if the file is missing,
    too large, or no CSV.
    """
    shown = shown or str(path)
    if not path.is_file():
        raise InputError(f"{shown}: is not there, or is no file; give a CSV")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{shown}: is larger than {MAX_BYTES >> 20} MB, too much for a table")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=delimiter)
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{shown}: cannot be read as CSV ({one_line(error)}); write it again"
        ) from error
    return [Line(f"{shown}, line {number}", cells) for number, cells in rows if any(cells)]


def select_columns(lines: list[Line], *names: str, shown: str) -> list[Line]:
    """Select the cells below names in the header, which is the first line, in the order asked for.

    Case does not matter; other columns are ignored. Messages call the file `shown`. Raises
    InputError if a column is missing or a row is too short.

    Examples
    --------
    >>> lines = [Line("a.csv, line 1", ["X", "id"]), Line("a.csv, line 2", ["3", "b"])]
    >>> select_columns(lines, "id", "x", shown="a.csv")
    [Line(where='a.csv, line 2', cells=['b', '3'])]
    """
    header = [cell.casefold() for cell in lines[0].cells] if lines else []
    if missing := [name for name in names if name not in header]:
        raise InputError(
            f"{shown}: the header lacks {' and '.join(missing)}; it must be {','.join(names)}"
        )
    places = [header.index(name) for name in names]
    found = []
    for where, cells in lines[1:]:
        if len(cells) <= max(places):
            raise InputError(f"{where}: has {len(cells)} cells, the header {len(header)}")
        found.append(Line(where, [cells[place] for place in places]))
    return found


def parse_number(text: str, where: str, *, of: str, high: float) -> float:
    """Read a number from 0 to `high`, both inclusive, or raise InputError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= high:  # neither is NaN
        raise InputError(f"{where}: the {of} {one_line(text)!r} is no number from 0 to {high:g}")
    return value


def parse_whole_number(text: str, where: str, *, of: str) -> int:
    """Read an integer of at least 0, or raise InputError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise InputError(f"{where}: the {of} {one_line(text)!r} is no whole number of at least 0")
    return int(text)


def index_by_key(rows: Iterable[tuple[str, str, object]]) -> dict:
    """Gather values of (where, key, value) by key; raise InputError for a repeated key."""
    found: dict = {}
    for where, key, value in rows:
        if key in found:
            raise InputError(f"{where}: {one_line(key)} is there twice; remove one")
        found[key] = value
    return found
