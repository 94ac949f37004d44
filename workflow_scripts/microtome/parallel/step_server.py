"""The shared process of a pack that runs steps for `microtome.parallel.step_client`.

Run as ``python -m microtome.parallel.step_server FOLDER``.
"""

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.logs import continue_log
from microtome.parallel.process_facts import started_at
from microtome.parallel.step_client import LOOK_EVERY_S, socket_address


def serve(folder: Path) -> None:
    """Do what is asked for at the socket in `folder`, until the pack's runner or `folder` is gone.

    It ends after a step that failed of something unforeseen too, which may have spoilt more than
    one slide: a GPU's context, say.
    """
    with atomic(folder / "pid") as temporary:
        temporary.write_text(str(os.getpid()))
    is_wanted = partial(_is_wanted, folder, _read_runner(folder))
    with socket.socket(socket.AF_UNIX) as listener:
        (folder / "socket").unlink(missing_ok=True)
        with socket_address(folder) as address:
            listener.bind(address)
        listener.listen(128)
        listener.settimeout(LOOK_EVERY_S)
        is_sound = True
        while is_sound and is_wanted():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection, suppress(ConnectionError):
                is_sound = _serve_one(connection, is_wanted)


def _read_runner(folder: Path) -> tuple[int, int | None] | None:
    try:
        pid = int((folder / "runner_pid").read_text())
    except (OSError, ValueError):
        return None
    return pid, started_at(pid)


def _is_wanted(folder: Path, runner: tuple[int, int | None] | None) -> bool:
    try:
        is_here = (folder / "pid").read_text() == str(os.getpid())
    except OSError:
        return False
    is_run = runner is None or (runner[1] is not None and started_at(runner[0]) == runner[1])
    return is_here and is_run


def _serve_one(connection: socket.socket, is_wanted: Callable[[], bool]) -> bool:
    """Do one request; False if nothing should be done after it."""
    with connection.makefile("rb") as file:
        line = file.readline()
    if not line.endswith(b"\n"):
        return True  # the client has gone
    connection.sendall(b"begun\n")
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(connection, is_wanted, over), daemon=True)
    watch.start()
    answer = _do(json.loads(line))
    over.set()
    watch.join()
    connection.sendall(json.dumps(answer).encode() + b"\n")
    return answer["state"] != "failed"


def _watch(connection: socket.socket, is_wanted: Callable[[], bool], over: threading.Event) -> None:
    """End this process if nobody waits for the answer: somebody else may do the slide by now."""
    while not over.wait(LOOK_EVERY_S / 2):
        try:
            has_gone = not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            has_gone = False
        except ConnectionError:
            has_gone = True
        if has_gone or not is_wanted():
            os.kill(os.getpid(), signal.SIGTERM)  # removes what is on scratch
            if not over.wait(10):
                os.kill(os.getpid(), signal.SIGKILL)


def _do(request: dict) -> dict:
    os.chdir(request["cwd"])
    continue_log(request["log"])
    try:
        # Each log has its own warnings: what was said once is said again.
        with warnings.catch_warnings():
            _step(request["module"], request["step"])(**request["settings"])
    except InputError as error:
        return {"state": "input error", "text": str(error)}
    except Exception as error:  # whatever it is, it is told where it can be seen
        of_system = isinstance(error, OSError) and error.errno
        return {
            "state": "failed",
            "text": traceback.format_exc(),
            "errno": error.errno if of_system else None,
            "strerror": error.strerror if of_system else None,
            "filename": str(error.filename) if of_system and error.filename else None,
        }
    finally:
        logging.basicConfig(stream=sys.stderr, force=True)  # lets go of the log
    return {"state": "ok"}


def _step(module: str, name: str) -> Callable[..., None]:
    """The step that is meant; nothing but the library's own are run."""
    if re.fullmatch(r"microtome(\.[a-z]\w*){1,2}", module) and re.fullmatch(r"[a-z]\w*_step", name):
        step = getattr(import_module(module), name, None)
        if getattr(step, "__module__", None) == module:
            return step
    raise InputError(f"the worker runs the steps of microtome only, not {name} of {module}")


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
