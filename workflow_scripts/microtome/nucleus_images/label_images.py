"""Images of instance labels: 0 is no nucleus, and each nucleus has a number of its own."""

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from microtome.errors import InputError, one_line
from microtome.io.atomic import atomic
from microtome.rasters.tiff_pages import find_doubt

_HIGHEST = 2**31 - 1
_WANTED = "instance labels are whole numbers in one channel, in a PNG or TIFF of 8, 16 or 32 bits"
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1  # photometric interpretations of TIFF
_GREY_MODES = ("L", "I;16", "I;16B", "I;16L", "I")


def read_label_image(path: Path, *, about: str) -> np.ndarray:
    """Read instance labels from a PNG or TIFF: ndarray of shape (height, width), int32.

    Raises InputError, which begins with `about`, if the file has other px than whole numbers in one
    channel, or is a mask: one number for several nuclei.
    """
    if not path.is_file():
        raise InputError(f"{about} is not there, or is no file; correct it in the image sheet")
    try:
        labels = _read(path, about)
    except InputError:
        raise
    except Exception as error:  # readers raise anything for broken bytes
        raise InputError(f"{about} cannot be read ({one_line(error)}); {_WANTED}") from error
    if labels.min(initial=0) < 0 or labels.max(initial=0) > _HIGHEST:
        raise InputError(f"{about} has labels below 0 or above {_HIGHEST}; number its nuclei again")
    found = np.unique(labels[labels > 0])
    if len(found) == 1 and (n_pieces := ndimage.label(labels, np.ones((3, 3)))[1]) > 1:
        raise InputError(
            f"{about} is a mask, not labels: all of its {n_pieces} pieces have the number"
            f" {found[0]}; give each nucleus its own (scikit-image: measure.label)"
        )
    return labels.astype(np.int32)


def _read(path: Path, about: str) -> np.ndarray:
    with suppress(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.photometric == _WHITE_IS_ZERO:
            raise InputError(
                f"{about} says that 0 is white, so some readers invert its numbers; write it with 0"
                " as black (tifffile.imwrite(..., photometric='minisblack'))"
            )
        is_one = page.samplesperpixel == 1 and len(tiff.series[0].shape) == 2
        is_grey = page.photometric == _BLACK_IS_ZERO
        if not is_one or not is_grey or page.dtype is None or page.dtype.kind not in "ui":
            shape = " x ".join(map(str, tiff.series[0].shape))
            raise InputError(f"{about} has px of {page.dtype} in the shape {shape}; {_WANTED}")
        if page.bitspersample < 8:
            raise InputError(f"{about} has {page.bitspersample} bits a px; {_WANTED}")
        if doubt := find_doubt(tiff, page):
            raise InputError(f"{about} {doubt}")
        return tiff.asarray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in _GREY_MODES:
                raise InputError(f"{about} has px in {image.mode}; {_WANTED}")
            return np.asarray(image)


def write_label_image(path: str | Path, labels: np.ndarray) -> None:
    """Write instance labels, (height, width) of whole numbers from 0, as a PNG of 16 bits.

    Raises InputError for more than 65535 labels.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.png"
    ...     write_label_image(path, np.array([[0, 1], [300, 0]]))
    ...     read_label_image(path, about="image a")
    array([[  0,   1],
           [300,   0]], dtype=int32)
    """
    if labels.max(initial=0) > np.iinfo(np.uint16).max:
        raise InputError(f"{path}: {labels.max()} labels are too many for 16 bits")
    with atomic(path) as temporary:
        Image.fromarray(labels.astype(np.uint16)).save(temporary, format="PNG")


def find_centroids(labels: np.ndarray) -> np.ndarray:
    """Centroids of instance labels in px, x and y from the upper left corner: (n, 2), float64.

    In the order of the labels' numbers; (height, width) of whole numbers from 0. The centre of the
    first px is (0.5, 0.5).

    Examples
    --------
    >>> find_centroids(np.array([[0, 7, 7], [2, 0, 0]]))
    array([[0.5, 1.5],
           [2. , 0.5]])
    """
    numbers = np.unique(labels[labels > 0])
    if not len(numbers):
        return np.empty((0, 2))
    centres = ndimage.center_of_mass(labels > 0, labels, numbers)
    return np.array(centres)[:, ::-1] + 0.5
