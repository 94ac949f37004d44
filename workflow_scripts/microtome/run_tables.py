"""Tables of driver runs: what each rule took, which slides took longest."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

import numpy as np

from microtome.run_faults import Fault
from microtome.run_history import History, is_done, is_given_up
from microtome.run_jobs import Job
from microtome.run_stages import stage_order

JOBS_COLUMNS = (
    "rule",
    "done",
    "failed_tries",
    "given_up",
    "median_s",
    "p95_s",
    "max_s",
    "cpu_h",
    "gpu_h",
    "peak_mb",
    "peak_slide",
    "asked_mb",
)
SLOWEST_COLUMNS = ("slide", "jobs", "failed_tries", "total_s", "slowest", "slowest_s", "peak_mb")
FAULTS_COLUMNS = ("when", "run", "kind", "what", "reason", "then")
_MOST_SLIDES = 50


def jobs_table(history: History) -> list[dict]:
    """One row a rule: jobs, tries that failed, time, memory used and asked for."""
    of_rule: dict[str, list[list[Job]]] = defaultdict(list)
    for (rule, _), goes in history.jobs.items():
        of_rule[rule].append(goes)
    gpu_s = gpu_seconds(history)
    rules = sorted(of_rule, key=lambda rule: (stage_order(of_rule[rule][0][0].stage)[0], rule))
    return [_row(history, rule, of_rule[rule], gpu_s[rule]) for rule in rules]


def _row(history: History, rule: str, jobs: list[list[Job]], gpu_s: float) -> dict:
    seconds = [s for goes in jobs if (s := history.seconds(goes)) is not None]
    row = {
        "rule": rule,
        "done": sum(map(is_done, jobs)),
        "failed_tries": sum(len(job.failures) for goes in jobs for job in goes),
        "given_up": sum(map(is_given_up, jobs)),
        "gpu_h": gpu_s / 3600 if gpu_s else None,
    }
    if seconds:
        row["median_s"], row["p95_s"] = map(float, np.percentile(seconds, (50, 95)))
        row["max_s"] = float(max(seconds))
    measured = [(b, goes[-1]) for goes in jobs if (b := history.benchmarks.get(goes[-1].benchmark))]
    cpu_s = [b.cpu_s for b, _ in measured if b.cpu_s == b.cpu_s]
    row["cpu_h"] = sum(cpu_s) / 3600 if cpu_s else None
    peaks = [(b.peak_mb, job) for b, job in measured if b.peak_mb == b.peak_mb]
    if peaks:
        row["peak_mb"], most = max(peaks, key=lambda peak: peak[0])
        row["peak_slide"] = most.wildcards.get("slide", "")
        row["asked_mb"] = most.tries[-1].mem_mb or None
    return row


def gpu_seconds(history: History) -> Counter:
    """Seconds of GPUs a rule: of SLURM jobs while they held them, else of jobs while they ran."""
    seconds: Counter = Counter()
    for run in history.runs:
        jobs = run.state.jobs
        for pack in run.state.packs.values():
            rules = [jobs[job].rule for job in pack.jobs if job in jobs]
            if pack.gpus and pack.started_s is not None and rules:
                ended_s = run.ended_s if pack.ended_s is None else pack.ended_s
                seconds[rules[0]] += pack.gpus * (ended_s - pack.started_s)
        for job in jobs.values():
            for one in job.tries:
                if one.gpu and not one.pack and one.started_s is not None:
                    ended_s = run.ended_s if one.ended_s is None else one.ended_s
                    seconds[job.rule] += one.gpu * (ended_s - one.started_s)
    return seconds


def slowest_slides(history: History) -> list[dict]:
    """The slides that took longest, all their jobs together; the first takes most."""
    of_slide: dict[str, list[list[Job]]] = defaultdict(list)
    for goes in history.jobs.values():
        slide = goes[-1].wildcards.get("slide")
        if slide:
            of_slide[slide].append(goes)
    rows = []
    for slide, jobs in of_slide.items():
        timed = [(s, goes[-1]) for goes in jobs if (s := history.seconds(goes)) is not None]
        if not timed:
            continue
        longest_s, longest = max(timed, key=lambda pair: pair[0])
        peaks = [
            b.peak_mb
            for goes in jobs
            if (b := history.benchmarks.get(goes[-1].benchmark)) and b.peak_mb == b.peak_mb
        ]
        model = longest.wildcards.get("model", "")
        rows.append(
            {
                "slide": slide,
                "jobs": len(jobs),
                "failed_tries": sum(len(job.failures) for goes in jobs for job in goes),
                "total_s": float(sum(s for s, _ in timed)),
                "slowest": " ".join(filter(None, [longest.rule, model])),
                "slowest_s": float(longest_s),
                "peak_mb": max(peaks, default=None),
            }
        )
    rows.sort(key=lambda row: (-row["total_s"], row["slide"]))
    return rows[:_MOST_SLIDES]


def faults_table(faults: list[Fault]) -> list[dict]:
    """One row a fault, with its time in UTC."""
    return [
        {
            "when": f"{datetime.fromtimestamp(fault.t, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "run": fault.run + 1,
            "kind": fault.kind,
            "what": fault.what,
            "reason": fault.reason,
            "then": fault.then,
        }
        for fault in faults
    ]
