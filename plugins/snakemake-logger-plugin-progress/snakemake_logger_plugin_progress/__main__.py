"""What a run log tells, on the command line: ``python -m snakemake_logger_plugin_progress``."""

import argparse
import sys
import time
from pathlib import Path

from .errors import InputError
from .run_report import REPORT, make_run_report
from .run_status import run_status


def main(arguments: list[str]) -> None:
    """Print how the newest run stands, or write a report and say where."""
    parser = argparse.ArgumentParser(prog="python -m snakemake_logger_plugin_progress")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("status", "how the newest run stands: what is done, runs, waits and failed"),
        ("report", "time, memory, GPUs, faults, what took longest, and a picture"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--directory", type=Path, default=Path(), help="where the workflow runs (default: here)"
        )
        if name == "report":
            command.add_argument("--last", action="store_true", help="of the newest run alone")
            command.add_argument("--into", default=REPORT, help=f"folder below it ({REPORT})")
    given = parser.parse_args(arguments)
    if given.command == "status":
        print("\n".join(run_status(given.directory, now=time.time())))
    else:
        print(f"{make_run_report(given.directory, given.into, last=given.last)}/summary.md")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(str(error))
