"""How long Snakemake plans a cohort of thousands of slides, and how long a job takes to start.

    python bench/planning.py

The slides are files of one byte, half of them to train on; the config is the default one. What is
timed are whole processes: a dry run with nothing made, a dry run after the checkpoint, and the
start of a job on a node (a dry run of what a cluster's executor calls there), beside that of a
Snakefile of one rule. The steps before the checkpoint are run by a Snakemake whose jobs only make
empty files: dates and metadata are real ones. Prints a table and writes ``bench/planning.json`` and
``bench/planning.md``.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = Path(__file__).with_suffix(".json")
# Of ten slides.
SPLITS = ("train", "test") * 4 + ("validation", "test")
# What the profiles set that planning depends on.
SETTINGS = [
    *("--workflow-profile=none", "--cores=2", "--max-checksum-file-size=20000000"),
    *("--rerun-triggers", "mtime", "params", "input", "software-env"),
]
# What an executor adds on a node.
ON_A_NODE = [
    *("--force", "--target-files-omit-workdir-adjustment", "--max-inventory-time=0", "--retries=0"),
    *("--nocolor", "--no-hooks", "--nolock", "--ignore-incomplete", "--force-use-threads"),
    "--mode=remote",
]
ONE_RULE = 'rule one:\n    output: "one.txt"\n    shell: "touch {output}"\n'


def make_cohort(folder: Path, n: int) -> None:
    """Write a sheet of `n` slides, and the slides."""
    (folder / "slides").mkdir(parents=True)
    rows = ["slide\tpath\tpatient\tsplit\tlabel\tannotation"]
    for number in range(n):
        path = f"slides/s{number:05d}.svs"
        (folder / path).write_bytes(b"x")
        split = SPLITS[number % len(SPLITS)]
        rows.append(f"s{number:05d}\t{path}\tp{number:05d}\t{split}\tnegative")
    # One that is trained on may have tumour: without, training would be refused.
    (folder / "slides" / "s00000.xml").touch()
    rows[1] += "\tslides/s00000.xml"
    (folder / "slides.tsv").write_text("\n".join(rows) + "\n")


def snakemake(folder: Path, *arguments: str) -> list[str]:
    """The arguments of a Snakemake on the cohort of a folder."""
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    return [*place, *SETTINGS, *arguments, "--config", "slides=slides.tsv"]


def run(command: Sequence[str]) -> dict:
    """Run a command to its end.

    Returns
    -------
    dict
        ``wall_s``, ``cpu_s``, ``peak_mb`` of the process, and ``output``: what it printed.
    """
    with tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)  # noqa: S603
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        output = said.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:6])} ... failed:\n{output[-2000:]}")
    cpu_s = used.ru_utime + used.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": used.ru_maxrss / 1024, "output": output}


def median_of(command: Sequence[str], rounds: int) -> dict:
    """Run a command several times; the median of each figure, and the last output."""
    runs = [run(command) for _ in range(rounds)]
    figures = {k: statistics.median(r[k] for r in runs) for k in ("wall_s", "cpu_s", "peak_mb")}
    return figures | {"output": runs[-1]["output"]}


def jobs_in(output: str) -> int:
    """How many jobs a dry run would do."""
    return int(re.findall(r"^total +(\d+)$", output, re.MULTILINE)[0])


def measure(folder: Path, n: int, rounds: int) -> list[dict]:
    """Measure everything on a new cohort of `n` slides in `folder`."""
    make_cohort(folder, n)
    program = [sys.executable, "-m", "snakemake"]
    dry_run = [*program, *snakemake(folder, "--dry-run", "--quiet", "all")]
    rows = [{"slides": n, "what": "plan, nothing made", **median_of(dry_run, rounds)}]
    stand_ins = ["--touch", "--cores", "1000", "--scheduler", "greedy", "results/cohort.tsv"]
    run([sys.executable, __file__, "stand-in", *snakemake(folder, *stand_ins)])
    rows.append({"slides": n, "what": "plan, after the checkpoint", **median_of(dry_run, rounds)})
    for rule, wildcards in (
        ("tissue_mask", "slide=s00001"),
        ("stitch_heatmap", "model=histocae1,slide=s00001"),
    ):
        target = ["--target-jobs", f"{rule}:{wildcards}", "--allowed-rules", rule]
        command = [*program, *snakemake(folder, "--dry-run", *target, *ON_A_NODE)]
        rows.append({"slides": n, "what": f"start of a job, {rule}", **median_of(command, rounds)})
    return rows


def measure_empty(folder: Path, rounds: int) -> dict:
    """Measure the start of a job of a Snakefile of one rule."""
    (folder / "Snakefile").write_text(ONE_RULE)
    place = ["--snakefile", str(folder / "Snakefile"), "--directory", str(folder), *SETTINGS]
    target = ["--dry-run", "--target-jobs", "one:", "--allowed-rules", "one", *ON_A_NODE]
    command = [sys.executable, "-m", "snakemake", *place, *target]
    return {"slides": 0, "what": "start of a job, one rule alone", **median_of(command, rounds)}


def run_with_stand_ins(arguments: Sequence[str]) -> None:
    """Run a Snakemake whose `--touch` makes what is missing, and takes every slide for usable."""
    from snakemake.cli import main as run_snakemake  # noqa: PLC0415
    from snakemake.executors import touch  # noqa: PLC0415
    from snakemake_interface_executor_plugins.executors.base import (  # noqa: PLC0415
        SubmittedJobInfo,
    )

    def run_job(self, job) -> None:
        for name in job.output:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.is_directory:
                path.mkdir(exist_ok=True)
            elif job.rule.name == "cohort":
                rows = [f"{slide}\tok\n" for slide in job.params.sheet]
                path.write_text("".join(["slide\tstate\n", *rows]))
            else:
                path.touch()
        self.report_job_submission(SubmittedJobInfo(job=job))
        self.report_job_success(SubmittedJobInfo(job=job))

    touch.Executor.run_job = run_job
    run_snakemake(list(arguments))


def write_report(rows: list[dict], rounds: int) -> None:
    """Print the table, and write it as Markdown and JSON."""
    lines = [
        f"Whole processes, median of {rounds}, {datetime.datetime.now(datetime.UTC).date()},"
        f" {os.cpu_count()} CPUs, `python bench/planning.py`. Wall: with other work on the machine"
        " more than CPU.",
        "",
        "| slides | what | Snakemake jobs | wall s | CPU s | peak MB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['slides'] or ''} | {row['what']} | {row['jobs']} | {row['wall_s']:.1f}"
        f" | {row['cpu_s']:.1f} | {row['peak_mb']:.0f} |"
        for row in rows
    ]
    write_section("Planning", lines, rounds=rounds, processes=rows)


def write_section(heading: str, lines: Sequence[str], **found: object) -> None:
    """Print a section, and put it into the report in place of what was under its heading.

    Parameters
    ----------
    heading : str
        Its heading.
    lines : sequence of str
        Its Markdown.
    **found
        What the JSON is told of it.
    """
    print("\n".join(lines))
    report = RESULT.with_suffix(".md")
    text = report.read_text() if report.exists() else ""
    sections = dict(part.split("\n", 1) for part in text.split("## ")[1:])
    sections[heading] = "\n".join(lines)
    parts = [f"## {name}\n\n{body.strip()}\n" for name, body in sections.items()]
    report.write_text("\n".join(parts))
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(known | found, indent=1) + "\n")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure_empty(Path(folder), options.rounds)]
        for n in options.slides:
            rows += measure(Path(folder) / str(n), n, options.rounds)
    for row in rows:
        row["jobs"] = jobs_in(row.pop("output"))
    write_report(rows, options.rounds)


if __name__ == "__main__":
    if sys.argv[1:2] == ["stand-in"]:
        run_with_stand_ins(sys.argv[2:])
    else:
        main()
