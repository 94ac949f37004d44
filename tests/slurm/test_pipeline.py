"""The pipeline itself on a cluster: the same bytes as at home, whatever happens on the way."""

import json
import shutil
from pathlib import Path

import psutil
import pytest

from conftest import SMALL_COHORT, SMALL_CONFIG, Workflow, copy_workflow

from .runs import Run, until

# Networks on the CPU of this host: results depend on the number of threads, so it is the same.
THREADS = ("--set-threads", "pretrain_cae=2", "train_classifier=2")
# The seconds that each model took, and what a run that was cut off would go on from.
NOT_COMPARED = ("evaluation/costs.csv", "checkpoints/")
CONFIG = {**SMALL_CONFIG, "allow_cpu": True}
CAE = "results/models/histocae1/cae_1um.safetensors"
CHECKPOINT = "results/checkpoints/histocae1_pretraining_1um.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder that is a result."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in sorted(files.items())
        if not name.startswith((*NOT_COMPARED, "run_report/"))
    }


def on_cluster(workflow: Workflow, cluster, *arguments: str) -> Run:
    """A run of this workflow on the cluster."""
    given = (*THREADS, "--configfile", str(workflow.folder / "config.yaml"), *arguments)
    return Run(cluster, workflow.folder, workflow.source / "Snakefile", given)


def changed(**models: object) -> dict:
    """The small config with other settings of HistoCAE1."""
    entry = {**SMALL_CONFIG["models"]["histocae1"], **models}
    return {**CONFIG, "models": {"histocae1": entry}}


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


def again(done: Run, folder: Path, config: dict, cluster) -> Run:
    """A copy of a finished run, to do some of it again with another config."""
    workflow = Workflow(done.snakefile.parent, folder / "run")
    unneeded = shutil.ignore_patterns("logs", "driver.txt")
    shutil.copytree(done.folder, workflow.folder, ignore=unneeded)
    workflow.configure(config)
    return on_cluster(workflow, cluster)


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


LONG = changed(pretraining={"epochs": 6, "batch": 8})


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


@pytest.fixture
def scoring(done, cluster, tmp_path) -> tuple[Run, list[str]]:
    """A run of which all slides are still to be scored, and what it is to make."""
    run = again(
        done, tmp_path, {**CONFIG, "score_splits": ["train", "validation", "test"]}, cluster
    )
    assert run.run("results/cohort.tsv") == 0, run.said()
    shutil.rmtree(run.folder / "results" / "scores" / "histocae1")
    shutil.rmtree(run.folder / "logs")
    return run, [f"results/scores/histocae1/{slide}.zarr" for slide in SMALL_COHORT]


def scores_of_test_slide(run: Run) -> dict[str, bytes]:
    """The scores of the slide that every run scores."""
    return contents(run.folder / "results" / "scores" / "histocae1" / "demo-10.zarr")


def test_a_lost_node_while_scoring_costs_one_slide(done, scoring, fault):
    """Slides scored before are not scored again; the maps are the same as without the fault."""
    run, scores = scoring
    run.start(*scores)
    until(lambda: run.events("member_finished"), "a slide that is scored")
    first = run.events("member_finished")[0]["job"]
    node = run.events("pack_started")[-1]["node"]
    noticed = run.survive_loss(node)
    started = [event["job"] for event in run.events("member_started")]
    assert started.count(first) == 1
    assert all((run.folder / path).is_dir() for path in scores)
    assert scores_of_test_slide(run) == scores_of_test_slide(done)
    fault("node lost while scoring", noticed, "the rest scored elsewhere", "the slide in work")


def test_slides_share_a_job_and_a_loaded_model(scoring):
    """One GPU job, one process that loads the network; a slide added later is scored alone."""
    run, scores = scoring
    assert run.run(*scores[:3]) == 0, run.said()
    [pack] = run.events("pack_submitted")
    assert len(pack["jobs"]) == 3
    starts = [event["t"] for event in run.events("member_started")]
    ends = [event["t"] for event in run.events("member_finished")]
    took = [end - start for start, end in zip(starts, ends, strict=True)]
    assert max(took[1:]) < took[0]  # importing torch and loading was done once
    assert run.run(*scores) == 0, run.said()
    [_, pack] = run.events("pack_submitted")
    assert len(pack["jobs"]) == 1


def test_a_job_that_finds_no_gpu_says_so(done, cluster, tmp_path, fault):
    """At once, in one line that names the causes, instead of running for days on a CPU."""
    config = {key: value for key, value in CONFIG.items() if key != "allow_cpu"}
    run = again(done, tmp_path, config, cluster)
    shutil.rmtree(run.folder / "results" / "scores" / "histocae1")
    assert run.run("--retries=0", "results/scores/histocae1/demo-10.zarr") == 1
    log = (run.folder / "logs" / "score_slide" / "histocae1" / "demo-10.log").read_text()
    assert "no GPU on" in log
    assert "though one was asked for" in log
    assert "Traceback" not in log
    assert "no GPU on" in run.said()
    [failed] = run.events("member_failed")
    took = failed["t"] - run.events("member_started")[0]["t"]
    fault("no GPU where one was asked for", took, "ended with a line that says so", "nothing")


def test_a_model_is_trained_on_two_cards_of_one_node(done, cluster, tmp_path):
    """`gpus: 2`: one job with both cards, two processes; here they share the CPU."""
    run = again(done, tmp_path, changed(gpus=2), cluster)
    shutil.rmtree(run.folder / "results" / "checkpoints")
    assert run.run(CAE) == 0, run.said()
    [pack] = run.events("pack_submitted")
    assert pack["gpus"] == 2
    card = json.loads((run.folder / CAE).with_suffix(".json").read_text())
    assert card["entry"]["gpus"] == 2
    log = (run.folder / "logs" / "pretrain_cae" / "histocae1_1um.log").read_text()
    assert "CUDA_VISIBLE_DEVICES is '0,1'" in log


def test_slides_are_read_from_the_nodes_own_disk(done, cluster, tmp_path):
    """Copied, read, removed; the scores are the same."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    config = {**CONFIG, "scratch_dir": f"{scratch}/$SLURMD_NODENAME"}
    run = again(done, tmp_path, config, cluster)
    shutil.rmtree(run.folder / "results" / "scores" / "histocae1")
    assert run.run("results/scores/histocae1/demo-10.zarr") == 0, run.said()
    [node] = scratch.iterdir()
    assert node.name in ("gpu1", "gpu2")
    assert list(node.iterdir()) == []
    assert scores_of_test_slide(run) == scores_of_test_slide(done)
