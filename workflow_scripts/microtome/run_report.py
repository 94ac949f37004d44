"""The report of a cohort's driver runs: tables, a summary and a picture in one folder."""

import logging
import os
import time
from collections import Counter
from pathlib import Path

from microtome.errors import InputError, one_line
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table
from microtome.run_history import History, is_done, is_given_up, read_history
from microtome.run_log import RUNS, run_logs
from microtome.run_report_figure import timeline_figure
from microtome.run_tables import (
    FAULTS_COLUMNS,
    JOBS_COLUMNS,
    KINDS,
    SLOWEST_COLUMNS,
    Fault,
    faults_table,
    find_faults,
    jobs_table,
    losses_text,
    slowest_slides,
)
from microtome.run_texts import count_text, day_and_clock, duration_text

REPORT = Path("results") / "run_report"
_MOST_SLIDES = 10
_SETTLED_S = 2.0


def make_run_report(directory: str | Path, *, last: bool = False, running: int = 0) -> Path:
    """Write summary.md, jobs.tsv, slowest_slides.tsv, faults.tsv, timeline.png; give their folder.

    Of all runs of a working folder, or with `last` of the newest alone. `running` is the process
    of the driver where it is this run that is reported, at its end.

    Raises
    ------
    InputError
        If there was no run yet.
    """
    directory = Path(directory)
    paths = run_logs(directory / RUNS)
    history = read_history(
        paths[-1:] if last else paths, directory=directory, running=running, now=time.time()
    )
    if not history.runs:
        raise InputError(f"{directory / RUNS}: no run with a job yet; there is nothing to report")
    faults = find_faults(history)
    jobs, slowest = jobs_table(history), slowest_slides(history)
    folder = directory / REPORT
    write_table(folder / "jobs.tsv", jobs, columns=JOBS_COLUMNS)
    write_table(folder / "slowest_slides.tsv", slowest, columns=SLOWEST_COLUMNS)
    write_table(folder / "faults.tsv", faults_table(faults), columns=FAULTS_COLUMNS)
    timeline_figure(folder / "timeline.png", history, faults)
    with atomic(folder / "summary.md") as temporary:
        temporary.write_text(_summary(history, faults, jobs, slowest), encoding="utf-8")
    return folder


def write_run_report(directory: str | Path = ".") -> None:
    """Write the report at the end of a run, in its driver; a report that fails is a warning."""
    try:
        _wait_for_log()
        make_run_report(directory, running=os.getpid())
    except Exception as error:  # the results are there whatever becomes of their report
        text = one_line(error) or type(error).__name__
        logging.getLogger("snakemake.logging").warning("No run report: %s", text)


def _wait_for_log() -> None:
    """Let the thread that writes the run log come to the end of Snakemake's records."""
    until_s = time.monotonic() + _SETTLED_S
    for handler in logging.getLogger("snakemake.logging").handlers:
        queue = getattr(handler, "queue", None)
        while getattr(queue, "unfinished_tasks", 0) and time.monotonic() < until_s:
            time.sleep(0.01)


def _summary(history: History, faults: list[Fault], jobs: list[dict], slowest: list[dict]) -> str:
    goes = history.jobs.values()
    n_done, n_given_up = sum(map(is_done, goes)), sum(map(is_given_up, goes))
    took_s = sum(run.ended_s - run.begun_s for run in history.runs)
    cpu_h, gpu_h = (sum(row.get(name) or 0 for row in jobs) for name in ("cpu_h", "gpu_h"))
    n_packs = sum(len(run.state.packs) for run in history.runs)
    begun, ended = (day_and_clock(t) for t in (history.runs[0].begun_s, history.runs[-1].ended_s))
    facts = {
        "jobs": f"{n_done} of {history.n_jobs} done, {n_given_up} failed for good",
        "time": f"{duration_text(took_s)} in {count_text(len(history.runs), 'driver run')},"
        f" {begun} to {ended}",
        "CPU": f"{cpu_h:.1f} h",
        "GPU": f"{gpu_h:.1f} h",
        "SLURM jobs": str(n_packs) if n_packs else "none: run on one machine",
    }
    lines = ["# Run report", "", *(f"- {name}: {text}" for name, text in facts.items()), ""]
    lines += ["![What ran when](timeline.png)", "", "## Faults", ""]
    if faults:
        lines += [markdown_table(_kinds(faults)), "Each of them is in faults.tsv.", ""]
    else:
        lines += ["None.", ""]
    lines += ["## Rules", "", _rules(jobs), "## Slowest slides", ""]
    lines += [_slides(slowest[:_MOST_SLIDES]) if slowest else "None.\n"]
    return "\n".join(lines)


def _kinds(faults: list[Fault]) -> list[dict]:
    rows = []
    for kind in KINDS:
        of_kind = [fault for fault in faults if fault.kind == kind]
        if not of_kind:
            continue
        n_failed, n_requeued = (
            sum(getattr(fault, name) for fault in of_kind) for name in ("n_failed", "n_requeued")
        )
        if n_failed or n_requeued:
            then = losses_text(n_failed, n_requeued)
        else:
            counts = Counter(fault.then for fault in of_kind).most_common()
            then = ", ".join(f"{n} x {text}" if len(counts) > 1 else text for text, n in counts)
        rows.append({"fault": kind, "times": len(of_kind), "what was done": then})
    return rows


def _rules(jobs: list[dict]) -> str:
    def shown(row: dict, name: str, n_decimals: int) -> str:
        return "" if row.get(name) is None else f"{row[name]:.{n_decimals}f}"

    return markdown_table(
        {
            "rule": row["rule"],
            "done": row["done"],
            "failed tries": row["failed_tries"],
            "median": duration_text(row["median_s"]) if "median_s" in row else "",
            "longest": duration_text(row["max_s"]) if "max_s" in row else "",
            "CPU h": shown(row, "cpu_h", 2),
            "GPU h": shown(row, "gpu_h", 2),
            "peak MB": shown(row, "peak_mb", 0),
            "asked MB": shown(row, "asked_mb", 0),
        }
        for row in jobs
    )


def _slides(rows: list[dict]) -> str:
    return markdown_table(
        {
            "slide": row["slide"],
            "jobs": row["jobs"],
            "all together": duration_text(row["total_s"]),
            "longest": f"{row['slowest']}, {duration_text(row['slowest_s'])}",
            "failed tries": row["failed_tries"],
        }
        for row in rows
    )
