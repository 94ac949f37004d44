"""Running one contestant once, in a process of its own, and summing up its rounds."""

import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from contestants import Contestant
from places import Places

from slides import CACHE

_QUICK_LIMIT = 100
_TIME_OUT_S = 1800


@dataclass(frozen=True)
class Case:
    """One slide and the patches wanted of it."""

    name: str
    slide: Path
    places: Places
    spacing_um: float


@dataclass
class Measurement:
    """All runs of a contestant with so many workers on one case."""

    contestant: Contestant
    workers: int
    case: Case
    runs: list[dict] = field(default_factory=list)

    def median(self, key: str) -> float | None:
        """Median of one figure over the rounds; None where the contestant gives none."""
        values = [run[key] for run in self.runs if key in run]
        return statistics.median(values) if values else None

    @property
    def loop_rate(self) -> float:
        """Patches/s of the loop alone."""
        return self.median("n") / self.median("loop_s")

    @property
    def whole_rate(self) -> float | None:
        """Patches/s of the whole process for all patches of the case.

        Where only the first patches were read, the rest is reckoned at the rate of the loop.
        """
        if self.median("whole_s") is None:
            return None
        start_s = self.median("whole_s") - self.median("loop_s")
        return self.case.places.n / (start_s + self.case.places.n / self.loop_rate)

    @property
    def is_limited(self) -> bool:
        """Whether only the first patches were read."""
        return self.median("n") < self.case.places.n


def measure(contestant: Contestant, case: Case, workers: int, *, quick: bool, pin: bool) -> dict:
    """Run a contestant once.

    Parameters
    ----------
    contestant, case, workers
        Who, on what, with how many threads or processes.
    quick : bool
        Fewer patches for slow peers.
    pin : bool
        Give it as many cores as workers: some start threads beside those they are asked for.

    Returns
    -------
    dict
        What its script wrote.

    Raises
    ------
    NotInstallableError
        If its environment cannot be made.
    RuntimeError
        If it fails; the message is the last line it printed.
    """
    command = contestant.command()
    if pin:
        cores = sorted(os.sched_getaffinity(0))[:workers]
        command = ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]
    # On the same disk as the slides: memory would flatter who writes.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        out = Path(folder) / "out.json"
        command += [str(case.slide), str(case.places.corners), f"{case.spacing_um:g}"]
        command += [str(workers), str(out)]
        if contestant.limit:
            command += ["--limit", str(_QUICK_LIMIT if quick else contestant.limit)]
        # Of the page cache everyone finds the same: the slide is in it.
        _read_through(case.slide)
        if not contestant.is_bound:
            command += ["--began", repr(time.time())]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                check=False,
                capture_output=True,
                text=True,
                timeout=_TIME_OUT_S,
                env=os.environ | {"OMP_NUM_THREADS": str(workers)},
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"not done after {_TIME_OUT_S} s") from error
        if not out.exists():
            lines = done.stderr.strip().splitlines() or [f"ends with {done.returncode}"]
            raise RuntimeError(lines[-1])
        return json.loads(out.read_text())


def _read_through(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass
