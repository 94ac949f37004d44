"""Make the slide sheet of a PAIP 2019 folder as downloaded; what is odd goes to standard error."""

import argparse
import sys
from pathlib import Path

from microtome.challenges.paip2019_sheet import COLUMNS, paip2019_sheet
from microtome.cohort.sheet_cells import write_cells
from microtome.errors import InputError


def main() -> None:
    """Look through the folder, compare the masks and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the unpacked files, in any sub-folders")
    parser.add_argument("sheet", type=Path, help="slide sheet to write, tab-separated")
    given = parser.parse_args()

    if given.sheet.exists():
        raise InputError(f"{given.sheet}: is there already; remove it or give another name")
    rows, notes = paip2019_sheet(given.folder)
    for note in notes:
        print(note, file=sys.stderr)
    write_cells(given.sheet, COLUMNS, rows)
    print(f"{given.sheet}: {len(rows)} slides, {len(notes)} notes")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
