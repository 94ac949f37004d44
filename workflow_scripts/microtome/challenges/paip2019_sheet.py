"""The slide sheet of a PAIP 2019 folder as downloaded: files matched by case, known faults seen."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from microtome.cohort.sheet_cells import format_path
from microtome.errors import InputError
from microtome.io.downloaded_folders import (
    enter_file,
    list_files,
    name_packed,
    read_columns,
)
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


def make_paip2019_sheet(folder: str | Path) -> tuple[list[dict[str, str]], list[str]]:
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
    paths = list_files(Path(folder))
    cases = _pair(paths)
    if not any("path" in files for files in cases.values()):
        raise InputError(
            f"{folder}: there is no slide of PAIP 2019 (as 01_01_0083.svs) in it; unpack what was"
            " downloaded there"
        )

    def has_slide(path: Path) -> bool:
        case = CASE.search(path.name)
        return bool(case) and "path" in cases.get(case[0], {})

    burdens, notes = _read_burdens(paths, cases)
    notes += name_packed(paths, has_slide)
    rows = []
    for case, files in cases.items():
        if "path" not in files:
            names = ", ".join(str(path) for path in files.values())
            notes.append(f"case {case}: left out, for it has no slide beside {names}")
            continue
        truth, found = _choose_truth(case, files)
        cells = {role: format_path(path) for role, path in truth.items()}
        slide = {"slide": case, "path": format_path(files["path"])}
        rows.append(slide | {"burden": burdens.get(case, "")} | cells)
        notes += found
    return rows, notes


def _pair(paths: Iterable[Path]) -> dict[str, dict[str, Path]]:
    """Gather the files of each case by their columns."""
    cases: dict[str, dict[str, Path]] = {}
    for path in paths:
        suffix, name = path.suffix.lower(), path.stem.lower()
        if suffix in (".tif", ".tiff"):
            role = next((f"{kind}_mask" for kind in ("viable", "whole") if kind in name), None)
        else:
            role = {".svs": "path", ".xml": "annotation"}.get(suffix)
        case = CASE.search(path.name)
        if case and role:
            about, what = f"case {case[0]}: ", f"its {_ROLES[role]}"
            enter_file(cases.setdefault(case[0], {}), role, path, what=what, about=about)
    return dict(sorted(cases.items()))


def _read_burdens(
    paths: Iterable[Path], cases: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    burdens: dict[str, str] = {}
    notes = []
    for where, slide, ratio in read_burden_cells(paths):
        # The tables of PAIP 2019 have rows that are no cases, as the mean.
        if not ratio or not (CASE.search(slide) or re.match(r"\d", slide)):
            continue
        case = match_case(slide, cases)
        if case is None:
            notes.append(f"{where}: {slide} does not name one of the cases here")
        elif not _is_fraction(ratio):
            raise InputError(f"{where}: the pixel ratio {ratio} is no fraction from 0 to 1")
        elif burdens.setdefault(case, ratio) != ratio:
            raise InputError(
                f"{where}: case {case} has two burdens, {burdens[case]} and {ratio}; remove one"
            )
    return burdens, notes


def read_burden_cells(paths: Iterable[Path]) -> Iterator[tuple[str, str, str]]:
    """Read (file and line, id, burden) of every CSV that has `wsi_id` and `pixel ratio`."""
    for path in paths:
        if path.suffix.lower() == ".csv":
            for line, cells in read_columns(path, "wsi_id", "pixel ratio", errors="replace") or ():
                if len(cells) == 2:
                    yield f"{path}, line {line}", *cells


def match_case(cell: str, cases: Collection[str]) -> str | None:
    """Name the case that a cell means: by its name, or by a number that one case alone ends in.

    Examples
    --------
    >>> cases = ["01_01_0083", "01_01_0090", "02_01_0090"]
    >>> [match_case(cell, cases) for cell in ("83svs", "02_01_0090.svs", "90", "mean")]
    ['01_01_0083', '02_01_0090', None, None]
    """
    if cell in cases:
        return cell
    if known := CASE.search(cell):
        return known[0] if known[0] in cases else None
    if not (digits := re.match(r"\d+", cell)):
        return None
    ends = [c for c in cases if CASE.fullmatch(c) and int(c[-4:]) == int(digits[0])]
    return ends[0] if len(ends) == 1 else None


def _is_fraction(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False


def _choose_truth(case: str, files: dict[str, Path]) -> tuple[dict[str, Path], list[str]]:
    """Choose the files of the truth by their columns, and note what is odd about them."""
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
            if _are_swapped(case, files["path"], *masks):
                truth["whole_mask"], truth["viable_mask"] = masks
                notes.append(
                    f"case {case}: its masks have each other's names, for whole lies inside viable;"
                    " the sheet exchanges them"
                )
        except InputError as error:
            notes.append(str(error))
    return truth, notes


def _are_swapped(case: str, slide_path: Path, viable_mask: Path, whole_mask: Path) -> bool:
    """Say whether the workflow's check takes the masks only the other way round.

    InputError if it takes them neither way, or a file is at fault.
    """
    with Slide(slide_path, name=case) as slide:
        size_px = slide.size_px
    masks = {"viable_mask": viable_mask, "whole_mask": whole_mask}
    with open_truth(slide=case, slide_size_px=size_px, classes={}, **masks) as truth:
        as_named, exchanged = TruthCheck(truth), TruthCheck(truth)
        for first in range(0, truth.shape(_STEP_PX)[0], _BAND_ROWS):
            viable, whole = truth.rows(first, _BAND_ROWS, _STEP_PX)
            as_named.add(viable, whole)
            exchanged.add(whole, viable)
    try:
        as_named.result()
    except InputError:
        try:
            exchanged.result()
            if exchanged.viable_px > 0:  # an empty mask of viable tumour is inside anything
                return True
        except InputError:
            pass  # what is wrong with the masks as they are named says more
        raise
    return False
