"""A stand-in for one machine: a process below which everything stays that a daemon starts.

Several nodes on one host share its process table. What a daemon starts may leave its session and
its parent, as SLURM's job steps do, but not this process, which adopts every orphan below it
(PR_SET_CHILD_SUBREAPER). So a power failure of one node is: all that is below it is gone at once.
"""

import ctypes
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def power_on(note: Path, log: Path, command: list[str], environment: dict[str, str]) -> None:
    """Run a command as the only one of a machine of its own; it outlives the caller.

    Parameters
    ----------
    note : Path
        Where the machine's process is noted, for `power_off`.
    log : Path
        Takes what the command prints.
    command : list of str
        A daemon that stays in the foreground.
    environment : dict of str
        The command's environment.
    """
    with log.open("ab") as file:
        subprocess.run(
            [sys.executable, __file__, note, *command],
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=log.parent,
        )


def power_off(note: Path, timeout_s: float = 20) -> list[int]:
    """Kill all that is below a machine, none of it being able to notice the others' end.

    Returns
    -------
    list of int
        The processes that are still there after `timeout_s`.
    """
    machine = machine_of(note)
    if machine is None:
        note.unlink(missing_ok=True)
        return []
    below = _stopped(machine)
    end = time.monotonic() + timeout_s
    while below and time.monotonic() < end:
        for process in below:
            _signal(process, "kill")
        time.sleep(0.02)
        below = processes_below(machine)
    _signal(machine, "kill")
    while _alive(machine) and time.monotonic() < end:
        time.sleep(0.02)
    left = [process for process in [machine, *below] if _alive(process)]
    if not left:
        note.unlink(missing_ok=True)
    return [process.pid for process in left]


def machine_of(note: Path) -> psutil.Process | None:
    """The process that a machine is, or None where it is off."""
    try:
        pid, created = note.read_text().split()
        process = psutil.Process(int(pid))
        # Another process may have got the number since.
        same = abs(process.create_time() - float(created)) < 1
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return process if same and _alive(process) else None


def processes_below(machine: psutil.Process) -> list[psutil.Process]:
    """Every living process of a machine, parents before their children."""
    try:
        return [process for process in machine.children(recursive=True) if _alive(process)]
    except psutil.NoSuchProcess:
        return []


def _stopped(machine: psutil.Process) -> list[psutil.Process]:
    """Hold everything still, the daemon first, until nothing new appears."""
    held: set[psutil.Process] = set()
    while new := [process for process in processes_below(machine) if process not in held]:
        for process in new:
            _signal(process, "suspend")
        held.update(new)
    return list(held)


def _signal(process: psutil.Process, how: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, how)()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _main(note: Path, command: list[str]) -> None:
    """Start the command and bury what ends, until nothing is left."""
    child = os.fork()
    if child:
        note.write_text(f"{child} {psutil.Process(child).create_time()}")
        return
    os.setsid()
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.Popen(command)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2:])
