"""PanNuke (Gamper et al. 2020): arrays of images, of masks of five classes, and of tissues.

A fold is ``Fold 1/images/fold1/images.npy``, ``types.npy`` and ``Fold 1/masks/fold1/masks.npy``.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from microtome.errors import InputError, one_line
from microtome.io.downloaded_folders import list_files
from microtome.nucleus_images.conversion import Source, Truth, number_labels

# 40x, as the paper says.
SPACING_UM = 0.25
# The channels of a mask in their order; behind them is the background.
CLASSES = ("neoplastic", "inflammatory", "connective", "dead", "epithelial")
_FOLD = re.compile(r"fold[ _]?(\d+)", re.IGNORECASE)
_PARTS = ("images", "masks", "types")
_SIDE_PX = 256


def find_pannuke(folder: Path, *, spacing_um: float | None) -> tuple[list[Source], list[str]]:
    """Find the images of all folds, and faults, a line each. The folds are the data set's."""
    folds: dict[int, dict[str, Path]] = {}
    faults = []
    for path in list_files(folder):
        if path.suffix == ".npy" and path.stem in _PARTS:
            numbers = _FOLD.findall(path.parent.as_posix())
            if not numbers:
                faults.append(f"{path}: lies in no folder 'fold1' or the like; say its fold so")
            elif folds.setdefault(int(numbers[-1]), {}).setdefault(path.stem, path) != path:
                faults.append(f"{path}: is there twice for fold {numbers[-1]}; move one out")
    sources = []
    for fold, files in sorted(folds.items()):
        missing = [f"{part}.npy" for part in _PARTS if part not in files]
        if missing:
            faults.append(f"fold {fold} lacks {' and '.join(missing)}; unpack all of it")
            continue
        try:
            arrays = {part: _open(files[part]) for part in _PARTS}
            _require_form(files, arrays)
        except InputError as error:
            faults.append(str(error))
            continue
        for i, tissue in enumerate(arrays["types"]):
            name = f"fold{fold}_{i + 1:04d}_{re.sub('[^A-Za-z0-9]+', '-', str(tissue))}"
            read = partial(_read, name, arrays["images"], arrays["masks"], i)
            sources.append(Source(name, None, read, spacing_um or SPACING_UM, fold=fold))
    return sources, faults


def _open(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises anything for broken bytes
        raise InputError(
            f"{path}: cannot be read as an array of numbers or words ({one_line(error)}); download"
            " it again"
        ) from error


def _require_form(files: dict[str, Path], arrays: dict[str, np.ndarray]) -> None:
    n = len(arrays["images"]) if arrays["images"].ndim else 0
    forms = {
        "images": (n, _SIDE_PX, _SIDE_PX, 3),
        "masks": (n, _SIDE_PX, _SIDE_PX, len(CLASSES) + 1),
        "types": (n,),
    }
    for part, shape in forms.items():
        array = arrays[part]
        is_right_kind = array.dtype.kind in ("US" if part == "types" else "uif")
        if array.shape != shape or not is_right_kind:
            raise InputError(
                f"{files[part]}: is {array.dtype} of shape {array.shape}, not {shape}; download the"
                " fold again"
            )


def _read(name: str, images: np.ndarray, masks: np.ndarray, index: int) -> Truth:
    pixels, mask = np.asarray(images[index]), np.asarray(masks[index])
    for array, high, what in ((pixels, 255, "px"), (mask, 2**31 - 1, "labels")):
        is_whole = array.dtype.kind != "f" or bool((array == np.rint(array)).all())
        if not is_whole or array.min() < 0 or array.max() > high:
            raise InputError(f"{name}: its {what} are no whole numbers from 0 to {high}")
    labels = np.zeros(mask.shape[:2], np.int64)
    classes, n_twice = [], 0
    for channel, kind in enumerate(CLASSES):
        own = number_labels(mask[..., channel].astype(np.int64))
        n_twice += int(np.count_nonzero(own[labels > 0]))
        own[labels > 0] = 0
        own = number_labels(own)
        labels[own > 0] = own[own > 0] + len(classes)
        classes += [kind] * int(own.max())
    notes = [f"{name}: {n_twice} px are of two nuclei; the first class counts"] if n_twice else []
    return Truth(None, classes, labels.astype(np.int32), pixels.astype(np.uint8), notes)
