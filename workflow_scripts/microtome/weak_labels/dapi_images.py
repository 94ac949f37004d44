"""How much nucleus each px of an image shows: of a DAPI image, and of an H&E image."""

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from skimage.color import rgb2hed

from microtome.errors import InputError, one_line
from microtome.rasters.tiff_pages import find_doubt

_WANTED = "save its DAPI channel alone, grey, as TIFF or PNG of 8 or 16 bits"
_WHITE_IS_ZERO = 0  # photometric interpretation of TIFF
_GREY_MODES = ("L", "I;16", "I;16B", "I;16L", "I", "F")
# Of the range of values: what JPEG or a camera may leave in channels that are empty or alike.
_UNLIKE, _IN_OTHERS = 0.02, 0.1
_MINIMUM, _MAXIMUM = 1, 99.5  # percentiles
# Optical densities of pen: black is dark in R, G and B alike; cyan, blue and green absorb red most.
_BLACK, _ALIKE, _COLOURED, _RED_OF_GREEN = 0.7, 0.85, 0.2, 1.5


def read_dapi(path: Path, *, about: str) -> np.ndarray:
    """Read a DAPI image: ndarray of shape (height, width), float32, from 0 (dark) to 1.

    One channel of any depth, or RGB that is grey or blue. 0 and 1 are percentiles, so that neither
    a few hot px nor unused bits count. Raises InputError, which begins with `about`, for other
    colours, several pages or channels, an image that is empty, or a file that cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{about} is not there, or is no file; correct the row")
    try:
        pixels = _read(path, about)
    except InputError:
        raise
    except Exception as error:  # readers raise anything for broken bytes
        raise InputError(f"{about} cannot be read ({one_line(error)}); {_WANTED}") from error
    if not np.isfinite(pixels).all():
        raise InputError(f"{about} has px that are no numbers; {_WANTED}")
    scaled = scale_robustly(pixels if pixels.ndim == 2 else _take_channel(pixels, about))
    if scaled is None:
        raise InputError(f"{about} is empty: nearly all px have one value; delete the row")
    return scaled


def measure_haematoxylin(pixels: np.ndarray) -> np.ndarray:
    """How much haematoxylin each px has, from 0 to 1; felt pen counts as what is usual.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        H&E.

    Returns
    -------
    ndarray of shape (height, width), float32

    Examples
    --------
    Glass, eosin, haematoxylin and two pens:

    >>> row = [(245, 245, 245), (220, 130, 190), (90, 60, 140), (10, 10, 10), (0, 90, 160)]
    >>> measure_haematoxylin(np.array([row], np.uint8)).round(1)[0, 1:].tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    light = np.maximum(pixels.astype(np.float32), 1) / 255
    haematoxylin = rgb2hed(light)[..., 0]
    red, green, blue = np.moveaxis(-np.log10(light), -1, 0)
    strongest = np.maximum(np.maximum(red, green), blue)
    pen = (strongest > _BLACK) & (np.minimum(np.minimum(red, green), blue) > _ALIKE * strongest)
    pen |= (red > _COLOURED) & (red > _RED_OF_GREEN * green)
    if not pen.all():
        haematoxylin[pen] = np.median(haematoxylin[~pen])
    scaled = scale_robustly(haematoxylin)
    return np.zeros_like(haematoxylin) if scaled is None else scaled


def _read(path: Path, about: str) -> np.ndarray:
    """Grey, (height, width), or RGB, (height, width, 3); float32."""
    with suppress(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        shape = tiff.series[0].shape
        is_rgb = len(shape) == 3 and shape[2] in (3, 4) and tiff.pages.first.photometric == 2
        if len(tiff.pages) > 1 or not (len(shape) == 2 or is_rgb):
            raise InputError(
                f"{about} has {len(tiff.pages)} pages, px in {' x '.join(map(str, shape))};"
                f" {_WANTED}"
            )
        doubt = find_doubt(tiff, tiff.pages.first)
        if doubt:
            raise InputError(f"{about} {doubt}")
        if tiff.pages.first.photometric == _WHITE_IS_ZERO:
            raise InputError(f"{about} says that 0 is white, so nuclei may be dark; {_WANTED}")
        return tiff.asarray()[..., :3].astype(np.float32) if is_rgb else _to_float(tiff.asarray())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's doubts that are no errors
        with Image.open(path, formats=["PNG", "JPEG", "BMP"]) as image:
            if image.mode in _GREY_MODES:
                return _to_float(np.asarray(image))
            if image.mode not in ("RGB", "RGBA"):
                raise InputError(f"{about} has px in {image.mode}; {_WANTED}")
            return _to_float(np.asarray(image.convert("RGB")))


def _to_float(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32)


def _take_channel(rgb: np.ndarray, about: str) -> np.ndarray:
    """Take what grey or blue RGB shows."""
    high = np.percentile(rgb, _MAXIMUM, axis=(0, 1))
    most = max(high.max(), 1)
    if np.abs(rgb - rgb.mean(axis=2, keepdims=True)).mean() < _UNLIKE * most:
        return rgb.mean(axis=2)
    if max(high[0], high[1]) < _IN_OTHERS * high[2]:
        return rgb[..., 2]
    raise InputError(f"{about} has other colours than blue; {_WANTED}")


def scale_robustly(values: np.ndarray) -> np.ndarray | None:
    """Bring values to 0 to 1, both robust; None if they hardly vary."""
    low, high = np.percentile(values, (_MINIMUM, _MAXIMUM))
    if high <= low:
        return None
    return ((values - low) / (high - low)).clip(0, 1).astype(np.float32)
