"""Labelled images from pairs of an H&E image and a DAPI image of the same section.

The nuclei that DAPI shows become the labels of the H&E image, as in section 5.6.5 of the paper: no
person outlines any. A person looks at the pictures afterwards and deletes rows of the sheet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.measure import label
from skimage.segmentation import find_boundaries

from microtome.cohort.mistakes import refuse
from microtome.cohort.sheet_mistakes import find_mistakes
from microtome.cohort.sheet_rows import SheetKind, parse_rows, read_rows
from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.io.tables import write_table
from microtome.nucleus_images.label_images import write_label_image
from microtome.nucleus_images.pixels import read_image
from microtome.weak_labels.dapi_images import measure_haematoxylin, read_dapi
from microtome.weak_labels.dapi_registration import Picture, lay_on, require_registration
from microtome.weak_labels.level_sets import segment_nuclei

COLUMNS = ("image", "path", "spacing_um", "split", "labels")
# The side of an image of the paper: 500 px at 0.5 µm per px.
_PIECE_UM = 250
_GREEN = (0, 255, 0)
_PAIRS = SheetKind(item="image", key=None, ids=("image",), files=("he_path", "dapi_path"))
_SPACING = {"type": "number", "minimum": 0.05, "maximum": 1}
_SCHEMA = {
    "required": ["image", "he_path", "dapi_path", "spacing_um"],
    "properties": {
        "image": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$",
            "maxLength": 90,
        },
        "he_path": {"type": "string"},
        "dapi_path": {"type": "string"},
        "spacing_um": _SPACING,
        "dapi_spacing_um": _SPACING,
    },
}


@dataclass(frozen=True)
class Pair:
    """An H&E and a DAPI image of the same place, each with its µm per px."""

    name: str
    he_path: Path
    dapi_path: Path
    spacing_um: float
    dapi_spacing_um: float


def read_pairs(path: str | Path) -> list[Pair]:
    r"""Read and check a sheet of pairs, tab-separated; the files are not opened.

    Its columns are ``image``, ``he_path``, ``dapi_path``, ``spacing_um`` and, if the DAPI image has
    another, ``dapi_spacing_um``. Raises InputError with a line for each mistake.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     he, dapi, sheet = (Path(folder) / name for name in ("a.png", "d.tif", "pairs.tsv"))
    ...     _ = he.touch(), dapi.touch()
    ...     cells = f"a\t{he}\t{dapi}\t0.5"
    ...     _ = sheet.write_text(f"image\the_path\tdapi_path\tspacing_um\n{cells}\n")
    ...     (pair,) = read_pairs(sheet)
    >>> pair.name, pair.dapi_spacing_um
    ('a', 0.5)
    """
    rows = read_rows(path, kind=_PAIRS)
    mistakes = find_mistakes(rows, schema=_SCHEMA, sheet=Path(path), kind=_PAIRS)
    refuse(mistakes, of=f"{_PAIRS.title} {path}")
    return [
        Pair(
            row["image"],
            Path(row["he_path"]),
            Path(row["dapi_path"]),
            row["spacing_um"],
            row.get("dapi_spacing_um", row["spacing_um"]),
        )
        for _, row in parse_rows(rows)
    ]


def label_pairs(sheet: str | Path, folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Label the images of a sheet of pairs; rows of an image sheet, and why pairs were left out.

    Below `folder` are written: ``images``, the pieces of each H&E image that its DAPI image covers,
    with sides of about 250 µm; ``labels``, theirs; ``overlays``, each piece's DAPI, H&E, and H&E
    with the nuclei outlined; ``registrations.tsv``, where the DAPI images lie.

    Raises InputError for mistakes in the sheet, and if all pairs are left out.
    """
    rows: list[dict[str, str]] = []
    registered: list[dict] = []
    notes: list[str] = []
    for pair in read_pairs(sheet):
        try:
            of_pieces, of_pair = _label_pair(pair, folder)
        except InputError as error:
            notes.append(f"left out: {error}")
            continue
        rows += of_pieces
        registered.append(of_pair)
    if not rows:
        refuse(notes, of=f"{_PAIRS.title} {sheet}")
    write_table(folder / "registrations.tsv", registered)
    return rows, notes


