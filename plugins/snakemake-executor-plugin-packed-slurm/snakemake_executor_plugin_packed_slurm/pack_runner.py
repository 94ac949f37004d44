"""On a node: one Snakemake for all jobs of a pack, which tells how each of them ends.

Run as ``python -m snakemake_executor_plugin_packed_slurm.pack_runner FOLDER``; ``pack.json`` in
that folder says what to do:

``members``
    a list of members, each a list of jobs: ``{"key": ..., "target": ...}``,
``arguments``
    those of Snakemake but for the jobs themselves,
``share_worker``
    whether members may keep a process for those after them. Then the environment variable
    ``PACKED_SLURM_WORKER`` names a folder on the node, for them alone, that goes with the pack;
    ``runner_pid`` in it is this process, and the process that ``pid`` in it names is ended with
    the pack, and its memory and CPU time are counted.

A job that SLURM starts again (after the node was lost, or another job took its place) leaves out
what had ended.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from snakemake.cli import main as snakemake
from snakemake.logging import logger

from .pack_events import EventReader, PackEvents, is_given_up, job_key

WORKER = "PACKED_SLURM_WORKER"
_SIGN_EVERY_S = 30
_SAMPLED_EVERY_S = 2
_SIGNALS_REACH_ALL_S = 1.5
_TIDYING_S = 3


def main(folder: Path) -> int:
    """Run what has not ended yet of the pack in `folder`; exit status 0 where all ended well."""
    if is_given_up(folder):  # SLURM held it, then began it again: others do its work
        return 0
    pack = json.loads((folder / "pack.json").read_text())
    targets = find_open_targets(pack["members"], EventReader(folder).new())
    events = PackEvents(folder)
    node = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    events.add("pack_started", node=node, slurm_id=os.environ.get("SLURM_JOB_ID"))
    if not targets:
        events.add("pack_ended", ok=True)
        return 0
    worker = Path(tempfile.mkdtemp(prefix="packed-slurm-worker-"))
    if pack["share_worker"]:
        (worker / "runner_pid").write_text(str(os.getpid()))
        os.environ[WORKER] = str(worker)
    usage = Usage(worker)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    run = _Snakemake(["--target-jobs", *targets, *pack["arguments"]], _Recorder(events, stopping))
    sign_s = time.monotonic()
    while run.is_alive() and not stopping.is_set():
        run.join(0.5)
        if is_given_up(folder):  # others do its work by now
            stopping.set()
        if time.monotonic() - sign_s >= _SIGN_EVERY_S:
            sign_s = time.monotonic()
            with contextlib.suppress(OSError):
                events.add("alive")
    usage.stop()
    _end_worker(worker)
    if stopping.is_set():
        events.add("pack_stopped", peak_mb=usage.peak_mb, cpu_s=usage.cpu_s)
        _end_children()
        os._exit(128 + signal.SIGTERM)  # the thread of Snakemake would go on
    # Where inputs are missing Snakemake runs nothing and still says that all is well.
    ok = run.ok and not find_open_targets(pack["members"], EventReader(folder).new())
    events.add("pack_ended", ok=ok, peak_mb=usage.peak_mb, cpu_s=usage.cpu_s)
    return 0 if ok else 1


def find_open_targets(members: list[list[dict]], events: list[dict]) -> list[str]:
    """The jobs of a pack, as in ``pack.json``, that are still to be run: targets for Snakemake.

    `events` is what the pack told before it was cut off. Nothing is left of a member that failed:
    the driver knows of it, and may run it elsewhere by now.
    """
    finished = {event["key"] for event in events if event["event"] == "job_finished"}
    failed = {event["key"] for event in events if event["event"] == "job_failed"}
    return [
        job["target"]
        for jobs in members
        if not any(job["key"] in failed for job in jobs)
        for job in jobs
        if job["key"] not in finished
    ]


class _Recorder(logging.Filter):
    """Lets every message of Snakemake pass, and tells of the jobs among them."""

    def __init__(self, events: PackEvents, stopping: threading.Event) -> None:
        super().__init__()
        self._events, self._stopping = events, stopping
        self._keys: dict[int, str] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", None))
        failed = event == "job_error"
        # Where SLURM ends the pack it ends what runs in it too: that did not fail by itself.
        if self._stopping.wait(_SIGNALS_REACH_ALL_S if failed else 0):
            threading.Event().wait()  # the process ends in a moment: begin nothing more
        if event == "job_info":
            self._keys[record.jobid] = job_key(record.rule_name, dict(record.wildcards))
            self._events.add("job_started", key=self._keys[record.jobid])
        elif event == "job_finished" and record.job_id in self._keys:
            self._events.add("job_finished", key=self._keys[record.job_id])
        elif failed and record.jobid in self._keys:
            self._events.add("job_failed", key=self._keys[record.jobid])
        return True


class _Snakemake(threading.Thread):
    """Snakemake in a thread: in the main one it would catch the signals that are for us."""

    def __init__(self, arguments: list[str], recorder: _Recorder) -> None:
        super().__init__(daemon=True)
        self.ok = False
        self._arguments = arguments
        # On the logger itself: Snakemake replaces the handlers when it starts.
        logger.addFilter(recorder)
        self.start()

    def run(self) -> None:
        """Run it, and keep whether it went well."""
        try:
            snakemake(self._arguments)
        except SystemExit as end:
            self.ok = end.code in (0, None)


class Usage:
    """Watches the memory of this process, all below it and the worker; stop() ends that.

    `worker` is the worker's folder; its process is nobody's child.
    """

    def __init__(self, worker: Path) -> None:
        self.peak_mb = 0  # largest sum of resident memory seen
        self.cpu_s = 0.0  # known after stop()
        self._worker, self._worker_s = worker, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End watching."""
        self._over.set()
        self._thread.join()
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        self.cpu_s = round(own + self._worker_s, 1)

    def _watch(self) -> None:
        while True:
            self._sample()
            if self._over.wait(_SAMPLED_EVERY_S):
                return

    def _sample(self) -> None:
        this = psutil.Process()
        worker = _worker_process(self._worker)
        # As long as the client that started it lives the worker is below us too.
        processes = {one.pid: one for one in [*this.children(recursive=True), *worker, this]}
        total = 0
        for process in processes.values():
            with contextlib.suppress(psutil.Error):  # it has ended since
                total += process.memory_info().rss
        for process in worker:
            with contextlib.suppress(psutil.Error):
                spent = process.cpu_times()
                self._worker_s = max(self._worker_s, spent.user + spent.system)
        self.peak_mb = max(self.peak_mb, total // 10**6)


def _worker_process(folder: Path) -> list[psutil.Process]:
    try:
        return [psutil.Process(int((folder / "pid").read_text()))]
    except (OSError, ValueError, psutil.Error):
        return []


def _end_children() -> None:
    """End what still runs below; it has had SLURM's signal too, and may be tidying up."""
    children = psutil.Process().children(recursive=True)
    _, left = psutil.wait_procs(children, timeout=_TIDYING_S)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()


def _end_worker(folder: Path) -> None:
    for process in _worker_process(folder):
        with contextlib.suppress(psutil.Error):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
