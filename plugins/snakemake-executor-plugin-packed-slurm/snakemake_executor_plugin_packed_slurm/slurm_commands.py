"""The five things that are asked of SLURM, and what it answers when it cannot.

A controller that is away for a minute is no reason to lose track of a thousand slides: each of
these functions raises `SilentError` where SLURM does not answer.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError

_TIMEOUT_S = 60
# Of a job that is over, as `squeue` and `sacct` call it; all other states are still to come or on.
ENDED = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
# Why a job waits that will do so for ever.
HOPELESS = {
    "AccountNotAllowed",
    "AssocMaxCpuPerJobLimit",
    "AssocMaxGRESPerJob",
    "AssocMaxMemPerJob",
    "AssocMaxWallDurationPerJobLimit",
    "BadConstraints",
    "InvalidAccount",
    "InvalidQOS",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "QOSMaxCpuPerJobLimit",
    "QOSMaxGRESPerJob",
    "QOSMaxMemoryPerJob",
    "QOSMaxWallDurationPerJobLimit",
    "QOSNotAllowed",
}
# What sbatch says where trying again later helps: nobody answers, or too many jobs are there.
_LATER = re.compile(
    r"contact slurm|timed out|connection (refused|reset)|zero bytes|temporarily|not responding|"
    r"submitjob|submit job|maxjobcount|limit of jobs|unexpected message|communication|"
    r"authentication (credential|error)|transport endpoint|i/o error|standby mode|"
    r"configuration source|cannot allocate memory",
    re.IGNORECASE,
)


class SilentError(Exception):
    """SLURM did not answer; what it was doing it may well be doing still."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that SLURM knows."""

    slurm_id: str
    name: str
    state: str  # such as PENDING or RUNNING
    reason: str  # why it waits, or why it ended
    node: str  # where it runs or ran; empty before that


def submit(script: Path, options: list[str]) -> str:
    """Hand a job script to sbatch, and give the job's id.

    Raises
    ------
    SilentError
        Also if SLURM takes no further jobs just now.
    InputError
        If it refuses the job: it would refuse it again.
    """
    done = _run("sbatch", "--parsable", *options, str(script))
    # A wrapper of sbatch may have more to say before the number.
    number = re.search(r"^(\d+)(;\S*)?\s*\Z", done.stdout, re.MULTILINE)
    if done.returncode == 0 and number:
        return number[1]
    said = " ".join((done.stderr or done.stdout).split())
    if done.returncode == 0:  # it may well be there: the queue knows its name
        raise SilentError(f"sbatch named no job: {said}")
    if _LATER.search(said):
        raise SilentError(said)
    raise InputError(f"SLURM refuses a job: {said}")


def queue() -> dict[str, QueuedJob]:
    """Jobs of this user that are in the queue, by id."""
    said = _ask("squeue", "--me", "--noheader", "--states=all", "--format=%i|%j|%T|%r|%N")
    rows = [line.split("|", 4) for line in said.splitlines()]
    return {row[0]: QueuedJob(*row) for row in rows if len(row) == 5}


def time_limits() -> dict[str, int]:
    """The longest time that each partition allows, in minutes; of the default one under "" too.

    Partitions without a limit are left out.
    """
    limits = {}
    for line in _ask("sinfo", "--noheader", "--format=%P|%l").splitlines():
        name, _, limit = line.partition("|")
        found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit.strip())
        if found:
            days, hours, minutes, _ = (int(part or 0) for part in found.groups())
            limits[name.rstrip("*")] = (days * 24 + hours) * 60 + minutes
            if name.endswith("*"):
                limits[""] = limits[name.rstrip("*")]
    return limits


def end_of(slurm_id: str) -> QueuedJob | None:
    """How a job ended that is no longer in the queue; None where nobody remembers."""
    said = _ask("scontrol", "show", "job", "--oneliner", slurm_id, may_be_gone=True)
    if "JobState=" in said:
        # The first of a name: paths and comments further on may look like fields.
        found = dict(reversed(re.findall(r"(\w+)=(\S+)", said)))
        names = ("JobId", "JobName", "JobState", "Reason", "BatchHost")
        return QueuedJob(*[found.get(name, "") for name in names])
    columns = "--format=JobID,JobName%100,State%40,Reason%40,NodeList%40"
    try:
        done = _run(
            "sacct", "--noheader", "--parsable2", "--allocations", columns, "--jobs", slurm_id
        )
    except (InputError, SilentError):
        return None  # no such command, or a database that is away: the controller has answered
    rows = [line.split("|") for line in done.stdout.splitlines()]
    if done.returncode or not rows or len(rows[-1]) != 5:
        return None  # most clusters without accounting have the command all the same
    number, name, state, reason, node = rows[-1]
    return QueuedJob(number, name, (state.split() or ["UNKNOWN"])[0], reason, node)


def cancel(slurm_ids: list[str]) -> None:
    """End these jobs; those that have ended already are passed over."""
    for start in range(0, len(slurm_ids), 500):
        _ask("scancel", "--quiet", *slurm_ids[start : start + 500], may_be_gone=True)


def _ask(*command: str, may_be_gone: bool = False) -> str:
    """What a command says; nothing of a job that is no longer known."""
    done = _run(*command)
    if done.returncode == 0:
        return done.stdout
    if may_be_gone and "Invalid job id" in done.stderr:
        return ""
    raise SilentError(" ".join(done.stderr.split()))


def _run(*command: str) -> subprocess.CompletedProcess:
    # A driver that itself runs in a job has that job's settings around, meant for nobody else.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))
    }
    try:
        return subprocess.run(  # noqa: S603, a list of our own words: no shell
            command,
            env=kept,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # names of other jobs may be anything
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise InputError(
            f"{command[0]}: there is no such command: is this a login node of a SLURM cluster?"
        ) from None
    except subprocess.TimeoutExpired:
        raise SilentError(f"{command[0]}: no answer in {_TIMEOUT_S} s") from None
    except OSError as error:  # a login node out of memory or processes
        raise SilentError(f"{command[0]}: {error}") from None
