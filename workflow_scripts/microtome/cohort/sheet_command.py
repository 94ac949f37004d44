"""What the commands share that make the slide sheet of a downloaded folder."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from microtome.cohort.sheet_cells import write_cells
from microtome.errors import InputError

# The rows of a sheet, and what is odd, one line each.
Sheet = tuple[list[dict[str, str]], list[str]]


def sheet_parser(description: str) -> argparse.ArgumentParser:
    """Make the parser of a command's two places: ``folder`` and ``sheet``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="the unpacked files, in any sub-folders")
    parser.add_argument("sheet", type=Path, help="slide sheet to write, tab-separated")
    return parser


def write_new_sheet(
    path: Path,
    columns: Sequence[str],
    make: Callable[[], Sheet],
    describe: Callable[[list[dict[str, str]]], str] = lambda rows: f"{len(rows)} slides",
) -> None:
    """Make and write a sheet, with notes to standard error; InputError if one is there already."""
    if path.exists():
        raise InputError(f"{path}: is there already; remove it or give another name")
    rows, notes = make()
    for note in notes:
        print(note, file=sys.stderr)
    write_cells(path, columns, rows)
    print(f"{path}: {describe(rows)}, {len(notes)} notes")
