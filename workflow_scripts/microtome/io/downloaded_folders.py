"""The files of a folder that somebody downloaded, and the cells of the tables among them."""

import csv
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from microtome.errors import InputError, one_line


def list_files(folder: Path) -> list[Path]:
    """List files in the order of their names; a folder that links lead to again only once."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder")

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error

    files: list[Path] = []
    seen = set()
    for name, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        real = Path(name).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(n for n in folders if not n.startswith("."))
        paths = (Path(name, n) for n in sorted(names) if not n.startswith("."))
        files += [path for path in paths if path.is_file()]
    return files


def enter_file(files: dict[str, Path], key: str, path: Path, *, what: str, about: str = "") -> None:
    """Enter a file under its key; InputError if one that is not the same is there already."""
    first = files.setdefault(key, path)
    if not first.samefile(path):
        raise InputError(f"{about}{first} and {path} are both {what}; move one out of the folder")


def sort_by_name(
    paths: Iterable[Path], names: re.Pattern[str], *, what: str, end: str = ""
) -> dict[str, Path]:
    """Sort files by their name in small letters without its `end`; others are passed over.

    InputError if two files that are not the same have one name of `names`; `what` says of what
    they are.
    """
    found: dict[str, Path] = {}
    for path in paths:
        stem = path.stem.lower()
        name = stem.removesuffix(end)
        if stem.endswith(end) and names.fullmatch(name):
            enter_file(found, name, path, what=f"{what} {name}")
    return dict(sorted(found.items()))


def name_packed(files: Iterable[Path], is_unpacked: Callable[[Path], bool]) -> list[str]:
    """Name the archives that nobody seems to have unpacked, one line each."""
    return [
        f"{path}: is packed and was not looked into; unpack it"
        for path in files
        if path.suffix.lower() == ".zip" and not is_unpacked(path)
    ]


def read_columns(
    path: Path, *names: str, errors: str = "strict"
) -> list[tuple[int, list[str]]] | None:
    """Read line number and cells of some columns of a CSV, whose header may be in capitals.

    None if the header lacks a column. Blank rows are passed over; a short row lacks its last cells.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors=errors) as file:
            reader = csv.reader(file)
            header = [cell.strip().lower() for cell in next(reader, [])]
            if not set(names) <= set(header):
                return None
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from error
    places = [header.index(name) for name in names]
    return [(line, [row[p] for p in places if p < len(row)]) for line, row in rows if any(row)]
