"""Make the slide sheet of a CAMELYON17 folder as downloaded; what is odd goes to standard error.

Patients with labels train, but for a share that validates; the others test. A recipe that trains on
folds needs these too: then run assign_splits.py SHEET --folds 5.
"""

import sys
from pathlib import Path

from microtome.challenges.camelyon16_sheet import make_camelyon16_sheet
from microtome.challenges.camelyon17_sheet import COLUMNS, make_camelyon17_sheet
from microtome.challenges.camelyon17_uses import WITH_CAMELYON16, add_camelyon16, part_patients
from microtome.cohort.sheet_command import (
    Sheet,
    describe_splits,
    sheet_parser,
    split_off_validation,
    write_new_sheet,
)
from microtome.errors import InputError


def main() -> None:
    """Look through the folder, match its files, deal out validation and write the sheet."""
    parser = sheet_parser(__doc__, validates=True)
    parser.add_argument(
        "--camelyon16",
        type=Path,
        metavar="FOLDER",
        help="of CAMELYON16: its slides are added, for networks to learn from",
    )
    parser.add_argument(
        "--apart",
        action="store_true",
        help="patients with outlines are for the networks, and the others for the forests alone",
    )
    given = parser.parse_args()

    def make() -> Sheet:
        rows, notes = make_camelyon17_sheet(given.folder)
        if given.apart:
            rows, more = part_patients(rows)
            notes += more
        if given.camelyon16:
            others, more = make_camelyon16_sheet(given.camelyon16)
            rows = add_camelyon16(rows, others)
            notes += more
        return split_off_validation(rows, share=given.validation / 100, seed=given.seed), notes

    columns = WITH_CAMELYON16 if given.camelyon16 else COLUMNS
    write_new_sheet(given.sheet, columns, make, describe_splits)
    folds = Path(sys.argv[0]).with_name("assign_splits.py")
    print(f"Where models train on folds, next: python {folds} {given.sheet} --folds 5")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
