"""Run logs of cohorts that nobody ran: packs on a cluster, of which some are lost."""

import csv
import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from run_records import NAMING

# Stage -> members of a pack, and its rules: mean seconds, threads, MB, GPUs.
_STAGES = {
    "prepare": (
        40,
        {
            "inspect_slide": (4, 1, 500, 0),
            "tissue_mask": (20, 1, 1500, 0),
            "patch_grid": (6, 1, 800, 0),
        },
    ),
    "score": (8, {"score_slide": (240, 8, 14000, 1)}),
    "maps": (
        25,
        {
            "stitch_heatmap": (15, 2, 4000, 0),
            "tumour_burden": (12, 1, 3000, 0),
            "tumour_polygons": (5, 1, 1000, 0),
            "slide_figure": (9, 1, 1500, 0),
        },
    ),
    "evaluate": (60, {"evaluate_slide": (10, 1, 2000, 0)}),
}
_MODELS = ("histocae1", "unet")
N_JOBS_OF_SLIDE = 3 + len(_MODELS) * 6
_MOST_TRIES = 3
_FATES = ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")
BEGUN_S = 1_790_000_000.0
_NAMES = ("20260921T132640Z_1001.jsonl", "20260921T202640Z_1002.jsonl")


def simulate(
    folder: Path,
    *,
    n_slides: int,
    seed: int = 0,
    p_fault: float = 0.03,
    killed_at_h: float | None = None,
    benchmarks: bool = False,
) -> list[Path]:
    """Write the run logs of a cohort run on a cluster, and give their paths.

    Slides go through `prepare` once, and through scores, maps and evaluation once a model, in packs
    side by side. A share `p_fault` of the packs is lost in the middle. With `killed_at_h` the first
    log ends there, and a second one does what is left, two hours on.
    """
    rng = np.random.default_rng(seed)
    jobs = _jobs(n_slides, rng)
    if benchmarks:
        for job in jobs.values():
            asked, s = job["asked"], job["seconds"]
            mb, cpu_s = asked["mem_mb"] * rng.uniform(0.3, 0.8), s * asked["threads"] * 0.8
            write_benchmark(folder, asked["benchmark"], s, mb, cpu_s)
    events = _Simulation(jobs, rng, p_fault, begun_s=BEGUN_S, pid=1001).events
    if killed_at_h is None:
        return [write_run_log(folder, _NAMES[0], events)]
    end_s = BEGUN_S + 3600 * killed_at_h
    first = [event for event in events if event["t"] <= end_s]
    done = {event["job"] for event in first if event["event"] == "job_finished"}
    left = {number: job for number, job in jobs.items() if number not in done}
    again = _Simulation(left, rng, p_fault, begun_s=end_s + 7200, pid=1002).events
    leftovers = {"event": "leftovers_cancelled", "slurm_ids": ["7", "8"]}
    again.insert(1, {"t": end_s + 7200, **leftovers})
    return [write_run_log(folder, *log) for log in zip(_NAMES, (first, again), strict=True)]


def _jobs(n_slides: int, rng: np.random.Generator) -> dict[int, dict]:
    jobs: dict[int, dict] = {}
    for slide in [f"slide-{i:04d}" for i in range(n_slides)]:
        size = rng.lognormal(0, 0.5)
        for stage, (_, rules) in _STAGES.items():
            for model in [""] if stage == "prepare" else _MODELS:
                for rule, (mean_s, threads, mb, gpu) in rules.items():
                    name = "/".join(filter(None, [rule, model, slide]))
                    asked = {
                        "rule": rule,
                        "wildcards": {"slide": slide, **({"model": model} if model else {})},
                        "log": [f"logs/{name}.log"],
                        "benchmark": f"benchmarks/{name}.tsv",
                        "threads": threads,
                        "mem_mb": mb,
                        "gpu": gpu,
                    }
                    seconds = mean_s * size * rng.uniform(0.8, 1.2)
                    unit = (stage, slide, model)
                    jobs[len(jobs)] = {"asked": asked, "seconds": seconds, "unit": unit}
    return jobs


