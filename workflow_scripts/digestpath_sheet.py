"""Make the slide sheet of DigestPath 2019's tissue images; what is odd goes to standard error.

Masks are written as TIFFs: those of digestpath.tsv lie in digestpath_files. Splits and folds are
assign_splits.py's.
"""

import sys

from microtome.challenges.digestpath_sheet import COLUMNS, make_digestpath_sheet
from microtome.cohort.sheet_command import Sheet, sheet_parser, write_new_sheet
from microtome.errors import InputError


def main() -> None:
    """Look through the folders, convert the masks and write the sheet."""
    parser = sheet_parser(__doc__)
    parser.add_argument(
        "--spacing",
        type=float,
        default=0.5,
        metavar="UM",
        help="µm per px (default: 0.5, that of 20x; Khened et al. 2021 have 0.25 in Table 1)",
    )
    given = parser.parse_args()

    def make() -> Sheet:
        masks = given.sheet.with_name(f"{given.sheet.stem}_files")
        return make_digestpath_sheet(given.folder, masks, spacing_um=given.spacing)

    def describe(rows: list[dict[str, str]]) -> str:
        with_lesion = sum(bool(row["viable_mask"]) for row in rows)
        free = sum(bool(row["label"]) for row in rows)
        patients = len({row["patient"] for row in rows})
        return (
            f"{len(rows)} images of {patients} patients ({with_lesion} with lesions, {free}"
            f" without), {given.spacing:g} µm per px"
        )

    write_new_sheet(given.sheet, COLUMNS, make, describe)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
