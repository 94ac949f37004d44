"""Files that may be there already when a job is planned, and tell how much it takes."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def read_known(read: Callable[[str], Any], path: str) -> Any:
    """Read a file, once while it stays the same; None where there is none yet, or not all of it.

    Examples
    --------
    >>> read_known(len, "no such file") is None
    True
    """
    try:
        return _read_once(read, path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


@cache
def _read_once(read: Callable[[str], Any], path: str, _changed_ns: int) -> Any:
    return read(path)


def bytes_of(path: str | None) -> int:
    """Size of a file; 0 where there is none, or it is still to be made."""
    try:
        return Path(path).stat().st_size if path else 0
    except OSError:
        return 0
