"""Files that a sheet names: whether they are there, and each for one row only."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from microtome.cohort.sheet_rows import SheetKind

_NOT_AS_IT_STANDS = {
    r"[A-Za-z]:[\\/]|.*\\": "is a path of Windows; write it as this machine does, with /",
    r"[A-Za-z][A-Za-z0-9+.-]+:/": "is an address; give the path of a file on this machine",
    r"~|.*\$": "is taken as it stands; write ~ and variables out",
    r"[\"'=’‘“”#]": "begins with a sign of a spreadsheet; take it out",
    r"(?i:na|n/a|nan|null|none|<na>|-)$": "is no file; leave the cell empty",
}


def find_file_mistakes(
    rows: Sequence[tuple[int, dict]], *, kind: SheetKind, sheet: Path, made_by_workflow: str
) -> Iterator[tuple[int, str, str]]:
    """Find files that are missing, that are no files, or that two rows name.

    Gives row, column and what is wrong. Files below the folder `made_by_workflow`, if there is one,
    need not be there yet.
    """
    names_in = cache(_names_in)
    seen: dict[object, tuple[int, str, str]] = {}
    for number, row in rows:
        for column in kind.files:
            if column not in row:
                continue
            name = row[column]
            is_made = bool(made_by_workflow) and Path(name).is_relative_to(made_by_workflow)
            key, wrong = _look_at(name, column, is_made=is_made)
            if wrong == "does not exist":
                wrong += _find_reason(name, sheet, names_in)
            if not wrong:
                first = seen.setdefault(key, (number, column, row.get(kind.item, "")))
                may_be_one = first[0] == number and {first[1], column} <= kind.shared
                if first[:2] != (number, column) and not may_be_one:
                    wrong = f"is the {first[1]} of {kind.item} {first[2]} (row {first[0]}) too; "
                    wrong += _ONE_EACH.get(column, f"each {kind.item} has its own")
            if wrong:
                yield number, column, f"the file {_shown(name)} {wrong}"


_OF_TUMOUR = "each slide has its own, and one without tumour needs none, but label negative"
_ONE_EACH = dict.fromkeys(("annotation", "viable_mask", "whole_mask"), _OF_TUMOUR)


def _look_at(name: str, column: str, *, is_made: bool) -> tuple[object, str]:
    """Find what tells a file from all others, by whatever path it is named, or what is wrong."""
    if re.search(r"[{}\n\r]", name):
        return None, (
            "has a brace or a line break, which Snakemake cannot take in a path; rename it, or"
            " make a link to it"
        )
    try:
        found = os.stat(name)  # noqa: PTH116 (three times as fast for thousands of them)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.abspath(name), "" if is_made else "does not exist"  # noqa: PTH100
    except OSError as error:
        return None, f"cannot be looked at ({error.strerror})"
    if column != "path" and os.path.isdir(name):  # noqa: PTH112
        return None, "is a folder"
    # Where numbers of files are used again, size and date tell them apart.
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns), ""


def _find_reason(name: str, sheet: Path, names_in) -> str:
    """Say why a file is perhaps not found, as the end of a message."""
    for pattern, why in _NOT_AS_IT_STANDS.items():
        if re.match(pattern, name):
            return f": it {why}"
    path = Path(name)
    if path.is_symlink():
        return f": it is a link to {path.readlink()}, which is gone"
    if not path.is_absolute() and (sheet.parent / path).exists():
        return (
            f", but {sheet.parent / path} does: paths are relative to where snakemake runs,"
            f" {Path.cwd()}"
        )
    other = names_in(path.parent).get(_spelling(path.name))
    if other:
        return f"; there is {other!r}, spelt otherwise"
    return "" if path.is_absolute() else f" in {Path.cwd()}"


def _names_in(folder: Path) -> dict[str, str]:
    try:
        return {_spelling(name): name for name in os.listdir(folder)}  # noqa: PTH208
    except OSError:
        return {}


def _spelling(name: str) -> str:
    """Make names equal that differ in case, in blanks, or in how an umlaut is made up."""
    return unicodedata.normalize("NFKC", name).casefold().replace(" ", "")


def _shown(name: str) -> str:
    return name if name.isprintable() else repr(name)
