"""Run logs of cohorts that nobody ran: a small cluster with packs, retries and faults."""

import heapq
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

# Stage -> its rules: mean seconds, threads, MB, GPUs.
_STAGES = {
    "prepare": {
        "inspect_slide": (4, 1, 500, 0),
        "tissue_mask": (20, 1, 1500, 0),
        "patch_grid": (6, 1, 800, 0),
    },
    "score": {"score_slide": (240, 8, 14000, 1)},
    "maps": {
        "stitch_heatmap": (15, 2, 4000, 0),
        "tumour_burden": (12, 1, 3000, 0),
        "tumour_polygons": (5, 1, 1000, 0),
        "slide_figure": (9, 1, 1500, 0),
    },
    "evaluate": {"evaluate_slide": (10, 1, 2000, 0)},
}
# Of one slide with two models.
N_JOBS_OF_SLIDE = 3 + 2 * 6
_MEMBERS = {"prepare": 40, "score": 8, "maps": 25, "evaluate": 60}
_SLOTS = {"cpu": 12, "gpu": 24}
_MOST_TRIES = 3
_FATES = ("OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")
BEGUN_S = 1_790_000_000.0
_NAMES = ("20260921T132640Z_1001.jsonl", "20260921T202640Z_1002.jsonl")
# A slide's jobs of one stage and model: they run one after another.
Unit = tuple[int, str, str]


def simulate(
    folder: Path,
    *,
    n_slides: int,
    seed: int = 0,
    models: tuple[str, ...] = ("histocae1", "unet"),
    p_fault: float = 0.03,
    killed_at_h: float | None = None,
    benchmarks: bool = False,
) -> list[Path]:
    """Write the run logs of a cohort run on a cluster.

    Slides go through `prepare` once, and through scores, maps and evaluation once a model, in packs
    on nodes with a limited number of slots. A share `p_fault` of the packs is lost in the middle.
    With `killed_at_h` the first log ends there, and a second one does what is left, two hours on.

    Returns
    -------
    list of Path
        Files in `folder`/logs/runs.
    """
    rng = np.random.default_rng(seed)
    jobs = _jobs(n_slides, models, rng)
    if benchmarks:
        for job in jobs.values():
            mb, s = job["mem_mb"] * rng.uniform(0.3, 0.8), job["seconds"]
            write_benchmark(folder, job["benchmark"], s, mb, s * job["threads"] * 0.8)
    events = _Simulation(jobs, rng, p_fault, begun_s=BEGUN_S, pid=1001).events
    if killed_at_h is None:
        return [write_run_log(folder, _NAMES[0], events)]
    end_s = BEGUN_S + 3600 * killed_at_h
    first = [event for event in events if event["t"] <= end_s]
    done = {event["job"] for event in first if event["event"] == "job_finished"}
    left = {number: job for number, job in jobs.items() if number not in done}
    again = _Simulation(left, rng, p_fault, begun_s=end_s + 7200, pid=1002)
    again.tell(end_s + 7201, "leftovers_cancelled", slurm_ids=["7", "8"])
    again.events.sort(key=lambda event: event["t"])
    return [
        write_run_log(folder, _NAMES[0], first),
        write_run_log(folder, _NAMES[1], again.events),
    ]


def _jobs(n_slides: int, models: tuple[str, ...], rng: np.random.Generator) -> dict[int, dict]:
    jobs: dict[int, dict] = {}
    for i in range(n_slides):
        size = rng.lognormal(0, 0.5)
        for stage, rules in _STAGES.items():
            for model in [""] if stage == "prepare" else models:
                for rule, (mean_s, threads, mb, gpu) in rules.items():
                    wildcards = {"slide": f"slide-{i:04d}", **({"model": model} if model else {})}
                    name = "/".join(filter(None, [rule, model, wildcards["slide"]]))
                    jobs[len(jobs)] = {
                        "rule": rule,
                        "wildcards": wildcards,
                        "log": [f"logs/{name}.log"],
                        "benchmark": f"benchmarks/{name}.tsv",
                        "threads": threads,
                        "mem_mb": mb,
                        "gpu": gpu,
                        "unit": (i, model, stage),
                        "seconds": mean_s * size * rng.uniform(0.8, 1.2),
                    }
    return jobs


