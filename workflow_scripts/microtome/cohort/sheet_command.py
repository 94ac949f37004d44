"""What the commands share that make the slide sheet of a downloaded folder."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from microtome.cohort.sheet_cells import write_cells
from microtome.cohort.splits import SPLITS, assign_splits
from microtome.errors import InputError

# The rows of a sheet, and what is odd, one line each.
Sheet = tuple[list[dict[str, str]], list[str]]


def sheet_parser(description: str, *, validates: bool = False) -> argparse.ArgumentParser:
    """Make the parser of a command's two places: ``folder`` and ``sheet``.

    If it `validates`, also of what `split_off_validation` takes: ``validation``, percent, ``seed``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, help="the unpacked files, in any sub-folders")
    parser.add_argument("sheet", type=Path, help="slide sheet to write, tab-separated")
    if validates:
        parser.add_argument(
            "--validation",
            type=float,
            default=10,
            metavar="PERCENT",
            help="of the slides that train, by patient (default: 10)",
        )
        parser.add_argument("--seed", type=int, default=0, help="another seed, another validation")
    return parser


def write_new_sheet(
    path: Path,
    columns: Sequence[str],
    make: Callable[[], Sheet],
    describe: Callable[[list[dict[str, str]]], str] = lambda rows: f"{len(rows)} slides",
) -> None:
    """Make and write a sheet, with notes to standard error; InputError if one is there already."""
    if path.exists():
        raise InputError(f"{path}: is there already; remove it or give another name")
    rows, notes = make()
    for note in notes:
        print(note, file=sys.stderr)
    write_cells(path, columns, rows)
    print(f"{path}: {describe(rows)}, {len(notes)} notes")


def describe_splits(rows: Sequence[Mapping[str, str]]) -> str:
    """Say how many slides there are, and how many of each split.

    Examples
    --------
    >>> describe_splits([{"split": "test"}, {"split": "train"}, {"split": ""}])
    '3 slides (1 train, 0 validation, 1 test, 1 without)'
    """
    counts = Counter(row["split"] for row in rows)
    dealt = [f"{counts[name]} {name}" for name in SPLITS]
    without = [f"{counts['']} without"] if counts[""] else []
    return f"{len(rows)} slides ({', '.join(dealt + without)})"


def split_off_validation(
    rows: Sequence[Mapping[str, str]], *, share: float, seed: int
) -> list[dict[str, str]]:
    """Take some of the patients that train to validate, the classes spread evenly.

    Parameters
    ----------
    rows : sequence of dict
        Rows of a new sheet; slides of another split than train stay so. Copies are returned.
    share : float
        Of the slides that train, 0 to below 1; 0 changes nothing.
    seed : int
        Another one takes other patients.

    Raises
    ------
    InputError
        The share is out of range, or the patients are too few for it.
    """
    if not 0 <= share < 1:
        raise InputError(f"the share {share:g} of slides that validate is not from 0 to below 1")
    training = [
        {column: cell for column, cell in row.items() if cell}
        for row in rows
        if row["split"] == "train"
    ]
    if not training:
        return [dict(row) for row in rows]
    try:
        dealt = assign_splits(training, fractions=(1 - share, share, 0), seed=seed)
    except InputError as error:
        raise InputError(f"{error}; with --validation 0 all of them train") from error
    return [dict(row) | {"split": dealt.get(row["slide"], row["split"])} for row in rows]
