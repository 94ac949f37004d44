"""What the scripts of all peers share: arguments, clock, memory, and a look at the pixels.

Runs in the peers' own environments, so nothing but Python and NumPy is imported.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PATCH_PX = 256
SLIDE_UM = 0.5
# Of so many patches the mean is reported, for the runner to compare with OpenSlide's.
CHECKED = 64


@dataclass
class Job:
    """What a peer is asked for, and what it has done.

    Attributes
    ----------
    slide : str
        The slide file.
    corners : ndarray of shape (n, 2)
        Upper left corners of the patches, level-0 px, int64.
    spacing_um : float
        µm per patch px.
    workers : int
        Threads or processes, as the peer has them.
    """

    slide: str
    corners: np.ndarray
    spacing_um: float
    workers: int
    means: list[float] = field(default_factory=list)
    n: int = 0

    @property
    def read_px(self) -> int:
        """Side of a patch in level-0 px."""
        return round(PATCH_PX * self.spacing_um / SLIDE_UM)

    def take(self, pixels: np.ndarray) -> None:
        """Count one patch, (256, 256, 3) uint8, and look at its pixels."""
        self.count(look(pixels))

    def count(self, mean: float) -> None:
        """Count one patch that a worker has looked at."""
        self.n += 1
        if len(self.means) < CHECKED:
            self.means.append(mean)

    def in_threads(self, open_slide: Callable, read: Callable) -> None:
        """Read the patches in threads, a handle each; for peers that have no loader of their own.

        Parameters
        ----------
        open_slide : callable
            Gives a handle.
        read : callable
            ``read(handle, x_px, y_px)`` gives a patch.
        """

        def share(k: int) -> list[float]:
            handle = open_slide()
            return [look(read(handle, int(x), int(y))) for x, y in shares[k]]

        shares = np.array_split(self.corners, self.workers)
        with ThreadPoolExecutor(self.workers) as pool:
            for means in pool.map(share, range(self.workers)):
                for mean in means:
                    self.count(mean)


def look(pixels: np.ndarray) -> float:
    """Mean of every eighth pixel, so that no patch stays unread."""
    pixels = np.asarray(pixels)
    if pixels.shape != (PATCH_PX, PATCH_PX, 3) or pixels.dtype != np.uint8:
        raise ValueError(f"a patch is {pixels.shape}, {pixels.dtype}")
    return float(pixels[4::8, 4::8].mean())


def peak_mb() -> float:
    """Peak memory of this process and the largest of its children.

    For more than one child it is a lower limit.
    """
    # Not ru_maxrss for this process: that one begins with the memory of who started it.
    status = Path("/proc/self/status").read_text()
    own_kb = int(status.split("VmHWM:")[1].split()[0])
    return (own_kb + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def main(read_all: Callable[[Job], None]) -> None:
    """Run a peer on the command line's arguments and write what it took as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("slide")
    parser.add_argument("places", type=Path)
    parser.add_argument("spacing", type=float)
    parser.add_argument("workers", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--began", type=float, required=True, help="time.time() of the runner")
    arguments = parser.parse_args()
    corners = np.load(arguments.places)[: arguments.limit]
    job = Job(arguments.slide, corners, arguments.spacing, arguments.workers)
    began = time.perf_counter()
    read_all(job)
    loop_s = time.perf_counter() - began
    if job.n != len(corners):
        raise RuntimeError(f"{job.n} patches came, not {len(corners)}")
    result = {
        "n": job.n,
        "loop_s": loop_s,
        "whole_s": time.time() - arguments.began,
        "peak_mb": peak_mb(),
        "bytes_per_patch": 0,
        "mean": float(np.mean(job.means)),
    }
    arguments.out.write_text(json.dumps(result))
    # Some loaders leave threads behind that would keep the process; nothing is left to do.
    os._exit(0)
