"""Make the slide sheet of a CAMELYON16 folder as downloaded; what is odd goes to standard error.

Slides called normal and tumor train, but for a share that validates; those called test are tested.
A recipe whose models validate on folds needs these too: then run assign_splits.py SHEET --folds 5.
"""

import sys
from pathlib import Path

from microtome.challenges.camelyon16_sheet import COLUMNS, make_camelyon16_sheet
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
    given = sheet_parser(__doc__, validates=True).parse_args()

    def make() -> Sheet:
        rows, notes = make_camelyon16_sheet(given.folder)
        return split_off_validation(rows, share=given.validation / 100, seed=given.seed), notes

    write_new_sheet(given.sheet, COLUMNS, make, describe_splits)
    folds = Path(sys.argv[0]).with_name("assign_splits.py")
    print(f"Where models validate on folds, next: python {folds} {given.sheet} --folds 5")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
