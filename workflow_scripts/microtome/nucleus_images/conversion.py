"""What the readers of public data sets share: faults named together, files and sheet written."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from microtome.cohort.mistakes import refuse
from microtome.cohort.sheet_cells import format_path
from microtome.cohort.splits import assign_folds
from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.nucleus_images.image_rows import ID_PATTERN
from microtome.nucleus_images.label_images import find_centroids, write_label_image
from microtome.nucleus_images.pixels import read_image
from microtome.nucleus_images.point_tables import find_outside, write_point_table

_NAME = re.compile(ID_PATTERN)


@dataclass(frozen=True)
class Truth:
    """The nuclei of one image, and the image where no file of the data set holds it alone.

    Attributes
    ----------
    points : ndarray of shape (n, 2), float64
        x and y in px from the image's corner; None: the labels' centroids.
    classes : list of str
        Of each point, in order; of each label, in the order of their numbers. Empty: not known.
    labels : ndarray of shape (height, width), int32
        Instance labels, where there are any.
    pixels : ndarray of shape (height, width, 3), uint8
        The image.
    notes : list of str
        What is odd.
    """

    points: np.ndarray | None = None
    classes: list[str] = field(default_factory=list)
    labels: np.ndarray | None = None
    pixels: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """An image of a data set: its file, and how its truth is read.

    `read` raises InputError if a file of it cannot be. Without a path the truth has its pixels.
    """

    name: str
    path: Path | None
    read: Callable[[], Truth]
    spacing_um: float
    patient: str = ""
    fold: int | None = None


COLUMNS = ("image", "path", "spacing_um", "patient", "fold", "nuclei", "labels")


def convert(
    sources: Iterable[Source],
    faults: Iterable[str],
    files: Path,
    *,
    folder: Path,
    n_folds: int,
    seed: int,
) -> tuple[list[dict[str, str]], list[str]]:
    """Write points, labels and images that have no file of their own; give the rows of a sheet.

    Parameters
    ----------
    sources : iterable of Source
        The images of a data set.
    faults : iterable of str
        What is wrong with its folder, a line each.
    files : Path
        Folder to write to, whole or not at all: ``NAME.csv``, ``NAME_labels.png``, ``NAME.png``.
    folder : Path
        The data set's, for messages.
    n_folds, seed : int
        Folds are dealt out by patient, or by image where patients are not known; not where the data
        set has its own.

    Raises
    ------
    InputError
        A line for each fault of the folder and of its files. Nothing is written then.
    """
    if files.exists():
        raise InputError(f"{files}: is there already; remove it or give another name of the sheet")
    rows, notes, mistakes = [], [], list(faults)
    names: set[str] = set()
    with atomic(files) as temporary:
        temporary.mkdir(parents=True)
        for source in sources:
            if source.name in names or not _NAME.fullmatch(source.name):
                twice = "is there twice" if source.name in names else "is no name of an image"
                mistakes.append(
                    f"{source.name!r} {twice} (letters, digits, . _ -); rename the file"
                )
                continue
            names.add(source.name)
            try:
                truth = source.read()
                found = list(_find_mistakes(source, truth))
            except InputError as error:
                mistakes.append(str(error))
                continue
            mistakes += found
            if not found:
                written = _write(source, truth, temporary)
                cells = {column: format_path(files / name) for column, name in written.items()}
                rows.append(_make_row(source) | cells)
                notes += truth.notes
        refuse(mistakes, of=str(folder))
        if not rows:
            raise InputError(f"{folder}: has no images of this data set; unpack it there")
        if not any(row["fold"] for row in rows):
            deal_folds(rows, n_folds=n_folds, seed=seed)
    return rows, notes


def _make_row(source: Source) -> dict[str, str]:
    return {
        "image": source.name,
        "path": format_path(source.path) if source.path else "",
        "spacing_um": f"{source.spacing_um:.6g}",
        "patient": source.patient,
        "fold": str(source.fold or ""),
    }


def deal_folds(rows: list[dict[str, str]], *, n_folds: int, seed: int) -> None:
    """Deal out folds of one size by patient, in place; see `microtome.cohort.splits.assign_folds`.

    Examples
    --------
    >>> rows = [{"image": name, "patient": name[0]} for name in ("a1", "a2", "b1", "b2")]
    >>> deal_folds(rows, n_folds=2, seed=0)
    >>> rows[0]["fold"] == rows[1]["fold"] != rows[2]["fold"] == rows[3]["fold"]
    True
    """
    named = [
        {"slide": row["image"], **({"patient": row["patient"]} if row["patient"] else {})}
        for row in rows
    ]
    folds = assign_folds(named, n_folds=n_folds, seed=seed, validates=False)
    for row in rows:
        row["fold"] = str(folds[row["image"]])


def _find_mistakes(source: Source, truth: Truth) -> Iterator[str]:
    about = f"{source.name}: "
    pixels = truth.pixels
    if pixels is None:
        pixels = read_image(source.path, about=f"{about}{source.path}")
    height, width, _ = pixels.shape
    if truth.labels is not None and truth.labels.shape != (height, width):
        yield (
            f"{about}its labels have {truth.labels.shape[1]} x {truth.labels.shape[0]} px, the"
            f" image {width} x {height}; one of them is another's"
        )
    if truth.points is not None and (outside := find_outside(truth.points, pixels.shape)).any():
        x, y = truth.points[outside][0]
        yield (
            f"{about}{outside.sum()} nuclei lie outside the image of {width} x {height} px, the"
            f" first at ({x:g}, {y:g}); copy its files again"
        )


def _write(source: Source, truth: Truth, folder: Path) -> dict[str, str]:
    """Write the files of an image into a folder; their names by the sheet's columns."""
    written = {}
    points, classes = truth.points, truth.classes
    if points is None:
        points = find_centroids(truth.labels)
    kept = np.sort(np.unique(points, axis=0, return_index=True)[1])
    if len(kept) < len(points):
        n_twice = len(points) - len(kept)
        truth.notes.append(f"{source.name}: {n_twice} nuclei are there twice and count once")
        points, classes = points[kept], [classes[i] for i in kept] if classes else []
    written["nuclei"] = f"{source.name}.csv"
    write_point_table(folder / written["nuclei"], points, classes)
    if truth.labels is not None:
        written["labels"] = f"{source.name}_labels.png"
        write_label_image(folder / written["labels"], truth.labels)
    if truth.pixels is not None:
        written["path"] = f"{source.name}.png"
        Image.fromarray(truth.pixels).save(folder / written["path"])
    return written


def require_spacing(given_um: float | None, *, folder: Path, why: str) -> float:
    """Give the spacing that a person has given; InputError, which says why it is asked, if none."""
    if given_um is None:
        raise InputError(f"{folder}: {why}; give it by --spacing")
    return given_um


def number_labels(labels: np.ndarray) -> np.ndarray:
    """Number labels, ndarray of whole numbers from 0, from 1 without gaps: int32.

    Examples
    --------
    >>> number_labels(np.array([0, 7, 300, 7]))
    array([0, 1, 2, 1], dtype=int32)
    """
    numbers, places = np.unique(labels, return_inverse=True)
    has_none = bool(len(numbers)) and numbers[0] == 0
    return (places.reshape(labels.shape) + (0 if has_none else 1)).astype(np.int32)
