"""Quick reading of slide sheets and of the cohort's table, which every job does."""

import csv
import math
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from microtome.errors import InputError

_NUMBERS = {"fold": int, "burden": float, "spacing_um": float}


def read_rows(path: str | Path) -> Iterator[tuple[int, dict]]:
    """Read the rows of a sheet, tab-separated below a row of names, without checking them.

    Gives the line of the file, and the row without empty cells: column -> text, or a number. Raises
    InputError, one line, if the file cannot be read, is no sheet or has no slides; or if a row has
    too many or too few cells, or no number where one is needed.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t", strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = reader.fieldnames or []
    except OSError as error:
        raise InputError(
            f"slide sheet {path}: cannot be read ({error.strerror}); set `slides` in the config"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"slide sheet {path}: is not tab-separated UTF-8 text") from error
    if not rows:
        raise InputError(f"slide sheet {path}: has no slides")
    twice = [name for name, n in Counter(columns).items() if n > 1]
    if twice:
        raise InputError(f"slide sheet {path}: column {twice[0]!r} is there twice")
    return ((line, _parse_cells(row, f"slide sheet {path}, line {line}")) for line, row in rows)


def _parse_cells(row: dict, where: str) -> dict:
    if None in row or any(value is None for value in row.values()):
        raise InputError(f"{where}: has more or fewer cells than the first row has columns")
    values = {column: cell.strip() for column, cell in row.items() if cell.strip()}
    for column, kind in _NUMBERS.items():
        if column in values:
            try:
                values[column] = kind(values[column])
                known = math.isfinite(values[column])
            except ValueError:
                known = False
            if not known:
                raise InputError(f"{where}: {column}: {row[column].strip()!r} is no number")
    return values


def load_sheet(path: str | Path) -> dict[str, dict]:
    """Read a sheet that `microtome.cohort.config_checks.read_sheet` has accepted.

    The result is the same, but nothing is checked and no file is looked for: with thousands of
    slides the checks of all jobs together would take minutes.
    """
    return {row["slide"]: row for _, row in read_rows(path)}


def list_usable_slides(table: str | Path) -> tuple[str, ...]:
    """List the slides that no step excluded, from ``results/cohort.tsv`` and in its order.

    The table is read again only if it has changed.
    """
    found = Path(table).stat()
    return _read_usable(str(table), found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=1)
def _read_usable(table: str, _changed_ns: int, _size: int) -> tuple[str, ...]:
    with Path(table).open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return tuple(row["slide"] for row in rows if row["state"] == "ok")
