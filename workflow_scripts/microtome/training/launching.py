"""Running a training step in this process, or in one process a GPU through torchrun."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch

from microtome.errors import InputError
from microtome.logs import continue_log
from microtome.networks.devices import default_device
from microtome.training.distributed import is_first, process_group


def launch(step: Callable[..., None], *, gpus: int, log_path: str, **settings: object) -> None:
    """Call `step` with `settings`, on one or several GPUs of this machine.

    `step` is a function of a module of the library, its `settings` what JSON can hold. From 2 GPUs
    on torchrun starts so many processes, each of which calls it, the first with the rule's log at
    `log_path`; without GPUs they share the CPU. InputError if there are fewer GPUs, or if the step
    raises one.
    """
    if gpus == 1:
        step(**settings)
        return
    n_there = torch.cuda.device_count()
    if torch.cuda.is_available() and n_there < gpus:
        raise InputError(f"gpus is {gpus}, but this machine has {n_there}; lower gpus")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    if default_device().type == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""  # of cards that cannot be used
    with tempfile.TemporaryDirectory() as folder:
        error = Path(folder) / "error"
        names = {"module": step.__module__, "step": step.__name__}
        job = {**names, "settings": settings, "log": log_path, "error": str(error)}
        (Path(folder) / "job.json").write_text(json.dumps(job))
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
        done = subprocess.run(  # noqa: S603, a list of our own words: no shell
            [sys.executable, *torchrun, "-m", __name__, f"{folder}/job.json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if error.exists():
            raise InputError(error.read_text())
    if done.returncode:
        raise RuntimeError(f"torchrun ended with {done.returncode}:\n{done.stderr[-8000:]}")


def _run(path: str) -> None:
    """What each of the processes does."""
    job = json.loads(Path(path).read_text())
    step = getattr(import_module(job["module"]), job["step"])
    with process_group():
        if is_first():
            continue_log(job["log"])
        try:
            step(**job["settings"])
        except InputError as error:
            Path(job["error"]).write_text(str(error))
            raise


if __name__ == "__main__":
    _run(sys.argv[1])
