"""The lesions of CAMELYON16's truth, from outlines or masks, at the organizers' level 5."""

import math
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import numpy as np

from microtome.challenges.froc import number_lesions
from microtome.errors import InputError
from microtome.io.csv_cells import read_lines
from microtome.logs import log
from microtome.rasters.bands import bands
from microtome.rasters.mask_tiff import MaskTiff
from microtome.truth.annotations import read_annotation
from microtome.truth.maps import OutlineSource

SCALE_PX = 32  # level-0 px per px of the evaluation mask
SPACING_UM = 0.243 * SCALE_PX

_CLASSES = {
    "viable": ("_0", "_1", "tumor", "tumour", "metastases"),
    "whole": (),
    "hole": ("_2", "exclusion", "normal"),
}
_FREE = ("normal", "negative")
# Room for what a lesion grows by, where nothing tells how large the slide is.
_MARGIN_PX = 8
_LARGEST_PX = 400_000  # level-0 px; scanners give half of that
_BAND_ROWS = 16  # one row of tiles of 512 px


def fold_name(text: str) -> str:
    """Give a slide's name as it is compared: in lower case, without `.tif`."""
    return text.casefold().removesuffix(".tif")


def read_reference(path: Path) -> dict[str, bool]:
    """Read which slides hold tumour, by `fold_name`: of another class than Normal or negative.

    The CSV has rows ``name,class``, with or without that header; more columns are ignored.
    InputError is raised if it cannot be read, has no rows, or names a slide twice.
    """
    found: dict[str, bool] = {}
    for where, cells in read_lines(path):
        if len(cells) < 2 or not all(cells[:2]):
            raise InputError(f"{where}: has no name and class, as in test_001,Tumor")
        name, kind = fold_name(cells[0]), cells[1].casefold()
        if (name, kind) == ("name", "class"):
            continue
        if name in found:
            raise InputError(f"{where}: slide {name} is there twice; remove one")
        found[name] = kind not in _FREE
    if not found:
        raise InputError(f"{path}: names no slide; give rows name,class")
    return found


def find_truth_files(folder: Path) -> dict[str, Path]:
    """Find the outlines or the mask of each slide, by `fold_name`; outlines come first."""
    found: dict[str, Path] = {}
    for suffix in (".xml", ".tif"):
        of_kind: dict[str, Path] = {}
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() != suffix or path.name.startswith("."):
                continue
            name = path.stem.casefold()
            name = name.removesuffix("_mask") if suffix == ".tif" else name
            if name in of_kind:
                raise InputError(f"{path}: {of_kind[name]} is its truth as well; remove one")
            of_kind[name] = path
        found = of_kind | found
    return found


def read_lesions(slide: str, files: Mapping[str, Path]) -> tuple[np.ndarray, np.ndarray]:
    """Number the lesions of a tumour slide, named by `fold_name`, as `number_lesions` does.

    Of a mask among the `files` of `find_truth_files`, whose first level is level 0, the px under
    the centre of each px of the evaluation mask is read. InputError is raised if there is no truth,
    it cannot be read, or it holds no tumour.
    """
    if slide not in files:
        raise InputError(
            f"slide {slide}: is a tumour slide without truth; put {slide}.xml or {slide}_mask.tif"
            " beside reference.csv"
        )
    path = files[slide]
    mask = _draw(path) if path.suffix.lower() == ".xml" else _sample(path)
    if not mask.any():
        raise InputError(f"{path}: holds no tumour, but the slide's class says it has some")
    return number_lesions(mask, spacing_um=SPACING_UM)


def _draw(path: Path) -> np.ndarray:
    regions, notes = read_annotation(path, classes=_CLASSES)
    for note in notes:
        log.warning("%s", note)
    # Nothing in the truth tells the size of the slide: the mask ends where no lesion can be.
    bounds = np.array([region.bounds_px for region in regions]).reshape(-1, 4)
    if bounds.size and (bounds.min() < -_LARGEST_PX or bounds.max() > _LARGEST_PX):
        raise InputError(f"{path}: has outlines beyond {_LARGEST_PX} px, larger than any slide")
    width, height = bounds[:, 2:].max(axis=0, initial=0.0)
    shape = math.ceil(height / SCALE_PX) + _MARGIN_PX, math.ceil(width / SCALE_PX) + _MARGIN_PX
    return OutlineSource(regions).rows(first_row=0, shape=shape, scale=SCALE_PX)


def _sample(path: Path) -> np.ndarray:
    with closing(MaskTiff(path)) as tiff:
        # Only px whose centre is on the slide.
        width, height = ((side + SCALE_PX // 2 - 1) // SCALE_PX for side in tiff.size_px)
        mask = np.zeros((height, width), bool)
        for first, n in bands(height, _BAND_ROWS):
            mask[first : first + n] = tiff.rows(first_row=first, shape=(n, width), scale=SCALE_PX)
    return mask