def _label_pair(pair: Pair, folder: Path) -> tuple[list[dict[str, str]], dict]:
    """Write the pieces of a pair; give their rows, and where the DAPI image lies."""
    about = f"image {pair.name}"
    pixels = read_image(pair.he_path, about=f"{about}: {pair.he_path}")
    of_dapi = f"{about}: {pair.dapi_path}"
    dapi = Picture(read_dapi(pair.dapi_path, about=of_dapi), pair.dapi_spacing_um)
    haematoxylin = Picture(measure_haematoxylin(pixels), pair.spacing_um)
    found = require_registration(haematoxylin, dapi, about=of_dapi)
    values, inside = lay_on(
        dapi,
        (found.rotation_deg, *found.shift_um),
        shape=pixels.shape[:2],
        spacing_um=pair.spacing_um,
    )
    covered = find_covered(inside)
    values, pixels = values[covered], pixels[covered]
    labels = segment_nuclei(values, spacing_um=pair.spacing_um)
    rows = [
        _write_piece(f"{pair.name}_{place}", layers, folder, pair.spacing_um)
        for place, *layers in cut(pair.spacing_um, pixels, values, labels)
    ]
    return rows, {
        "image": pair.name,
        "rotation_deg": found.rotation_deg,
        "shift_x_um": found.shift_um[0],
        "shift_y_um": found.shift_um[1],
        "score": found.score,
        "lead": found.lead,
        "first_row_px": covered[0].start,
        "first_column_px": covered[1].start,
        "nuclei": int(labels.max()),
    }


def find_covered(inside: np.ndarray) -> tuple[slice, slice]:
    """Find the largest rectangle of rows and columns within a convex region, bool (height, width).

    Examples
    --------
    >>> find_covered(np.array([[0, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1]], bool))
    (slice(1, 3, None), slice(1, 3, None))
    """
    rows = np.flatnonzero(inside.any(axis=1))
    rows = rows[:: -(-len(rows) // 1000)]  # tall images: to a few px
    left = inside[rows].argmax(axis=1)
    right = inside.shape[1] - inside[rows, ::-1].argmax(axis=1)
    # Between two rows a convex region is nowhere narrower than at one of them.
    width = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    height = rows[None] - rows[:, None] + 1
    area = np.where((width > 0) & (height > 0), width * height, 0)
    first, last = np.unravel_index(area.argmax(), area.shape)
    columns = slice(int(max(left[first], left[last])), int(min(right[first], right[last])))
    return slice(int(rows[first]), int(rows[last]) + 1), columns


def cut(spacing_um: float, *layers: np.ndarray) -> Iterator[tuple[str, ...]]:
    """Cut layers of one size into pieces of about the paper's side, named by row and column."""
    ends = [
        np.linspace(0, side, max(1, round(side * spacing_um / _PIECE_UM)) + 1).round().astype(int)
        for side in layers[0].shape[:2]
    ]
    for i, (top, bottom) in enumerate(zip(ends[0], ends[0][1:], strict=False), start=1):
        for j, (left, right) in enumerate(zip(ends[1], ends[1][1:], strict=False), start=1):
            yield f"{i}_{j}", *(layer[top:bottom, left:right] for layer in layers)


def _write_piece(
    name: str, layers: Sequence[np.ndarray], folder: Path, spacing_um: float
) -> dict[str, str]:
    """Write a piece of an image, its labels and its picture for a person; give its row."""
    pixels, dapi, labels = layers
    labels = label(labels > 0, connectivity=1)  # a nucleus may have been cut in two
    image, labelled, overlay = (
        folder / part / f"{name}.png" for part in ("images", "labels", "overlays")
    )
    write_label_image(labelled, labels)
    _write_png(image, pixels)
    outlined = pixels.copy()
    outlined[find_boundaries(labels, mode="inner")] = _GREEN
    grey = (dapi * 255).round().astype(np.uint8)
    _write_png(overlay, np.hstack([np.dstack([grey] * 3), pixels, outlined]))
    return {
        "image": name,
        "path": str(image),
        "spacing_um": f"{spacing_um:g}",
        "split": "train",
        "labels": str(labelled),
    }


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
