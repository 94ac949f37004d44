"""Tables of results as CSV or TSV."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path

from microtome.io.atomic import atomic


def write_table(path: str | Path, rows: Iterable[dict], *, columns: Iterable[str] = ()) -> None:
    """Write rows as CSV or TSV, depending on the suffix; NaN and None are empty cells.

    The columns are those of the first row if unset.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile(suffix=".tsv") as file:
    ...     write_table(file.name, [{"slide": "a", "dice": 2 / 3}, {"slide": "b", "dice": None}])
    ...     read_table(file.name)
    [{'slide': 'a', 'dice': '0.666667'}, {'slide': 'b', 'dice': ''}]
    """
    rows = list(rows)
    columns = list(columns) or list(rows[0])
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        delimiter = "\t" if Path(path).suffix == ".tsv" else ","
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Read rows that `write_table` wrote."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t" if Path(path).suffix == ".tsv" else ","))


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
