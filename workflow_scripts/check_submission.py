"""Check the archive of a submission once more, or one changed by hand, by the JSON beside it."""

import argparse
import hashlib
import sys
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.submission.checks import check_submission
from microtome.submission.provenance import compare_records


def main() -> None:
    """Print every problem, one line each, and exit with 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="results/submissions/CHALLENGE/MODEL.zip")
    parser.add_argument("--beside", type=Path, help="JSON of another one: say what is different")
    given = parser.parse_args()

    made = _record(given.archive.with_suffix(".json"))
    if not given.archive.exists():
        raise InputError(f"{given.archive}: does not exist")
    problems = check_submission(made["challenge"], given.archive, made["cases"])
    with given.archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    print(f"{given.archive}: {len(made['cases'])} cases for {made['challenge']}")
    if digest != made["archive"]["sha256"]:
        print(f"{given.archive}: was changed since its JSON was written")
    for line in compare_records(made, _record(given.beside)) if given.beside else ():
        print(line)
    if problems:
        sys.exit("\n".join(problems))


def _record(path: Path) -> dict:
    try:
        made = read_json(path)
    except (OSError, ValueError):
        raise InputError(f"{path}: cannot be read; it is written with the submission") from None
    if not isinstance(made, dict) or not {"challenge", "cases", "archive"} <= made.keys():
        raise InputError(f"{path}: does not say what a submission was made from")
    return made


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(str(error))
