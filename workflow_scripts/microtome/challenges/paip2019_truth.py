"""The truth of PAIP 2019 as handed out: masks of viable tumour, and tables of burdens."""

import re
from pathlib import Path

from microtome.challenges.mask_overlap import TIFF_SUFFIXES
from microtome.challenges.paip2019_sheet import CASE, match_case, read_burden_cells
from microtome.errors import InputError
from microtome.io.csv_cells import parse_number
from microtome.io.downloaded_folders import list_files

_VIABLE = re.compile(r"[_-]?viable", re.IGNORECASE)


def read_paip2019_truth(folder: Path) -> tuple[dict[str, Path], dict[str, float]]:
    """Find the masks and read the burdens, wherever below a folder they are.

    Names are believed: 01_01_0107, whose masks of viable and whole tumour have each other's names
    in the data handed out, must be put right before.

    Masks, TIFFs with ``viable`` in their names, are by case: the organizers' number, as 01_01_0083,
    where the name holds one, else the name without ``_viable``. Burdens are percent, of those cases
    that a CSV with ``wsi_id`` and ``pixel ratio`` has by their name or, as the organizers' do, by
    the last digits of their number; other rows are ignored. InputError is raised if there is no
    mask, or a case has two masks or two burdens, or one that is no fraction.
    """
    paths = list_files(folder)
    masks: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() in TIFF_SUFFIXES and _VIABLE.search(path.stem):
            known = CASE.search(path.stem)
            case = known[0] if known else _VIABLE.sub("", path.stem)
            if case in masks:
                raise InputError(f"{path}: {masks[case]} is of the same case; remove one")
            masks[case] = path
    if not masks:
        raise InputError(f"{folder}: holds no mask of viable tumour, as 01_01_0083_viable.tif")
    burdens: dict[str, float] = {}
    for where, cell, ratio in read_burden_cells(paths):
        case = match_case(cell, masks)
        if case is not None:
            burden = 100 * parse_number(ratio, where, of="pixel ratio", high=1)
            if burdens.setdefault(case, burden) != burden:
                raise InputError(f"{where}: case {case} has another burden before; remove one")
    return masks, burdens
