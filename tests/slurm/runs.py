"""Running a workflow on the test cluster, and looking at what it did."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .cluster import Cluster

REPOSITORY = Path(__file__).parents[2]
# Fast reactions; all else is as in the profile.
QUICK = (
    "--packed-slurm-poll-seconds=1",
    "--packed-slurm-hold-seconds=2",
    "--latency-wait=5",
)


def until(there: Callable[[], object], what: str, *, timeout_s: float = 300) -> object:
    """Wait for something, and give it."""
    end = time.monotonic() + timeout_s
    while not (found := there()):
        assert time.monotonic() < end, f"waited {timeout_s:g} s for {what} in vain"
        time.sleep(0.2)
    return found


@dataclass
class Run:
    """A folder in which a workflow is run on a cluster.

    Parameters
    ----------
    cluster : Cluster
    folder : Path
        Its working folder.
    snakefile : Path
    arguments : tuple of str
        Further arguments of every run.
    """

    cluster: Cluster
    folder: Path
    snakefile: Path
    arguments: tuple[str, ...] = ()
    driver: subprocess.Popen | None = field(default=None, init=False)

    def start(self, *arguments: str) -> subprocess.Popen:
        """Begin a run, in a process group of its own as from a login shell."""
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(self.snakefile)),
            # Targets before options that would take them for their own.
            *("--directory", str(self.folder), *QUICK, *arguments, *self.arguments),
            *("--workflow-profile", str(REPOSITORY / "profiles" / "slurm")),
        ]
        with (self.folder / "driver.txt").open("a") as output:
            self.driver = subprocess.Popen(
                command,
                env={**self.cluster.env, "PYTHONPATH": os.environ["PYTHONPATH"]},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.driver

    def finish(self, *, timeout_s: float = 900) -> int:
        """Wait for the driver's end, and give its exit code."""
        try:
            return self.driver.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end after {timeout_s:g} s:\n{self.said()}") from None

    def run(self, *arguments: str, timeout_s: float = 900) -> int:
        """Run to the end, and give the exit code."""
        self.start(*arguments)
        return self.finish(timeout_s=timeout_s)

    def kill(self) -> None:
        """Kill the driver, as a login node's reboot would: its jobs go on."""
        os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait()

    def said(self) -> str:
        """All that the drivers have printed."""
        return (self.folder / "driver.txt").read_text()

    def events(self, *names: str) -> list[dict]:
        """Events of all drivers' run logs, in order."""
        lines = [
            json.loads(line)
            for path in sorted((self.folder / "logs" / "runs").glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return [event for event in lines if not names or event["event"] in names]

    def wait_for(self, path: str, *, timeout_s: float = 300) -> Path:
        """Wait until a file of the folder is there."""
        until((self.folder / path).exists, path, timeout_s=timeout_s)
        return self.folder / path

    def queued(self) -> list[dict[str, str]]:
        """Jobs of any driver of this folder that have not ended, oldest first."""
        mine = {event["slurm_id"] for event in self.events("pack_submitted")}
        jobs = [job for job in self.cluster.jobs() if job["id"] in mine]
        return [job for job in jobs if job["state"] in ("PENDING", "RUNNING", "COMPLETING")]

    def lose(self, node: str) -> float:
        """Kill a node until the job of the run has begun again elsewhere.

        Returns
        -------
        float
            Seconds that this took.
        """
        lost = time.time()
        self.cluster.kill_node(node)
        try:
            until(lambda: len(self.events("pack_started")) == 2, "a new begin")
        finally:
            self.cluster.start_node(node)
        return self.events("pack_started")[1]["t"] - lost
