"""The log of a driver run: one line of JSON an event, while it runs and for afterwards.

Only the driver writes it. Everything that tells of a run (progress, status, report) reads it.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .errors import one_line

RUNS = Path("logs") / "runs"


class RunLog:
    """Appends events to a new file, one whole line each, from any thread.

    A disk that is full must not end a run of days: that is warned of once, and writing is tried
    again at the next event.

    It is made in `folder` at the first event: taken from the working folder of that moment.
    """

    def __init__(self, folder: str | Path = RUNS) -> None:
        self._folder = Path(folder)
        self.path: Path | None = None  # the file; None before the first event
        self._lock = threading.Lock()
        self._is_whole = True
        self._has_warned = False

    def write(self, event: str, *, t: float | None = None, **what: object) -> dict:
        """Append an event: its time (Unix seconds, now if unset), its name and what happened.

        What JSON cannot hold is written as its text. Gives the event.
        """
        told = {"t": round(time.time() if t is None else t, 3), "event": event, **what}
        line = json.dumps(told, default=str, separators=(",", ":"))
        with self._lock:
            self._append(line)
        return told

    def _append(self, line: str) -> None:
        try:
            if self.path is None:
                name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{os.getpid()}.jsonl"
                self.path = (self._folder / name).absolute()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # What was cut off by a full disk must not swallow the next event.
            data = f"{line}\n" if self._is_whole else f"\n{line}\n"
            self._is_whole = False
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                self._is_whole = os.write(file, data.encode()) == len(data.encode())
            finally:
                os.close(file)
        except OSError as error:
            if not self._has_warned:
                self._has_warned = True
                logging.getLogger("snakemake.logging").warning(
                    "The run log cannot be written, so the run's status will miss "
                    "events; the run itself goes on: %s",
                    one_line(error),
                )


def read_events(path: str | Path) -> Iterator[dict]:
    """Read the events of a run log, those of a run under way too.

    Lines that are no event, such as one cut off, are passed over; all others have at least ``t``,
    in seconds, and ``event``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = RunLog(folder)
    ...     _ = log.write("job_started", t=12.5, job=3)
    ...     list(read_events(log.path))
    [{'t': 12.5, 'event': 'job_started', 'job': 3}]
    """
    with Path(path).open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if _is_event(event):
                yield event


def run_logs(folder: str | Path = RUNS) -> list[Path]:
    """The run logs of a folder, oldest first."""
    return sorted(Path(folder).glob("*.jsonl"))


def _is_event(event: object) -> bool:
    return (
        isinstance(event, dict)
        and isinstance(event.get("event"), str)
        and isinstance(event.get("t"), int | float)
    )
