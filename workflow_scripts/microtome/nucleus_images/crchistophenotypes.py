"""CRCHistoPhenotypes (Sirinukunwattana et al. 2016): points and classes of nuclei from MATLAB.

``imgN/imgN.bmp`` has ``imgN_detection.mat`` in the folder Detection, and in Classification a file
for each class, with the points in a variable ``detection``, x before y.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io

from microtome.errors import InputError, one_line
from microtome.io.downloaded_folders import list_files
from microtome.nucleus_images.conversion import Source, Truth

# Of the paper: 20x of an Omnyx VL120. The files do not state it.
SPACING_UM = 0.55
CLASSES = ("epithelial", "fibroblast", "inflammatory", "others")
_IMAGE = re.compile(r"img\d+")
# A file is not larger than that of ten times as many nuclei as any image has.
_MOST_BYTES = 2**24


def find_crchistophenotypes(
    folder: Path, *, spacing_um: float | None
) -> tuple[list[Source], list[str]]:
    """Find the images of the folder Detection, or of Classification, and faults, a line each."""
    files = {path.stem: path for path in list_files(folder) if path.suffix.lower() == ".mat"}
    images = [path for path in list_files(folder) if path.suffix.lower() == ".bmp"]
    images = [path for path in images if _IMAGE.fullmatch(path.stem)]
    names = [path.stem for path in images]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return [], [
            f"has {twice}.bmp and others in several folders; name Detection, which has all nuclei,"
            " or Classification, which has those with a class"
        ]
    is_classified = any(f"{name}_{CLASSES[0]}" in files for name in names)
    kinds = CLASSES if is_classified else ("detection",)
    sources, faults = [], []
    for path in sorted(images, key=lambda path: int(path.stem[3:])):
        mats = {kind: files.get(f"{path.stem}_{kind}") for kind in kinds}
        missing = [f"{path.stem}_{kind}.mat" for kind, file in mats.items() if file is None]
        faults += [f"{path.stem}.bmp has no {name} beside it; copy it again" for name in missing]
        if not missing:
            read = partial(_read, mats, is_classified)
            sources.append(Source(path.stem, path, read, spacing_um or SPACING_UM))
    known = {*names}
    faults += [
        f"{path} has no image {name}.bmp beside it; copy it again"
        for path, name in _name_images(files.values())
        if name not in known
    ]
    return sources, faults


def _name_images(paths) -> Iterator[tuple[Path, str]]:
    """Name the image of each file of points."""
    for path in paths:
        name, _, kind = path.stem.partition("_")
        if _IMAGE.fullmatch(name) and kind in (*CLASSES, "detection"):
            yield path, name


def _read(files: dict[str, Path], is_classified: bool) -> Truth:
    points = {kind: _read_points(path) for kind, path in files.items()}
    classes = [kind for kind, found in points.items() for _ in found] if is_classified else []
    return Truth(np.concatenate(list(points.values())), classes)


def _read_points(path: Path) -> np.ndarray:
    """Read points: (n, 2), float64. MATLAB's first px has its centre at 1, here at 0.5."""
    if path.stat().st_size > _MOST_BYTES:
        raise InputError(f"{path}: is larger than {_MOST_BYTES >> 20} MB, too much for points")
    with path.open("rb") as file:
        head = file.read(128)
    if head.startswith((b"MATLAB 7.3", b"\x89HDF")):
        raise InputError(
            f"{path}: is of MATLAB 7.3 (HDF5), which is not read; save it by save(..., '-v7')"
        )
    try:
        content = scipy.io.loadmat(path, variable_names=["detection"])
    except Exception as error:  # scipy raises anything for broken bytes
        raise InputError(f"{path}: cannot be read ({one_line(error)}); copy it again") from error
    points = content.get("detection")
    if points is None:
        raise InputError(f"{path}: has no variable detection; it is none of this data set")
    if points.size == 0:
        return np.empty((0, 2))
    is_numeric = points.dtype.kind in "fiu" and points.ndim == 2 and points.shape[1] == 2
    if not is_numeric or not np.isfinite(points).all():
        raise InputError(
            f"{path}: its variable detection, {points.dtype} of shape {points.shape}, is no list of"
            " x and y; copy it again"
        )
    return points.astype(np.float64) - 0.5
