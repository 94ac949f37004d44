"""Clusters that last as long as the tests: `make test-slurm` runs these, plain pytest does not."""

from collections.abc import Iterator

import pytest

from .cluster import Cluster
from .faults import fault, pytest_terminal_summary

__all__ = ["fault", "pytest_terminal_summary"]


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
