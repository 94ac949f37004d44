"""The small cohort on the test cluster: its runs, and what they leave."""

import shutil
from pathlib import Path

from conftest import SMALL_CONFIG, Workflow

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


def on_cluster(workflow: Workflow, cluster, *arguments: str) -> Run:
    """A run of this workflow on the cluster."""
    given = (*THREADS, "--configfile", str(workflow.folder / "config.yaml"), *arguments)
    return Run(cluster, workflow.folder, workflow.source / "Snakefile", given)


def changed(**models: object) -> dict:
    """The small config with other settings of HistoCAE1."""
    entry = {**SMALL_CONFIG["models"]["histocae1"], **models}
    return {**CONFIG, "models": {**SMALL_CONFIG["models"], "histocae1": entry}}


def again(done: Run, folder: Path, config: dict, cluster) -> Run:
    """A copy of a finished run, to do some of it again with another config."""
    workflow = Workflow(done.snakefile.parent, folder / "run")
    unneeded = shutil.ignore_patterns("logs", "driver.txt")
    shutil.copytree(done.folder, workflow.folder, ignore=unneeded)
    workflow.configure(config)
    return on_cluster(workflow, cluster)
