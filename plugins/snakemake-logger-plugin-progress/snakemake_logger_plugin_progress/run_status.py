"""How the newest run of a folder stands, in lines for a person."""

import platform
from pathlib import Path

import psutil

from .errors import InputError
from .run_log import RUNS, read_events, run_logs
from .run_state import DONE, FAILED, RUNNING, RunState
from .run_texts import (
    count_text,
    day_and_clock,
    duration_text,
    failed_lines,
    pack_fault,
    slurm_text,
)
from .stages import stage_name

# A driver tells once a minute that it is there.
_SILENT_S = 300
# The two clocks that an age is told by differ a little.
_CLOCKS_S = 2
_COLUMNS = ("stage", "done", "running", "waiting", "failed")


def run_status(directory: str | Path, *, now: float) -> list[str]:
    """Lines that say how the newest run of a working folder stands, from its run log alone.

    `now` is in Unix seconds.

    Raises
    ------
    InputError
        If there was no run yet.
    """
    folder = Path(directory) / RUNS
    logs = run_logs(folder)
    if not logs:
        raise InputError(f"{folder}: no run yet; start one with snakemake --logger progress")
    state = RunState(read_events(logs[-1]))
    alive = state.ended_s is None and is_alive(state, now)
    lines = [*_head(state, alive=alive, now=now), "", *_stages(state, alive=alive), ""]
    if alive:
        lines += _cluster(state)
    failed = state.failed_jobs()
    if failed:
        lines += ["Failed, each with its log:"]
        lines += [f"  {line}" for line in failed_lines(failed, most=len(failed))] + [""]
    return lines[:-1]


def is_alive(state: RunState, now: float) -> bool:
    """Say whether the driver of a run that has not ended is still there.

    On this machine its process is looked for; of another machine's its last word counts.
    """
    if state.host == platform.node() and state.pid:
        try:
            began_s = psutil.Process(state.pid).create_time()
        except psutil.Error:
            return False
        # A younger process than the run was given its number again.
        return state.begun_s is None or began_s <= state.begun_s + _CLOCKS_S
    return state.last_s is not None and now - state.last_s < _SILENT_S


def _head(state: RunState, *, alive: bool, now: float) -> list[str]:
    if state.begun_s is None:
        return ["The newest run has told nothing yet."]
    begun = f"Run of {day_and_clock(state.begun_s)}"
    who = f"process {state.pid} on {state.host}" if state.pid else "its driver"
    if alive:
        how = f"under way for {duration_text(now - state.begun_s)}, {who}"
    elif state.ended_s is None:
        last_s = state.last_s if state.last_s is not None else state.begun_s
        ago = duration_text(now - last_s)
        how = f"was killed: {who} is gone, its last word came {ago} ago"
    else:
        took = duration_text(state.ended_s - state.begun_s)
        how = f"ended {'well' if state.ok else 'with something left to do'} after {took}"
    lines = [f"{begun}: {how}"]
    if not alive and not state.ok:
        lines.append("To go on where it stopped, give the same command again:")
    if state.command:
        lines.append(f"  {state.command}")
    return lines


def _stages(state: RunState, *, alive: bool) -> list[str]:
    rows = [_COLUMNS]
    sums = [0, 0, 0, 0]
    for stage in state.stages():
        counts, waiting = state.counts[stage], state.waiting(stage)
        # When the driver is gone, nobody knows of those that were running.
        running = counts[RUNNING] if alive else 0
        numbers = [counts[DONE], running, waiting + counts[RUNNING] - running, counts[FAILED]]
        sums = [a + b for a, b in zip(sums, numbers, strict=True)]
        rows.append((stage_name(stage), *map(str, numbers)))
    rows.append(("all", *map(str, sums)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _cluster(state: RunState) -> list[str]:
    lines = [slurm_text(state)] if state.packs or state.silences else []
    ended_badly = [p for p in state.packs.values() if p.state not in ("", "COMPLETED")]
    if ended_badly:
        lines.append(f"{count_text(len(ended_badly), 'SLURM job')} ended badly, the last of them:")
        lines += [f"  {pack_fault(pack)}" for pack in ended_badly[-5:]]
    return [*filter(None, lines), ""] if any(lines) else []
