"""The slide sheet of a CAMELYON16 folder as downloaded: slides, outlines, classes, known faults.

Layouts are those of the release of 2016, with `Normal_001.tif` and a folder of masks, of
GigaScience, with `training/normal`, `training/tumor` and `testing/images`, and of the open data of
today, with all slides in `images`. There are 159 normal slides, 111 with tumour and 129 to test.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from microtome.challenges.camelyon16_truth import read_reference
from microtome.challenges.camelyon17_sheet import is_slide
from microtome.cohort.sheet_cells import format_path
from microtome.errors import InputError
from microtome.io.downloaded_folders import enter_file, list_files, name_packed, sort_by_name

COLUMNS = ("slide", "path", "split", "annotation", "viable_mask", "label")

_SLIDE = re.compile(r"(normal|tumor|test)_[0-9]{3}")
_REFERENCE = "reference.csv"
_COUNTS = {"normal": 159, "tumor": 111, "test": 129}
# What the organizers say of their slides: the first is tumor_111 now, the second is there twice.
_MISLABELLED, _RIGHTLY_LABELLED = "normal_086", "tumor_111"
_DUPLICATE = "test_049"
# Its outlines are not complete: the organizers score its class, and not its lesions.
_ONLY_CLASSED = "test_114"
# As participants list them, whose lists differ: of some only a part of the tumour is outlined.
_OUTLINED_IN_PART = frozenset(
    f"tumor_{n:03d}"
    for n in (10, 15, 18, 20, 25, 29, 33, 34, 44, 46, 51, 54, 55, 56, 67, 79, 85, 92, 95, 110)
)


def make_camelyon16_sheet(folder: str | Path) -> tuple[list[dict[str, str]], list[str]]:
    """Make the rows of a slide sheet from the files of CAMELYON16, anywhere below a folder.

    Slides called normal and tumor are for training, those called test for testing. Outlines are
    taken before masks. A slide is labelled negative by its name, or by `reference.csv`. Nobody
    says who the patients are.

    Parameters
    ----------
    folder : str or Path
        Holds slides (`normal_001.tif`, `tumor_001.tif`, `test_001.tif`), outlines
        (`tumor_001.xml`) or masks (`tumor_001_mask.tif`), and the classes of the test slides.
        Links are followed; names that begin with a dot are not looked at.

    Returns
    -------
    rows : list of dict
        Cells under `COLUMNS`, in the order of the slides; paths relative to the working directory
        where they are below it, else absolute.
    notes : list of str
        What is odd, one line each; also the faults of these data that are known.

    Raises
    ------
    InputError
        There is no slide, two files want the same place, or the classes cannot be read.
    """
    folder = Path(folder)
    files = list_files(folder)
    slides = sort_by_name((f for f in files if is_slide(f, folder)), _SLIDE, what="slide")
    if not slides:
        raise InputError(
            f"{folder}: there is no slide of CAMELYON16 (as tumor_001.tif) in it; unpack what was"
            " downloaded there"
        )
    outlines = sort_by_name(
        (f for f in files if f.suffix.lower() == ".xml"), _SLIDE, what="outlines of"
    )
    masks = sort_by_name((f for f in files if _is_tiff(f)), _SLIDE, what="mask of", end="_mask")
    has_tumour, notes = _read_classes(files, folder, slides)
    rows = []
    for slide, path in slides.items():
        if slide in (_MISLABELLED, _DUPLICATE):
            continue
        is_free = not has_tumour.get(slide, True)
        # A mask of a slide without tumour has nothing to say.
        truth = _choose_truth(slide, outlines, {} if is_free else masks)
        if slide == _ONLY_CLASSED:
            truth = {}
        if truth and is_free:
            notes.append(
                f"{slide}: has no tumour by its class, yet outlines,"
                f" {truth['annotation']}; see which is right"
            )
        if has_tumour.get(slide) and not truth and slide != _ONLY_CLASSED:
            notes.append(f"{slide}: has tumour, and neither outlines nor a mask here")
        split = "test" if slide.startswith("test") else "train"
        cells = {"slide": slide, "path": format_path(path), "split": split}
        label = "negative" if is_free else ""
        rows.append(dict.fromkeys(COLUMNS, "") | cells | truth | {"label": label})
    notes += _list_known_faults(slides)
    notes += _count_missing(rows)
    notes += [
        f"{path}: left out, for its slide is not here"
        for slide, path in outlines.items()
        if slide not in slides
    ]
    return rows, notes + name_packed(files, lambda path: _is_unpacked(path, outlines))


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _read_classes(
    files: Iterable[Path], folder: Path, slides: Collection[str]
) -> tuple[dict[str, bool], list[str]]:
    """Read of each slide whether it holds tumour, from the names and from `reference.csv`."""
    tables: dict[str, Path] = {}
    for path in files:
        if path.name.lower() == _REFERENCE:
            enter_file(tables, _REFERENCE, path, what="the classes of the test slides")
    known = read_reference(tables[_REFERENCE]) if tables else {}
    tests = [slide for slide in slides if slide.startswith("test")]
    by_name = {slide: slide.startswith("tumor") for slide in slides if slide not in tests}
    unknown = [slide for slide in tests if slide not in known and slide != _DUPLICATE]
    notes = []
    if tests and not tables:
        notes.append(f"{folder}: there is no {_REFERENCE}, so no test slide has a class")
    else:
        notes += [f"{slide}: has no class in {tables[_REFERENCE]}" for slide in unknown]
    return by_name | {slide: known[slide] for slide in tests if slide in known}, notes


def _choose_truth(
    slide: str, outlines: Mapping[str, Path], masks: Mapping[str, Path]
) -> dict[str, str]:
    if slide in outlines:
        return {"annotation": format_path(outlines[slide])}
    return {"viable_mask": format_path(masks[slide])} if slide in masks else {}


def _list_known_faults(slides: Collection[str]) -> Iterator[str]:
    if _MISLABELLED in slides:
        again = "" if _RIGHTLY_LABELLED in slides else ", which is not here"
        yield (
            f"{_MISLABELLED}: left out, for it holds tumour and was released again as"
            f" {_RIGHTLY_LABELLED}{again}"
        )
    if _DUPLICATE in slides:
        yield f"{_DUPLICATE}: left out, a duplicate that the organizers do not score"
    if _ONLY_CLASSED in slides:
        yield (
            f"{_ONLY_CLASSED}: its tumour is not outlined as a whole, so the sheet has no outlines"
            " of it; the organizers score its class and not its lesions"
        )
    if in_part := sorted(_OUTLINED_IN_PART.intersection(slides)):
        yield (
            f"{', '.join(in_part)}: participants list them as outlined in part, and what is not"
            " outlined is learned as no tumour; take their rows out to be strict"
        )


def _count_missing(rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    counts = Counter(row["slide"].partition("_")[0] for row in rows)
    if any(counts[kind] < n for kind, n in _COUNTS.items()):
        here = ", ".join(f"{counts[kind]} of {n} {kind}" for kind, n in _COUNTS.items())
        yield f"not all slides are here: {here}"


def _is_unpacked(path: Path, outlines: Mapping[str, Path]) -> bool:
    """Say whether outlines from an archive lie beside it; nothing else that is packed is needed."""
    if "annotation" not in path.stem.lower():
        return True
    return any(outline.is_relative_to(path.parent) for outline in outlines.values())
