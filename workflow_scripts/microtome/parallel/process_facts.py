"""When a process began, and how it ended."""

import signal
from pathlib import Path


def started_at(pid: int) -> int | None:
    """When a process began, in clock ticks since the start of the machine; None: it is gone.

    With its number this names one process and no later one.

    Examples
    --------
    >>> started_at(2**22 + 1) is None  # Linux has no such number
    True
    """
    try:
        # The name, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "XZ" else int(fields[19])


def describe_end(exit_code: int | None) -> str:
    """What ended a process: a signal, or its own exit code.

    Examples
    --------
    >>> describe_end(-9), describe_end(3)
    ('SIGKILL', 'exit code 3')
    """
    code = exit_code or 0
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
