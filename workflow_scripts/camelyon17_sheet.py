"""Make the slide sheet of a CAMELYON17 folder as downloaded; what is odd goes to standard error.

Patients with labels train, but for a share that validates; the others test. A recipe whose models
validate on folds needs these too: then run assign_splits.py SHEET --folds 5.
"""

import sys
from collections import Counter
from pathlib import Path

from microtome.challenges.camelyon17_sheet import (
    COLUMNS,
    make_camelyon17_sheet,
    split_off_validation,
)
from microtome.cohort.sheet_command import Sheet, sheet_parser, write_new_sheet
from microtome.errors import InputError


def main() -> None:
    """Look through the folder, match its files, deal out validation and write the sheet."""
    parser = sheet_parser(__doc__)
    parser.add_argument(
        "--validation",
        type=float,
        default=10,
        metavar="PERCENT",
        help="of the slides with labels, by patient (default: 10)",
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, another validation")
    given = parser.parse_args()

    def make() -> Sheet:
        rows, notes = make_camelyon17_sheet(given.folder)
        return split_off_validation(rows, share=given.validation / 100, seed=given.seed), notes

    def describe(rows: list[dict[str, str]]) -> str:
        splits = Counter(row["split"] for row in rows)
        dealt = ", ".join(f"{splits[name]} {name}" for name in ("train", "validation", "test"))
        return f"{len(rows)} slides ({dealt})"

    write_new_sheet(given.sheet, COLUMNS, make, describe)
    folds = Path(sys.argv[0]).with_name("assign_splits.py")
    print(f"Where models validate on folds, next: python {folds} {given.sheet} --folds 5")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
