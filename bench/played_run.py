"""Measure the driver of a run of thousands of slides, on a simulated SLURM cluster.

    python bench/played_run.py

The driver is the real one: Snakemake with profiles/slurm, our executor, the default config. Only
the cluster is simulated: see played_slurm.py and played_cohort.py. Prints two tables, and writes
them into ``bench/planning.json`` and ``bench/planning.md``.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import psutil
from played_cohort import make_cohort, make_output
from played_slurm import PlayedSlurm
from snakemake.api import SnakemakeApi
from snakemake.io import strip_wildcard_constraints
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

from planning import ROOT, write_section

_SAMPLED_EVERY_S = 0.5


def output_patterns(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Name and pattern of each output of the workflow's rules, and of its benchmark, by rule."""
    quiet = OutputSettings(quiet={Quietness.ALL})
    config = ConfigSettings(config={"slides": "slides.tsv"})
    with SnakemakeApi(quiet) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=config,
            snakefile=ROOT / "Snakefile",
            workdir=folder,
        )
        return {
            rule.name: [
                (name, strip_wildcard_constraints(str(pattern)))
                for name, pattern in [*rule.output.items(), ("benchmark", rule.benchmark or "")]
                if pattern
            ]
            for rule in workflow._workflow.rules
        }


class Watch:
    """CPU time and memory of a driver itself, without the table scripts that it starts."""

    def __init__(self) -> None:
        self.began = time.time()
        self.first: dict | None = None
        self.last = {"wall_s": 0.0, "cpu_s": 0.0}
        self.peak_mb = 0.0
        self._process: psutil.Process | None = None

    def follow(self, process: subprocess.Popen) -> int:
        """Look at it until its end, and give its exit code."""
        self._process = psutil.Process(process.pid)
        while (code := process.poll()) is None:
            self._look()
            time.sleep(_SAMPLED_EVERY_S)
        self.last["wall_s"] = time.time() - self.began
        return code

    def note_first(self) -> None:
        """Keep what it has taken until its first job."""
        self._look()
        self.first = dict(self.last)

    def _look(self) -> None:
        try:
            times = self._process.cpu_times()
            text = Path(f"/proc/{self._process.pid}/status").read_text()
        except (psutil.Error, OSError):
            return  # it has ended just now
        fields = dict(line.split(":", 1) for line in text.splitlines())
        if "VmHWM" in fields:
            self.peak_mb = int(fields["VmHWM"].split()[0]) / 1024
            self.last = {"wall_s": time.time() - self.began, "cpu_s": times.user + times.system}


