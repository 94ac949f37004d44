"""What went wrong in driver runs: when, what, why, and what was done about it."""

from collections.abc import Iterator
from dataclasses import dataclass

from microtome.progress_text import pack_fault
from microtome.run_history import History, Run, is_done
from microtome.run_jobs import Job, Pack
from microtome.run_words import count_text, duration_text

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
    """One thing that went wrong; times in Unix seconds.

    Attributes
    ----------
    run : int
        Which of the runs, from 0.
    kind : str
        One of `KINDS`.
    then : str
        What was done about it.
    until_s : float, optional
        When it was over, if it lasted.
    n_failed, n_requeued : int
        Of a SLURM job: how many of its jobs failed with it, and how many were packed again.
    """

    t: float
    run: int
    kind: str
    what: str
    reason: str
    then: str
    until_s: float | None = None
    n_failed: int = 0
    n_requeued: int = 0


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
