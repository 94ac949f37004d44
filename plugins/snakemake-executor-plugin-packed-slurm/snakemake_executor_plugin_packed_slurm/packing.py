"""Many short jobs in few long ones: which go together, and what a pack of them asks for.

A pack has as many as fit into the profile's pack-minutes; there is no number of jobs to set.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

# What the Snakemake that runs the members of a pack needs for itself.
RUNNER_MB = 400
_RUNNER_MIN = 5
# A pack that comes to grief should not take hundreds of jobs along.
_MOST_MEMBERS = 200  # of a pack, however short they are


@dataclass(frozen=True)
class Step:
    """A job of the workflow."""

    key: str  # as `pack_events.job_key` makes it
    target: str  # its name on Snakemake's command line
    number: int  # the driver's, in this run
    needs: tuple[str, ...] = ()  # keys of the steps of the same member that come before it


@dataclass(frozen=True)
class Member:
    """A job of the workflow, or the steps of a group that run one after another."""

    job: Any  # whatever the caller knows it by
    steps: tuple[Step, ...]
    label: str  # what it does, for people
    kind: tuple  # only members of one kind share a pack, if they also need similar memory
    threads: int
    mem_mb: int  # upper bound of any of its steps
    runtime_min: int  # upper bound of all of them
    gpus: int = 0
    longest_min: int = 1440  # its partition's limit: its SLURM job asks for no more
    is_retry: bool = False  # it failed before: alone on the node the next end is its own fault
    checkpoint: str = ""  # file from which it goes on after its time was up
    is_alone: bool = False  # something kept its pack from running anything: it gets its own


@dataclass(frozen=True)
class Pack:
    """Members that one SLURM job runs, and what it asks for: enough for those side by side."""

    members: tuple[Member, ...]
    cores: int
    mem_mb: int
    runtime_min: int
    gpus: int


@dataclass(frozen=True)
class PackSize:
    """How large packs are: `pack-minutes` and `pack-cores` of the SLURM profile."""

    minutes: int  # a pack is full when its time limit reaches this
    cores: int  # without GPUs so many threads of its members run side by side


def fill_packs(members: list[Member], size: PackSize) -> tuple[list[Pack], list[Member]]:
    """Pack members of the same kind, as many as a job of that size holds.

    Returns
    -------
    packs : list of Pack
        The full ones.
    rest : list of Member
        Those still waiting for others of their kind.

    Examples
    --------
    >>> alike = {"label": "score", "kind": (), "threads": 1, "mem_mb": 500, "runtime_min": 20}
    >>> members = [Member(job=n, steps=(), **alike) for n in range(4)]
    >>> packs, rest = fill_packs(members, PackSize(minutes=60, cores=1))
    >>> [(len(pack.members), pack.runtime_min) for pack in packs], len(rest)
    ([(3, 65)], 1)
    """
    packs, rest = [], []
    for alike in _group_by_kind(members):
        waiting: list[Member] = []
        for member in alike:
            if waiting and _bound_minutes([*waiting, member], size) > member.longest_min:
                packs.append(make_pack(waiting, size))
                waiting = []
            waiting.append(member)
            if _bound_minutes(waiting, size) >= size.minutes or len(waiting) == _MOST_MEMBERS:
                packs.append(make_pack(waiting, size))
                waiting = []
        rest += waiting
    return packs, rest


def pack_rest(members: list[Member], size: PackSize) -> list[Pack]:
    """Pack members that fill no pack, kind by kind, where nothing more will come soon."""
    return [make_pack(alike, size) for alike in _group_by_kind(members)]


def make_pack(members: list[Member], size: PackSize) -> Pack:
    """Make one pack of members of one kind."""
    beside = _count_side_by_side(members, size)
    return Pack(
        members=tuple(members),
        cores=beside * members[0].threads,
        # All that run side by side may be steps of the largest member.
        mem_mb=RUNNER_MB + beside * max(member.mem_mb for member in members),
        runtime_min=min(members[0].longest_min, _bound_minutes(members, size)),
        gpus=members[0].gpus,
    )


def _group_by_kind(members: list[Member]) -> list[list[Member]]:
    alike: dict[tuple, list[Member]] = defaultdict(list)
    for member in members:
        # Twice the memory is another kind, else many small ones would ask for a large one's.
        size = (member.threads, member.gpus, member.mem_mb.bit_length())
        alone = id(member) if member.is_alone else None
        kind = (alone, member.kind, member.longest_min, member.is_retry, size)
        alike[kind].append(member)
    return list(alike.values())


def _count_side_by_side(members: list[Member], size: PackSize) -> int:
    """How many members run at once: one on a GPU, else what the cores hold."""
    if members[0].gpus or members[0].is_retry:
        return 1
    return max(1, min(len(members), size.cores // members[0].threads))


def _bound_minutes(members: list[Member], size: PackSize) -> int:
    """Upper bound of the time: whenever a core is free the next member starts on it."""
    minutes = [member.runtime_min for member in members]
    longest = max(minutes)
    others = -(-(sum(minutes) - longest) // _count_side_by_side(members, size))
    return _RUNNER_MIN + longest + others