def run_driver(folder: Path, n: int, *, minute_s: float, arguments: list[str]) -> dict:
    """Run a new cohort of `n` slides to its end.

    Parameters
    ----------
    folder : Path
        Where; it is made.
    n : int
        Slides.
    minute_s : float
        So many seconds are a minute on the simulated cluster.
    arguments : list of str
        Further arguments of the driver.

    Returns
    -------
    dict
        A row of the table.
    """
    make_cohort(folder, n)
    patterns = output_patterns(folder)

    def make(rule: str, wildcards: dict[str, str]) -> None:
        for name, pattern in patterns[rule]:
            make_output(rule, name, folder / pattern.format(**wildcards), wildcards)

    watch = Watch()
    cluster = PlayedSlurm(folder / "bin", make=make, minute_s=minute_s, on_first=watch.note_first)
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--profile", str(ROOT / "profiles" / "slurm")),
        *(*arguments, "--config", "slides=slides.tsv"),
    ]
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with cluster, (folder / "driver.txt").open("w") as said:
        driver = subprocess.Popen(  # noqa: S603
            command,
            env={**os.environ, "PATH": path},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        code = watch.follow(driver)
    if code:
        raise RuntimeError(f"the driver failed:\n{(folder / 'driver.txt').read_text()[-2000:]}")
    [log] = (folder / "logs" / "runs").glob("*.jsonl")
    return {"slides": n, "minute_s": minute_s, **told(log), **seen(cluster), **measured(watch)}


def told(log: Path) -> dict:
    """What the run log says: jobs of the workflow, and jobs of SLURM by kind."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    submitted = [event for event in events if event["event"] == "job_submitted"]
    packs = [event for event in events if event["event"] == "pack_submitted"]
    packed = {number for pack in packs for number in pack["jobs"]}
    finished = {event["job"] for event in events if event["event"] == "job_finished"}
    kinds = Counter(pack["kind"] for pack in packs)
    members: Counter = Counter()
    for pack in packs:
        members[pack["kind"]] += len(pack["jobs"])
    return {
        "jobs": len({event["job"] for event in submitted}),
        "jobs_finished": len(finished),
        "jobs_in_packs": len(packed),
        "slurm_jobs": len(packs),
        "kinds": {kind: {"slurm_jobs": n, "jobs": members[kind]} for kind, n in kinds.items()},
    }


def seen(cluster: PlayedSlurm) -> dict:
    """What the cluster has seen of the driver."""
    times = cluster.squeue_times
    gaps = [after - before for before, after in pairwise(times)]
    return {
        "most_slurm_jobs": cluster.most,
        "squeue_calls": cluster.calls["squeue"],
        "longest_gap_s": max(gaps, default=0.0),
    }


def measured(watch: Watch) -> dict:
    """What the driver has taken."""
    return {
        "first_wall_s": watch.first["wall_s"],
        "first_cpu_s": watch.first["cpu_s"],
        "wall_s": watch.last["wall_s"],
        "cpu_s": watch.last["cpu_s"],
        "peak_mb": watch.peak_mb,
    }


def report(rows: list[dict]) -> list[str]:
    """Lines of Markdown: what the driver took, and what it asked of the cluster by kind of job."""
    minutes_s = ", ".join(sorted({f"{row['minute_s']:g} s" for row in rows}))
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"The driver with `profiles/slurm` from nothing to the end, {today},"
        f" {os.cpu_count()} CPUs, `python bench/played_run.py`. The cluster is simulated: a"
        f" minute of it takes {minutes_s}, its jobs begin at once and make stand-ins;"
        " wall time says how long the driver needs, not a cohort. CPU and memory are the driver's"
        " own. Without packing, SLURM would be given each of the jobs in packs.",
        "",
        "| slides |" + "".join(f" {row['slides']} |" for row in rows),
        "| --- " * (len(rows) + 1) + "|",
    ]
    for what, key in (
        ("jobs of the workflow", "jobs"),
        ("of them in packs", "jobs_in_packs"),
        ("SLURM jobs", "slurm_jobs"),
        ("most SLURM jobs at a time", "most_slurm_jobs"),
        ("CPU s until the first", "first_cpu_s"),
        ("wall s until the first", "first_wall_s"),
        ("CPU s in all", "cpu_s"),
        ("wall s in all", "wall_s"),
        ("peak MB", "peak_mb"),
        ("calls of squeue", "squeue_calls"),
        ("longest time between two of them, s", "longest_gap_s"),
    ):
        lines.append(f"| {what} |" + "".join(f" {row[key]:.0f} |" for row in rows))
    for kind in dict.fromkeys(kind for row in rows for kind in row["kinds"]):
        found = [row["kinds"].get(kind, {"slurm_jobs": 0, "jobs": 0}) for row in rows]
        cells = "".join(f" {one['slurm_jobs']} ({one['jobs']}) |" for one in found)
        lines.append(f"| SLURM jobs (jobs in them): {kind} |{cells}")
    return lines


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--minute-s", type=float, default=0.1)
    parser.add_argument("--keep", type=Path, help="leave the runs in this folder")
    parser.add_argument("driver", nargs="*", help="further arguments of the driver, after --")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = (options.keep or Path(temporary)).resolve()
        rows = [
            run_driver(place / str(n), n, minute_s=options.minute_s, arguments=options.driver)
            for n in options.slides
        ]
    write_section("A whole run", report(rows), runs=rows)


if __name__ == "__main__":
    main()
