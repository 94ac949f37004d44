"""Make the slide sheet of a PAIP 2019 folder as downloaded; what is odd goes to standard error."""

import sys
from functools import partial

from microtome.challenges.paip2019_sheet import COLUMNS, make_paip2019_sheet
from microtome.cohort.sheet_command import sheet_parser, write_new_sheet
from microtome.errors import InputError


def main() -> None:
    """Look through the folder, compare the masks and write the sheet."""
    given = sheet_parser(__doc__).parse_args()
    write_new_sheet(given.sheet, COLUMNS, partial(make_paip2019_sheet, given.folder))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
