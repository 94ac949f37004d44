"""When a process began: with its number it names one process and no later one."""

from pathlib import Path


def started_at(pid: int) -> int | None:
    """When a process began, in clock ticks since the start of the machine; None: it is gone."""
    try:
        # The name, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "XZ" else int(fields[19])
