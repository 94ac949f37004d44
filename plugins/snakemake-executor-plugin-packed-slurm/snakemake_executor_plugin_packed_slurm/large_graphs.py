"""What of Snakemake takes minutes or hours where there are thousands of groups, made quick.

Three methods are replaced while this executor runs, and only where they are word for word those
that the replacements were written for. `upstream.patch` beside README.md does the same to
Snakemake itself.
"""

import hashlib
import inspect
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter

import snakemake
from snakemake.dag import DAG
from snakemake.io import is_flagged
from snakemake.jobs import GroupJob
from snakemake.logging import logger
from snakemake_interface_common.exceptions import WorkflowError

_originals: dict[tuple[type, str], Callable] = {}
# Outputs of which Snakemake has more to do when their group has ended, in its own order.
_OWN_FLAGS = ("nodelocal", "pipe", "service", "temp", "touch", "update")


def mend_groups() -> None:
    """Replace three methods of Snakemake 9 by such as take time in proportion to the jobs.

    Of a Snakemake in which they are others all is left as it is, which is said in a line.
    """
    if _originals:
        return
    found = {place: getattr(*place) for place in _REPLACED}
    unknown = [
        f"{kind.__name__}.{name}"
        for (kind, name), method in found.items()
        if source_hash(method) != _REPLACED[kind, name][0]
    ]
    if unknown:
        logger.warning(
            f"packed-slurm does not know {', '.join(unknown)} of Snakemake"
            f" {snakemake.__version__} and leaves them as they are: with thousands of groups"
            " planning takes longer"
        )
        return
    _originals.update(found)
    for place, (_, method) in _REPLACED.items():
        setattr(*place, method)


def restore_groups() -> None:
    """Give Snakemake its methods back."""
    while _originals:
        place, method = _originals.popitem()
        setattr(*place, method)


def source_hash(method: Callable) -> str:
    """Hash of a method's source; of one that was replaced already it is another."""
    return hashlib.sha256(inspect.getsource(method).encode()).hexdigest()


def check_groups(dag: DAG) -> None:
    """Find a group that waits for itself.

    Snakemake follows, for each job of each group, all that it depends on: minutes where thousands
    of groups share what they wait for.

    Raises
    ------
    WorkflowError
        If there is one.
    """
    graph: dict = {}
    for job, needed in dag._dependencies.items():
        whole = dag._group.get(job, job)
        graph.setdefault(whole, set()).update(dag._group.get(one, one) for one in needed)
    for whole, needed in graph.items():
        needed.discard(whole)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = ", ".join(sorted({str(one) for one in error.args[1]}))
        raise WorkflowError(f"a group of steps waits for itself: {circle}") from None


def _accept_group(dag: DAG, group: GroupJob) -> None:
    """Leave the question to `check_groups`, which asks it of all groups at once."""


async def postprocess(group: GroupJob, error: bool = False, **how: object) -> None:
    """Note that the jobs of a group have ended, each after what it needs.

    As Snakemake does it, but for its pause of 0.1 s after each level: in it no other job can end
    or begin, which for thousands of groups is an hour. Where it has files to touch, to remove or to
    miss it does it itself.
    """
    outputs = [file for job in group.jobs for file in job.output]
    if any(is_flagged(file, flag) for file in outputs for flag in _OWN_FLAGS):
        await _originals[GroupJob, "postprocess"](group, error=error, **how)
        return
    for level in group.toposorted:
        for job in level:
            await job.postprocess(error=error, **{**how, "check_output_mtime": False})


_REPLACED = {
    (DAG, "_check_groups"): (
        "487372ec8572076877476fdb865eea1499bfcb2c0d102930299afa2c7f5fca22",
        check_groups,
    ),
    (DAG, "validate_group"): (
        "e404f19f3d8f9fdf60c73145e7adbe5d1587cc6f8549138a75eb761e0e529fd8",
        _accept_group,
    ),
    (GroupJob, "postprocess"): (
        "f3d4263cdda8e5537c7a684a2b1671b6698b84ede2b967d616dc4979f1ee82ab",
        postprocess,
    ),
}
