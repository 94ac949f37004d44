"""What a pack of jobs tells while it runs: a line an event, in a file that only it writes.

The driver reads that file instead of asking SLURM how each member does.
"""

import contextlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

EVENTS = "events.jsonl"
_GIVEN_UP = "given_up"


def job_key(rule: str, wildcards: dict[str, str]) -> str:
    """Name of a job that both sides know it by; `wildcards` in any order."""
    return f"{rule}:{','.join(f'{name}={wildcards[name]}' for name in sorted(wildcards))}"


def give_up(folder: Path) -> None:
    """Note that the driver waits for this pack no longer: it must not be begun again."""
    with contextlib.suppress(OSError):
        (folder / _GIVEN_UP).touch()


def is_given_up(folder: Path) -> bool:
    """Whether the driver has given the members of a pack to others."""
    return (folder / _GIVEN_UP).exists()


class PackEvents:
    """Writes the events of a pack to its folder, each at once and whole.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     reader = EventReader(Path(folder))
    ...     PackEvents(Path(folder)).add("job_started", key="a")
    ...     [event["key"] for event in reader.new()], reader.new()
    (['a'], [])
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        _mend_last_line(self._path)

    def add(self, event: str, **what: object) -> None:
        """Append one event, with the time."""
        line = json.dumps({"t": round(time.time(), 3), "event": event, **what}) + "\n"
        # One write of one line, pushed to the server: what is told has happened.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
            os.fsync(file)
        finally:
            os.close(file)


@dataclass
class EventReader:
    """Reads what has been added to the events in a pack's folder since the last time."""

    folder: Path
    _offset: int = field(default=0, init=False)

    def new(self) -> list[dict]:
        """The whole lines since the last call; none where the file is not there (yet)."""
        try:
            with (self.folder / EVENTS).open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _parsed(line))]


def _parsed(line: bytes) -> dict | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _mend_last_line(path: Path) -> None:
    """Close a line that a node lost while writing: the next event must not be part of it."""
    try:
        with path.open("rb+") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
    except FileNotFoundError:
        return
