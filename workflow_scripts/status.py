"""Say how the newest run stands: what is done, runs, waits and failed, and if it is still alive."""

import argparse
import sys
import time
from pathlib import Path

from microtome.errors import InputError
from microtome.run_status import run_status


def main() -> None:
    """Print the status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--directory", type=Path, default=Path(), help="where the workflow runs (default: here)"
    )
    print("\n".join(run_status(parser.parse_args().directory, now=time.time())))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
