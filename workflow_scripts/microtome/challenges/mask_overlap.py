"""How far two mask files agree, pixel by pixel, a band of rows at a time."""

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from microtome.errors import InputError, one_line
from microtome.evaluation.metrics import confusion, overlap_metrics
from microtome.rasters.bands import ReadRows, band_rows, bands, rows_of
from microtome.rasters.mask_tiff import FOREGROUND, MaskTiff

TIFF_SUFFIXES = (".tif", ".tiff")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG_THRESHOLD = 128  # JPEG blurs 0 and 255
_GREY_SPREAD = 64  # largest difference of a px's channels in something that is meant to be grey


@dataclass(frozen=True)
class Overlap:
    """Agreement of a predicted mask with the true one, 1 where both are empty."""

    jaccard: float
    dice: float
    truth_px: int  # foreground of the truth


def compare_masks(predicted: Path, truth: Path) -> Overlap:
    """Compare two mask files; InputError if one is no mask, or their sizes differ.

    They are told by their content: TIFF (see `MaskTiff`), read in bands; PNG of 0 and 1, or of 0
    and 255; JPEG, of which 128 or more is foreground.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, name) for name in ("predicted.png", "truth.png")]
    ...     for path, row in zip(paths, ([0, 1, 1, 0], [0, 0, 1, 1])):
    ...         Image.fromarray(np.array([row], np.uint8)).save(path)
    ...     compare_masks(*paths)
    Overlap(jaccard=0.3333333333333333, dice=0.5, truth_px=2)
    """
    with _open_mask(predicted) as (size_px, rows), _open_mask(truth) as (true_size_px, true_rows):
        if size_px != true_size_px:
            raise InputError(
                f"{predicted}: is {size_px[0]} x {size_px[1]} px, the truth {truth} is "
                f"{true_size_px[0]} x {true_size_px[1]} px; submit a mask of that size"
            )
        width, height = size_px
        counts = np.zeros((2, 2), np.int64)
        for band in bands(height, band_rows(width)):
            counts += confusion(true_rows(*band), rows(*band))
    return Overlap(**overlap_metrics(counts), truth_px=int(counts[1].sum()))


@contextmanager
def _open_mask(path: Path) -> Iterator[tuple[tuple[int, int], ReadRows]]:
    """Give width and height of a mask, and its rows as bool."""
    with path.open("rb") as file:
        is_tiff = file.read(4) in _TIFF_STARTS
    if not is_tiff:
        pixels = read_mask_image(path)
        yield pixels.shape[::-1], rows_of(pixels)
        return
    with closing(MaskTiff(path)) as mask:
        width = mask.size_px[0]
        yield mask.size_px, lambda first, n: mask.rows(first_row=first, shape=(n, width), scale=1)


def read_mask_image(path: Path) -> np.ndarray:
    """Read a PNG of 0 and 1 or of 0 and 255, or a JPEG of about 0 and 255, to bool (h, w).

    InputError is raised if it is neither, is in colours or has too many px to be read whole.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                is_jpeg = image.format == "JPEG"
                grey = image.convert("L" if image.mode in ("1", "L") else "RGB")
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise InputError(
                f"{path}: has more than {Image.MAX_IMAGE_PIXELS} px, too many for an image read"
                " whole; give a tiled TIFF"
            ) from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise InputError(
                f"{path}: is no TIFF, PNG or JPEG or is damaged ({one_line(error)}); write it again"
            ) from error
    pixels = np.asarray(grey)
    if pixels.ndim == 3:
        if int(np.ptp(pixels, axis=2).max(initial=0)) > _GREY_SPREAD:
            raise InputError(f"{path}: is a picture in colours, no mask; give 0 and 255 in grey")
        pixels = pixels[..., 0]
    if is_jpeg:
        return pixels >= _JPEG_THRESHOLD
    values = np.flatnonzero(grey.histogram()[1:256]) + 1
    if len(values) > 1 or not set(values.tolist()) <= set(FOREGROUND):
        shown = ", ".join(map(str, values[:3]))
        raise InputError(
            f"{path}: holds {shown} beside 0; a mask is 0 and 1, or 0 and 255: write it again"
        )
    return pixels > 0
