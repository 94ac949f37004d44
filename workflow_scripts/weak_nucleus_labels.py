"""Label the nuclei of H&E images by the DAPI images of the same sections.

Look at OUT_FOLDER/overlays afterwards: DAPI, H&E, and H&E with the outlines. Where these do not
fit, delete the row of OUT_FOLDER/images.tsv: a sheet of labelled images, for `nuclei: images:`.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from microtome.cohort.sheet_command import write_new_sheet
from microtome.errors import InputError
from microtome.weak_labels.pairs import COLUMNS, label_pairs


def main() -> None:
    """Register each pair, outline its nuclei and write the sheet; pairs left out are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "pairs_sheet",
        type=Path,
        help="tab-separated: image, he_path, dapi_path, spacing_um and, if it differs,"
        " dapi_spacing_um",
    )
    parser.add_argument("out_folder", type=Path, help="for images, labels, overlays and the sheet")
    given = parser.parse_args()
    write_new_sheet(
        given.out_folder / "images.tsv",
        COLUMNS,
        partial(label_pairs, given.pairs_sheet, given.out_folder),
        lambda rows: f"{len(rows)} labelled images to look at in {given.out_folder / 'overlays'}",
    )


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
