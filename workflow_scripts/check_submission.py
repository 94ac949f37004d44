"""Check an archive again, or one that was changed by hand, against the JSON beside it."""

import argparse
import sys
from pathlib import Path

from microtome.errors import InputError
from microtome.files import read_json
from microtome.submission_checks import check_submission


def main() -> None:
    """Print every problem, one line each, and exit with 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="results/submissions/CHALLENGE/MODEL.zip")
    archive = parser.parse_args().archive
    record = archive.with_suffix(".json")
    for path in (archive, record):
        if not path.exists():
            raise InputError(f"{path}: does not exist")
    made = read_json(record)
    problems = check_submission(made["challenge"], archive, made["cases"])
    if problems:
        sys.exit("\n".join(problems))
    print(f"{archive}: {len(made['cases'])} cases, valid for {made['challenge']}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
