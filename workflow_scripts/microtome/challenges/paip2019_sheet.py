"""The slide sheet of a PAIP 2019 folder as downloaded: files matched by case, known faults seen."""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from microtome.challenges.downloaded_folders import files_below
from microtome.cohort.sheet_cells import path_as_cell
from microtome.errors import InputError, one_line
from microtome.slides.slide import Slide
from microtome.truth.checks import TruthCheck
from microtome.truth.maps import open_truth

COLUMNS = ("slide", "path", "annotation", "viable_mask", "whole_mask", "burden")

# Organ, institute and number. Anything may follow: some names of 01_01_0111 have 'rescan' in them.
CASE = re.compile(r"(?<!\d)\d\d_\d\d_(\d{4})(?!\d)")
_ROLES = {
    "path": "slide",
    "annotation": "annotation",
    "viable_mask": "viable mask",
    "whole_mask": "whole mask",
}

# The masks are compared at every so many px, in bands of so many rows of them.
_STEP_PX = 8
_BAND_ROWS = 128


def paip2019_sheet(folder: str | Path) -> tuple[list[dict[str, str]], list[str]]:
    """Make the rows of a slide sheet from the files of PAIP 2019, wherever below a folder they are.

    Every file of a case is given; where there are masks, the workflow takes them and not the
    annotation. One slide is one patient, so there is no column for it.

    Parameters
    ----------
    folder : str or Path
        Holds `.svs`, `.xml`, `_viable.tif` and `_whole.tif` of each case, unpacked, and the tables
        of burdens. Links are followed; names that begin with a dot are not looked at.

    Returns
    -------
    rows : list of dict
        Cells under `COLUMNS`, in the order of the cases; paths relative to the working directory
        where they are below it, else absolute.
    notes : list of str
        What is odd, one line each.

    Raises
    ------
    InputError
        There is no slide, two files want the same place, or a burden is no fraction.
    """
    paths = files_below(Path(folder))
    cases = _pair(paths)
    if not any("path" in files for files in cases.values()):
        raise InputError(
            f"{folder}: there is no slide of PAIP 2019 (as 01_01_0083.svs) in it; unpack what was"
            " downloaded there"
        )
    burdens, notes = _burdens(paths, cases)
    notes += _zipped(paths, cases)
    rows = []
    for case, files in cases.items():
        if "path" in files:
            cells, found = _truth_cells(case, files)
            rows.append(
                {
                    "slide": case,
                    "path": path_as_cell(files["path"]),
                    "burden": burdens.get(case, ""),
                }
                | cells
            )
            notes += found
        else:
            notes.append(f"case {case}: left out, for it has no slide beside {_names(files)}")
    return rows, notes


def _role(path: Path) -> str | None:
    """The column of the sheet that a file belongs to."""
    suffix, name = path.suffix.lower(), path.stem.lower()
    if suffix in (".tif", ".tiff"):
        return next((f"{tissue}_mask" for tissue in ("viable", "whole") if tissue in name), None)
    return {".svs": "path", ".xml": "annotation"}.get(suffix)


