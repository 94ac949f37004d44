"""The report of a folder's driver runs: tables, a summary and a picture in one folder."""

import csv
from collections import Counter
from collections.abc import Iterable
from math import isnan
from pathlib import Path
from tempfile import TemporaryDirectory

from tabulate import tabulate

from .errors import InputError
from .run_history import History, is_done, is_given_up, read_history
from .run_log import RUNS, run_logs
from .run_report_figure import timeline_figure
from .run_tables import (
    FAULTS_COLUMNS,
    JOBS_COLUMNS,
    KINDS,
    SLOWEST_COLUMNS,
    Fault,
    faults_table,
    find_faults,
    jobs_table,
    losses_text,
    slowest_subjects,
)
from .run_texts import count_text, day_and_clock, duration_text
from .usage import find_job_uses, remarks

REPORT = Path("results") / "run_report"
_MOST_SHOWN = 10
_MOST_REMARKS = 50


def make_run_report(
    directory: str | Path, report: str | Path = REPORT, *, last: bool = False
) -> Path:
    """Write summary.md, jobs.tsv, faults.tsv, timeline.png and a table of what took longest.

    Of all runs of a working folder, or with `last` of the newest alone, into the folder `report` of
    it, which is given.

    Raises
    ------
    InputError
        If there was no run yet.
    """
    directory = Path(directory)
    paths = run_logs(directory / RUNS)
    history = read_history(paths[-1:] if last else paths, directory=directory)
    if not history.runs:
        raise InputError(f"{directory / RUNS}: no run with a job yet; there is nothing to report")
    faults = find_faults(history)
    jobs, slowest = jobs_table(history), slowest_subjects(history)
    folder = directory / report
    folder.mkdir(parents=True, exist_ok=True)
    about = history.naming.about
    # Made beside it: who looks at a report meanwhile sees the one of before.
    with TemporaryDirectory(prefix=".partial-", dir=folder.parent) as name:
        new = Path(name)
        write_tsv(new / "jobs.tsv", jobs, JOBS_COLUMNS)
        if about:
            write_tsv(new / f"slowest_{about}s.tsv", slowest, (about, *SLOWEST_COLUMNS))
        write_tsv(new / "faults.tsv", faults_table(faults), FAULTS_COLUMNS)
        timeline_figure(new / "timeline.png", history, faults)
        text = _summary(history, faults, jobs, slowest)
        (new / "summary.md").write_text(text, encoding="utf-8")
        for path in new.iterdir():
            path.replace(folder / path.name)
    return folder


def write_tsv(path: Path, rows: Iterable[dict], columns: Iterable[str]) -> None:
    """Write a table; what is not known, None or NaN, is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def markdown(rows: Iterable[dict]) -> str:
    """Rows as a table for people."""
    return tabulate(list(rows), "keys", tablefmt="github", disable_numparse=True) + "\n"


def _cell(value: object) -> str:
    if value is None or value != value:  # noqa: PLR0124, NaN
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


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
        lines += [markdown(_kinds(faults)), "Each of them is in faults.tsv.", ""]
    else:
        lines += ["None.", ""]
    lines += ["## Rules", "", _rules(jobs), "## Asked and used", ""]
    asked = [f"- {line}" for line in remarks(find_job_uses(history))]
    if len(asked) > _MOST_REMARKS:
        asked[_MOST_REMARKS:] = [f"- and {len(asked) - _MOST_REMARKS} more; see jobs.tsv"]
    lines += [*(asked or ["Nothing is near its limit, or far below."]), ""]
    if about := history.naming.about:
        lines += [f"## Slowest {about}s", ""]
        lines += [_slowest(about, slowest[:_MOST_SHOWN]) if slowest else "None.\n"]
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
        value = row.get(name)
        return "" if value is None or isnan(value) else f"{value:.{n_decimals}f}"

    return markdown(
        {
            "rule": row["rule"],
            "done": row["done"],
            "failed tries": row["failed_tries"],
            "median": duration_text(row["median_s"]) if "median_s" in row else "",
            "longest": duration_text(row["max_s"]) if "max_s" in row else "",
            "CPU h": shown(row, "cpu_h", 2),
            "GPU h": shown(row, "gpu_h", 2),
            "MB used": shown(row, "used_mb_max", 0),
            "MB asked": shown(row, "asked_mb_max", 0),
            "min used": shown(row, "used_min", 1),
            "min asked": shown(row, "asked_min", 0),
        }
        for row in jobs
    )


def _slowest(about: str, rows: list[dict]) -> str:
    return markdown(
        {
            about: row[about],
            "jobs": row["jobs"],
            "all together": duration_text(row["total_s"]),
            "longest": f"{row['slowest']}, {duration_text(row['slowest_s'])}",
            "failed tries": row["failed_tries"],
        }
        for row in rows
    )
