"""Why a job failed, as its logs say."""

from pathlib import Path

from microtome.errors import one_line

_READ_BYTES = 2**16
_MOST_CHARACTERS = 300
# Clocks of node and driver differ a little, and file systems round times.
_CLOCKS_S = 60


def last_error(paths: list[str], *, since_s: float) -> str:
    """The line that says what went wrong, from the logs of a job.

    Parameters
    ----------
    paths : list of str
        The job's logs; what is missing or cannot be read is passed over.
    since_s : float
        When the job was submitted (Unix seconds): an older log is one of another try.

    Returns
    -------
    str
        The message of the last ERROR or CRITICAL line, with the last line of the traceback where
        one follows; empty where there is none.
    """
    for path in paths:
        lines = _last_lines(path, since_s)
        for place in range(len(lines) - 1, -1, -1):
            words = lines[place].split(maxsplit=3)
            if len(words) == 4 and words[2] in ("ERROR", "CRITICAL"):
                after = f": {lines[-1]}" if place + 1 < len(lines) else ""
                return _short(words[3] + after)
    return ""


def last_line(paths: list[str], *, since_s: float) -> str:
    """The last line of a job's logs, whatever it says; arguments as of `last_error`."""
    return next((_short(lines[-1]) for path in paths if (lines := _last_lines(path, since_s))), "")


def last_written_s(paths: list[str]) -> float:
    """When the last of some logs was written, Unix seconds; 0 where there is none."""
    return max(map(_written_s, paths), default=0)


def _written_s(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0


def _last_lines(path: str, since_s: float) -> list[str]:
    if _written_s(path) < since_s - _CLOCKS_S:
        return []
    try:
        with Path(path).open("rb") as file:
            file.seek(-min(_READ_BYTES, file.seek(0, 2)), 2)
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()]


def _short(line: str) -> str:
    line = one_line(line)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."
