"""Tables of driver runs: what each rule took, what took longest, what went wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from .run_history import History, Run, is_done, is_given_up
from .run_state import Job, Pack
from .run_texts import count_text, duration_text, pack_fault
from .usage import find_job_uses, summarize_uses

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
    "asked_mb",
    "asked_mb_max",
    "used_mb",
    "used_mb_max",
    "share_mb_max",
    "asked_min",
    "used_min",
    "share_min_max",
)
SLOWEST_COLUMNS = ("jobs", "failed_tries", "total_s", "slowest", "slowest_s", "peak_mb")
FAULTS_COLUMNS = ("when", "run", "kind", "what", "reason", "then")
_MOST_SHOWN = 50
_PACK_KINDS = {
    "TIMEOUT": "time limit",
    "DEADLINE": "time limit",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node lost",
    "BOOT_FAIL": "node lost",
    "PREEMPTED": "preempted",
    "CANCELLED": "cancelled",
}
_DIED = "SLURM job died"
JOB_FAILED, SILENT, KILLED, LEFT = "job failed", "SLURM silent", "driver killed", "leftovers"
# In the order in which they are shown.
KINDS = (JOB_FAILED, *dict.fromkeys(_PACK_KINDS.values()), _DIED, SILENT, KILLED, LEFT)


@dataclass(frozen=True)
class Fault:
    """One thing that went wrong; times in Unix seconds."""

    t: float
    run: int  # which of the runs, from 0
    kind: str  # one of `KINDS`
    what: str
    reason: str
    then: str  # what was done about it
    until_s: float | None = None  # when it was over, if it lasted
    n_failed: int = 0  # of a SLURM job: so many of its jobs failed with it,
    n_requeued: int = 0  # and so many were packed again


def find_faults(history: History) -> list[Fault]:
    """All faults of all runs, by time."""
    ends = {id(job): goes for goes in history.jobs.values() for job in goes}
    found: list[Fault] = []
    for number, run in enumerate(history.runs):
        is_last = number == len(history.runs) - 1
        for job in run.state.jobs.values():
            found += _of_job(number, job, ends[id(job)])
        found += [
            _of_pack(number, run, pack)
            for pack in run.state.packs.values()
            if pack.ended_s is not None and pack.state not in ("", "COMPLETED")
        ]
        found += _of_cluster(number, run)
        if run.was_killed:
            then = "not begun again yet" if is_last else "begun again"
            text = "the driver ended without a word"
            found.append(Fault(run.ended_s, number, KILLED, text, "", then))
    return sorted(found, key=lambda fault: fault.t)


def _of_job(run: int, job: Job, goes: list[Job]) -> Iterator[Fault]:
    for place, (t, reason) in enumerate(job.failures):
        if is_done(goes):
            then = "tried again, then done"
        else:
            is_final = job is goes[-1] and place == len(job.failures) - 1
            then = "given up" if is_final and job.state == "failed" else "tried again"
        yield Fault(t, run, JOB_FAILED, job.name, reason, then)


def _of_pack(number: int, run: Run, pack: Pack) -> Fault:
    jobs = [run.state.jobs[job] for job in pack.jobs if job in run.state.jobs]
    n_failed = sum(any(t.failed and t.pack == pack.id for t in job.tries) for job in jobs)
    kind = _PACK_KINDS.get(pack.state.split()[0], _DIED)
    what = f"SLURM job {pack.slurm_id} of {count_text(len(pack.jobs), 'job')}"
    where = f" on {pack.node}" if pack.node else ""
    return Fault(
        pack.ended_s or run.ended_s,
        number,
        kind,
        what + where,
        pack_fault(pack).rpartition(": ")[2],
        losses_text(n_failed, pack.n_requeued),
        n_failed=n_failed,
        n_requeued=pack.n_requeued,
    )


def losses_text(n_failed: int, n_requeued: int) -> str:
    """What SLURM jobs took along with them, in words."""
    parts = [
        f"{count_text(n_failed, 'job')} failed" if n_failed else "",
        f"{count_text(n_requeued, 'job')} packed again" if n_requeued else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing was lost"


def _of_cluster(number: int, run: Run) -> Iterator[Fault]:
    for since_s, back_s in run.state.silences:
        until_s = run.ended_s if back_s is None else back_s
        what = f"no answer for {duration_text(until_s - since_s)}"
        then = "waited" if back_s is not None else "never came back"
        yield Fault(since_s, number, SILENT, what, "", then, until_s)
    for t, n in run.state.leftovers:
        yield Fault(
            t, number, LEFT, f"{count_text(n, 'SLURM job')} of an earlier run", "", "cancelled"
        )


def jobs_table(history: History) -> list[dict]:
    """One row a rule: jobs, tries that failed, time, memory and minutes asked for and used."""
    of_rule: dict[str, list[list[Job]]] = defaultdict(list)
    for (rule, _), goes in history.jobs.items():
        of_rule[rule].append(goes)
    gpu_s, uses = gpu_seconds(history), summarize_uses(find_job_uses(history))
    order = history.naming.order
    rules = sorted(of_rule, key=lambda rule: (order(of_rule[rule][0][0].stage)[0], rule))
    return [_row(history, rule, of_rule[rule], gpu_s[rule]) | uses.get(rule, {}) for rule in rules]


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
    measured = [b for goes in jobs if (b := history.benchmarks.get(goes[-1].benchmark))]
    cpu_s = [b.cpu_s for b in measured if b.cpu_s == b.cpu_s]
    row["cpu_h"] = sum(cpu_s) / 3600 if cpu_s else None
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


def slowest_subjects(history: History) -> list[dict]:
    """What jobs are about that took longest, all its jobs together; the first takes most."""
    naming = history.naming
    of_subject: dict[str, list[list[Job]]] = defaultdict(list)
    for goes in history.jobs.values():
        if subject := goes[-1].wildcards.get(naming.about):
            of_subject[subject].append(goes)
    rows = []
    for subject, jobs in of_subject.items():
        timed = [(s, goes[-1]) for goes in jobs if (s := history.seconds(goes)) is not None]
        if not timed:
            continue
        longest_s, longest = max(timed, key=lambda pair: pair[0])
        peaks = [
            b.peak_mb
            for goes in jobs
            if (b := history.benchmarks.get(goes[-1].benchmark)) and b.peak_mb == b.peak_mb
        ]
        value = longest.wildcards.get(naming.apart, "")
        rows.append(
            {
                naming.about: subject,
                "jobs": len(jobs),
                "failed_tries": sum(len(job.failures) for goes in jobs for job in goes),
                "total_s": float(sum(s for s, _ in timed)),
                "slowest": " ".join(filter(None, [longest.rule, value])),
                "slowest_s": float(longest_s),
                "peak_mb": max(peaks, default=None),
            }
        )
    rows.sort(key=lambda row: (-row["total_s"], row[naming.about]))
    return rows[:_MOST_SHOWN]


def faults_table(faults: list[Fault]) -> list[dict]:
    """One row a fault, with its time in UTC."""
    return [
        {
            "when": f"{datetime.fromtimestamp(fault.t, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "run": fault.run + 1,
            **{name: getattr(fault, name) for name in FAULTS_COLUMNS[2:]},
        }
        for fault in faults
    ]
