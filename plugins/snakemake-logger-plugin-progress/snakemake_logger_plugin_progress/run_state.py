"""What a run log adds up to: each job with its tries, each pack, each thing that went wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .errors import one_line
from .stages import Stage, Stages, known_stages

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass
class Try:
    """One go at a job; times in Unix seconds."""

    submitted_s: float
    threads: int = 1
    mem_mb: int = 0
    runtime_min: int = 0
    gpu: int = 0
    pack: str = ""
    started_s: float | None = None
    ended_s: float | None = None
    failed: bool = False
    fell_with_group: bool = False
    reason: str = ""


@dataclass
class Job:
    """A job of the workflow."""

    id: int
    rule: str = ""
    wildcards: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    benchmark: str = ""
    state: str = ""
    tries: list[Try] = field(default_factory=list)
    # When it failed and why, but for those times when it fell with another job of its group.
    failures: list[tuple[float, str]] = field(default_factory=list)
    stage: Stage = ("", "")
    name: str = ""  # in words
    about: str = ""  # such as ``sample a``

    def says(self, reason: str) -> str:
        """It and why it failed, in words that say once what it is about."""
        return one_line(f"{self.name}: {reason.removeprefix(f'{self.about}: ')}")


@dataclass
class Pack:
    """A SLURM job; times in Unix seconds."""

    id: str
    slurm_id: str = ""
    kind: str = ""
    jobs: list[int] = field(default_factory=list)
    mem_mb: int = 0
    gpus: int = 0
    peak_mb: int = 0
    submitted_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    state: str = ""
    reason: str = ""
    node: str = ""
    n_requeued: int = 0


class RunState:
    """The state of a run, brought forward by its events.

    Events come in the order of two tellers, Snakemake's records and the executor, of which one may
    lag: each is taken by its own time. What is unknown or half is passed over.

    Attributes
    ----------
    naming : Stages
        What its workflow calls its jobs.
    counts : dict of tuple to Counter
        Stage -> state -> number of jobs.
    planned : dict of tuple to int
        Stage -> number of jobs of this run.
    finishes : dict of tuple to list of tuple of float, float
        Stage -> when each of its jobs was done, and how long it took (s).
    silences : list of tuple of float, float or None
        When SLURM fell silent and when it was back.
    leftovers : list of tuple of float, int
        When SLURM jobs of an earlier run were cancelled, and how many.

    Examples
    --------
    >>> sent = {"t": 1.0, "event": "job_submitted", "job": 7, "rule": "align"}
    >>> state = RunState([sent, {"t": 9.0, "event": "job_finished", "job": 7}])
    >>> state.counts["align", ""]["done"], state.jobs[7].name
    (1, 'align')
    """

    def __init__(self, events: Iterable[dict] = ()) -> None:
        self.host, self.pid, self.command = "", 0, ""
        self.naming = Stages()
        self.begun_s: float | None = None
        self.ended_s: float | None = None
        self.last_s: float | None = None
        self.ok: bool | None = None
        self.jobs: dict[int, Job] = {}
        self.packs: dict[str, Pack] = {}
        self.counts: dict[Stage, Counter] = defaultdict(Counter)
        self.planned: dict[Stage, int] = {}
        self.first_start_s: dict[Stage, float] = {}
        self.finishes: dict[Stage, list[tuple[float, float]]] = defaultdict(list)
        self.silences: list[tuple[float, float | None]] = []
        self.leftovers: list[tuple[float, int]] = []
        for event in events:
            self.apply(event)

    def apply(self, event: dict) -> None:
        """Take in one event."""
        t = event["t"]
        self.begun_s = t if self.begun_s is None else min(self.begun_s, t)
        self.last_s = t if self.last_s is None else max(self.last_s, t)
        take_in = getattr(self, f"_on_{event['event']}", None)
        if take_in:
            take_in(t, event)

    def total(self, stage: Stage) -> int:
        """Number of jobs of a stage: those planned, or those seen where they are more."""
        return max(self.planned.get(stage, 0), sum(self.counts[stage].values()))

    def waiting(self, stage: Stage) -> int:
        """Number of its jobs that are neither running nor over."""
        counts = self.counts[stage]
        return self.total(stage) - counts[RUNNING] - counts[DONE] - counts[FAILED]

    def stages(self) -> list[Stage]:
        """Stages that have a job, in their order."""
        found = {stage for stage in [*self.planned, *self.counts] if self.total(stage)}
        return sorted(found, key=self.naming.order)

    @property
    def n_jobs(self) -> int:
        """Number of jobs of all stages."""
        return sum(map(self.total, self.stages()))

    @property
    def n_done(self) -> int:
        """Number of those that are done."""
        return sum(self.counts[stage][DONE] for stage in self.stages())

    def took_s(self, now: float) -> float:
        """Seconds from its first event to `now`; 0 where it has told nothing."""
        return 0 if self.begun_s is None else now - self.begun_s

    def failed_jobs(self) -> list[Job]:
        """Jobs that were given up."""
        return [job for job in self.jobs.values() if job.state == FAILED]

    def _on_run_started(self, _: float, event: dict) -> None:
        self.host, self.command = str(event.get("host", "")), str(event.get("command", ""))
        self.pid = event.get("pid") or 0
        self.naming = known_stages(event.get("stages"))

    def _on_run_ended(self, t: float, event: dict) -> None:
        self.ended_s, self.ok = t, bool(event.get("ok"))

    def _on_planned(self, _: float, event: dict) -> None:
        planned: Counter = Counter()
        apart = event.get("apart", {})
        for rule, n in event.get("jobs", {}).items():
            of_values = apart.get(rule, {})
            for value, m in of_values.items():
                planned[self.naming.of(rule, value)] += m
            planned[self.naming.of(rule)] += n - sum(of_values.values())
        self.planned = {stage: n for stage, n in planned.items() if n > 0}

    def _named(self, event: dict) -> list[Job]:
        """The jobs an event is about: by number, or by numbers."""
        numbers = event["jobs"] if isinstance(event.get("jobs"), list) else [event.get("job")]
        return [self.jobs[n] for n in numbers if isinstance(n, int) and n in self.jobs]

    def _to(self, job: Job, state: str) -> None:
        counts = self.counts[job.stage]
        if job.state:
            counts[job.state] -= 1
        job.state = state
        counts[state] += 1

    def _on_job_submitted(self, t: float, event: dict) -> None:
        number = event.get("job")
        if not isinstance(number, int):
            return
        job = self.jobs.setdefault(number, Job(number))
        if job.state:
            self.counts[job.stage][job.state] -= 1
            job.state = ""
        job.rule = str(event.get("rule", ""))
        job.wildcards = event.get("wildcards") or {}
        job.stage = self.naming.of(job.rule, job.wildcards.get(self.naming.apart, ""))
        job.name = self.naming.job_name(job.rule, job.wildcards)
        job.about = f"{self.naming.about} {job.wildcards.get(self.naming.about)}"
        job.log = event.get("log") or []
        job.benchmark = event.get("benchmark") or ""
        asked = _numbers(event, "threads", "mem_mb", "runtime_min", "gpu")
        if job.tries and job.tries[-1].ended_s is None:
            job.tries.pop()  # sent again before it began
        job.tries.append(Try(t, **asked))
        self._to(job, WAITING)

    def _on_job_started(self, t: float, event: dict) -> None:
        for job in self._named(event):
            if job.tries and job.state == WAITING:
                job.tries[-1].started_s = t
                job.tries[-1].pack = event.get("pack", "")
                self.first_start_s.setdefault(job.stage, t)
                self._to(job, RUNNING)

    _on_member_started = _on_job_started

    def _on_member_finished(self, t: float, event: dict) -> None:
        for job in self._named(event):
            if job.tries:
                job.tries[-1].ended_s = t
                job.tries[-1].reason = str(event.get("reason", ""))

    _on_member_failed = _on_member_finished

    def _on_members_requeued(self, _: float, event: dict) -> None:
        jobs = self._named(event)
        for job in jobs:
            if job.tries and job.state in (WAITING, RUNNING):
                job.tries[-1].started_s = job.tries[-1].ended_s = None
                self._to(job, WAITING)
        pack = self.packs.get(event.get("pack", ""))
        if pack:
            pack.n_requeued += len(jobs)

    def _on_job_finished(self, t: float, event: dict) -> None:
        for job in self._named(event):
            if not job.tries or job.state == DONE:
                continue
            last = job.tries[-1]
            last.ended_s = t if last.ended_s is None else last.ended_s
            if last.started_s is None:  # a group begun again passes over what was done before
                last.started_s = last.ended_s if self.packs else last.submitted_s
            self.first_start_s.setdefault(job.stage, last.started_s)
            self.finishes[job.stage].append((t, last.ended_s - last.started_s))
            self._to(job, DONE)

    def _on_job_failed(self, t: float, event: dict) -> None:
        for job in self._named(event):
            if not job.tries:
                continue
            last = job.tries[-1]
            last.ended_s = t if last.ended_s is None else last.ended_s
            last.failed, last.reason = True, str(event.get("reason", "")) or last.reason
            job.log = event.get("log") or job.log
            last.fell_with_group = bool(event.get("with_group"))
            if not last.fell_with_group:
                job.failures.append((t, last.reason))
            self._to(job, FAILED)

    def _on_job_retried(self, _: float, event: dict) -> None:
        for job in self._named(event):
            if job.state == FAILED:
                self._to(job, WAITING)

    def _on_pack_submitted(self, t: float, event: dict) -> None:
        texts = {name: str(event.get(name, "")) for name in ("slurm_id", "kind")}
        asked = _numbers(event, "mem_mb", "gpus")
        jobs, pack = event.get("jobs") or [], str(event.get("pack", ""))
        self.packs[pack] = Pack(pack, jobs=jobs, submitted_s=t, **texts, **asked)

    def _on_pack_started(self, t: float, event: dict) -> None:
        pack = self.packs.get(event.get("pack", ""))
        if pack:
            pack.started_s, pack.node = t, str(event.get("node", ""))

    def _on_pack_ended(self, t: float, event: dict) -> None:
        pack = self.packs.get(event.get("pack", ""))
        if pack:
            pack.ended_s, pack.state = t, str(event.get("state", ""))
            pack.reason = str(event.get("reason", "") or "")
            pack.node = event.get("node") or pack.node
            pack.peak_mb = event.get("peak_mb") or 0

    def _on_slurm_silent(self, t: float, event: dict) -> None:
        if not self.is_slurm_silent:
            self.silences.append((event.get("since") or t, None))

    def _on_slurm_back(self, t: float, _: dict) -> None:
        if self.is_slurm_silent:
            self.silences[-1] = (self.silences[-1][0], t)

    @property
    def is_slurm_silent(self) -> bool:
        """Whether SLURM does not answer at present."""
        return bool(self.silences) and self.silences[-1][1] is None

    def _on_leftovers_cancelled(self, t: float, event: dict) -> None:
        self.leftovers.append((t, len(event.get("slurm_ids") or [])))


def _numbers(event: dict, *names: str) -> dict[str, int]:
    return {name: event.get(name) or 0 for name in names}
