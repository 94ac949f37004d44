"""Fill the column split, or fold, of a slide sheet: by patient, stratified, the same for a seed."""

import argparse
import sys
from pathlib import Path

from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import fill_column, read_cells, write_cells
from microtome.cohort.splits import assign_folds, assign_splits, count_parts
from microtome.errors import InputError
from microtome.io.text_tables import markdown_table

SCHEMA = Path(__file__).resolve().parents[1] / "rules" / "schemas" / "slides.schema.yaml"


def main() -> None:
    """Read the sheet, fill it, write it in its place and show what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path, help="slide sheet, tab-separated; written in place")
    way = parser.add_mutually_exclusive_group()
    way.add_argument(
        "--split",
        type=float,
        nargs=3,
        default=(70, 20, 10),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="shares of the slides (default: 70 20 10)",
    )
    way.add_argument("--folds", type=int, metavar="N", help="fill the column fold with 1 to N")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another split")
    parser.add_argument("--force", action="store_true", help="replace values that are there")
    given = parser.parse_args()

    rows = list(read_sheet(given.sheet, schema=SCHEMA).values())
    if given.folds is None:
        column, values = "split", assign_splits(rows, fractions=given.split, seed=given.seed)
    else:
        column, values = "fold", assign_folds(rows, n_folds=given.folds, seed=given.seed)
    columns, cells = fill_column(
        *read_cells(given.sheet), column=column, values=values, replace=given.force
    )
    write_cells(given.sheet, columns, cells)
    print(markdown_table(count_parts(rows, values)), end="")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
