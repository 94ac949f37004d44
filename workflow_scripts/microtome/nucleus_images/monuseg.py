"""MoNuSeg (Kumar et al. 2020): TIFF images and outlines of each nucleus, drawn in ImageScope."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from microtome.errors import InputError, one_line
from microtome.io.downloaded_folders import list_files
from microtome.nucleus_images.conversion import Source, Truth
from microtome.rasters.polygon_fill import fill_rings
from microtome.truth.annotation_formats import read_shapes
from microtome.truth.xml_annotations import read_drawn_spacing

_PATIENT = re.compile(r"(TCGA-\w\w-\w{4})-")
_SUFFIXES = (".tif", ".tiff", ".png")


def find_monuseg(folder: Path, *, spacing_um: float | None) -> tuple[list[Source], list[str]]:
    """Find the images and faults, a line each; ImageScope's files say the spacing."""
    images: dict[str, Path] = {}
    outlines: dict[str, Path] = {}
    faults = []
    for path in list_files(folder):
        suffix = path.suffix.lower()
        group = images if suffix in _SUFFIXES else outlines if suffix == ".xml" else None
        if group is None or not path.stem.startswith("TCGA-"):
            continue
        first = group.setdefault(path.stem, path)
        if first != path:
            faults.append(f"{first} and {path} are both of {path.stem}; move one out of the folder")
    faults += [f"{outlines[n]} has no image beside it" for n in outlines.keys() - images.keys()]
    sources = []
    for name, path in images.items():
        if name not in outlines:
            faults.append(f"{path} has no {name}.xml; copy the folder Annotations too")
            continue
        um = spacing_um or read_drawn_spacing(outlines[name])
        if um is None:
            faults.append(f"{outlines[name]} does not say its MicronsPerPixel; give --spacing")
            continue
        patient = match[1] if (match := _PATIENT.match(name)) else ""
        read = partial(_read, name, path, outlines[name])
        sources.append(Source(name, path, read, um, patient))
    return sources, sorted(faults)


def _read(name: str, image: Path, outlines: Path) -> Truth:
    try:
        with tifffile.TiffFile(image) as tiff:
            shape = tiff.pages.first.shape[:2]
    except tifffile.TiffFileError as error:
        raise InputError(f"{image}: is no TIFF ({one_line(error)}); copy it again") from error
    shapes, notes = read_shapes(outlines)
    if any(each.negative for each in shapes):
        raise InputError(f"{outlines}: has an outline that is cut out of others; delete it")
    rings = [ring for each in shapes for ring in each.rings]
    height, width = shape
    far = [r for r in rings if len(r) and ((r.max(0) < 0) | (r.min(0) > (width, height))).any()]
    if far:
        raise InputError(
            f"{outlines}: {len(far)} of {len(rings)} outlines lie outside the image of {width} x"
            f" {height} px; it is another's"
        )
    labels, n_lost = paint_nuclei(rings, shape)
    if n_lost:
        notes.append(f"{name}: {n_lost} of {len(rings)} outlines hold no px of their own")
    return Truth(labels=labels, notes=notes)


def paint_nuclei(rings: list[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Paint outlines, each (n, 2) x and y in px, as instance labels.

    A px belongs to the first outline, by the even-odd rule, that its centre is in. Gives labels,
    (height, width), int32, numbered from 1 without gaps, and how many outlines got no px.

    Examples
    --------
    >>> square = np.array([[0, 0], [2, 0], [2, 1], [0, 1]])
    >>> paint_nuclei([square, square + [1, 0]], (1, 4))
    (array([[1, 1, 2, 0]], dtype=int32), 0)
    """
    labels = np.zeros(shape, np.int32)
    n_painted = 0
    for ring in rings:
        if len(ring) < 3:
            continue
        low = np.clip(np.floor(ring.min(axis=0)).astype(int), 0, (shape[1], shape[0]))
        high = np.clip(np.ceil(ring.max(axis=0)).astype(int), 0, (shape[1], shape[0]))
        width, height = high - low
        part = labels[low[1] : high[1], low[0] : high[0]]
        inside = fill_rings(
            [ring - [low[0], 0]],
            first_row=int(low[1]),
            n_rows=int(height),
            width_px=int(width),
            scale=1,
        )
        inside &= part == 0
        if inside.any():
            n_painted += 1
            part[inside] = n_painted
    return labels, len(rings) - n_painted
