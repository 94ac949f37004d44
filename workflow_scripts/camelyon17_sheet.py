"""Make the slide sheet of a CAMELYON17 folder as downloaded; what is odd goes to standard error.

Patients with labels train, but for a share that validates; the others test. A recipe whose models
validate on folds needs these too: then run assign_splits.py SHEET --folds 5.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from microtome.challenges.camelyon17_sheet import COLUMNS, camelyon17_sheet, with_validation
from microtome.cohort.sheet_cells import write_cells
from microtome.errors import InputError


def main() -> None:
    """Look through the folder, match its files, deal out validation and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the unpacked files, in any sub-folders")
    parser.add_argument("sheet", type=Path, help="slide sheet to write, tab-separated")
    parser.add_argument(
        "--validation",
        type=float,
        default=10,
        metavar="PERCENT",
        help="of the slides with labels, by patient (default: 10)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, another validation")
    given = parser.parse_args()

    if given.sheet.exists():
        raise InputError(f"{given.sheet}: is there already; remove it or give another name")
    rows, notes = camelyon17_sheet(given.folder)
    rows = with_validation(rows, share=given.validation / 100, seed=given.seed)
    for note in notes:
        print(note, file=sys.stderr)
    write_cells(given.sheet, COLUMNS, rows)
    splits = Counter(row["split"] for row in rows)
    dealt = ", ".join(f"{splits[name]} {name}" for name in ("train", "validation", "test"))
    print(f"{given.sheet}: {len(rows)} slides ({dealt}), {len(notes)} notes")
    folds = Path(sys.argv[0]).with_name("assign_splits.py")
    print(f"Where models validate on folds, next: python {folds} {given.sheet} --folds 5")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
