"""One process that runs the same step for one slide after another, what it loaded still loaded.

The runner of a pack makes a folder on the node for the pack alone (0700) and names it in
``PACKED_SLURM_WORKER``. In it are: ``runner_pid``, written by the runner; ``pid`` and ``socket`` of
the worker; ``lock``, by which of several clients one starts it; ``worker.log``, what libraries
print.
A client sends one line of JSON. It is answered by ``begun`` when its turn has come, and then by a
line of JSON that says how the step ended.
"""

import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from microtome.errors import InputError
from microtome.logs import log as messages
from microtome.parallel.process_facts import started_at

LOOK_EVERY_S = 2
_START_S = 120  # a busy file system reads Python slowly
_TRIES = 3
_PROCESS = "microtome.parallel.step_server"  # not imported: only it runs the steps
_LAST_WORDS_BYTES = 4000


def run_step(step: Callable[..., None], *, log: str, **settings: object) -> None:
    """Call `step` with `settings`: in this process, or in the pack's worker where there is one.

    The step is a function ``..._step`` of the library, in which alone its module imports what is
    slow to import; its settings are what JSON can hold. The worker goes on writing the rule's log.

    Raises
    ------
    InputError
        What the step raises, or that the worker ended in the middle.
    OSError, RuntimeError
        What else the step fails of; the worker's traceback is the cause.

    Examples
    --------
    >>> run_step(lambda name: print("scored", name), log="a.log", name="a")  # without a worker
    scored a
    """
    folder = Path(os.environ.get("PACKED_SLURM_WORKER", ""))
    if os.environ.get("PACKED_SLURM_WORKER") and _is_ours_alone(folder):
        request = {
            "module": step.__module__,
            "step": step.__name__,
            "settings": settings,
            "log": log,
            "cwd": str(Path.cwd()),
        }
        answer = _ask(folder, request)
        if answer:
            _raise_from(answer)
            return
        messages.warning("no worker can be had; going on without")
    step(**settings)


def _is_ours_alone(folder: Path) -> bool:
    is_ours = False
    with suppress(OSError):
        found = folder.lstat()
        mode = found.st_mode
        is_ours = stat.S_ISDIR(mode) and found.st_uid == os.getuid() and not mode & 0o077
    if not is_ours:
        messages.warning("PACKED_SLURM_WORKER: %s is no folder of ours alone: not used", folder)
    return is_ours


def _raise_from(answer: dict) -> None:
    if answer["state"] == "input error":
        raise InputError(answer["text"])
    if answer["state"] == "failed":
        error: Exception = RuntimeError("the step failed in the worker")
        if answer["errno"]:
            error = OSError(answer["errno"], answer["strerror"], answer["filename"])
        raise error from _WorkerError("\n" + answer["text"])


class _WorkerError(Exception):
    """Where in the worker something failed, to be seen in the traceback."""


def _ask(folder: Path, request: dict) -> dict | None:
    """Send a request and return its answer; None if there is no worker to send it to."""
    line = json.dumps(request).encode() + b"\n"
    printed = folder / "worker.log"
    for _ in range(_TRIES):
        connection = _connect(folder)
        if connection is None:
            return None
        n_before = printed.stat().st_size if printed.exists() else 0
        with connection:
            found = _exchange(connection, line)
        if len(found) == 2:
            return json.loads(found[1])
        if found:
            with suppress(OSError):  # the runner may have removed the folder
                said = printed.read_bytes()[n_before:][-_LAST_WORDS_BYTES:]
                words = said.decode(errors="replace").strip()
                messages.error("the last words of the worker: %s", words or "none")
            raise InputError(
                f"{Path(request['log']).stem}: the worker ended in the middle of"
                f" {request['step']}: killed, out of memory, or a library crashed; run again"
            )
        # It ended over someone else's slide before this one's turn came.
    return None


def _exchange(connection: socket.socket, line: bytes) -> list[bytes]:
    """Send a line and return the lines that come back: two, unless the worker ends."""
    pid = _peer(connection)
    start = started_at(pid)
    received = b""
    with suppress(ConnectionError):
        connection.sendall(line)
        connection.settimeout(LOOK_EVERY_S)
        while received.count(b"\n") < 2:
            try:
                part = connection.recv(65536)
            except TimeoutError:
                # What a dead worker forked keeps its connections open for a while.
                if start is None or started_at(pid) != start:
                    break
                continue
            if not part:
                break
            received += part
    return received.split(b"\n")[:-1]


def _connect(folder: Path) -> socket.socket | None:
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = _reach(folder)
        if connection:
            return connection
        process = _start_worker(folder)
        end = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < end:
            connection = _reach(folder)
            if connection:
                return connection
            time.sleep(0.02)
        process.kill()
        process.wait()
        return None


def _reach(folder: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        with socket_address(folder) as address:
            connection.connect(address)
        is_alive = started_at(_peer(connection)) is not None  # what it forked has the socket still
    except (FileNotFoundError, ConnectionRefusedError):
        is_alive = False
    if is_alive:
        return connection
    connection.close()
    return None


def _peer(connection: socket.socket) -> int:
    """The process that listens at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", credentials)[0]


@contextmanager
def socket_address(folder: Path) -> Iterator[str]:
    """Give a path of the socket that is short enough for one, wherever the folder is."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{number}/socket"
    finally:
        os.close(number)


def _start_worker(folder: Path) -> subprocess.Popen:
    with (folder / "worker.log").open("ab") as printed:
        return subprocess.Popen(  # noqa: S603, a list of our own words: no shell
            [sys.executable, "-P", "-X", "faulthandler", "-m", _PROCESS, str(folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
