"""The Data Science Bowl 2018 (BBBC038), of which only images in colour are taken.

Read are ``ID/images/ID.png`` with a mask of each nucleus in ``ID/masks``, as stage1_train has them;
or ``images/NAME.png`` with labels of the same name in ``labels``.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from microtome.errors import InputError, one_line
from microtome.io.downloaded_folders import list_files
from microtome.nucleus_images.conversion import Source, Truth, number_labels, require_spacing
from microtome.nucleus_images.label_images import read_label_image
from microtome.slides.brightfield import Light
from microtome.slides.image_source import read_picture

_SHOWN = 8


def find_dsb2018(folder: Path, *, spacing_um: float | None) -> tuple[list[Source], list[str]]:
    """Find the images in colour and faults, a line each; fluorescence is left out."""
    um = require_spacing(
        spacing_um, folder=folder, why="the data set states no µm per px, and has several"
    )
    paths = [path for path in list_files(folder) if path.suffix.lower() == ".png"]
    files = set(paths)
    masks: dict[Path, list[Path]] = {}
    for path in paths:
        if path.parent.name == "masks":
            masks.setdefault(path.parent.parent, []).append(path)
    sources, faults = [], []
    for path in paths:
        if path.parent.name != "images":
            continue
        case = path.parent.parent
        labels = case / "labels" / path.name
        if labels in files:
            read = partial(_read_labels, path.stem, labels)
        elif case.name == path.stem and case in masks:
            read = partial(_read_masks, path.stem[:_SHOWN], masks[case])
        else:
            faults.append(f"{path} has neither {labels.name} in labels nor a folder masks")
            continue
        try:
            if _is_in_colour(path):
                sources.append(Source(path.stem, path, read, um))
        except InputError as error:
            faults.append(str(error))
    return sources, faults


def _is_in_colour(path: Path) -> bool:
    light = Light()
    light.count(read_picture(path, about=f"{path}", kind="an image"))
    return light.find_fault() is None


def _read_labels(name: str, path: Path) -> Truth:
    return Truth(labels=number_labels(read_label_image(path, about=f"{name}: {path}")))


def _read_masks(name: str, paths: Iterable[Path]) -> Truth:
    """Number masks of one nucleus each; a px of two belongs to the first."""
    labels = None
    n_twice = n_nuclei = 0
    for path in paths:
        mask = _read_mask(path)
        labels = np.zeros(mask.shape, np.int32) if labels is None else labels
        if mask.shape != labels.shape:
            raise InputError(f"{path}: has another size than the masks beside it; copy it again")
        n_twice += int(np.count_nonzero(labels[mask]))
        mask &= labels == 0
        if mask.any():
            n_nuclei += 1
            labels[mask] = n_nuclei
    notes = [f"{name}: {n_twice} px are of two nuclei; the first counts"] if n_twice else []
    return Truth(labels=labels, notes=notes)


def _read_mask(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            mode, mask = image.mode, np.asarray(image)
    except Exception as error:  # Pillow raises anything for broken bytes
        raise InputError(f"{path}: cannot be read ({one_line(error)}); copy it again") from error
    if mode not in ("L", "1") or not np.isin(mask, (0, 1, 255)).all():
        raise InputError(f"{path}: is no mask of 0 and 255 in one channel; copy it again")
    return mask > 0
