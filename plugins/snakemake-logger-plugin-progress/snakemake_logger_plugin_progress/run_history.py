"""All driver runs of a folder taken together: a cohort is often run in several goes."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path

from .run_log import read_events
from .run_state import DONE, FAILED, Job, RunState
from .stages import Stages

JobKey = tuple[str, tuple[tuple[str, str], ...]]
# Thousands of small files: on a file server most of the time is spent waiting for it.
_READERS = 16


@dataclass(frozen=True)
class Benchmark:
    """A job's seconds, largest memory (MB) and CPU seconds; NaN where it is not known."""

    seconds: float
    peak_mb: float
    cpu_s: float


def read_benchmarks(directory: Path, paths: Iterable[str]) -> dict[str, Benchmark]:
    """Read benchmark files by their paths, relative to `directory`; missing ones are left out."""
    paths = list(dict.fromkeys(paths))
    parts = [paths[i::_READERS] for i in range(_READERS)]
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda part: [(path, _read(directory / path)) for path in part], parts)
        return {path: one for part in found for path, one in part if one}


def _read(path: Path) -> Benchmark | None:
    try:
        header, *rows = path.read_text().splitlines()
    except (OSError, ValueError):
        return None
    if not rows:
        return None
    row = dict(zip(header.split("\t"), rows[-1].split("\t"), strict=False))
    return Benchmark(_number(row, "s"), _number(row, "max_rss"), _number(row, "cpu_time"))


def _number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (KeyError, ValueError):
        return nan


@dataclass
class Run:
    """One driver run; times in Unix seconds."""

    state: RunState
    begun_s: float
    ended_s: float
    was_killed: bool  # its driver ended without a word


@dataclass
class History:
    """Driver runs, oldest first, and what was measured of their jobs."""

    runs: list[Run]
    benchmarks: dict[str, Benchmark]  # by the path in the run log

    @cached_property
    def jobs(self) -> dict[JobKey, list[Job]]:
        """Each job of the workflow, as it was in each run that had it."""
        found: dict[JobKey, list[Job]] = defaultdict(list)
        for run in self.runs:
            for job in run.state.jobs.values():
                found[job.rule, tuple(sorted(job.wildcards.items()))].append(job)
        return dict(found)

    @property
    def naming(self) -> Stages:
        """What the workflow calls its jobs."""
        return self.runs[-1].state.naming

    def about(self, job: Job) -> str:
        """What a job is about: the value of the wildcard that names it, or all its wildcards."""
        named = job.wildcards.get(self.naming.about)
        return named or ", ".join(map(str, job.wildcards.values()))

    @property
    def n_jobs(self) -> int:
        """How many jobs there were to do: those sent, and those the last run did not come to."""
        last = self.runs[-1].state
        never = sum(last.total(stage) - sum(last.counts[stage].values()) for stage in last.stages())
        return len(self.jobs) + never

    def seconds(self, goes: list[Job]) -> float | None:
        """How long the last good try of a job took; None where there was none."""
        for job in reversed(goes):
            if job.state != DONE:
                continue
            measured = self.benchmarks.get(job.benchmark)
            if measured and measured.seconds == measured.seconds:
                return measured.seconds
            last = job.tries[-1]
            if last.ended_s is not None and last.started_s is not None:
                return last.ended_s - last.started_s
        return None


def read_history(paths: list[Path], *, directory: Path) -> History:
    """Read run logs, oldest first, and the benchmark files that they name below `directory`."""
    runs = []
    for path in paths:
        state = RunState(read_events(path))
        if state.begun_s is None or state.last_s is None or not state.jobs:
            continue
        runs.append(Run(state, state.begun_s, state.last_s, state.ended_s is None))
    files = (
        job.benchmark
        for run in runs
        for job in run.state.jobs.values()
        if job.benchmark and job.state == DONE
    )
    return History(runs, read_benchmarks(directory, files))


def is_done(goes: list[Job]) -> bool:
    """Say whether a job was done in the end."""
    return goes[-1].state == DONE


def is_given_up(goes: list[Job]) -> bool:
    """Say whether a job failed for good in its last run."""
    return goes[-1].state == FAILED
