"""Jobs on the nodes of a cluster: loaded models, cards, disks, and the loss of a node."""

import json
import shutil

import pytest

from conftest import SMALL_COHORT, copy_workflow

from .runs import Run, until
from .small_cohort import CAE, CONFIG, THREADS, again, changed, contents, on_cluster


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory, preloaded_python) -> Run:
    """The small cohort, run at home from nothing to its tables."""
    workflow = copy_workflow(tmp_path_factory.mktemp("cohort"), preloaded_python)
    workflow.configure(CONFIG, SMALL_COHORT)
    finished = workflow.run(*THREADS, "--cores", "2")
    assert finished.returncode == 0, finished.stdout
    return on_cluster(workflow, cluster)


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
