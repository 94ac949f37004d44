"""What keeps Snakemake quick with thousands of groups."""

import ast
import asyncio
import shutil
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake.cli  # it loads the plugins
from hypothesis import given
from hypothesis import strategies as st
from snakemake.io import flag
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_packed_slurm import ExecutorSettings, large_graphs
from snakemake_executor_plugin_packed_slurm.large_graphs import (
    DAG,
    GroupJob,
    check_groups,
    mend_groups,
    postprocess,
    restore_groups,
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


class Job:
    """A job of a group, with an output, that notes when it ended."""

    def __init__(self, name, ended, kind=None):
        file = flag(name, kind) if kind else name
        self.name, self.ended, self.output = name, ended, [file]

    async def postprocess(self, **how):
        """Note it."""
        self.ended.append((self.name, how))


def end_group(levels):
    """Let a group end."""
    jobs = [job for level in levels for job in level]
    asyncio.run(postprocess(SimpleNamespace(jobs=jobs, toposorted=levels), handle_log=True))


def test_the_steps_of_a_group_end_in_their_order():
    """Each after what it needs, with all that the caller said."""
    ended = []
    end_group([[Job("a", ended)], [Job("b", ended), Job("c", ended)]])
    assert [name for name, _ in ended] == ["a", "b", "c"]
    assert ended[0][1] == {"error": False, "handle_log": True, "check_output_mtime": False}


@pytest.mark.parametrize("kind", ["temp", "pipe", "touch"])
def test_a_group_with_files_to_touch_or_remove_ends_as_snakemake_does_it(monkeypatch, kind):
    """It knows when they are needed no longer."""
    own, ended = [], []

    async def note(group, **how):
        own.append(how)

    monkeypatch.setitem(large_graphs._originals, (GroupJob, "postprocess"), note)
    end_group([[Job("a", ended)], [Job("b", ended, kind)]])
    assert (own, ended) == ([{"error": False, "handle_log": True}], [])


def modules():
    """Where the methods come from that are replaced."""
    return {m.__module__ for m in (DAG._check_groups, DAG.validate_group, GroupJob.postprocess)}


def test_snakemake_is_as_it_was_but_while_the_executor_runs():
    """The plugin is there: nothing is replaced before it is asked for, and nothing afterwards."""
    assert modules() == {"snakemake.dag", "snakemake.jobs"}
    for _ in range(2):
        ExecutorSettings()
        assert modules() == {check_groups.__module__}
    restore_groups()
    assert modules() == {"snakemake.dag", "snakemake.jobs"}


def test_of_another_snakemake_nothing_is_replaced(monkeypatch, caplog):
    """What its methods do is not known: a line says so."""
    monkeypatch.setattr(DAG, "validate_group", lambda dag, group: None)
    mend_groups()
    assert GroupJob.postprocess.__module__ == "snakemake.jobs"
    [record] = caplog.records
    assert "does not know DAG.validate_group of Snakemake 9." in record.getMessage()


def test_the_patch_for_snakemake_is_one_for_the_methods_that_are_known(tmp_path):
    """It applies, and finds the same groups that wait for themselves."""
    package = Path(snakemake.__file__).parent
    (tmp_path / "src" / "snakemake").mkdir(parents=True)
    for name in ("dag.py", "jobs.py"):
        shutil.copy(package / name, tmp_path / "src" / "snakemake")
    patch = Path(__file__).resolve().parents[1] / "upstream.patch"
    subprocess.run(["git", "apply", patch], cwd=tmp_path, check=True)
    text = (tmp_path / "src" / "snakemake" / "dag.py").read_text()
    [method] = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == "_check_groups"
    ]
    found = {}
    names = vars(snakemake.dag) | {"TopologicalSorter": TopologicalSorter, "CycleError": CycleError}
    exec(compile(ast.Module([method], []), "dag.py", "exec"), names, found)  # noqa: S102
    check = found["_check_groups"]
    needs = {"a": [], "b": ["a"], "c": ["b"]}
    check(graph(needs, {"a": "g", "b": "g", "c": "h"}))
    with pytest.raises(WorkflowError, match="Groups depend on themselves: b, g"):
        check(graph(needs, {"a": "g", "c": "g"}))


PIPED = """
rule all:
    input: "b"
rule write:
    output: pipe("a")
    shell: "echo 1 > {output}"
rule read:
    input: "a"
    output: "b"
    shell: "cat {input} > {output}"
"""


def test_a_plain_run_removes_its_pipes(tmp_path):
    """As Snakemake does where the plugin is not there."""
    (tmp_path / "Snakefile").write_text(PIPED)
    command = [sys.executable, "-m", "snakemake", "--cores=2", "--quiet", "all"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert (tmp_path / "b").read_text() == "1\n"
    assert not (tmp_path / "a").exists()


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
