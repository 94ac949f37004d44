"""One driver a folder: a lock that does not outlive its holder."""

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

from .errors import InputError

# Another machine's driver that gave no sign for so long is taken for dead.
_DEAD_AFTER_S = 300
_SIGN_EVERY_S = 20


class DriverLock:
    """Says that this process runs the workflow of a folder.

    Snakemake's own lock stays behind when its holder is killed, and says nothing of who held it.
    A thread gives a sign of life `every_s`, however long the process is busy planning.

    Raises
    ------
    InputError
        If another driver holds it that lives, or may live, on another machine.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     lock = DriverLock(Path(folder) / "lock.json")
    ...     lock.require_held()
    ...     lock.release()
    ...     list(Path(folder).iterdir())
    []
    """

    def __init__(self, path: Path, *, every_s: float = _SIGN_EVERY_S) -> None:
        self._path = path
        host, pid = socket.gethostname(), os.getpid()
        self._me = {"host": host, "pid": pid, "began": _began(pid)}
        self._own = path.with_name(f".{path.name}.{host}.{pid}")
        path.parent.mkdir(parents=True, exist_ok=True)
        while not self._create():
            content = _content(path)
            _require_dead(path, content)
            self._set_aside(content)
        self._is_over = threading.Event()
        self._signs = threading.Thread(target=self._give_signs, args=(every_s,), daemon=True)
        self._signs.start()

    def require_held(self) -> None:
        """Make sure that the folder is still this driver's.

        Raises
        ------
        InputError
            If another driver took this one for dead: its jobs have been cancelled by then.
        """
        holder = _holder(_content(self._path))
        if holder not in (None, self._me):
            raise InputError(
                f"{self._path}: process {holder.get('pid')} on {holder.get('host')} has taken this"
                " folder over, as this one had been quiet for too long; leave it to that one"
            )

    def is_held(self) -> bool:
        """Whether no other driver has taken the folder over."""
        return _holder(_content(self._path)) in (None, self._me)

    def release(self) -> None:
        """Give the lock back."""
        self._is_over.set()
        self._signs.join()
        if _holder(_content(self._path)) == self._me:
            self._path.unlink(missing_ok=True)

    def _give_signs(self, every_s: float) -> None:
        while not self._is_over.wait(every_s):
            with suppress(OSError):  # a file server that is away; the next sign may get through
                if _holder(_content(self._path)) == self._me:
                    os.utime(self._path)
                elif not self._path.exists():
                    self._create()  # somebody tidied up

    def _create(self) -> bool:
        """Make the lock, whole at once; False where there is one: a link replaces no file."""
        text = json.dumps(self._me)
        self._own.write_text(text)
        try:
            try:
                os.link(self._own, self._path)
            except FileExistsError:
                raise
            except OSError:  # this file system has no links
                with self._path.open("x") as file:
                    file.write(text)
        except FileExistsError:
            return False
        finally:
            self._own.unlink()
        return True

    def _set_aside(self, dead: str) -> None:
        """Remove a dead driver's lock, and no other: one that was made since is put back."""
        with suppress(FileNotFoundError):  # another driver was quicker
            self._path.rename(self._own)
            if _content(self._own) != dead:
                with suppress(OSError):  # else its holder makes it anew at its next sign of life
                    os.link(self._own, self._path)
            self._own.unlink()


def _content(path: Path) -> str:
    """Text of a lock; empty where it cannot be read now."""
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _holder(content: str) -> dict | None:
    """Who holds a lock; None where its text is not whole: its writer came no further."""
    try:
        holder = json.loads(content)
    except ValueError:
        return None
    is_whole = isinstance(holder, dict) and {"host", "pid", "began"} <= holder.keys()
    return holder if is_whole else None


def _require_dead(path: Path, content: str) -> None:
    holder = _holder(content)
    if holder is None:
        return
    host, pid = holder["host"], holder["pid"]
    if host == socket.gethostname():
        if _began(pid) != holder["began"]:
            return
        raise InputError(
            f"{path}: process {pid} runs this folder's workflow already; wait for its end, or stop"
            f" it (kill -INT {pid} also cancels its jobs)"
        )
    try:
        quiet_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
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
