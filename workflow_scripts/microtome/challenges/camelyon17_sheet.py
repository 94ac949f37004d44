"""The slide sheet of a CAMELYON17 folder as downloaded: slides, outlines and labels by patient.

Layouts are those of the release of 2016, with a zip a patient and `stage_labels.csv`, and of the
open data of today, with `images`, `annotations` and `stages.csv`, which also names the centre.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from microtome.challenges.camelyon17_labels import (
    SLIDE,
    TABLES,
    Labels,
    get_patient,
    list_wrong_stages,
    read_labels,
)
from microtome.cohort.sheet_cells import format_path
from microtome.errors import InputError
from microtome.io.downloaded_folders import list_files, name_packed, sort_by_name

COLUMNS = ("slide", "path", "patient", "node", "split", "annotation", "label")
NODES_PER_PATIENT = 5

# Folders of TIFFs that may have the names of slides and are none.
_NO_SLIDES = ("mask", "background")


def make_camelyon17_sheet(folder: str | Path) -> tuple[list[dict[str, str]], list[str]]:
    """Make the rows of a slide sheet from the files of CAMELYON17, anywhere below a folder.

    The slides of a patient of whom the tables label any are for training, those of others are for
    testing.

    Parameters
    ----------
    folder : str or Path
        Holds slides (`patient_000_node_0.tif`), outlines (`patient_004_node_4.xml`) and the table
        of labels (`stages.csv` or `stage_labels.csv`). Links are followed; names that begin with a
        dot, and masks, are not looked at.

    Returns
    -------
    rows : list of dict
        Cells under `COLUMNS`, in the order of the slides; paths relative to the working directory
        where they are below it, else absolute.
    notes : list of str
        What is odd, one line each.

    Raises
    ------
    InputError
        There is no slide, two files want the same place, or a table cannot be read or contradicts
        another.
    """
    folder = Path(folder)
    files = list_files(folder)
    slides = sort_by_name((f for f in files if is_slide(f, folder)), SLIDE, what="slide")
    if not slides:
        raise InputError(
            f"{folder}: there is no slide of CAMELYON17 (as patient_000_node_0.tif) in it; unpack"
            " what was downloaded there"
        )
    outlines = sort_by_name(
        (f for f in files if f.suffix.lower() == ".xml"), SLIDE, what="outlines of"
    )
    tables = [path for path in files if path.name.lower() in TABLES]
    labels, notes = read_labels(tables)
    if not tables:
        notes.append(f"{folder}: there is no {' or '.join(TABLES)}, so no slide has a label")
    labelled = {get_patient(slide) for slide in labels.classes}
    rows = [
        {
            "slide": slide,
            "path": format_path(path),
            "patient": get_patient(slide),
            "node": slide[-1],
            "split": "train" if get_patient(slide) in labelled else "test",
            "annotation": format_path(outlines[slide]) if slide in outlines else "",
            "label": labels.classes.get(slide, ""),
        }
        for slide, path in slides.items()
    ]
    here = {row["patient"] for row in rows}

    def is_unpacked(path: Path) -> bool:
        return path.stem.lower() in here or ("annotations" in path.stem.lower() and bool(outlines))

    notes += name_packed(files, is_unpacked)
    notes += _list_oddities(rows, outlines, labels)
    return rows, notes + list_wrong_stages(labels)


def is_slide(path: Path, folder: Path) -> bool:
    """Say whether a file is a TIFF that lies in no folder of masks below `folder`."""
    parents = [part.lower() for part in path.parent.relative_to(folder).parts]
    return path.suffix.lower() in (".tif", ".tiff") and not any(
        word in part for part in parents for word in _NO_SLIDES
    )


def _list_oddities(
    rows: Sequence[Mapping[str, str]], outlines: Mapping[str, Path], labels: Labels
) -> list[str]:
    """List what does not fit together: numbers of nodes, labels, outlines and slides."""
    counts = Counter(row["patient"] for row in rows)
    notes = [
        f"{patient}: has {n} slides here, not {NODES_PER_PATIENT}, so its stage may come out wrong"
        for patient, n in counts.items()
        if n != NODES_PER_PATIENT
    ]
    slides = {row["slide"] for row in rows}
    missing = sorted(labels.classes.keys() - slides)
    notes += [
        f"{slide}: has a label and no slide" for slide in missing if get_patient(slide) in counts
    ]
    absent = sorted({get_patient(slide) for slide in missing} - counts.keys())
    if absent:
        notes.append(
            f"{len(absent)} patients with labels have no slides here: {', '.join(absent[:3])}"
            + (", ..." if len(absent) > 3 else "")
        )
    for row in rows:
        if row["split"] == "train" and not row["label"]:
            notes.append(f"{row['slide']}: has no label, as other slides of its patient have")
        if row["label"] == "negative" and row["annotation"]:
            notes.append(
                f"{row['slide']}: is labelled negative, yet has outlines, {row['annotation']};"
                " see which is right"
            )
    return notes + [
        f"{path}: left out, for its slide is not here"
        for slide, path in outlines.items()
        if slide not in slides
    ]
