"""Make the sheet of labelled images of a public data set, and beside it files of its nuclei.

The files of images.tsv lie in images_files. Folds are dealt out by patient where it is known;
PanNuke has its own. What is odd goes to standard error.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from microtome.cohort.sheet_command import Sheet, write_new_sheet
from microtome.errors import InputError
from microtome.nucleus_images.conversion import COLUMNS, convert
from microtome.nucleus_images.crchistophenotypes import find_crchistophenotypes
from microtome.nucleus_images.dsb2018 import find_dsb2018
from microtome.nucleus_images.miccai2015 import find_miccai2015
from microtome.nucleus_images.monuseg import find_monuseg
from microtome.nucleus_images.pannuke import find_pannuke

KINDS = {
    "crchistophenotypes": find_crchistophenotypes,
    "miccai2015": find_miccai2015,
    "monuseg": find_monuseg,
    "pannuke": find_pannuke,
    "dsb2018": find_dsb2018,
}
# The papers' protocols: two folds of CRCHistoPhenotypes.
FOLDS = dict.fromkeys(KINDS, 5) | {"crchistophenotypes": 2}


def main() -> None:
    """Look through the folder, convert what it holds and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS, help="the data set")
    parser.add_argument("folder", type=Path, help="its unpacked files, in any sub-folders")
    parser.add_argument("sheet", type=Path, help="image sheet to write, tab-separated")
    parser.add_argument(
        "--spacing",
        type=float,
        metavar="UM",
        help="µm per px, where the data set does not state it; of miccai2015 that of 20x",
    )
    parser.add_argument("--folds", type=int, help="how many (default: 5; crchistophenotypes 2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other folds")
    given = parser.parse_args()

    def make() -> Sheet:
        sources, faults = KINDS[given.kind](given.folder, spacing_um=given.spacing)
        return convert(
            sources,
            faults,
            given.sheet.with_name(f"{given.sheet.stem}_files"),
            folder=given.folder,
            n_folds=given.folds or FOLDS[given.kind],
            seed=given.seed,
        )

    def describe(rows: list[dict[str, str]]) -> str:
        folds = sorted(Counter(row["fold"] for row in rows).items())
        dealt = ", ".join(f"{n} in fold {fold}" for fold, n in folds)
        return f"{len(rows)} images ({dealt})"

    write_new_sheet(given.sheet, COLUMNS, make, describe)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
