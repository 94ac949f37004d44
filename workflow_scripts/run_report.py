"""Report the runs of a cohort: time, memory, GPUs, faults, slowest slides, and a picture."""

import argparse
import sys
from pathlib import Path

from microtome.errors import InputError
from microtome.run_report import make_run_report


def main() -> None:
    """Write the folder results/run_report and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="where the workflow runs (default: here)"
    )
    parser.add_argument("--last", action="store_true", help="only the newest driver run, not all")
    given = parser.parse_args()
    print(f"{make_run_report(given.directory, last=given.last)}/summary.md")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
