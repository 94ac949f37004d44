"""Scripts of rules, run without Snakemake."""

import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

REPOSITORY = Path(__file__).parent.parent.parent
LIBRARY = REPOSITORY / "workflow_scripts"


def run_job(script: str, *, log: str, **parts: dict) -> None:
    """Run a script of `jobs/` with `output`, `params` and `wildcards` by name."""
    named = {part: SimpleNamespace(**values) for part, values in parts.items()}
    snakemake = SimpleNamespace(log=[log], **named)
    runpy.run_path(str(LIBRARY / "jobs" / script), init_globals={"snakemake": snakemake})


def digests_in_new_process(
    script: str, folder: Path, names: tuple[str, ...], *, hash_seed: int, **parts: dict
) -> dict[str, str]:
    """Run a script that writes `names` into a new folder; give the digest of each."""
    folder.mkdir()
    arguments = {"log": f"{folder}.log", "output": {name: str(folder / name) for name in names}}
    code = f"from helpers.job_scripts import run_job; run_job({script!r}, **{arguments | parts!r})"
    path = f"{LIBRARY}{os.pathsep}{REPOSITORY / 'tests'}"
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def run_command(script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a command of `workflow_scripts` in a folder."""
    return subprocess.run(
        [sys.executable, REPOSITORY / "workflow_scripts" / script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
