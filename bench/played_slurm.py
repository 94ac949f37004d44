"""A simulated SLURM: it takes packs, runs nothing, and leaves stand-ins for what they make.

The commands sbatch, sinfo, squeue, scancel and scontrol are small scripts that ask one process over
a socket. It reads each pack's list of jobs and lets them end one by one, each with its outputs and
its line of events, as the executor's `pack_runner` would on a node.
"""

import heapq
import json
import select
import shlex
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from snakemake_executor_plugin_packed_slurm.pack_events import EVENTS

COMMANDS = ("sbatch", "sinfo", "squeue", "scancel", "scontrol")
# A time limit is three times what was measured.
_LIMIT_TIMES = 3
# So long after its end a job is still shown, as a controller's MinJobAge says.
_SHOWN_S = 300
_CLIENT = """\
#!{python} -IS
import json, socket, sys
asked = json.dumps([sys.argv[0].rpartition("/")[2], *sys.argv[1:]]).encode()
with socket.socket(socket.AF_UNIX) as link:
    link.connect({socket!r})
    link.sendall(asked)
    link.shutdown(socket.SHUT_WR)
    answer = json.loads(b"".join(iter(lambda: link.recv(65536), b"")))
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["status"])
"""


@dataclass
class PlayedJob:
    """A job of the simulated cluster.

    Attributes
    ----------
    slurm_id : str
    name : str
    folder : Path
        Of the pack.
    limit_min : int
        Its time limit.
    state : str
    began, ended : float
        Unix seconds; `ended` is 0 until then.
    """

    slurm_id: str
    name: str
    folder: Path
    limit_min: int
    state: str
    began: float
    ended: float = 0.0


@dataclass
class PlayedSlurm:
    """The cluster; `with` it there is a folder of commands to put first in PATH.

    Every job begins at once, and takes a third of its time limit, its members evenly in it.

    Parameters
    ----------
    folder : Path
        For the commands and the socket.
    make : callable
        ``make(rule, wildcards)`` leaves what a job makes.
    minute_s : float
        So many seconds are a minute of the cluster's.
    on_first : callable
        Called when the first job comes in.

    Attributes
    ----------
    calls : Counter
        How often each command was called.
    jobs : dict of str to PlayedJob
        All there were.
    most : int
        So many were under way at a time.
    squeue_times : list of float
        When the queue was asked for, in Unix seconds.
    """

    folder: Path
    make: Callable[[str, dict[str, str]], None]
    minute_s: float
    on_first: Callable[[], None]
    calls: Counter = field(default_factory=Counter, init=False)
    jobs: dict[str, PlayedJob] = field(default_factory=dict, init=False)
    most: int = field(default=0, init=False)
    squeue_times: list[float] = field(default_factory=list, init=False)

    def __enter__(self) -> "PlayedSlurm":
        """Make the commands, and begin to answer."""
        self.folder.mkdir()
        path = str(self.folder / "socket")
        for command in COMMANDS:
            script = self.folder / command
            script.write_text(_CLIENT.format(python=sys.executable, socket=path))
            script.chmod(0o755)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(path)
        self._door.listen(64)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._n_due = 0
        self._is_over = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer no more."""
        self._is_over = True
        self._thread.join()
        self._door.close()

    def _serve(self) -> None:
        while not self._is_over:
            wait_s = self._due[0][0] - time.time() if self._due else 0.2
            ready, _, _ = select.select([self._door], [], [], min(max(wait_s, 0), 0.2))
            if ready:
                self._answer()
            elif self._due and self._due[0][0] <= time.time():
                heapq.heappop(self._due)[2]()

    def _answer(self) -> None:
        link, _ = self._door.accept()
        with link:
            asked = json.loads(b"".join(iter(lambda: link.recv(65536), b"")))
            command, *arguments = asked
            self.calls[command] += 1
            try:
                answer = {"out": getattr(self, f"_{command}")(arguments), "err": "", "status": 0}
            except KeyError as error:
                answer = {"out": "", "err": f"Invalid job id specified: {error}", "status": 1}
            link.sendall(json.dumps(answer).encode())

    def _sbatch(self, arguments: list[str]) -> str:
        if not self.jobs:
            self.on_first()
        *options, script = arguments
        given = dict(option[2:].split("=", 1) for option in options if "=" in option)
        folder = Path(shlex.split(Path(script).read_text().splitlines()[-1])[-1])
        slurm_id = str(len(self.jobs) + 1)
        job = PlayedJob(
            slurm_id, given["job-name"], folder, int(given["time"]), "RUNNING", time.time()
        )
        self.jobs[slurm_id] = job
        self.most = max(self.most, sum(not one.ended for one in self.jobs.values()))
        self._play(job)
        return f"{slurm_id}\n"

    def _sinfo(self, _: list[str]) -> str:
        return "cpu*|1-00:00:00\ngpu|1-00:00:00\n"

    def _squeue(self, _: list[str]) -> str:
        now = time.time()
        self.squeue_times.append(now)
        return "".join(
            f"{job.slurm_id}|{job.name}|{job.state}|None|node1\n"
            for job in self.jobs.values()
            if not job.ended or now - job.ended < _SHOWN_S
        )

    def _scancel(self, arguments: list[str]) -> str:
        for slurm_id in arguments:
            if slurm_id.isdigit() and not self.jobs[slurm_id].ended:
                self._end(self.jobs[slurm_id], "CANCELLED")
        return ""

    def _scontrol(self, arguments: list[str]) -> str:
        job = self.jobs[arguments[-1]]
        return (
            f"JobId={job.slurm_id} JobName={job.name} JobState={job.state} Reason=None"
            " BatchHost=node1\n"
        )

    def _play(self, job: PlayedJob) -> None:
        """Lay out when each job of a pack begins and ends."""
        members = json.loads((job.folder / "pack.json").read_text())["members"]
        keys = [step["key"] for member in members for step in member]
        takes_s = job.limit_min / _LIMIT_TIMES * self.minute_s
        self._tell(job, "pack_started", node="node1", slurm_id=job.slurm_id)
        for number, key in enumerate(keys):
            at = job.began + takes_s * (number + 1) / len(keys)
            self._at(at, lambda key=key: self._run(job, key))
        self._at(job.began + takes_s, lambda: self._finish(job))

    def _at(self, t: float, do: Callable[[], None]) -> None:
        self._n_due += 1
        heapq.heappush(self._due, (t, self._n_due, do))

    def _run(self, job: PlayedJob, key: str) -> None:
        if job.ended:
            return
        rule, _, rest = key.partition(":")
        self._tell(job, "job_started", key=key)
        self.make(rule, dict(one.split("=", 1) for one in rest.split(",") if one))
        self._tell(job, "job_finished", key=key)

    def _finish(self, job: PlayedJob) -> None:
        if not job.ended:
            self._tell(job, "pack_ended", ok=True, peak_mb=1000, cpu_s=60)
            self._end(job, "COMPLETED")

    def _end(self, job: PlayedJob, state: str) -> None:
        job.state, job.ended = state, time.time()

    def _tell(self, job: PlayedJob, event: str, **what: object) -> None:
        line = json.dumps({"t": round(time.time(), 3), "event": event, **what})
        with (job.folder / EVENTS).open("a") as file:
            file.write(f"{line}\n")
