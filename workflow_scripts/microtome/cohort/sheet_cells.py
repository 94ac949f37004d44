"""Slide sheets with every cell as text, so that one column can be filled."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from microtome.cohort.sheet_rows import read_rows
from microtome.errors import InputError
from microtome.io.atomic import atomic


def read_cells(path: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Read a sheet that `microtome.cohort.config_checks.read_sheet` accepts: columns and rows.

    Each row gives the cell of every column, without blanks at both ends.
    """
    (_, columns), *rows = read_rows(path)
    named = [place for place, name in enumerate(columns) if name]
    return [columns[place] for place in named], [
        {columns[place]: cells[place] for place in named} for _, cells in rows
    ]


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
    """Fill a column of a sheet from `read_cells`; it is added at the end if it is missing.

    `values` are by slide. Another value that is already there is replaced, or unless `replace` is
    set refused with InputError. The columns and rows returned are copies, in the same order.

    Examples
    --------
    >>> fill_column(["slide"], [{"slide": "a"}], column="fold", values={"a": 2}, replace=False)
    (['slide', 'fold'], [{'slide': 'a', 'fold': '2'}])
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


def format_path(path: Path) -> str:
    """Write a path as a cell of a sheet: relative if it lies below the working directory."""
    # Links are not resolved, since perhaps only the link has the slide's name.
    whole, here = Path(os.path.abspath(path)), Path.cwd()  # noqa: PTH100
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
