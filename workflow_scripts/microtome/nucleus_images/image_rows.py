"""Rows of a sheet of labelled images, read and checked before anything runs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from microtome.cohort.mistakes import refuse
from microtome.cohort.sheet_mistakes import find_mistakes
from microtome.cohort.sheet_rows import SheetKind, parse_rows, read_rows
from microtome.nucleus_images.words import list_words

IMAGES = SheetKind(
    item="image",
    key="nuclei.images",
    ids=("image", "patient"),
    files=("path", "nuclei", "labels"),
)
ID_PATTERN = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$"
_ID = {"type": "string", "pattern": ID_PATTERN, "maxLength": 100}
_SPLITS = ("train", "validation", "test")
_WORDS = "[A-Za-z0-9_ -]+"
# The row of a sheet. A nucleus has few px at the coarsest spacing.
_SCHEMA = {
    "required": ["image", "path", "spacing_um"],
    "properties": {
        "image": _ID,
        "path": {"type": "string"},
        "spacing_um": {
            "type": "number",
            "minimum": 0.05,
            "maximum": 2.5,
        },
        "patient": _ID,
        "split": {"type": "string", "enum": [*_SPLITS]},
        "fold": {"type": "integer", "minimum": 1},
        "splits": {"type": "string"},
        "nuclei": {"type": "string"},
        "labels": {"type": "string"},
        "attributes": {"type": "string"},
    },
}
_PARTS = ("split", "fold", "splits")


def read_image_rows(path: str | Path) -> dict[str, dict]:
    """Read and check a sheet of labelled images; the files it names are not opened.

    Planning needs no more. Gives image -> its row, without empty cells but that of ``attributes``;
    numbers as numbers, in the sheet's order. Raises InputError as
    `microtome.nucleus_images.sheet.read_image_sheet` does.
    """
    rows = read_rows(path, kind=IMAGES)
    mistakes = find_mistakes(
        rows, schema=_SCHEMA, sheet=Path(path), kind=IMAGES, check_rows=_check_rows
    )
    if len(parts := [column for column in _PARTS if column in rows[0][1]]) > 1:
        mistakes.append(f"has the columns {' and '.join(parts)}; a sheet has one of them")
    refuse(mistakes, of=f"{IMAGES.title} {path}")
    return _name_rows(rows)


def load_image_rows(path: str | Path) -> dict[str, dict]:
    """Read a sheet that `read_image_rows` has accepted: the same result without checks."""
    return _name_rows(read_rows(path, kind=IMAGES))


def _name_rows(rows: list[tuple[int, list[str]]]) -> dict[str, dict]:
    # An image without any of the attributes is known not to have them.
    empty = {"attributes": ""} if "attributes" in rows[0][1] else {}
    return {row["image"]: empty | row for _, row in parse_rows(rows)}


def _check_rows(named: Sequence[tuple[int, dict]]) -> Iterator[tuple[int, str, str]]:
    yield from _check_repetitions(named)
    yield from _check_attributes(named)
    yield from _check_patients(named)


def _check_repetitions(named: Sequence[tuple[int, dict]]) -> Iterator[tuple[int, str, str]]:
    first = None
    for number, row in named:
        splits = list_words(row.get("splits", ""), ",")
        for word in dict.fromkeys(splits):
            if word not in _SPLITS:
                yield number, "splits", f"{word!r} is no split; they are {', '.join(_SPLITS)}"
        first = first or (splits and (number, len(splits)))
        if splits and len(splits) != first[1]:
            yield (
                number,
                "splits",
                f"has {len(splits)} splits, row {first[0]} {first[1]}; each image has one in every"
                " repetition",
            )


def _check_attributes(named: Sequence[tuple[int, dict]]) -> Iterator[tuple[int, str, str]]:
    for number, row in named:
        attributes = list_words(row.get("attributes", ""), ";")
        for word in attributes:
            if not re.fullmatch(_WORDS, word):
                yield (
                    number,
                    "attributes",
                    f"{word!r} is no name (letters, digits, _ -); put ; between attributes",
                )
        if len(set(attributes)) < len(attributes):
            yield number, "attributes", f"{row['attributes']!r} names one twice"


def _check_patients(named: Sequence[tuple[int, dict]]) -> Iterator[tuple[int, str, str]]:
    patients: dict[tuple[str, str], tuple[int, dict]] = {}
    for number, row in named:
        for part in _PARTS if "patient" in row else ():
            other, before = patients.setdefault((row["patient"], part), (number, row))
            if before.get(part) != row.get(part):
                yield (
                    number,
                    part,
                    f"patient {row['patient']} is in {row.get(part, 'none')} here and in"
                    f" {before.get(part, 'none')} in row {other}; one patient's images share it",
                )
