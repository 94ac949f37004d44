"""The pipeline on a cluster: the same bytes as at home, and what becomes of a training."""

import shutil

import psutil
import pytest

from conftest import SMALL_COHORT, Workflow, copy_workflow

from .runs import Run, until
from .small_cohort import CAE, CONFIG, THREADS, again, changed, contents, on_cluster

CHECKPOINT = "results/checkpoints/histocae1_pretraining_1um.safetensors"
LONG = changed(pretraining={"epochs": 6, "batch": 8})


def freeze(run: Run, rule: str) -> None:
    """Stop the process of a rule in the middle of its work: it gets no further by itself."""

    def working() -> list[psutil.Process]:
        found = psutil.process_iter(["cmdline"])
        ours = f"{run.folder}/.snakemake/scripts/"
        return [
            process
            for process in found
            for word in process.info["cmdline"] or ()
            if word.startswith(ours) and word.endswith(f".{rule}.py")
        ]

    for process in until(working, f"a process of {rule}"):
        process.suspend()


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory) -> Run:
    """The small cohort, through SLURM from nothing to its tables."""
    workflow = copy_workflow(tmp_path_factory.mktemp("cohort"))
    workflow.configure(CONFIG, SMALL_COHORT)
    run = on_cluster(workflow, cluster)
    assert run.run() == 0, run.said()
    return run


@pytest.fixture(scope="module")
def long_training(done, tmp_path_factory, cluster, preloaded_python) -> bytes:
    """Weights of an autoencoder trained in more epochs, at home and in one go."""
    folder = tmp_path_factory.mktemp("home")
    run = again(done, folder, LONG, cluster)
    home = Workflow(done.snakefile.parent, run.folder, preloaded_python)
    finished = home.run(*THREADS, "--cores", "2", CAE)
    assert finished.returncode == 0, finished.stdout
    return (run.folder / CAE).read_bytes()


def test_a_cluster_gives_the_same_bytes_as_this_machine(done, tmp_path, preloaded_python):
    """Every file of results/ but the seconds of costs.csv, and the drawn slides too."""
    home = copy_workflow(tmp_path, preloaded_python)
    home.configure(CONFIG, SMALL_COHORT)
    finished = home.run(*THREADS, "--cores", "2")
    assert finished.returncode == 0, finished.stdout
    ours, theirs = contents(done.folder / "results"), contents(home.folder / "results")
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert contents(done.folder / "demo") == contents(home.folder / "demo")


def test_a_second_run_has_nothing_to_do(done):
    """What came from the cluster is as good as what was made here."""
    workflow = Workflow(done.snakefile.parent, done.folder)
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


def test_a_lost_node_costs_training_less_than_an_epoch(
    done, long_training, cluster, tmp_path, fault
):
    """It goes on from its checkpoint elsewhere, to the same bytes."""
    run = again(done, tmp_path, LONG, cluster)
    shutil.rmtree(run.folder / "results" / "checkpoints")
    run.start(CAE)
    checkpoint = run.wait_for(CHECKPOINT)
    freeze(run, "pretrain_cae")
    node = run.events("pack_started")[0]["node"]
    noticed = run.survive_loss(node)
    assert checkpoint.exists()
    log = (run.folder / "logs" / "pretrain_cae" / "histocae1_1um.log").read_text()
    assert "resumed after epoch" in log
    assert (run.folder / CAE).read_bytes() == long_training
    fault("node lost while training", noticed, "resumed from its checkpoint", "less than an epoch")


def test_training_goes_on_when_its_time_is_up(done, long_training, cluster, tmp_path, fault):
    """A time limit of a minute: another job goes on, no try is counted, the bytes are the same."""
    run = again(done, tmp_path, LONG, cluster)
    shutil.rmtree(run.folder / "results" / "checkpoints")
    run.start("--packed-slurm-max-minutes=1", CAE)
    run.wait_for(CHECKPOINT)
    freeze(run, "pretrain_cae")
    assert run.finish() == 0, run.said()
    ended = run.events("pack_ended")
    assert ended[0]["state"] == "TIMEOUT"
    assert "goes on from its checkpoint" in run.events("members_requeued")[0]["reason"]
    assert run.events("job_failed") == []
    assert (run.folder / CAE).read_bytes() == long_training
    late = run.events("members_requeued")[0]["t"] - run.events("pack_started")[0]["t"] - 60
    fault("time limit while training", late, "another job goes on", "less than an epoch")
