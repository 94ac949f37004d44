"""What Snakemake measured of jobs: time, memory, CPU time."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import nan
from pathlib import Path

# Thousands of small files: on a file server most of the time is spent waiting for it.
_READERS = 16


@dataclass(frozen=True)
class Benchmark:
    """A job's seconds, largest memory (MB) and CPU seconds; NaN where it is not known."""

    seconds: float
    peak_mb: float
    cpu_s: float


def read_benchmarks(directory: Path, paths: Iterable[str]) -> dict[str, Benchmark]:
    """Read benchmark files by their paths, relative to `directory`; missing ones are left out."""
    paths = list(dict.fromkeys(paths))
    parts = [paths[i::_READERS] for i in range(_READERS)]
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda part: [(path, _read(directory / path)) for path in part], parts)
        return {path: one for part in found for path, one in part if one}


def _read(path: Path) -> Benchmark | None:
    try:
        header, *rows = path.read_text().splitlines()
    except (OSError, ValueError):
        return None
    if not rows:
        return None
    row = dict(zip(header.split("\t"), rows[-1].split("\t"), strict=False))
    return Benchmark(_number(row, "s"), _number(row, "max_rss"), _number(row, "cpu_time"))


def _number(row: dict[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (KeyError, ValueError):
        return nan
