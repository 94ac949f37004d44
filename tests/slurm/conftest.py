"""Clusters that last as long as the tests: `make test-slurm` runs these, plain pytest does not."""

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Workflow

from .cluster import Cluster
from .faults import fault, pytest_terminal_summary
from .runs import Run
from .small_cohort import new_workflow, run_here
from .toys import write_workflow

__all__ = ["fault", "pytest_terminal_summary"]

# Processes take files in this order, the longest first: so they end together.
ORDER = (
    "test_pipeline_on_nodes.py",
    "test_pipeline_training.py",
    "test_pipeline.py",
    "test_packed_faults.py",
    "test_accounting.py",
    "test_packed.py",
    "test_cluster.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; others than those of this folder come first."""
    items.sort(key=lambda item: item.path.name in ORDER and ORDER.index(item.path.name))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three CPU nodes, two GPU nodes, no accounting."""
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def accounting_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The same with slurmdbd: sacct works."""
    with Cluster(tmp_path_factory.mktemp("cluster"), accounting=True) as running:
        yield running


@pytest.fixture
def make_run(cluster: Cluster, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Give a function that writes a toy workflow; whatever still runs at the end is ended."""
    runs = []

    def make(command: str, *more: str, on: Cluster = cluster, n: int = 4, **asked: object) -> Run:
        snakefile = write_workflow(tmp_path, command, n=n, **asked)
        given = ("--packed-slurm-pack-cores=2", "--logger-progress-report=")
        runs.append(Run(on, tmp_path, snakefile, (*given, *more)))
        return runs[-1]

    yield make
    for run in runs:
        if run.driver is not None and run.driver.poll() is None:
            run.kill()
        left = [job["id"] for job in run.queued()]
        if left:
            run.cluster.run("scancel", *left)


@pytest.fixture(scope="session")
def home(request, tmp_path_factory, preloaded_python) -> Workflow:
    """The small cohort on this machine, from nothing to its tables: run by one process for all."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):  # each has a folder of its own in that of all
        folder = folder.parent
    root = folder / "home"
    with (folder / "home.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            root.mkdir()
            run_here(new_workflow(root, preloaded_python))
            (root / "finished").touch()
    assert (root / "finished").exists(), "another process could not finish it"
    return Workflow(root / "source", root / "run", preloaded_python)
