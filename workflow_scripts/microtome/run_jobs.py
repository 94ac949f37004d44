"""The jobs of a driver run, their tries, and the SLURM jobs that they were packed into."""

from dataclasses import dataclass, field

from microtome.errors import one_line
from microtome.run_stages import Stage, job_name

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass
class Try:
    """One go at a job; times in Unix seconds."""

    submitted_s: float
    threads: int = 1
    mem_mb: int = 0
    gpu: int = 0
    pack: str = ""
    started_s: float | None = None
    ended_s: float | None = None
    failed: bool = False
    fell_with_group: bool = False
    reason: str = ""


@dataclass
class Job:
    """A job of the workflow.

    Attributes
    ----------
    failures : list of tuple of float, str
        When it failed and why, but for those times when it fell with another job of its group.
    """

    id: int
    rule: str = ""
    wildcards: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    benchmark: str = ""
    state: str = ""
    tries: list[Try] = field(default_factory=list)
    failures: list[tuple[float, str]] = field(default_factory=list)
    stage: Stage = ("", "")

    @property
    def name(self) -> str:
        """It in words."""
        return job_name(self.rule, self.wildcards)

    def says(self, reason: str) -> str:
        """It and why it failed, in words that name the slide once."""
        slide = self.wildcards.get("slide")
        return one_line(f"{self.name}: {reason.removeprefix(f'slide {slide}: ')}")


@dataclass
class Pack:
    """A SLURM job; times in Unix seconds."""

    id: str
    slurm_id: str = ""
    kind: str = ""
    jobs: list[int] = field(default_factory=list)
    gpus: int = 0
    submitted_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    state: str = ""
    reason: str = ""
    node: str = ""
    n_requeued: int = 0
