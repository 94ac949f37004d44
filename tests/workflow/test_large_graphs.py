"""What keeps Snakemake quick with thousands of groups."""

import asyncio
from types import SimpleNamespace

import pytest
import snakemake.cli  # noqa: F401, it loads the plugins
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_packed_slurm.large_graphs import (
    GroupJob,
    check_groups,
    mend_groups,
)
from snakemake_scheduler_plugin_first_fit import Scheduler


def graph(needs, groups):
    """A graph of jobs as Snakemake keeps it; `groups` by job."""
    return SimpleNamespace(
        _dependencies={job: list(of) for job, of in needs.items()}, _group=groups
    )


def test_a_group_that_is_left_and_entered_again_is_refused():
    """A and c are one group, b between them is not."""
    needs = {"a": [], "b": ["a"], "c": ["b"]}
    with pytest.raises(WorkflowError, match=r"a group of steps waits for itself: .*g"):
        check_groups(graph(needs, {"a": "g", "c": "g"}))


def test_two_groups_that_wait_for_each_other_are_refused():
    """Neither could begin."""
    needs = {"a": [], "b": ["c"], "c": [], "d": ["a"]}
    with pytest.raises(WorkflowError, match="g, h"):
        check_groups(graph(needs, {"a": "g", "b": "g", "c": "h", "d": "h"}))


def test_groups_one_after_another_are_fine():
    """Steps within a group may need each other, and those of an earlier group."""
    needs = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"]}
    check_groups(graph(needs, {"a": "g", "b": "g", "c": "h", "d": "h"}))


def test_the_steps_of_a_group_end_in_their_order():
    """Each after what it needs, with all that the caller said."""
    ended = []

    class Job:
        def __init__(self, name):
            self.name = name

        async def postprocess(self, **how):
            ended.append((self.name, how))

    mend_groups()
    levels = [[Job("a")], [Job("b"), Job("c")]]
    asyncio.run(GroupJob.postprocess(SimpleNamespace(toposorted=levels), handle_log=True))
    assert [name for name, _ in ended] == ["a", "b", "c"]
    assert ended[0][1] == {"error": False, "handle_log": True, "check_output_mtime": False}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 2)), max_size=30),
    st.integers(0, 20),
    st.integers(0, 4),
)
def test_all_that_there_is_room_for_is_chosen(asked, cores, gpus):
    """Never more than there is, and nothing is left that would fit; higher priority first."""
    jobs = [
        SimpleNamespace(priority=priority, scheduler_resources={"_cores": c, "gpu": g})
        for priority, c, g in asked
    ]
    room = {"_cores": cores, "gpu": gpus}
    scheduler = Scheduler.__new__(Scheduler)
    chosen = scheduler.select_jobs(jobs, jobs, room, {})
    left = {
        name: room[name] - sum(job.scheduler_resources[name] for job in chosen) for name in room
    }
    assert min(left.values()) >= 0
    assert room == {"_cores": cores, "gpu": gpus}
    for job in jobs:
        fits = all(job.scheduler_resources[name] <= left[name] for name in left)
        assert not fits or any(one is job for one in chosen)
    priorities = [job.priority for job in chosen]
    assert priorities == sorted(priorities, reverse=True)
