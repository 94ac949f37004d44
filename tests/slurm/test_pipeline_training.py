"""What becomes of a training on a cluster that its job cannot finish: the same bytes, later."""

import time

import psutil
import pytest

from conftest import Workflow

from .runs import Run, until
from .small_cohort import CAE, changed, copied, on_cluster, run_here

CHECKPOINT = "results/checkpoints/histocae1_pretraining_1um.safetensors"
LONG = changed(pretraining={"epochs": 4, "batch": 8})
UNTRAINED = ("checkpoints", "models")


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
def done(home, tmp_path_factory) -> Workflow:
    """An autoencoder trained at home and in one go."""
    workflow = copied(home, tmp_path_factory.mktemp("long"), LONG, without=UNTRAINED)
    run_here(workflow, CAE)
    return workflow


@pytest.fixture
def frozen(home, cluster, tmp_path) -> Run:
    """The same training on the cluster, held after a checkpoint."""
    run = on_cluster(copied(home, tmp_path, LONG, without=UNTRAINED), cluster)
    run.start("--packed-slurm-max-minutes=6", CAE)
    run.wait_for(CHECKPOINT)
    freeze(run, "pretrain_cae")
    return run


def weights(one: Run | Workflow) -> bytes:
    """What the training is for."""
    return (one.folder / CAE).read_bytes()


def test_a_lost_node_costs_training_less_than_an_epoch(done, frozen, fault):
    """It goes on from its checkpoint elsewhere, to the same bytes."""
    noticed = frozen.lose(frozen.events("pack_started")[0]["node"])
    assert frozen.finish() == 0, frozen.said()
    log = (frozen.folder / "logs" / "pretrain_cae" / "histocae1_1um.log").read_text()
    assert "resumed after epoch" in log
    assert weights(frozen) == weights(done)
    fault("node lost while training", noticed, "resumed from its checkpoint", "less than an epoch")


def test_training_goes_on_when_its_time_is_up(done, frozen, cluster, fault):
    """A time limit of a minute: another job goes on, no try is counted, the bytes are the same."""
    job = frozen.events("pack_submitted")[0]["slurm_id"]
    asked = cluster.run("squeue", "--noheader", f"--jobs={job}", "--format=%l").stdout
    assert asked == "6:00\n"  # as the profile allows: its step alone would ask for more
    # Not from the start: the first epoch takes as long as it takes.
    cluster.run("scontrol", "update", f"JobId={job}", "TimeLimit=1")
    up = max(time.time(), frozen.events("pack_started")[0]["t"] + 60)
    assert frozen.finish() == 0, frozen.said()
    assert frozen.events("pack_ended")[0]["state"] == "TIMEOUT"
    [requeued] = frozen.events("members_requeued")
    assert "goes on from its checkpoint" in requeued["reason"]
    assert frozen.events("job_failed") == []
    assert weights(frozen) == weights(done)
    late = requeued["t"] - up
    fault("time limit while training", late, "another job goes on", "less than an epoch")
