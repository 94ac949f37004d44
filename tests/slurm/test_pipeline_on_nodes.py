"""Jobs on the nodes of a cluster: loaded models, cards, disks, and the loss of a node."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import SMALL_COHORT, Workflow

from .runs import Run, until
from .small_cohort import CAE, CONFIG, changed, contents, copied, on_cluster, run_here

SPLITS = {"score_splits": ["train", "validation", "test"]}
SCORES = [f"results/scores/histocae1/{slide}.zarr" for slide in SMALL_COHORT]
TEST_SCORES = "results/scores/histocae1/demo-10.zarr"


@pytest.fixture(scope="module")
def done(home, tmp_path_factory) -> Workflow:
    """The run at home, with grids to score all slides by."""
    workflow = copied(home, tmp_path_factory.mktemp("grids"), CONFIG | SPLITS)
    run_here(workflow, "results/cohort.tsv")
    return workflow


@pytest.fixture
def copy_run(done, cluster, tmp_path) -> Callable[..., Run]:
    """Give a function that makes a run on the cluster of which some results are gone."""

    def make(config: dict = CONFIG, without: str = "scores") -> Run:
        return on_cluster(copied(done, tmp_path, config | SPLITS, without=(without,)), cluster)

    return make


class Scored(NamedTuple):
    """A run of three slides, then of one more; what was loaded at first, and disks used then."""

    run: Run
    processes: set[str]
    scratch: Path


@pytest.fixture(scope="module")
def scored(done, cluster, tmp_path_factory) -> Scored:
    """Slides scored on the cluster, the last of them later, from the node's own disk."""
    folder = tmp_path_factory.mktemp("scored")
    workflow = copied(done, folder, CONFIG | SPLITS, without=("scores",))
    seen = Scored(on_cluster(workflow, cluster), set(), folder / "scratch")
    seen.scratch.mkdir()

    def is_over() -> bool:
        for note in folder.glob("packed-slurm-worker-*/pid"):
            with suppress(FileNotFoundError):  # it ends just now
                seen.processes.add(note.read_text())
        return seen.run.driver.poll() is not None

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))  # jobs get it too, and note there what is loaded
        seen.run.start(*SCORES[:3])
        until(is_over, "the run's end", timeout_s=900)
    assert seen.run.finish() == 0, seen.run.said()
    workflow.configure(CONFIG | SPLITS | {"scratch_dir": f"{seen.scratch}/$SLURMD_NODENAME"})
    assert seen.run.run(*SCORES) == 0, seen.run.said()
    return seen


def scores_of_test_slide(one: Run | Workflow) -> dict[str, bytes]:
    """The scores of the slide that was scored at home."""
    return contents(one.folder / TEST_SCORES)


def test_a_lost_node_while_scoring_costs_one_slide(done, copy_run, fault):
    """Slides scored before are not scored again; the maps are the same as without the fault."""
    run = copy_run()
    run.start(*SCORES)
    until(lambda: run.events("member_finished"), "a slide that is scored")
    first = run.events("member_finished")[0]["job"]
    noticed = run.lose(run.events("pack_started")[0]["node"])
    assert run.finish() == 0, run.said()
    started = [event["job"] for event in run.events("member_started")]
    assert started.count(first) == 1
    assert all((run.folder / path).is_dir() for path in SCORES)
    assert scores_of_test_slide(run) == scores_of_test_slide(done)
    fault("node lost while scoring", noticed, "the rest scored elsewhere", "the slide in work")


def test_slides_share_a_job_and_a_loaded_model(scored):
    """One GPU job, one process that loads the network."""
    first, _ = scored.run.events("pack_submitted")
    assert len(first["jobs"]) == 3
    assert len(scored.processes) == 1


def test_a_slide_added_later_is_scored_alone(scored):
    """Those that are scored stay."""
    _, second = scored.run.events("pack_submitted")
    assert len(second["jobs"]) == 1


def test_slides_are_read_from_the_nodes_own_disk(done, scored):
    """Copied, read, removed; the scores are the same."""
    [node] = scored.scratch.iterdir()
    assert node.name in ("gpu1", "gpu2")
    assert list(node.iterdir()) == []
    assert scores_of_test_slide(scored.run) == scores_of_test_slide(done)


def test_a_job_that_finds_no_gpu_says_so(copy_run, fault):
    """At once, in one line that names the causes, instead of running for days on a CPU."""
    run = copy_run({key: value for key, value in CONFIG.items() if key != "allow_cpu"})
    assert run.run("--retries=0", TEST_SCORES) == 1
    log = (run.folder / "logs" / "score_slide" / "histocae1" / "demo-10.log").read_text()
    assert "no GPU on" in log
    assert "though one was asked for" in log
    assert "Traceback" not in log
    assert "no GPU on" in run.said()
    [failed] = run.events("member_failed")
    took = failed["t"] - run.events("member_started")[0]["t"]
    fault("no GPU where one was asked for", took, "ended with a line that says so", "nothing")


def test_a_model_is_trained_on_two_cards_of_one_node(copy_run):
    """`gpus: 2`: one job with both cards, two processes; here they share the CPU."""
    run = copy_run(changed(gpus=2, pretraining={"epochs": 1, "batch": 8}), without="checkpoints")
    assert run.run(CAE) == 0, run.said()
    [pack] = run.events("pack_submitted")
    assert pack["gpus"] == 2
    card = json.loads((run.folder / CAE).with_suffix(".json").read_text())
    assert card["entry"]["gpus"] == 2
    log = (run.folder / "logs" / "pretrain_cae" / "histocae1_1um.log").read_text()
    assert "CUDA_VISIBLE_DEVICES is '0,1'" in log
