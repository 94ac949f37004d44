"""Slide sheets as they are written: every cell as text, so that one column can be filled."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import atomic


def read_cells(path: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a sheet that `microtome.cohort.config_checks.read_sheet` has taken.

    Returns
    -------
    columns : list of str
        In the sheet's order.
    rows : list of dict
        Column -> cell, untouched.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t", strict=True)
        return list(reader.fieldnames or []), list(reader)


def write_cells(path: str | Path, columns: Sequence[str], rows: Iterable[dict]) -> None:
    """Write a sheet, tab-separated whatever its suffix; a cell that a row lacks is empty."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def fill_column(
    columns: Sequence[str],
    rows: Iterable[dict[str, str]],
    *,
    column: str,
    values: Mapping[str, object],
    replace: bool,
) -> tuple[list[str], list[dict[str, str]]]:
    """Fill a column of a sheet, which is added at the end where it is missing.

    Parameters
    ----------
    columns, rows
        From `read_cells`.
    column : str
        The column to fill.
    values : mapping
        Slide -> value.
    replace : bool
        Whether another value that is there already is replaced.

    Returns
    -------
    columns, rows
        Copies, in the same order.

    Raises
    ------
    InputError
        A cell holds another value and `replace` is False.
    """
    new_rows = []
    for row in rows:
        slide, old = row["slide"].strip(), row.get(column, "").strip()
        new = str(values[slide])
        if old not in ("", new) and not replace:
            raise InputError(
                f"slide {slide} has the {column} {old} already and would get {new};"
                " --force replaces what is there"
            )
        new_rows.append(row | {column: new})
    return [*columns, *({column} - set(columns))], new_rows


def path_as_cell(path: Path) -> str:
    """A path as the sheet has it, which the workflow reads from the working directory."""
    # Not resolved: a link may be all that has the slide's name.
    whole, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
