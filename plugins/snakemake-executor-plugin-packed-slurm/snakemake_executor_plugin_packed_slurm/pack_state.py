"""What is known of a pack under way: from its own events, member by member."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from .pack_events import EventReader
from .packing import Member, Pack
from .slurm_commands import QueuedJob

_WORDS = {
    "CANCELLED": "cancelled",
    "NODE_FAIL": "the node was lost",
    "OUT_OF_MEMORY": "it took more memory than it asked for",
    "PREEMPTED": "another job took its place",
    "TIMEOUT": "its time was up",
}


@dataclass
class PackState:
    """A pack, and what it has told; times in Unix seconds."""

    pack: Pack
    name: str  # of its SLURM job
    folder: Path
    slurm_id: str = ""  # empty before it is submitted
    submitted: float = 0.0
    was_refused: bool = False  # a submission got no answer: it may have come through all the same
    was_held: bool = False  # its node could not start it, and SLURM keeps it from any other
    began: float | None = None  # on its node, for the last time; None before
    node: str = ""
    heard: float = 0.0  # when, on this machine's clock, it last told something
    last_words: dict | None = None  # its event ``pack_ended``
    stopped: dict | None = None  # its event ``pack_stopped``, where SLURM ended it
    gone_since: float | None = None  # SLURM says that it is over, without last words
    reported: set[int] = field(default_factory=set)  # numbers of members whose end has been told
    _begun: set[str] = field(default_factory=set)
    _finished: set[str] = field(default_factory=set)
    _failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reader = EventReader(self.folder)
        self._numbers = {step.key: step.number for one in self.pack.members for step in one.steps}

    def read(self) -> list[tuple[str, dict]]:
        """Take in what is new, and give it as events of the run's log."""
        told = []
        for event in self._reader.new():
            self.heard = time.time()
            what, key, t = event["event"], event.get("key"), event.get("t")
            job = {"t": t, "pack": self.folder.name, "job": self._numbers.get(key)}
            if what == "pack_started":
                # For the second time where SLURM began the job again: nothing runs of before.
                self.began, self.node, self.gone_since = t, event.get("node", ""), None
                self._begun = set()
                pack = {"pack": self.folder.name, "slurm_id": self.slurm_id, "node": self.node}
                told.append((what, {"t": t, **pack}))
            elif what == "pack_ended":
                self.last_words = event
            elif what == "pack_stopped":
                self.stopped = event
            elif what == "job_started":
                self._begun.add(key)
                told.append(("member_started", job))
            elif what == "job_finished":
                self._finished.add(key)
                told.append(("member_finished", job))
            elif what == "job_failed":
                self._failed.add(key)
        return told

    def open_members(self) -> list[tuple[int, Member]]:
        """Number and member, of those whose end has not been told."""
        members = enumerate(self.pack.members)
        return [(number, one) for number, one in members if number not in self.reported]

    def ended_members(self) -> list[tuple[int, Member, bool]]:
        """Number, member and success, of open members of which nothing can run any more."""
        found = []
        for number, member in self.open_members():
            blocked: set[str] = set()  # steps that failed, and what will never run because of it
            for step in member.steps:  # in an order in which each comes after what it needs
                if step.key in self._failed or blocked & set(step.needs):
                    blocked.add(step.key)
            if {step.key for step in member.steps} <= self._finished | blocked:
                found.append((number, member, not blocked))
        return found

    def has_begun(self, member: Member) -> bool:
        """Say whether any step of a member has begun."""
        return any(step.key in self._begun for step in member.steps)

    def end(self, job: QueuedJob | None) -> tuple[str, str]:
        """State of its end as SLURM calls it, and words for people, by what SLURM knows of it."""
        where = f"job {self.slurm_id} on {self.node or 'no node'}"
        if self.last_words is not None:  # SLURM itself may be some seconds behind
            state = "COMPLETED" if self.last_words.get("ok") else "FAILED"
            return state, f"{where}: not run, see its output"
        if job is None:
            return "UNKNOWN", f"{where}: gone, SLURM does not know how"
        more = f" ({job.reason})" if job.reason not in ("", "None") else ""
        return job.state, f"{where}: {_WORDS.get(job.state, job.state)}{more}"
