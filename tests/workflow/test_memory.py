"""Memory does not grow with a slide's area."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import REPOSITORY

TESTS = REPOSITORY / "tests"


def peak_mb(folder: Path, side_px: int) -> float:
    """Peak memory of a process that takes a slide of 0.5 µm/px from overview to burden."""
    program = [
        sys.executable,
        TESTS / "helpers" / "large_slide.py",
        folder,
        str(side_px),
        "0.5",
        "8",
    ]
    path = f"{REPOSITORY / 'workflow_scripts'}:{TESTS}"
    done = subprocess.run(
        program,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak, burden = done.stdout.split()
    assert float(burden) > 0.5
    return float(peak)


def test_sixteen_times_the_area_is_hardly_more_memory(tmp_path):
    """From 12 000 to 48 000 px a side: less than 100 MB more. One RGB float32 would take 108 MB."""
    small, large = (peak_mb(tmp_path / str(side), side) for side in (12_000, 48_000))
    assert large - small < 100
    assert large < 400
