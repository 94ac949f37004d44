"""A small SLURM cluster on one host: ``python -m tests.slurm.cluster start FOLDER``.

Three CPU nodes (partition ``cpu``), two nodes with two V100 each, which are faked (``gpu``, and
``gpu_low`` whose jobs make way), real daemons, everything in one folder that goes with it.
"""

import argparse
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from . import machine
from .configuration import NODES, configure
from .database import prepared
from .errors import ClusterError
from .host import refuse_real_cluster
from .software import SOFTWARE, environment, unpacked

_FOLDERS = ("dev", "etc", "log", "munge", "run", "spool", "state")
_MARK = ".test-cluster"
# As squeue calls them, and as `jobs` does.
_FIELDS = {
    "JobArrayID": "id",
    "Name": "name",
    "State": "state",
    "Reason": "reason",
    "Partition": "partition",
    "NodeList": "node",
    "NumCPUs": "cpus",
    "RestartCnt": "restarts",
    "tres-per-node": "gres",
}


class Cluster:
    """A cluster in a folder; as a context manager it is started and stopped.

    An object for the folder of a running cluster speaks to that one.

    Parameters
    ----------
    folder : str or Path
        Is made, and removed by `stop`. A short path: it holds sockets.
    accounting : bool
        With slurmdbd and MariaDB, so that ``sacct`` knows ended jobs.
    software : Path
        Where SLURM's packages are unpacked, once.

    Attributes
    ----------
    env : dict of str
        The caller's environment for commands of this cluster: PATH, SLURM_CONF and
        LD_LIBRARY_PATH are set, other variables of SLURM are not.

    Raises
    ------
    ClusterError
        In every method, in one line, where something does not go as it should.
    """

    def __init__(
        self, folder: str | Path, accounting: bool = False, *, software: Path = SOFTWARE
    ) -> None:
        self.folder = Path(folder).resolve()
        self.accounting = accounting
        self.software = software
        # SLURM's files know no quotes, and a socket's path is at most 107 bytes long.
        for path, longest in ((self.folder, 80), (software, 1000)):
            if len(str(path)) > longest or not re.fullmatch(r"[\w./-]+", str(path), re.ASCII):
                raise ClusterError(
                    f"{str(path)!r}: longer than {longest} letters, or with odd ones"
                )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def env(self) -> dict[str, str]:
        """Environment of commands that are to speak to this cluster."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "SBATCH"))}
        return ours | self.exports

    @property
    def exports(self) -> dict[str, str]:
        """The variables that make a shell's commands speak to this cluster."""
        own = environment(unpacked(self.software))
        return own | {"SLURM_CONF": str(self._conf)}

    def start(self) -> Self:
        """Start every daemon and wait until all nodes are idle."""
        refuse_real_cluster(os.environ, own_conf=self._conf)
        if self.folder.exists() and any(self.folder.iterdir()):
            raise ClusterError(f"{self.folder} exists and is not empty: name another, or stop it")
        root = unpacked(self.software)
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, mode=0o755)
        (self.folder / _MARK).touch()
        try:
            password = secrets.token_hex(16)
            ports = configure(self.folder, root, password if self.accounting else None)
            self._start_munge()
            if self.accounting:
                self._start_accounting(root, ports["mariadb"], password)
            self.start_controller()
            for name in NODES:
                self.start_node(name)
            self._until(self._all_idle, "idle nodes", daemon="slurmctld")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End every daemon and all that jobs started, and remove the folder."""
        if not self.folder.exists():
            return
        if not (self.folder / _MARK).exists():
            raise ClusterError(f"{self.folder} is no test cluster: nothing is stopped or removed")
        # The nodes go first: with their controller away they would only write to their logs.
        order = sorted((self.folder / "run").glob("*.machine"), reverse=True)
        left = [pid for file in order for pid in machine.power_off(file)]
        if left:
            raise ClusterError(f"{self.folder}: processes {left} cannot be killed; stop it again")
        shutil.rmtree(self.folder)

    def run(self, *command: str | Path, **options: object) -> subprocess.CompletedProcess:
        """Run a command with this cluster's environment; output is text and captured.

        Parameters
        ----------
        *command : str or Path
            The command, no shell.
        **options
            Of ``subprocess.run``; ``check`` is on unless said otherwise.
        """
        defaults = {"env": self.env, "check": True, "text": True, "capture_output": True}
        try:
            return subprocess.run(command, **defaults | options)  # noqa: PLW1510 (it is there)
        except subprocess.CalledProcessError as error:
            said = " ".join(f"{error.stderr or ''}".split())
            name = shlex.join(map(str, command))
            raise ClusterError(f"{name}: exit code {error.returncode}: {said}") from None

    def submit(self, script: str, *options: str) -> str:
        """Submit lines of a shell script, and give the job's number."""
        text = f"#!/bin/sh\n{script}\n"
        given = ("--parsable", "--chdir", str(self.folder), "--output", "log/job-%j.txt")
        return self.run("sbatch", *given, *options, input=text).stdout.strip()

    def output(self, job: str) -> str:
        """What a submitted job has printed so far."""
        path = self.folder / "log" / f"job-{job}.txt"
        return path.read_text() if path.exists() else ""

    def jobs(self) -> list[dict[str, str]]:
        """All jobs, ended ones too, as squeue has them.

        Returns
        -------
        list of dict
            Each with ``id``, ``name``, ``state``, ``reason``, ``partition``, ``node``, ``cpus``,
            ``restarts`` and ``gres``, all of them text.
        """
        asked = ",".join(f"{field}:\x1f" for field in _FIELDS)
        text = self.run("squeue", "--noheader", "--array", "--states=all", "--Format", asked).stdout
        return [
            dict(zip(_FIELDS.values(), line.split("\x1f"), strict=False))
            for line in text.splitlines()
        ]

    def states(self) -> dict[str, str]:
        """State of every job by its number, ``RUNNING`` for instance."""
        return {job["id"]: job["state"] for job in self.jobs()}

    def node_states(self) -> dict[str, str]:
        """State of every node by its name, ``idle`` or ``down*`` for instance."""
        text = self.run("sinfo", "--noheader", "--Node", "--format=%N %T").stdout
        return dict(line.split() for line in text.splitlines())

    def wait(self, job: str, *states: str, timeout_s: float = 300) -> dict[str, str]:
        """Wait until a job is in one of some states, and give it as `jobs` does."""
        found: dict[str, str] = {}

        def there() -> bool:
            found.update(next((j for j in self.jobs() if j["id"] == job), {}))
            return found.get("state") in states

        try:
            self._until(there, f"job {job} {' or '.join(states)}", timeout_s=timeout_s)
        except ClusterError as error:
            raise ClusterError(f"{error}; it is {found}") from None
        return found

    def kill_node(self, name: str) -> None:
        """Kill a node's daemon and all that its jobs run, as a power failure would."""
        self._off(f"slurmd-{name}")

    def start_node(self, name: str) -> None:
        """Start a node, or start it again."""
        own = ["-N", name, "-d", f"{unpacked(self.software)}/usr/sbin/slurmstepd"]
        (self.folder / "spool" / name).mkdir(exist_ok=True)
        self._on(f"slurmd-{name}", "slurmd", "-D", *own, "-f", str(self._conf))

    def stop_controller(self) -> None:
        """End the controller in good order; nodes and jobs go on."""
        found = machine.machine_of(self._note("slurmctld"))
        for process in machine.processes_below(found) if found else []:
            process.send_signal(signal.SIGTERM)
        self._until(lambda: machine.machine_of(self._note("slurmctld")) is None, "slurmctld's end")
        self._off("slurmctld")

    def start_controller(self) -> None:
        """Start the controller, with the state that an earlier one left, and wait for it."""
        # -i: the first start finds no state, and goes on.
        self._on("slurmctld", "slurmctld", "-D", "-i", "-f", str(self._conf))
        self._until(self._answers("scontrol", "ping"), "slurmctld", daemon="slurmctld")

    @property
    def _conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    def _note(self, name: str) -> Path:
        return self.folder / "run" / f"{name}.machine"

    def _on(self, name: str, *command: str) -> None:
        log = self.folder / "log" / f"{name}.out"
        # Once: two daemons of one node would take each other's jobs.
        if machine.machine_of(self._note(name)):
            raise ClusterError(f"{name} runs already")
        machine.power_on(self._note(name), log, list(command), self.env)

    def _off(self, name: str) -> None:
        if left := machine.power_off(self._note(name)):
            raise ClusterError(f"{name}: processes {left} cannot be killed")

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        paths = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log"}
        options = [f"--{option}={folder / name}" for option, name in paths.items()]
        # --force: folders above that others may enter or write are only warned of.
        seed = f"--seed-file={folder / 'seed'}"
        self._on("munged", "munged", "--foreground", "--force", *options, seed)
        self._until((folder / "socket").exists, "munged", daemon="munged")

    def _start_accounting(self, root: Path, port: int, password: str) -> None:
        self._on("mariadb", *prepared(root, self.folder, port=port, password=password))
        self._until(lambda: _listens(port), "MariaDB", daemon="mariadb")
        self._on("slurmdbd", "slurmdbd", "-D")
        self._until(self._answers("sacctmgr", "list", "cluster"), "slurmdbd", daemon="slurmdbd")

    def _answers(self, *command: str) -> Callable[[], bool]:
        return lambda: self.run(*command, check=False).returncode == 0

    def _all_idle(self) -> bool:
        return [*self.node_states().values()] == ["idle"] * len(NODES)

    def _until(
        self,
        there: Callable[[], bool],
        what: str,
        *,
        timeout_s: float = 300,
        daemon: str | None = None,
    ) -> None:
        """Wait for something that a daemon is to bring about, while that lives."""
        end = time.monotonic() + timeout_s
        while not there():
            ended = daemon and machine.machine_of(self._note(daemon)) is None
            if ended or time.monotonic() > end:
                name = "" if daemon is None else f": {daemon}: {self._last_word(daemon)}"
                raise ClusterError(f"waited for {what} in vain{name}")
            time.sleep(0.2)

    def _last_word(self, daemon: str) -> str:
        path = self.folder / "log" / f"{daemon}.out"
        return (path.read_text().strip().splitlines() or ["silent"])[-1]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main(arguments: list[str] | None = None) -> None:
    """Start or stop a cluster from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start one and print what a shell needs to use it")
    start.add_argument("folder")
    start.add_argument("--accounting", action="store_true", help="with slurmdbd: sacct works")
    stop = commands.add_parser("stop", help="end all its processes and remove its folder")
    stop.add_argument("folder")
    given = parser.parse_args(arguments)
    try:
        if given.command == "stop":
            Cluster(given.folder).stop()
            return
        cluster = Cluster(given.folder, given.accounting).start()
    except ClusterError as error:
        sys.exit(str(error))
    for name, value in cluster.exports.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
