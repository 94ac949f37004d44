"""The pipeline on a cluster, from nothing to its tables: the same bytes as at home."""

import pytest

from conftest import SMALL_COHORT, Workflow

from .runs import Run
from .small_cohort import THREADS, contents, new_workflow, on_cluster


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory, preloaded_python) -> Run:
    """The small cohort, through SLURM from nothing to its tables."""
    run = on_cluster(new_workflow(tmp_path_factory.mktemp("cohort"), preloaded_python), cluster)
    # Drawn first: else slides would be ready one by one, and share jobs by chance.
    assert run.run(*(f"demo/cohort/{slide}.svs" for slide in SMALL_COHORT)) == 0, run.said()
    assert run.run() == 0, run.said()
    return run


def test_a_cluster_gives_the_same_bytes_as_this_machine(done, home):
    """Every file of results/ but the seconds of costs.csv, and the drawn slides too."""
    ours, theirs = contents(done.folder / "results"), contents(home.folder / "results")
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert contents(done.folder / "demo") == contents(home.folder / "demo")


def test_a_second_run_has_nothing_to_do(done, preloaded_python):
    """What came from the cluster is as good as what was made here."""
    workflow = Workflow(done.snakefile.parent, done.folder, preloaded_python)
    assert workflow.planned(*THREADS) == set()


def test_steps_share_jobs_and_go_where_they_belong(done):
    """Four slides of four steps in one job; networks on nodes with a card; tables in none."""
    packs = done.events("pack_submitted")
    kinds = [pack["kind"] for pack in packs]
    assert kinds.count("prepare") == 1
    assert len(kinds) <= 12
    nodes = {event["pack"]: event["node"] for event in done.events("pack_started")}
    for pack in packs:
        on_gpu = pack["kind"].endswith(" histocae1")
        assert nodes[pack["pack"]].startswith("gpu" if on_gpu else "cpu"), pack
        assert pack["gpus"] == int(on_gpu)