class _Simulation:
    """One driver run; its events, by time."""

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
        self.units: dict[Unit, list[int]] = defaultdict(list)
        for number, job in jobs.items():
            self.units[job["unit"]].append(number)
        self.free = {kind: [begun_s + 30] * n for kind, n in _SLOTS.items()}
        self.ready_s: dict = defaultdict(lambda: begun_s + 5)  # of a slide, or a slide's model
        self.tries: Counter = Counter()
        self.given_up: set = set()
        self.n_packs = 0
        command = "snakemake --profile profiles/slurm"
        self.tell(begun_s, "run_started", host="login1", pid=pid, command=command)
        self._plan(begun_s)
        for stage in _STAGES:
            self._run_stage(stage)
        ends_s = [event["t"] for event in self.events]
        silent_s = begun_s + 0.3 * (max(ends_s) - begun_s)
        self.tell(silent_s, "slurm_silent", since=silent_s)
        self.tell(silent_s + 900, "slurm_back", silent_s=900)
        self.tell(max(*ends_s, silent_s + 900) + 5, "run_ended", ok=not self.given_up)
        self.events.sort(key=lambda event: event["t"])

    def tell(self, t: float, event: str, **what: object) -> None:
        """Add an event."""
        self.events.append({"t": round(t, 3), "event": event, **what})

    def _plan(self, t: float) -> None:
        rules = Counter(job["rule"] for job in self.jobs.values())
        models: dict = defaultdict(Counter)
        for job in self.jobs.values():
            if "model" in job["wildcards"]:
                models[job["rule"]][job["wildcards"]["model"]] += 1
        self.tell(t, "planned", jobs=dict(rules), models={r: dict(c) for r, c in models.items()})

    def _since(self, unit: Unit) -> float:
        return max(self.ready_s[unit[0]], self.ready_s[unit[:2]])

    def _run_stage(self, stage: str) -> None:
        waiting = sorted((unit for unit in self.units if unit[2] == stage), key=self._since)
        while waiting:
            pack, waiting = waiting[: _MEMBERS[stage]], waiting[_MEMBERS[stage] :]
            pack = [u for u in pack if not {u[0], u[:2]} & self.given_up]
            if pack:
                waiting += self._run_pack(pack)

    def _run_pack(self, pack: list[Unit]) -> list[Unit]:
        """Run the members of a pack; give those that are to run again."""
        self.n_packs += 1
        name = f"p{self.n_packs:04d}"
        numbers = [number for unit in pack for number in self.units[unit]]
        kind = "gpu" if self.jobs[numbers[0]]["gpu"] else "cpu"
        node = f"{kind}{1 + self.n_packs % 4}"
        submitted_s = max(map(self._since, pack))
        for unit in pack:
            self._submit(unit, submitted_s)
        self.tell(
            submitted_s + 2,
            "pack_submitted",
            pack=name,
            slurm_id=str(7000 + self.n_packs),
            kind=pack[0][2],
            jobs=numbers,
            gpus=int(kind == "gpu"),
        )
        start_s = max(heapq.heappop(self.free[kind]), submitted_s + 10)
        self.tell(start_s, "pack_started", pack=name, node=node)
        lanes = [start_s + 4] * (1 if kind == "gpu" else 4)
        is_lost = self.rng.random() < self.p_fault
        n_begun = int(self.rng.integers(1, len(pack) + 1)) if is_lost else len(pack)
        again = []
        for place, unit in enumerate(pack[:n_begun]):
            t = heapq.heappop(lanes)
            reason = "the pack was lost" if is_lost and place == n_begun - 1 else ""
            if not reason and self.rng.random() < self.p_fault / 10:
                reason = "the program failed: KeyError: 'x'"
            end_s = self._run_unit(name, unit, t, reason)
            if reason and unit[:2] not in self.given_up and unit[0] not in self.given_up:
                again.append(unit)
            heapq.heappush(lanes, end_s)
        end_s = max(lanes) + 2
        for unit in pack[n_begun:]:
            jobs = self.units[unit]
            self.tell(end_s + 1, "members_requeued", pack=name, jobs=jobs, reason="not begun")
        state = str(self.rng.choice(_FATES)) if is_lost else "COMPLETED"
        self.tell(end_s, "pack_ended", pack=name, state=state, reason="", node=node)
        heapq.heappush(self.free[kind], end_s)
        return again + pack[n_begun:]

    def _submit(self, unit: Unit, t: float) -> None:
        attempt = self.tries[unit] + 1
        for number in self.units[unit]:
            job = {k: v for k, v in self.jobs[number].items() if k not in ("unit", "seconds")}
            job["mem_mb"] *= attempt
            self.tell(t, "job_submitted", job=number, **job, attempt=attempt, group=None)

    def _run_unit(self, pack: str, unit: Unit, t: float, reason: str) -> float:
        """Run a unit's jobs one after another, of which the last fails for `reason`, if any."""
        numbers = self.units[unit]
        for number in numbers:
            self.tell(t, "member_started", pack=pack, job=number)
            t += self.jobs[number]["seconds"]
            if not reason or number != numbers[-1]:
                self.tell(t, "member_finished", pack=pack, job=number)
        if not reason:
            for number in numbers:
                self.tell(t + 3, "job_finished", job=number)
        else:
            self._fail(pack, unit, t, reason)
        self.ready_s[unit[0] if unit[2] == "prepare" else unit[:2]] = t + 5
        return t

    def _fail(self, pack: str, unit: Unit, t: float, reason: str) -> None:
        numbers = self.units[unit]
        self.tell(t, "member_failed", pack=pack, jobs=numbers, reason=reason)
        self.tries[unit] += 1
        is_again = self.tries[unit] < _MOST_TRIES
        for number in numbers:
            job = {key: self.jobs[number][key] for key in ("rule", "log")}
            what = {"reason": reason, "with_group": number != numbers[-1], "again": is_again}
            self.tell(t + 3, "job_failed", job=number, **job, **what)
            if is_again:
                self.tell(t + 3, "job_retried", job=number, attempt=self.tries[unit] + 1)
        if not is_again:
            self.given_up.add(unit[0] if unit[2] == "prepare" else unit[:2])


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
