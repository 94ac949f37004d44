"""The small cohort on the test cluster: its runs, and what they leave."""

import shutil
from pathlib import Path

from conftest import SMALL_COHORT, SMALL_CONFIG, Workflow, copy_workflow

from .runs import Run

# Networks on the CPU of this host: results depend on the number of threads, so it is the same.
THREADS = ("--set-threads", "pretrain_cae=2", "train_classifier=2")
# The seconds that each model took, and what a run that was cut off would go on from.
NOT_COMPARED = ("evaluation/costs.csv", "checkpoints/")
CONFIG = {**SMALL_CONFIG, "allow_cpu": True}
CAE = "results/models/histocae1/cae_1um.safetensors"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder that is a result."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in sorted(files.items())
        if not name.startswith((*NOT_COMPARED, "run_report/"))
    }


def changed(**models: object) -> dict:
    """The small config with other settings of HistoCAE1."""
    entry = {**SMALL_CONFIG["models"]["histocae1"], **models}
    return {**CONFIG, "models": {**SMALL_CONFIG["models"], "histocae1": entry}}


def new_workflow(root: Path, python: Path) -> Workflow:
    """The small cohort, of which nothing is there."""
    workflow = copy_workflow(root, python)
    workflow.configure(CONFIG, SMALL_COHORT)
    return workflow


def copied(done: Workflow, root: Path, config: dict, *, without: tuple[str, ...] = ()) -> Workflow:
    """A copy of a finished run without some folders of its results, to make them anew."""
    workflow = Workflow(done.source, root / "run", done.python)
    shutil.copytree(done.folder, workflow.folder, ignore=shutil.ignore_patterns("logs"))
    for name in without:
        shutil.rmtree(workflow.folder / "results" / name)
    workflow.configure(config)
    return workflow


def run_here(workflow: Workflow, *targets: str) -> None:
    """Run on this machine, with as many threads as on the cluster."""
    finished = workflow.run(*THREADS, "--cores", "2", *targets)
    assert finished.returncode == 0, finished.stdout


def on_cluster(workflow: Workflow, cluster) -> Run:
    """A run of this workflow on the cluster."""
    given = (*THREADS, "--configfile", str(workflow.folder / "config.yaml"))
    return Run(cluster, workflow.folder, workflow.source / "Snakefile", given)
