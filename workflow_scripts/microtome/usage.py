"""What jobs asked for beside what they used, from run logs and benchmarks."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan
from statistics import median

from microtome.run_history import Benchmark

COLUMNS = (
    "rule",
    "jobs",
    "asked_mb",
    "asked_mb_max",
    "used_mb",
    "used_mb_max",
    "share_mb_max",
    "asked_min",
    "used_min",
    "share_min_max",
)
# The benchmark of a shorter job has seen little of its memory.
_SEEN_AFTER_S = 1.0
# In a pack it is done by a process that stays from slide to slide, which no benchmark sees.
_IN_WORKERS = {"score_slide"}
_NEAR, _FAR = 0.8, 0.2
# Time is asked for in whole minutes: of so few, a small share says nothing.
_LEAST_MIN = 10


@dataclass(frozen=True)
class Use:
    """What a job, or a pack of them, asked for and used; NaN where that is not known."""

    rule: str
    name: str
    asked_mb: float
    used_mb: float
    asked_min: float
    used_min: float

    @property
    def share_mb(self) -> float:
        """How much of the memory it used, 1 for all."""
        return _share(self.used_mb, self.asked_mb)

    @property
    def share_min(self) -> float:
        """The same of the time."""
        return _share(self.used_min, self.asked_min)


def finished_jobs(runs: Iterable[Iterable[dict]]) -> list[dict]:
    """The jobs that finished, each with what it asked for at its last attempt.

    Parameters
    ----------
    runs : iterable of iterable of dict
        The events of each run, the oldest run first.

    Returns
    -------
    list of dict
        The events ``job_submitted``, of a job that several runs did only the last; with its pack
        where it was in one: ``pack_submitted`` and ``pack_ended`` in one.
    """
    found: dict[object, dict] = {}
    for number, events in enumerate(runs):
        asked: dict[object, dict] = {}
        pack_of: dict[object, str] = {}
        packs: dict[str, dict] = defaultdict(dict)
        finished = []
        for event in events:
            what, job = event.get("event"), event.get("job")
            if what == "job_submitted":
                asked[job] = event
            elif what == "job_finished" and job in asked:
                finished.append(job)
            elif what in ("pack_submitted", "pack_ended"):
                packs[event.get("pack", "")].update(event)
                pack_of |= dict.fromkeys(event.get("jobs") or [], event.get("pack", ""))
        for job in finished:
            key = asked[job].get("benchmark") or (number, job)
            found[key] = asked[job] | {"in_pack": packs.get(pack_of.get(job, "")) or {}}
    return list(found.values())


def uses_of_jobs(jobs: Iterable[Mapping], benchmarks: Mapping[str, Benchmark]) -> list[Use]:
    """What each job asked for and used.

    Parameters
    ----------
    jobs : iterable of mapping
        From `finished_jobs`.
    benchmarks : mapping of str to Benchmark
        What was measured, by the path that the job names.
    """
    uses = []
    for job in jobs:
        measured = benchmarks.get(job.get("benchmark") or "")
        is_seen = measured is not None and measured.seconds >= _SEEN_AFTER_S
        asked_mb, used_mb = _number(job, "mem_mb"), measured.peak_mb if is_seen else nan
        pack = job.get("in_pack") or {}
        if job.get("rule") in _IN_WORKERS and pack:
            asked_mb, used_mb = _number(pack, "mem_mb"), _number(pack, "peak_mb")
        wildcards = job.get("wildcards") or {}
        uses.append(
            Use(
                job.get("rule") or "?",
                wildcards.get("slide") or ", ".join(map(str, wildcards.values())) or "the cohort",
                asked_mb,
                used_mb,
                _number(job, "runtime_min"),
                measured.seconds / 60 if measured else nan,
            )
        )
    return uses


def uses_of_packs(runs: Iterable[Iterable[dict]]) -> list[Use]:
    """What each SLURM job that ended asked for and used, by the kind of what it ran."""
    uses = []
    for events in runs:
        submitted: dict[object, dict] = {}
        for event in events:
            if event.get("event") == "pack_submitted":
                submitted[event.get("pack")] = event
            elif event.get("event") == "pack_ended" and event.get("pack") in submitted:
                asked = submitted[event["pack"]]
                uses.append(
                    Use(
                        f"pack: {asked.get('kind') or '?'}",
                        f"SLURM job {asked.get('slurm_id', '?')}",
                        _number(asked, "mem_mb"),
                        _number(event, "peak_mb"),
                        _number(asked, "runtime_min"),
                        _number(event, "elapsed_s") / 60,
                    )
                )
    return uses


def rows_of(uses: Iterable[Use]) -> list[dict]:
    """One row a rule or kind of pack, in the order of their names.

    Returns
    -------
    list of dict
        `COLUMNS`: medians and largest of MB and minutes; shares of what was asked for, 1 for all.
    """
    by_rule: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        by_rule[use.rule].append(use)
    return [
        {
            "rule": rule,
            "jobs": len(alike),
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
    ]


def remarks(uses: Iterable[Use]) -> list[str]:
    """Jobs that nearly used up what they asked for, and rules that ask for far too much."""
    uses = list(uses)
    lines = []
    for use in sorted(uses, key=lambda use: (use.rule, use.name)):
        if use.share_mb > _NEAR:
            said = f"{use.used_mb:.0f} of {use.asked_mb:.0f} MB"
            lines.append(f"near its limit: {use.rule}, {use.name}: {said}")
        if use.share_min > _NEAR:
            said = f"{use.used_min:.1f} of {use.asked_min:.0f} min"
            lines.append(f"near its limit: {use.rule}, {use.name}: {said}")
    for row in rows_of(uses):
        if row["share_mb_max"] < _FAR:
            lines.append(f"asks for too much: {row['rule']}: {row['share_mb_max']:.0%} of its MB")
        if row["asked_min"] >= _LEAST_MIN and row["share_min_max"] < _FAR:
            lines.append(f"asks for too much: {row['rule']}: {row['share_min_max']:.0%} of its min")
    return lines


def _number(event: Mapping, key: str) -> float:
    value = event.get(key)
    return float(value) if isinstance(value, int | float) else nan


def _share(used: float, asked: float) -> float:
    return used / asked if asked else nan


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if value == value]  # noqa: PLR0124, all but NaN


def _median(values: Iterable[float]) -> float:
    known = _known(values)
    return median(known) if known else nan


def _largest(values: Iterable[float]) -> float:
    return max(_known(values), default=nan)