class _Simulation:
    """One driver run, stage after stage; its events, by time.

    The jobs of a slide in one stage, by one model, run one after another.
    """

    def __init__(
        self,
        jobs: dict[int, dict],
        rng: np.random.Generator,
        p_fault: float,
        *,
        begun_s: float,
        pid: int,
    ) -> None:
        self.jobs, self.rng, self.p_fault = jobs, rng, p_fault
        self.events: list[dict] = []
        self.units: dict[tuple, list[int]] = defaultdict(list)
        rules: Counter = Counter()
        apart: dict = defaultdict(Counter)
        for number, job in jobs.items():
            self.units[job["unit"]].append(number)
            rules[job["asked"]["rule"]] += 1
            if model := job["unit"][2]:
                apart[job["asked"]["rule"]][model] += 1
        self.tries: Counter = Counter()
        self.given_up: set[str] = set()
        self.n_packs = 0
        command = "snakemake --profile profiles/slurm"
        who = {"host": "login1", "pid": pid, "command": command}
        self.tell(begun_s, "run_started", **who, stages=NAMING)
        self.tell(begun_s, "planned", jobs=rules, apart=apart)
        end_s = begun_s
        for stage in _STAGES:
            end_s = self._run_stage(stage, end_s)
        silent_s = begun_s + 0.3 * (end_s - begun_s)
        self.tell(silent_s, "slurm_silent", since=silent_s)
        self.tell(silent_s + 900, "slurm_back", silent_s=900)
        self.tell(max(end_s, silent_s + 900) + 5, "run_ended", ok=not self.given_up)
        self.events.sort(key=lambda event: event["t"])

    def tell(self, t: float, event: str, **what: object) -> None:
        """Add an event."""
        self.events.append({"t": round(t, 3), "event": event, **what})

    def _run_stage(self, stage: str, t: float) -> float:
        """Run packs side by side, and what they have left after them; give the end of the last."""
        size, _ = _STAGES[stage]
        waiting = [unit for unit in self.units if unit[0] == stage and unit[1] not in self.given_up]
        while waiting:
            packs = [waiting[i : i + size] for i in range(0, len(waiting), size)]
            waiting, ends_s = [], []
            for pack in packs:
                left, end_s = self._run_pack(pack, t)
                waiting += left
                ends_s.append(end_s)
            t = max(ends_s)
        return t

    def _run_pack(self, pack: list[tuple], t: float) -> tuple[list[tuple], float]:
        """Run the members of a pack; give those that are to run again, and its end."""
        self.n_packs += 1
        name, numbers = f"p{self.n_packs:04d}", [n for unit in pack for n in self.units[unit]]
        n_gpus = self.jobs[numbers[0]]["asked"]["gpu"]
        node = f"{'gpu' if n_gpus else 'cpu'}{1 + self.n_packs % 4}"
        for unit in pack:
            attempt = self.tries[unit] + 1
            for number in self.units[unit]:
                asked = self.jobs[number]["asked"]
                mem_mb = asked["mem_mb"] * attempt
                given = {**asked, "mem_mb": mem_mb, "attempt": attempt, "group": None}
                self.tell(t, "job_submitted", job=number, **given)
        submitted = {"kind": pack[0][0], "jobs": numbers, "gpus": n_gpus}
        slurm_id = str(7000 + self.n_packs)
        self.tell(t + 2, "pack_submitted", pack=name, slurm_id=slurm_id, **submitted)
        self.tell(t + 10, "pack_started", pack=name, node=node)
        t += 14
        is_lost = self.rng.random() < self.p_fault
        lost_at = int(self.rng.integers(len(pack))) if is_lost else len(pack)
        for place, unit in enumerate(pack[: lost_at + 1]):
            t = self._run_unit(name, unit, t, fails=place == lost_at)
        left = [unit for unit in pack[lost_at:] if self.tries[unit] < _MOST_TRIES]
        for unit in pack[lost_at + 1 :]:
            jobs = self.units[unit]
            self.tell(t + 1, "members_requeued", pack=name, jobs=jobs, reason="not begun")
        state = str(self.rng.choice(_FATES)) if is_lost else "COMPLETED"
        self.tell(t + 2, "pack_ended", pack=name, state=state, reason="", node=node)
        return left, t + 2

    def _run_unit(self, pack: str, unit: tuple, t: float, *, fails: bool) -> float:
        """Run a unit's jobs, of which the last one may fail and take the others along."""
        numbers = self.units[unit]
        for number in numbers:
            self.tell(t, "member_started", pack=pack, job=number)
            t += self.jobs[number]["seconds"]
            if not fails or number != numbers[-1]:
                self.tell(t, "member_finished", pack=pack, job=number)
        if not fails:
            for number in numbers:
                self.tell(t + 3, "job_finished", job=number)
            return t
        reason = {"reason": "the pack was lost"}
        self.tell(t, "member_failed", pack=pack, jobs=numbers, **reason)
        self.tries[unit] += 1
        is_again = self.tries[unit] < _MOST_TRIES
        for number in numbers:
            what = {**reason, "with_group": number != numbers[-1], "again": is_again}
            what["log"] = self.jobs[number]["asked"]["log"]
            self.tell(t + 3, "job_failed", job=number, **what)
            if is_again:
                self.tell(t + 3, "job_retried", job=number, attempt=self.tries[unit] + 1)
        if not is_again:
            self.given_up.add(unit[1])
        return t


def write_run_log(folder: Path, name: str, events: list[dict]) -> Path:
    """Write events as a run log of a folder."""
    path = folder / "logs" / "runs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def write_benchmark(folder: Path, name: str, seconds: float, mb: object, cpu_s: object) -> None:
    """Write a benchmark as Snakemake does."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{seconds}\t0:00:01\t{mb}\t{cpu_s}\n")


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a table of tabs."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def run_command(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run a command of the plugin in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake_logger_plugin_progress", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
