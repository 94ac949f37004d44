"""What tests of sheets of downloaded folders share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import REPOSITORY
from microtome.errors import InputError

SHEET_SCHEMA = REPOSITORY / "rules" / "schemas" / "slides.schema.yaml"


def touch(path: Path) -> Path:
    """Make an empty file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def only_note(make: Callable, folder: Path) -> str:
    """Make the sheet and give the one line that is odd."""
    _, notes = make(folder)
    assert len(notes) == 1, notes
    assert "\n" not in notes[0]
    return notes[0]


def mistake_in(make: Callable, folder: Path) -> str:
    """Give the line that refuses the folder."""
    with pytest.raises(InputError) as caught:
        make(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)
