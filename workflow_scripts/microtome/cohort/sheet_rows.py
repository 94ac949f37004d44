"""Quick reading of sheets and of the cohort's table, which every job does."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from microtome.errors import InputError

# A sheet of 100,000 slides has a third of it; a slide that is given as one has more.
_MOST_BYTES = 2**26
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
_SEPARATORS = {",": "commas", ";": "semicolons", "|": "vertical bars", None: "blanks"}
_AS_TEXT = "save it as tab-separated text (in Excel: Text (Tab delimited))"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_OF_NUMBERS = {"fold", "burden", "spacing_um", "dapi_spacing_um"}


@dataclass(frozen=True)
class SheetKind:
    """What the rows of a sheet are, for checks and messages.

    Each row is an `item`, whose id is in the column of that name. The columns `ids` hold ids, and
    `files` paths, of which `shared` may be one file in a row. The config names the sheet by `key`;
    a sheet that a command takes has none.
    """

    item: str
    key: str | None
    ids: tuple[str, ...]
    files: tuple[str, ...]
    shared: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """What messages call the sheet."""
        return f"{self.item} sheet"

    @property
    def remedy(self) -> str:
        """What to do about a file that is no such sheet."""
        return f"set `{self.key}` in the config" if self.key else "give the path of one"


SLIDES = SheetKind(
    item="slide",
    key="slides",
    ids=("slide", "patient", "node"),
    files=("path", "annotation", "viable_mask", "whole_mask"),
    shared=frozenset({"viable_mask", "whole_mask"}),
)


def read_rows(path: str | Path, *, kind: SheetKind = SLIDES) -> list[tuple[int, list[str]]]:
    """Read a sheet, tab-separated text as editors, spreadsheets and programs save it.

    Gives the number of each row as a spreadsheet counts, and its cells without blanks at both
    ends. The first row names the columns; rows that are shorter are filled up to it. Left out are
    rows without a cell, and row numbers before the first column as R and pandas write them. UTF-8
    and UTF-16, with a byte order mark, and all line ends are read.

    Raises
    ------
    InputError
        The file cannot be read, is no such text, or has nothing below the names.
    """
    text = _read_text(Path(path), kind)
    lines = io.StringIO(text, newline="")
    head = next((line.strip("\r\n") for line in lines if line.strip()), "")
    for separator, name in _SEPARATORS.items():
        names = {cell.strip(' "').casefold() for cell in head.split(separator)}
        if "\t" not in head and {kind.item, "path"} <= names:
            raise InputError(f"{kind.title} {path}: has {name} between its cells; {_AS_TEXT}")
    lines.seek(0)
    rows: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for number, cells in enumerate(csv.reader(lines, delimiter="\t", strict=True), start=1):
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                missing = len(rows[0][1]) - len(stripped) if rows else 0
                rows.append((number, stripped + [""] * missing))
    except csv.Error as error:
        raise InputError(
            f"{kind.title} {path}: row {number + 1}: has a quotation mark without its end, or text"
            " behind it; take the marks out"
        ) from error
    if len(rows) < 2:
        raise InputError(f"{kind.title} {path}: has no {kind.item}s")
    return _without_numbers(rows)


def _without_numbers(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Take out the numbers of rows that pandas writes below an empty name, and R below none."""
    (number, columns), *others = rows
    first, last = ([cells[place] for _, cells in others] for place in (0, -1))
    has_fewer_names = any(last) and all(len(cells) == len(columns) + 1 for _, cells in others)
    if (columns[0] and not has_fewer_names) or not all(map(str.isdecimal, first)):
        return rows
    counted = list(map(int, first))
    if counted != sorted(set(counted)):
        return rows
    names = columns if has_fewer_names else columns[1:]
    return [(number, names), *((number, cells[1:]) for number, cells in others)]


def _read_text(path: Path, kind: SheetKind) -> str:
    where = f"{kind.title} {path}"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(
                f"{where}: is larger than {_MOST_BYTES >> 20} MB, too much for a sheet"
                f" of {kind.item}s; {kind.remedy}"
            )
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: cannot be read ({error.strerror}); {kind.remedy}") from error
    if data.startswith((_ZIP, _OLD_EXCEL)):
        raise InputError(f"{where}: is a workbook of a spreadsheet; {_AS_TEXT}")
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}: row {row}: is not in UTF-8; save it as UTF-8 (in Excel: Unicode Text), or"
            " change it by iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
        ) from error
    if "\0" in text:
        raise InputError(f"{where}: is no text, it has NUL bytes; {_AS_TEXT}, in UTF-8")
    return text


def parse_rows(rows: list[tuple[int, list[str]]]) -> Iterator[tuple[int, dict]]:
    """Name the cells of what `read_rows` gave; empty ones and those without a name are left out.

    What is a number in a column of numbers becomes one; other words there stay as they are.
    """
    (_, columns), *others = rows
    for number, cells in others:
        named = zip(columns, cells, strict=False)
        yield number, {name: _parse(name, cell) for name, cell in named if name and cell}


def _parse(column: str, cell: str) -> str | int | float:
    if column not in _OF_NUMBERS or not _NUMBER.fullmatch(cell):
        return cell
    number = float(cell)
    return int(number) if column == "fold" and number.is_integer() else number


def load_sheet(path: str | Path) -> dict[str, dict]:
    """Read a sheet that `microtome.cohort.config_checks.read_sheet` has accepted.

    The result is the same, but nothing is checked and no file is looked for: with thousands of
    slides the checks of all jobs together would take minutes.
    """
    return {row["slide"]: row for _, row in parse_rows(read_rows(path))}


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
