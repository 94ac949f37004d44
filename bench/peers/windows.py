"""What all who score overlapping windows share: the networks, the arguments, what they report.

Runs in the peers' own environments, so nothing but Python, NumPy and PyTorch is imported.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from common import peak_mb
from torch import nn

WINDOW_PX, STRIDE_PX = 512, 256
# What Microtome takes at a time of such windows, if unset, on a CPU.
BATCH = 2
_CHANNELS = 8
_CONTRAST = 8.0


def _fcn() -> nn.Module:
    """Three convolutions; a px sees 3 px around it."""
    return nn.Sequential(
        nn.Conv2d(3, _CHANNELS, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(_CHANNELS, 2, 1),
    )


def _trivial() -> nn.Module:
    """A px's probability follows from its own colour: hardly more than copying it."""
    layer = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[1] = -_CONTRAST / 3
        layer.bias.copy_(torch.tensor([0.0, _CONTRAST * 0.75]))
    return layer


NETWORKS: dict[str, Callable[[], nn.Module]] = {"fcn": _fcn, "trivial": _trivial}


def save_weights(path: Path, name: str) -> None:
    """Draw the weights of a network, and write them for all environments as NPZ."""
    torch.manual_seed(1)
    state = NETWORKS[name]().state_dict()
    np.savez(path, **{key: values.numpy() for key, values in state.items()})


def load_network(path: Path, name: str) -> nn.Module:
    """Read a network: images (B, 3, H, W) in [0, 1] to logits (B, 2, H, W)."""
    network = NETWORKS[name]()
    with np.load(path, allow_pickle=False) as file:
        network.load_state_dict({key: torch.from_numpy(file[key]) for key in file.files})
    return network.eval()


@dataclass
class Job:
    """What is asked for.

    Attributes
    ----------
    slide : Path
        Windows of its level 0.
    network : Module
        See `load_network`.
    folder : Path
        Empty; for whatever is written.
    threads : int
        For all work together.
    way : str
        Which of a script's ways to take.
    """

    slide: Path
    network: nn.Module
    folder: Path
    threads: int
    way: str


def bytes_of(path: Path) -> int:
    """Size of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _cpu_s() -> float:
    """Seconds that this process and its children that have ended kept a core busy."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(score_all: Callable[[Job], dict]) -> None:
    """Run a way on the command line's arguments and write what it took as JSON.

    Parameters
    ----------
    score_all : callable
        Does the work; returns what else is to be reported.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("way")
    parser.add_argument("slide", type=Path)
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("threads", type=int)
    parser.add_argument("began", type=float, help="time.time() of the runner")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = load_network(arguments.weights, arguments.network)
    job = Job(arguments.slide, network, arguments.folder, arguments.threads, arguments.way)
    began = time.perf_counter()
    with torch.inference_mode():
        found = score_all(job)
    took = {
        "work_s": time.perf_counter() - began,
        "whole_s": time.time() - arguments.began,
        "cpu_s": _cpu_s(),
        "peak_mb": peak_mb(),
    }
    (arguments.folder / "took.json").write_text(json.dumps(took | found))
    # Some libraries leave threads behind that would keep the process; nothing is left to do.
    os._exit(0)
