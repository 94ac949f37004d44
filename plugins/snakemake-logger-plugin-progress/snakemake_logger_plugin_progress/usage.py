"""What jobs asked for beside what they used, from run logs and benchmarks.

What a whole SLURM job used is known to `sacct` and `seff`; of the jobs in it they know nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan
from statistics import median

from .run_history import Benchmark, History
from .run_state import DONE

# The benchmark of a shorter job has seen little of its memory.
_SEEN_AFTER_S = 1.0
_NEAR, _FAR = 0.8, 0.2
# Time is asked for in whole minutes: of so few, a small share says nothing.
_LEAST_MIN = 10


@dataclass(frozen=True)
class Use:
    """What a job asked for and used; NaN where that is not known."""

    rule: str
    name: str
    asked_mb: float
    used_mb: float
    asked_min: float
    used_min: float

    @property
    def share_mb(self) -> float:
        """How much of the memory it used, 1 for all."""
        return self.used_mb / self.asked_mb

    @property
    def share_min(self) -> float:
        """How much of the time it used, 1 for all."""
        return self.used_min / self.asked_min


def find_job_uses(history: History) -> list[Use]:
    """What each job asked for in its last try, and used; of several runs the last one that did it.

    Examples
    --------
    >>> from snakemake_logger_plugin_progress.run_history import Run
    >>> from snakemake_logger_plugin_progress.run_state import RunState
    >>> path, number = "benchmarks/tissue_mask/a.tsv", {"t": 1.0, "job": 1}
    >>> sent = {**number, "event": "job_submitted", "rule": "tissue_mask", "benchmark": path}
    >>> sent |= {"wildcards": {"slide": "a"}, "mem_mb": 1000, "runtime_min": 10}
    >>> state = RunState([sent, {**number, "event": "job_finished"}])
    >>> measured = {path: Benchmark(seconds=90, peak_mb=250, cpu_s=80)}
    >>> [use] = find_job_uses(History([Run(state, 1, 1, False)], measured))
    >>> use.name, use.share_mb, use.share_min
    ('a', 0.25, 0.15)
    """
    pack_of = {
        id(run.state.jobs[number]): pack
        for run in history.runs
        for pack in run.state.packs.values()
        for number in pack.jobs
        if number in run.state.jobs
    }
    uses = []
    for goes in history.jobs.values():
        done = [job for job in goes if job.state == DONE]
        if not done:
            continue
        job = done[-1]
        asked, pack = job.tries[-1], pack_of.get(id(job))
        measured = history.benchmarks.get(job.benchmark, Benchmark(nan, nan, nan))
        is_seen = measured.seconds >= _SEEN_AFTER_S
        asked_mb, used_mb = _known(asked.mem_mb), measured.peak_mb if is_seen else nan
        # A process may stay from job to job of a pack with GPUs, which no benchmark sees.
        if pack and pack.gpus:
            asked_mb, used_mb = _known(pack.mem_mb), _known(pack.peak_mb)
        name = history.about(job) or "the whole"
        asked_min, used_min = _known(asked.runtime_min), measured.seconds / 60
        uses.append(Use(job.rule, name, asked_mb, used_mb, asked_min, used_min))
    return uses


def summarize_uses(uses: Iterable[Use]) -> dict[str, dict[str, float]]:
    """Figures a rule: medians and largest of MB and minutes, shares of what was asked, 1 for all.

    What is not known is NaN.
    """
    by_rule: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_rule[use.rule].append(use)
    return {
        rule: {
            "asked_mb": _median(use.asked_mb for use in alike),
            "asked_mb_max": _largest(use.asked_mb for use in alike),
            "used_mb": _median(use.used_mb for use in alike),
            "used_mb_max": _largest(use.used_mb for use in alike),
            "share_mb_max": _largest(use.share_mb for use in alike),
            "asked_min": _median(use.asked_min for use in alike),
            "used_min": _median(use.used_min for use in alike),
            "share_min_max": _largest(use.share_min for use in alike),
        }
        for rule, alike in sorted(by_rule.items())
    }


def remarks(uses: Iterable[Use]) -> list[str]:
    """Jobs that nearly used up what they asked for, and rules that ask for far too much."""
    uses = list(uses)
    lines = []
    for use in sorted(uses, key=lambda use: (use.rule, use.name)):
        near = f"near its limit: {use.rule}, {use.name}"
        if use.share_mb > _NEAR:
            lines.append(f"{near}: {use.used_mb:.0f} of {use.asked_mb:.0f} MB")
        if use.share_min > _NEAR:
            lines.append(f"{near}: {use.used_min:.1f} of {use.asked_min:.0f} min")
    for rule, row in summarize_uses(uses).items():
        if row["share_mb_max"] < _FAR:
            lines.append(f"asks for too much: {rule}: {row['share_mb_max']:.0%} of its MB")
        if row["asked_min"] >= _LEAST_MIN and row["share_min_max"] < _FAR:
            lines.append(f"asks for too much: {rule}: {row['share_min_max']:.0%} of its min")
    return lines


def _known(number: float) -> float:
    return float(number) if number else nan


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return median(known) if known else nan


def _largest(values: Iterable[float]) -> float:
    return max((value for value in values if not isnan(value)), default=nan)
