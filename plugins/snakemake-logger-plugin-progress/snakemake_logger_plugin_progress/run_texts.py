"""A run in words for people: times, rates, stages, failures, how it ended."""

from bisect import bisect_right
from datetime import datetime
from statistics import median

from .run_state import DONE, FAILED, RUNNING, Job, Pack, RunState
from .stages import Stage, stage_name

_WINDOW_S = 900
# A stage of long jobs that began together finishes in bursts: the window spans several of them.
_WINDOW_JOBS = 3
_LEAST_FINISHES, _LEAST_S = 3, 60
_NO_FAULT = {"", "COMPLETED"}
_MOST_SHOWN = 20
INDENT = " " * 10


def duration_text(seconds: float) -> str:
    """A length of time in its two largest units: ``5 h 28 min``, ``45 s``."""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def rate_text(per_s: float) -> str:
    """Jobs a minute, or an hour where they are few."""
    per_min = per_s * 60
    if per_min >= 100:
        return f"{per_min:.0f}/min"
    return f"{per_min:.1f}/min" if per_min >= 1 else f"{per_min * 60:.1f}/h"


def share_text(part: int, whole: int) -> str:
    """Percent, rounded down: 100 % is said only when all is done."""
    return f"{100 * part // whole if whole else 100} %"


def count_text(n: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 job``, ``2 jobs``."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def clock(t: float) -> str:
    """Time of day on this machine."""
    return f"{datetime.fromtimestamp(t).astimezone():%H:%M:%S}"


def day_and_clock(t: float) -> str:
    """Date and time on this machine."""
    return f"{datetime.fromtimestamp(t).astimezone():%Y-%m-%d %H:%M}"


def rate_per_s(
    finishes: list[tuple[float, float]], *, first_start_s: float, now: float
) -> float | None:
    """Jobs of a stage that are done in a second, from those of the last quarter of an hour.

    `finishes` has when each was done, ascending, and how long it took (s); None where there is too
    little to tell.
    """
    elapsed_s = now - first_start_s
    if len(finishes) < _LEAST_FINISHES or elapsed_s < _LEAST_S:
        return None
    usual_s = median(duration for _, duration in finishes[-50:])
    window_s = min(max(_WINDOW_S, _WINDOW_JOBS * usual_s), elapsed_s)
    n = len(finishes) - bisect_right(finishes, now - window_s, key=lambda finish: finish[0])
    return n / window_s


def stage_rate(state: RunState, stage: Stage, now: float) -> tuple[str, str]:
    """Rate of a stage and the time it has left, in words; empty where there is none to tell."""
    waiting = state.waiting(stage)
    left = waiting + state.counts[stage][RUNNING]
    first = state.first_start_s.get(stage)
    if not left or first is None:
        return "", ""
    per_s = rate_per_s(state.finishes[stage], first_start_s=first, now=now)
    if per_s is None:
        return "", ""
    return rate_text(per_s), f"{duration_text(left / per_s)} left" if per_s else "stalled"


def stage_line(state: RunState, stage: Stage, now: float, *, width: int) -> str:
    """One line about a stage, its name padded to `width` characters."""
    counts, total = state.counts[stage], state.total(stage)
    digits = len(str(total))
    parts = [
        f"{clock(now)}  {stage_name(stage):<{width}}",
        f"{counts[DONE]:>{digits}}/{total}",
        f"{share_text(counts[DONE], total):>5}",
        f"running {counts[RUNNING]}",
        f"waiting {state.waiting(stage)}",
        f"failed {counts[FAILED]}",
        *filter(None, stage_rate(state, stage, now)),
    ]
    return "   ".join([parts[0], "  ".join(parts[1:])])


def failure_lines(event: dict, job: Job) -> list[str]:
    """What to say when a job has failed; nothing of those that another one brought down."""
    if event.get("with_group"):
        return []
    again = ", will be tried again" if event.get("again") else ""
    logs = ", ".join(event.get("log") or [])
    return [
        f"{clock(event['t'])}  failed{again}: {job.says(event.get('reason', ''))}",
        *([f"{INDENT}{logs}"] if logs else []),
    ]


def notice_line(event: dict, state: RunState) -> str:
    """What to say of the cluster; empty where all is as it should be."""
    now, what = clock(event["t"]), event["event"]
    if what == "slurm_silent":
        return f"{now}  SLURM does not answer; its jobs go on, and so will this run when it does"
    if what == "slurm_back":
        return f"{now}  SLURM answers again"
    if what == "leftovers_cancelled":
        n = len(event.get("slurm_ids") or [])
        return f"{now}  cancelled {count_text(n, 'SLURM job')} that an earlier run had left"
    if what == "pack_ended" and event.get("state", "") not in _NO_FAULT:
        pack = state.packs.get(event.get("pack", ""))
        return f"{now}  {pack_fault(pack)}" if pack else ""
    return ""


def pack_fault(pack: Pack) -> str:
    """How a SLURM job ended that did not end well: ``SLURM job 12 on gpu1: TIMEOUT``."""
    reason = f" ({pack.reason})" if pack.reason not in ("", "None", pack.state) else ""
    place = f" on {pack.node}" if pack.node else ""
    kind = f", {pack.kind}" if pack.kind else ""
    return f"SLURM job {pack.slurm_id}{place}{kind}: {pack.state}{reason}"


def plan_line(state: RunState) -> str:
    """How many jobs there are, by stage."""
    parts = ", ".join(f"{stage_name(stage)} {state.total(stage)}" for stage in state.stages())
    return f"{count_text(state.n_jobs, 'job')}: {parts}"


def slurm_text(state: RunState) -> str:
    """SLURM jobs of a run: how many run and wait; empty where there are none."""
    alive = [pack for pack in state.packs.values() if pack.ended_s is None]
    running = sum(pack.started_s is not None for pack in alive)
    silent = f", no answer since {clock(state.silences[-1][0])}" if state.is_slurm_silent else ""
    if not alive and not silent:
        return ""
    return f"SLURM jobs: {running} running, {len(alive) - running} in the queue{silent}"


def failed_lines(jobs: list[Job], *, most: int = _MOST_SHOWN) -> list[str]:
    """Jobs that were given up, each with its reason and its log; what fell with them is counted."""
    own = [job for job in jobs if not job.tries[-1].fell_with_group]
    lines = []
    for job in own[:most]:
        lines += [job.says(job.tries[-1].reason), *(f"  {log}" for log in job.log)]
    if len(own) > most:
        lines.append(f"and {len(own) - most} more, which the status lists")
    if len(jobs) > len(own):
        lines.append(f"and {count_text(len(jobs) - len(own), 'job')} of the same groups with them")
    return lines


def summary_lines(state: RunState, now: float) -> list[str]:
    """How a run ended: done, failed, how long."""
    failed = state.failed_jobs()
    n_left = state.n_jobs - state.n_done - len(failed)
    done = f"{state.n_done} of {count_text(state.n_jobs, 'job')} done"
    parts = [
        f"{done} in {duration_text(state.took_s(now))}",
        *([f"{len(failed)} failed"] if failed else []),
        *([f"{n_left} not done"] if n_left > 0 else []),
    ]
    return [
        f"{clock(now)}  {', '.join(parts)}",
        *(f"{INDENT}{line}" for line in failed_lines(failed)),
    ]
