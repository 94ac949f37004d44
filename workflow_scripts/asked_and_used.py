"""Print the memory and time that the jobs of a run asked for, beside what they used."""

import argparse
import sys
from pathlib import Path

from microtome.errors import InputError
from microtome.io.tables import write_table
from microtome.io.text_tables import markdown_table
from microtome.run_history import read_history
from microtome.run_log import RUNS, run_logs
from microtome.usage import find_job_uses, find_pack_uses, remarks, summarize_uses


def main() -> None:
    """Print a row a rule and a kind of pack, then what is near its limit or far below."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(), help="where the workflow ran")
    parser.add_argument("--all", action="store_true", help="all runs, not the newest alone")
    parser.add_argument("--tsv", type=Path, help="write the rows to this file")
    given = parser.parse_args()
    if given.tsv and given.tsv.suffix != ".tsv":
        raise InputError(f"--tsv {given.tsv}: give a name that ends in .tsv")

    logs = run_logs(given.directory / RUNS)
    if not logs:
        raise InputError(f"{given.directory / RUNS}: no run has left its log here; run first")
    history = read_history(
        logs if given.all else logs[-1:], directory=given.directory, running=0, now=0
    )
    uses = find_job_uses(history) + find_pack_uses(history)
    if not uses:
        raise InputError(f"{logs[-1]}: no job has finished yet; wait, or look at --all runs")
    rows = summarize_uses(uses)
    shown = [{column: _cell(value) for column, value in row.items()} for row in rows]
    print(markdown_table(shown), *remarks(uses), sep="\n")
    if given.tsv:
        write_table(given.tsv, rows)


def _cell(value: float | str) -> str:
    if not isinstance(value, float):
        return str(value)
    if value != value:  # noqa: PLR0124, NaN
        return ""
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
