"""What of Snakemake takes minutes or hours where there are thousands of groups, made quick."""

from graphlib import CycleError, TopologicalSorter

from snakemake.dag import DAG
from snakemake.jobs import GroupJob
from snakemake_interface_common.exceptions import WorkflowError


def mend_groups() -> None:
    """Replace three methods of Snakemake 9 by such as take time in proportion to the jobs."""
    DAG._check_groups = check_groups
    DAG.validate_group = lambda dag, group: None  # the same question asked in another way
    GroupJob.postprocess = _postprocess


def check_groups(dag: DAG) -> None:
    """Find a group that waits for itself.

    Snakemake follows, for each job of each group, all that it depends on: minutes where thousands
    of slides are trained on.

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


async def _postprocess(group: GroupJob, error: bool = False, **how: object) -> None:
    """Note that the jobs of a group have ended, each after what it needs.

    As Snakemake does it, but for its pause of 0.1 s after each level: in it no other job can end
    or begin, which for thousands of slides is an hour. No file of ours is temporary.
    """
    for level in group.toposorted:
        for job in level:
            await job.postprocess(error=error, **{**how, "check_output_mtime": False})