def _pair(paths: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Gather the files of each case by their columns."""
    cases: dict[str, dict[str, Path]] = {}
    for path in paths:
        case, role = CASE.search(path.name), _role(path)
        if case and role:
            first = cases.setdefault(case[0], {}).setdefault(role, path)
            if not first.samefile(path):
                raise InputError(
                    f"case {case[0]}: {first} and {path} are both its {_ROLES[role]}; move one"
                    " out of the folder"
                )
    return dict(sorted(cases.items()))


def _zipped(paths: Iterable[Path], cases: dict[str, dict[str, Path]]) -> list[str]:
    """Name the archives that nobody seems to have unpacked."""
    notes = []
    for path in paths:
        case = CASE.search(path.name)
        if path.suffix.lower() == ".zip" and not (case and "path" in cases.get(case[0], {})):
            notes.append(f"{path}: is packed and was not looked into; unpack it")
    return notes


def _burdens(
    paths: Iterable[Path], cases: dict[str, dict[str, Path]]
) -> tuple[dict[str, str], list[str]]:
    """Read the burdens from every CSV that has the columns `wsi_id` and `pixel ratio`.

    The two tables of PAIP 2019 differ: ids are bare numbers or begin with one, and rows follow
    that are no cases.
    """
    by_number: dict[int, list[str]] = {}
    for case in cases:
        by_number.setdefault(int(case[-4:]), []).append(case)
    burdens: dict[str, str] = {}
    notes = []
    for path in paths:
        for line, slide, ratio in burden_cells(path) if path.suffix.lower() == ".csv" else ():
            case, number = CASE.search(slide), re.match(r"\d+", slide)
            if not ratio or not (case or number):
                continue
            found = [case[0]] if case else by_number.get(int(number[0]), [])
            where = f"{path}, line {line}"
            if len(found) != 1 or found[0] not in cases:
                notes.append(f"{where}: {slide} does not name one of the cases here")
            elif not _is_fraction(ratio):
                raise InputError(f"{where}: the pixel ratio {ratio} is no fraction from 0 to 1")
            elif burdens.setdefault(found[0], ratio) != ratio:
                raise InputError(
                    f"{where}: case {found[0]} has two burdens, {burdens[found[0]]} and {ratio};"
                    " remove one"
                )
    return burdens, notes


def burden_cells(path: Path) -> list[tuple[int, str, str]]:
    """Read (line, id, burden) of a CSV; nothing where it is another table."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.reader(file)
            header = [cell.strip().lower() for cell in next(reader, [])]
            if not {"wsi_id", "pixel ratio"} <= set(header):
                return []
            slide, ratio = header.index("wsi_id"), header.index("pixel ratio")
            return [
                (reader.line_num, row[slide].strip(), row[ratio].strip())
                for row in reader
                if len(row) > max(slide, ratio)
            ]
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from error


def _is_fraction(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _truth_cells(case: str, files: dict[str, Path]) -> tuple[dict[str, str], list[str]]:
    """Fill the columns of the truth, and note what is odd about it."""
    truth = {role: path for role, path in files.items() if role != "path"}
    notes = []
    if not truth:
        notes.append(f"case {case}: has no truth, so it can be scored and not evaluated")
    elif truth.keys() == {"whole_mask"}:
        notes.append(
            f"case {case}: {truth.pop('whole_mask')} is left out, for nothing tells where viable"
            " tumour is"
        )
    elif {"viable_mask", "whole_mask"} <= truth.keys():
        masks = truth["viable_mask"], truth["whole_mask"]
        try:
            swapped = _are_swapped(case, files["path"], *masks)
        except InputError as error:
            notes.append(str(error))
        else:
            if swapped:
                truth["whole_mask"], truth["viable_mask"] = masks
                notes.append(
                    f"case {case}: its masks have each other's names, for whole lies inside viable;"
                    " the sheet exchanges them"
                )
    return {role: path_as_cell(path) for role, path in truth.items()}, notes


def _are_swapped(case: str, slide_path: Path, viable_mask: Path, whole_mask: Path) -> bool:
    """Say whether the workflow's check takes the masks only the other way round.

    Raises InputError where it takes them neither way, or a file is at fault.
    """
    with Slide(slide_path, name=case) as slide:
        size_px = slide.size_px
    truth = open_truth(
        slide=case,
        slide_size_px=size_px,
        viable_mask=viable_mask,
        whole_mask=whole_mask,
        classes={},
    )
    with truth:
        as_named, exchanged = TruthCheck(truth), TruthCheck(truth)
        for first in range(0, truth.shape(_STEP_PX)[0], _BAND_ROWS):
            viable, whole = truth.rows(first, _BAND_ROWS, _STEP_PX)
            as_named.add(viable, whole)
            exchanged.add(whole, viable)
    try:
        as_named.result()
    except InputError:
        if _accepted(exchanged):
            return True
        raise
    return False


def _accepted(check: TruthCheck) -> bool:
    """Say whether a truth passes, with viable tumour in it: an empty one is inside anything."""
    try:
        return check.result().viable_px > 0
    except InputError:
        return False


def _names(files: dict[str, Path]) -> str:
    return ", ".join(str(path) for path in files.values())
