"""The packs of a run: waiting for others of their kind, submitted, watched, settled.

What a node tells in a pack's own events counts first. SLURM is asked once a round for all packs
together, and only about those that ended without a word is it asked again. While it does not answer
nothing is concluded: jobs go on, and so does what reads their events.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import InputError
from .pack_events import give_up
from .pack_state import PackState
from .packing import Member, Pack, PackSize, fill_packs, pack_rest
from .slurm_commands import ENDED, HOPELESS, QueuedJob, SilentError, cancel, end_of, queue

# The job is gone through no fault of what it ran: that runs again, without counting as a try.
_INNOCENT = {"NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED", "UNKNOWN"}
# ... but not for ever: a member that keeps losing its node may be what brings the node down.
_MOST_LOSSES = 5
# A job that SLURM does not name runs on while it tells: its node gives a sign every half minute.
_FRESH_S = 180


@dataclass(frozen=True)
class Outcome:
    """How a member ended: `reason` is empty where it ended well."""

    job: Any
    reason: str = ""


class PackQueue:
    """Takes members, runs them in packs, tells how each ended.

    `folder` is for the packs of this run. Their SLURM jobs, `most_jobs` at a time, have names that
    begin with `prefix`; ``submit(pack, name, folder)`` returns the id of one. A pack that is not
    full waits `hold_s` for further members. So long as `grace_s` may the events of a job that is
    over take to show on this machine. ``tell(event, **what)`` writes the run's log.
    """

    def __init__(
        self,
        *,
        folder: Path,
        prefix: str,
        size: PackSize,
        most_jobs: int,
        hold_s: float,
        grace_s: float,
        submit: Callable[[Pack, str, Path], str],
        tell: Callable[..., None],
    ) -> None:
        self._folder, self._prefix, self._size = folder, prefix, size
        self._most_jobs, self._hold_s, self._grace_s = most_jobs, hold_s, grace_s
        self._submit, self._tell = submit, tell
        # Filled by Snakemake's own thread, emptied by the one that calls step().
        self._added: deque[Member] = deque()
        self._waiting: list[Member] = []
        self._ready: list[PackState] = []
        self._running: list[PackState] = []
        self._last_added = 0.0
        self._silent_since: float | None = None
        self._n_packs, self._n_submitted, self._is_stopped = 0, 0, False
        self._losses: Counter[int] = Counter()

    def add(self, member: Member) -> None:
        """Take a member on."""
        self._added.append(member)
        self._last_added = time.time()

    def slurm_ids(self) -> list[str]:
        """Ids of the jobs that are under way."""
        return [one.slurm_id for one in tuple(self._running)]

    def stop(self) -> None:
        """Submit nothing more."""
        self._is_stopped = True

    def step(self) -> list[Outcome]:
        """Do what there is to do, and tell which members have ended since the last time.

        Raises
        ------
        InputError
            If SLURM refuses a job for good, or will never run it.
        """
        self._pack()
        outcomes = [outcome for one in self._running for outcome in self._news_of(one)]
        try:
            if self._running:
                self._settle_ended(queue(), outcomes)
            # Last: where no further job is taken those that are there are looked after all the same
            self._submit_packs(outcomes)
        except SilentError as error:
            if self._silent_since is None:
                self._silent_since = time.time()
                self._tell("slurm_silent", since=self._silent_since, reason=str(error))
            return outcomes
        if self._silent_since is not None:
            self._tell("slurm_back", silent_s=round(time.time() - self._silent_since))
            self._silent_since = None
        return outcomes

    def _pack(self) -> None:
        while self._added:
            self._waiting.append(self._added.popleft())
        packs, self._waiting = fill_packs(self._waiting, self._size)
        # Where nothing runs nothing can end, and so nothing can follow.
        hold_s = self._hold_s if self._running else min(self._hold_s, 3.0)
        if self._waiting and time.time() - self._last_added >= hold_s:
            packs += pack_rest(self._waiting, self._size)
            self._waiting = []
        for pack in packs:
            self._n_packs += 1
            label = "".join(c if c.isalnum() else "-" for c in pack.members[0].label)
            name = f"{self._n_packs:05d}_{label}"
            self._ready.append(PackState(pack, f"{self._prefix}{name}", self._folder / name))

    def _submit_packs(self, outcomes: list[Outcome]) -> None:
        while self._ready and len(self._running) < self._most_jobs and not self._is_stopped:
            one = self._ready[0]
            # A submission that got no answer may have come through all the same.
            known = queue() if one.was_refused else {}
            there = [job.slurm_id for job in known.values() if job.name == one.name]
            try:
                one.slurm_id = there[0] if there else self._submit(one.pack, one.name, one.folder)
            except SilentError:
                one.was_refused = True
                raise
            except InputError as error:
                if not self._n_submitted:
                    raise  # every job would be refused alike
                # Such as a retry that asks for more memory than any node has.
                self._ready.pop(0)
                outcomes += [
                    self._outcome(one, number, member, str(error))
                    for number, member in one.open_members()
                ]
                continue
            self._n_submitted += 1
            one.submitted = time.time()
            self._running.append(self._ready.pop(0))
            self._tell(
                "pack_submitted",
                pack=one.folder.name,
                slurm_id=one.slurm_id,
                kind=one.pack.members[0].label,
                jobs=[number for member in one.pack.members for number in _numbers(member)],
                cpus=one.pack.cores,
                mem_mb=one.pack.mem_mb,
                runtime_min=one.pack.runtime_min,
                gpus=one.pack.gpus,
            )

    def _news_of(self, one: PackState) -> list[Outcome]:
        for event, what in one.read():
            self._tell(event, **what)
        failed = f"job {one.slurm_id} on {one.node}: it failed"
        return [
            self._outcome(one, number, member, "" if is_well else failed)
            for number, member, is_well in one.ended_members()
        ]

    def _outcome(self, one: PackState, number: int, member: Member, reason: str) -> Outcome:
        one.reported.add(number)
        if reason:
            for job in _numbers(member):
                self._tell("member_failed", pack=one.folder.name, job=job, reason=reason)
        return Outcome(member.job, reason)

    def _settle_ended(self, known: dict[str, QueuedJob], outcomes: list[Outcome]) -> None:
        for one in list(self._running):
            job = known.get(one.slurm_id)
            if job is not None and _is_held_for_ever(job):
                cancel([one.slurm_id])
                one.was_held = True
            if one.was_held:
                job = QueuedJob(one.slurm_id, one.name, "NODE_FAIL", "it could not be started", "")
            if one.last_words is None and job is not None and job.state not in ENDED:
                one.gone_since = None
                _require_hope(one, job)
                continue
            if one.last_words is None:
                # It is over, or SLURM has forgotten it; its last events may still be on their way.
                one.gone_since = one.gone_since or time.time()
                if time.time() - one.gone_since < self._grace_s:
                    continue
            if one.last_words is None and job is None:
                job = end_of(one.slurm_id)
                is_fresh = time.time() - one.heard < _FRESH_S
                if job.state not in ENDED if job else is_fresh:
                    continue
                if job is None:
                    cancel([one.slurm_id])  # should it be there after all
            # Into the caller's list: they are kept where SLURM falls silent at the next pack.
            outcomes += self._news_of(one)
            outcomes += self._settle(one, job)
            self._running.remove(one)

    def _settle(self, one: PackState, job: QueuedJob | None) -> list[Outcome]:
        """What becomes of the members of a pack that is over."""
        state, reason = one.end(job)
        words = one.last_words or one.stopped or {}
        if one.last_words is None:
            give_up(one.folder)  # SLURM may begin it again, and its members run elsewhere by then
        self._tell(
            "pack_ended",
            pack=one.folder.name,
            slurm_id=one.slurm_id,
            state=state,
            reason="" if one.last_words else reason,
            node=one.node,
            elapsed_s=round(words.get("t", time.time()) - one.began) if one.began else 0,
            peak_mb=words.get("peak_mb"),
            cpu_s=words.get("cpu_s"),
        )
        outcomes = []
        for number, member in one.open_members():
            why = self._why_again(one, member, state)
            if why and self._losses[id(member.job)] < _MOST_LOSSES:
                self._losses[id(member.job)] += 1
                one.reported.add(number)
                self.add(replace(member, is_alone=one.last_words is not None))
                self._tell(
                    "members_requeued",
                    pack=one.folder.name,
                    jobs=_numbers(member),
                    reason=f"{reason}; {why}",
                )
            else:
                outcomes.append(self._outcome(one, number, member, reason))
        return outcomes

    def _why_again(self, one: PackState, member: Member, state: str) -> str:
        """Why a member is run again without counting as a try; empty where it counts."""
        if one.last_words is not None:
            # One missing input keeps Snakemake from running anything: whose fault it is shows alone
            is_bystander = len(one.pack.members) > 1 and not one.has_begun(member)
            return "its pack ended before it began" if is_bystander else ""
        if state in _INNOCENT:
            return "run again"
        if one.began and not one.has_begun(member):
            return "it had not begun"
        if state == "TIMEOUT" and _is_newer(member.checkpoint, one.submitted):
            self._losses[id(member.job)] = 0  # it gets on
            return "it goes on from its checkpoint"
        return ""


def _require_hope(one: PackState, job: QueuedJob) -> None:
    if job.state == "PENDING" and job.reason in HOPELESS:
        asked = one.pack
        raise InputError(
            f"SLURM will never run job {job.slurm_id}: {job.reason} (it asks for"
            f" {asked.runtime_min} min, {asked.mem_mb} MB, {asked.cores} cores, {asked.gpus} GPUs)"
        )


def _is_held_for_ever(job: QueuedJob) -> bool:
    """Say whether SLURM could not start a job on its node, and keeps it from any other."""
    return job.state == "PENDING" and "launch_failed" in job.reason.replace(" ", "_")


def _numbers(member: Member) -> list[int]:
    return [step.number for step in member.steps]


def _is_newer(path: str, than: float) -> bool:
    try:
        return bool(path) and Path(path).stat().st_mtime > than
    except OSError:
        return False
