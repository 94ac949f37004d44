"""What the executor tells: records of Snakemake's logger, in words and for other plugins.

Each has ``event``, the name of what happened, and ``told``, a dict of what is known of it, which a
logger plugin may keep. Snakemake's own display prints the words.
"""

import logging

from snakemake.logging import logger

_WORDS = {
    "leftovers_cancelled": "Cancelled what an earlier run had left: SLURM jobs {slurm_ids}",
    "member_failed": "Job {job} failed: {reason}",
    "member_finished": "Job {job} has ended",
    "member_started": "Job {job} has begun",
    "members_requeued": "Jobs {jobs} are packed again: {reason}",
    "pack_ended": "SLURM job {slurm_id} has ended: {state} {reason}",
    "pack_started": "SLURM job {slurm_id} has begun on {node}",
    "pack_submitted": "SLURM job {slurm_id} is submitted, {kind}: jobs {jobs}",
    "slurm_back": "SLURM answers again after {silent_s} s",
    "slurm_silent": "SLURM does not answer; its jobs go on: {reason}",
}
_TROUBLE = {"leftovers_cancelled", "members_requeued", "slurm_back", "slurm_silent"}


def tell(event: str, **what: object) -> None:
    """Tell of one of the events above; ``t``, if given, is when it happened, in Unix seconds."""
    is_trouble = event in _TROUBLE or what.get("state", "COMPLETED") != "COMPLETED"
    level = logging.WARNING if is_trouble else logging.INFO
    logger.log(level, _WORDS[event].format(**what), extra={"event": event, "told": what})
