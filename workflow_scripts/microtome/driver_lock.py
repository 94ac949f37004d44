"""One driver a folder: a lock that does not outlive its holder."""

import json
import os
import socket
import time
from pathlib import Path

import psutil

from microtome.errors import InputError
from microtome.io.atomic import write_json

# Another machine's driver that gave no sign for so long is taken for dead.
_DEAD_AFTER_S = 300


class DriverLock:
    """Says that this process runs the workflow of a folder.

    Snakemake's own lock stays behind when its holder is killed, and says nothing of who held it.

    Parameters
    ----------
    path : Path
        The lock file.

    Raises
    ------
    InputError
        If another driver holds it that lives, or may live, on another machine.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _require_dead(path)
        self._me = {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid())}
        write_json(path, self._me)

    def refresh(self) -> None:
        """Give a sign of life.

        Raises
        ------
        InputError
            If another driver took this one for dead: its jobs have been cancelled by then.
        """
        holder = _read(self._path)
        if holder not in (None, self._me):
            raise InputError(
                f"{self._path}: process {holder.get('pid')} on {holder.get('host')} has taken this"
                " folder over, as this one had been quiet for too long; leave it to that one"
            )
        try:
            os.utime(self._path)
        except FileNotFoundError:
            write_json(self._path, self._me)  # somebody tidied up

    def release(self) -> None:
        """Give the lock back."""
        if _read(self._path) == self._me:
            self._path.unlink(missing_ok=True)


def _read(path: Path) -> dict | None:
    """Who holds the lock; None where nobody does, or it cannot be read now."""
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return holder if isinstance(holder, dict) else None


def _require_dead(path: Path) -> None:
    try:
        holder = json.loads(path.read_text())
        host, pid, began = holder["host"], holder["pid"], holder["began"]
        quiet_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        return  # half a file: its writer came no further
    if host == socket.gethostname():
        if _began(pid) != began:
            return
        raise InputError(
            f"{path}: process {pid} runs this folder's workflow already; wait for its end, or stop"
            f" it (kill -INT {pid} also cancels its jobs)"
        )
    if quiet_s < _DEAD_AFTER_S:
        raise InputError(
            f"{path}: process {pid} on {host} runs this folder's workflow already, or did so"
            f" {quiet_s:.0f} s ago; stop it there, or wait until it has been quiet for"
            f" {_DEAD_AFTER_S // 60} minutes"
        )


def _began(pid: int) -> float | None:
    """When a process of this machine began; None where there is none."""
    try:
        return round(psutil.Process(pid).create_time(), 1)
    except psutil.Error:
        return None
