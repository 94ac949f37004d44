"""The MICCAI 2015 challenge on segmentation of nuclei: images and text files of labels.

``imageNN.png`` has ``imageNN_mask.txt``: width and height, then the label of each px, row by row. A
README lists the magnification of each image, 20x or 40x.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.io.downloaded_folders import list_files
from microtome.nucleus_images.conversion import Source, Truth, number_labels, require_spacing

_IMAGE = re.compile(r"image\d+")
_MAGNIFICATION = re.compile(r"(image\d+)\.png\s+(\d+)x")
_MOST_BYTES = 2**26
_LAYOUT = "width and height, then one label a line"


def find_miccai2015(folder: Path, *, spacing_um: float | None) -> tuple[list[Source], list[str]]:
    """Find the images and faults, a line each; the spacing is that of the images of 20x."""
    at_20x_um = require_spacing(
        spacing_um,
        folder=folder,
        why="the data set states magnifications, not the µm per px at 20x",
    )
    paths = list_files(folder)
    magnifications = {}
    for path in paths:
        if path.suffix.lower() == ".txt" and "readme" in path.name.lower():
            text = path.read_text(encoding="utf-8", errors="replace")
            magnifications |= dict(_MAGNIFICATION.findall(text))
    files = {path.name: path for path in paths}
    sources, faults = [], []
    for name, path in sorted((p.stem, p) for p in paths if p.suffix.lower() == ".png"):
        if not _IMAGE.fullmatch(name):
            continue
        mask, magnification = files.get(f"{name}_mask.txt"), magnifications.get(name)
        if mask is None:
            faults.append(f"{name}.png has no {name}_mask.txt beside it; copy it again")
        if magnification not in ("20", "40"):
            faults.append(
                f"{name}.png: no README here lists its magnification, as '{name}.png 20x'; copy"
                " README_training.txt too, or add a line"
            )
        elif mask is not None:
            own_um = at_20x_um * 20 / int(magnification)
            sources.append(Source(name, path, partial(_read, mask), own_um))
    return sources, faults


def _read(path: Path) -> Truth:
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MB, too much for labels")
    words = path.read_bytes().split()
    if not all(word.isdigit() and len(word) <= 9 for word in words) or len(words) < 2:
        raise InputError(f"{path}: has other words than whole numbers; it is {_LAYOUT}")
    numbers = np.array(words, dtype="S9").astype(np.int64)
    width, height = int(numbers[0]), int(numbers[1])
    if width * height != len(numbers) - 2:
        raise InputError(
            f"{path}: says {width} x {height} px and has {len(numbers) - 2} labels; it is"
            f" {_LAYOUT}; copy it again"
        )
    return Truth(labels=number_labels(numbers[2:].reshape(height, width)))
