"""A challenge's submission, from a cohort's results to one archive that was checked.

`_gather_members` names the members of the archive, and `checks` expects them by these names.
"""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.errors import InputError
from microtome.io.atomic import atomic, read_json
from microtome.io.tables import read_table
from microtome.submission.archive import write_archive
from microtome.submission.checks import require_valid
from microtome.submission.files import write_predictions, write_probabilities, write_stages


def write_submission(
    archive: str | Path,
    *,
    challenge: str,
    cases: Sequence[str] | Mapping[str, Sequence[str]],
    files: Sequence[str | Path],
    inspected: Sequence[str | Path],
    cohort: str | Path,
) -> dict:
    """Write a submission, which is not there unless it is valid.

    Parameters
    ----------
    archive : str or Path
        The zip to write.
    challenge : {'paip2019', 'camelyon16', 'camelyon17', 'digestpath'}
        Whose.
    cases : sequence of str, or mapping of str to sequence of str
        What it must hold: slides; of camelyon17 patients and their slides.
    files : sequence of str or Path
        Masks and burdens (paip2019), lesions (camelyon16), masks (digestpath), tables of nodes and
        patients (camelyon17).
    inspected : sequence of str or Path
        What is known of each slide; none for camelyon17.
    cohort : str or Path
        The table of all slides, for why one is missing.

    Returns
    -------
    dict
        The cases as `microtome.submission.checks` wants them.

    Raises
    ------
    InputError
        A case is missing or the archive is not valid.
    """
    if not cases:
        raise InputError(f"{challenge}: no slide or patient of the sheet is to be submitted")
    reasons = {row["slide"]: row["reason"] for row in read_table(cohort) if row["reason"]}
    if challenge == "camelyon17":
        wanted: dict = {patient: list(slides) for patient, slides in cases.items()}
    else:
        wanted = {}
        sizes = {Path(path).stem: read_json(path) for path in inspected}
        for case in cases:
            if case not in sizes:
                raise InputError(
                    f"{challenge}: case {case} is missing, for the slide is excluded:"
                    f" {reasons.get(case, 'see results/cohort.tsv')}"
                )
            wanted[case] = (sizes[case]["width_px"], sizes[case]["height_px"])
    folder = Path(archive).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        members = _gather_members(challenge, [Path(path) for path in files], wanted, Path(scratch))
        with atomic(archive) as temporary:
            write_archive(temporary, members)
            try:
                require_valid(challenge, temporary, wanted)
            except InputError as error:
                # The temporary name is gone by the time that somebody reads this.
                said = str(error).replace(str(temporary), str(archive))
                raise InputError(said) from None
    return wanted


def _gather_members(
    challenge: str, files: list[Path], cases: dict, scratch: Path
) -> dict[str, Path]:
    """Name the files of an archive, and write the table of all cases that it needs."""
    if challenge == "paip2019":
        table = scratch / "prediction.csv"
        burdens = {path.stem: read_json(path)["burden"] for path in files if path.suffix == ".json"}
        write_predictions(table, burdens)
        return {path.name: path for path in files if path.suffix == ".tif"} | {table.name: table}
    if challenge == "camelyon16":
        table = scratch / "probabilities.csv"
        write_probabilities(table, {path.stem: _find_highest(path) for path in files})
        return {f"detections/{path.name}": path for path in files} | {table.name: table}
    if challenge == "camelyon17":
        table = scratch / "submission.csv"
        nodes, patients = (read_table(path) for path in files)
        stages = {row["patient"]: row["stage"] for row in patients if row["patient"] in cases}
        if lost := [patient for patient, stage in stages.items() if not stage]:
            raise InputError(
                f"camelyon17: patient {lost[0]} is missing, for none of its nodes can be used; see"
                " results/cohort.tsv"
            )
        classes = {row["slide"]: row["class"] for row in nodes if row["patient"] in cases}
        write_stages(table, stages, classes)
        return {table.name: table}
    return {path.name: path for path in files}


def _find_highest(path: Path) -> float:
    """Confidence of a slide's surest lesion: the tumour probability of the slide."""
    with path.open(newline="", encoding="utf-8") as file:
        return max((float(row[0]) for row in csv.reader(file)), default=0.0)
