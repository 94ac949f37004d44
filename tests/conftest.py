"""What several tests share: a copy of the workflow, and one finished run of a small demo cohort."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from helpers.preloaded_python import Preloaded

REPOSITORY = Path(__file__).parent.parent
REAL_DATA = REPOSITORY.parent / "shared" / "data"
PARTS = (
    *("Snakefile", "config.yaml", "progress.yaml"),
    *("rules", "workflow_scripts", "envs", "profiles"),
)
# Processes that tests start find the library and the plugins of this checkout, installed or not.
LIBRARIES = [REPOSITORY / "workflow_scripts", *sorted((REPOSITORY / "plugins").iterdir())]
os.environ["PYTHONPATH"] = os.pathsep.join(
    [*map(str, LIBRARIES), *filter(None, [os.environ.get("PYTHONPATH")])]
)

PYTHON = pytest.StashKey[Path]()
ON_THE_FINISHED_RUN = (
    "test_workflow.py",
    "test_workflow_faults.py",
    "test_staging_workflow.py",
    "test_nuclei_workflow.py",
)

LONGEST = (
    "test_patch_reading.py",
    "test_patch_networks.py",
    "test_step_client.py",
    "test_commands.py",
    "test_hostile_slides.py",
    "test_pack_runner.py",
    "test_packed_executor.py",
)

# Processes that run tests have a core each: more threads would wait for each other. PyTorch looks
# here when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell makes what it starts in the background deaf to Ctrl-C, and so its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
# How fast an example is made or tested depends on what else runs on the machine.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Small enough for tests: four slides of a sixth of the demo's area, one epoch.
SMALL_COHORT = {
    "demo-01": {"split": "train", "annotation": "demo/cohort/demo-01_paip.xml"},
    "demo-02": {"split": "train", "annotation": "demo/cohort/demo-02_asap.xml"},
    "demo-03": {
        "split": "validation",
        "viable_mask": "demo/cohort/demo-03_viable.tif",
        "whole_mask": "demo/cohort/demo-03_whole.tif",
    },
    "demo-10": {"split": "test", "annotation": "demo/cohort/demo-10_paip.xml"},
}
SMALL_CONFIG = {
    "slides": "slides.tsv",
    "models": {
        "histocae1": {
            "patch_px": 128,
            "pretraining": {"epochs": 2, "batch": 8},
            "training": {"epochs": 2, "batch": 8},
        },
        "colour": {"patch_px": 128},
    },
    "demo": {"width_px": 3200, "height_px": 2800, "artefacts": {}},
}
# A lymph node that is submitted, for recipes that ask for that.
NODE = {
    "patient_1_node_0": {
        "path": "demo/cohort/nodes/patient_1_node_0.svs",
        "patient": "patient_1",
        "node": 0,
        "split": "test",
        "label": "itc",
    }
}
COLUMNS = (
    "slide",
    "path",
    "patient",
    "node",
    "split",
    "fold",
    "annotation",
    "viable_mask",
    "whole_mask",
    "label",
    "spacing_um",
)


def write_sheet(path: Path, rows: dict[str, dict]) -> None:
    """Write a slide sheet; a row without a path is a slide of the demo cohort."""
    lines = ["\t".join(COLUMNS)]
    for slide, row in rows.items():
        values = {"slide": slide, "path": f"demo/cohort/{slide}.svs", **row}
        lines.append("\t".join(str(values.get(column, "")) for column in COLUMNS))
    path.write_text("\n".join(lines) + "\n")


@dataclass
class Workflow:
    """A copy of the workflow, which a test may change, and a folder to run it in."""

    source: Path
    folder: Path
    python: Path = Path(sys.executable)

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run."""
        return [
            str(self.python),
            "-m",
            "snakemake",
            "--snakefile",
            str(self.source / "Snakefile"),
            "--directory",
            str(self.folder),
            "--configfile",
            str(self.folder / "config.yaml"),
            "--workflow-profile",
            str(self.source / "profiles" / "default"),
            "--cores",
            "1",
            *arguments,
        ]

    def run(self, *arguments: str, **settings) -> subprocess.CompletedProcess:
        """Run snakemake and return what it said, output and errors together."""
        return subprocess.run(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **settings,
        )

    def configure(self, config: dict, rows: dict[str, dict] | None = None) -> None:
        """Write the config and, where rows are given, the slide sheet."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))
        if rows is not None:
            write_sheet(self.folder / "slides.tsv", rows)

    def planned(self, *arguments: str) -> set[str]:
        """The rules that a run would execute now."""
        done = self.run("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        lines = [line.strip() for line in done.stdout.splitlines()]  # groups are indented
        return {
            line.split()[1].rstrip(":")
            for line in lines
            if line.startswith(("rule ", "localrule ", "checkpoint ", "localcheckpoint "))
        } - {"all"}

    def cohort(self) -> dict[str, dict[str, str]]:
        """The rows of results/cohort.tsv, by slide."""
        lines = (self.folder / "results" / "cohort.tsv").read_text().splitlines()
        header = lines[0].split("\t")
        rows = [dict(zip(header, line.split("\t"), strict=True)) for line in lines[1:]]
        return {row["slide"]: row for row in rows}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: whole runs, then the longest of the other files."""
    items.sort(key=lambda item: not any(part in item.nodeid for part in LONGEST))
    items.sort(key=lambda item: "tests/workflow/" not in item.nodeid)


class ByFile(LoadScopeScheduling):
    """Gives processes a file at a time; all that looks at the finished run is for one of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "finished" if Path(file).name in ON_THE_FINISHED_RUN else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    """Deal tests out to processes in their order."""
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the one process that forks for all that run tests."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory()
        server = Preloaded(Path(folder.name) / "p")
        config.stash[PYTHON] = server.python
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(server.end)


def pytest_configure_node(node: WorkerController) -> None:
    """Tell a process that runs tests of it."""
    node.workerinput["python"] = str(node.config.stash[PYTHON])


@pytest.fixture(scope="session")
def preloaded_python(request):
    """A command like Python whose processes begin with the imports of a run done."""
    told = getattr(request.config, "workerinput", None)
    return Path(told["python"]) if told else request.config.stash[PYTHON]


def copy_workflow(root: Path, python: Path = Path(sys.executable)) -> Workflow:
    """Copy the workflow to `root`, beside an empty folder to run it in."""
    workflow = Workflow(root / "source", root / "run", python)
    workflow.folder.mkdir()
    for part in PARTS:
        source, target = REPOSITORY / part, workflow.source / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(source, target)
    return workflow


@pytest.fixture(scope="session")
def make_workflow(tmp_path_factory, preloaded_python):
    """Give a function that copies the workflow and makes a folder to run it in."""
    return lambda: copy_workflow(tmp_path_factory.mktemp("workflow"), preloaded_python)


@pytest.fixture(scope="session")
def finished(make_workflow) -> Workflow:
    """A finished run of the small cohort. Tests that change it put back what they changed."""
    workflow = make_workflow()
    workflow.configure(SMALL_CONFIG, SMALL_COHORT)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture(scope="session")
def real_slides() -> Path:
    """The folder of real slides, where this machine has it."""
    folder = REAL_DATA / "slides"
    if not folder.is_dir():
        pytest.skip("the folder of real slides (../shared/data/slides) is not here")
    return folder
