"""Pixels of labelled images: read and checked, and brought to another spacing."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from microtome.errors import InputError
from microtome.slides.brightfield import Light
from microtome.slides.image_source import read_picture
from microtome.slides.pixel_forms import require_rgb_tiff

# Of ratios of spacings, which are floats.
_ROUNDING = 1e-6


def read_image(path: Path, *, about: str) -> np.ndarray:
    """Read an H&E image, PNG, TIFF, BMP or JPEG, on white: ndarray (height, width, 3), uint8.

    Raises InputError, which begins with `about`, if its px are not RGB of 8 bits, or grey or dark
    as those of fluorescence.
    """
    if not path.is_file():
        raise InputError(f"{about} is not there, or is no file; correct it in the image sheet")
    with suppress(tifffile.TiffFileError), tifffile.TiffFile(path) as tiff:
        require_rgb_tiff(tiff, tiff.pages.first, about=about)
    pixels = read_picture(path, about=about, kind="an image")
    light = Light()
    light.count(pixels)
    fault = light.find_fault()
    if fault:
        raise InputError(f"{about} is no H&E: {fault}")
    return pixels


def scale_shape(shape: tuple[int, ...], ratio: float) -> tuple[int, int]:
    """Height and width, in px that are `ratio` times as large, that hold all of an image.

    Examples
    --------
    >>> scale_shape((500, 333, 3), 2), scale_shape((10, 10), 0.55 / 0.5)
    ((250, 167), (10, 10))
    """
    height, width = (max(1, int(np.ceil(side / ratio - _ROUNDING))) for side in shape[:2])
    return height, width


def resample_pixels(pixels: np.ndarray, ratio: float) -> np.ndarray:
    """Bring an image to px that are `ratio` times as large: the same rule for every image.

    Each px is the mean of the px under it, where a whole number of them is; else a mean weighted by
    a triangle of twice a px's width, if px become larger, and interpolated between the four nearest
    centres, if they become smaller. What a last row or column has beyond the image repeats the
    image's edge, but whole px count alone.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        The image.
    ratio : float
        Its px per px of the result.

    Returns
    -------
    ndarray of the shape that `scale_shape` gives, with 3 channels, uint8

    Examples
    --------
    >>> pixels = np.array([[[0, 0, 9], [4, 0, 9], [8, 8, 8]]], np.uint8)
    >>> resample_pixels(pixels, 2).tolist()
    [[[2, 0, 9], [8, 8, 8]]]
    """
    if abs(ratio - round(ratio)) < _ROUNDING:
        whole = round(ratio)
        return pixels if whole == 1 else np.asarray(Image.fromarray(pixels).reduce(whole))
    height, width = scale_shape(pixels.shape, ratio)
    beyond = [
        (0, max(0, int(np.ceil(n * ratio - _ROUNDING)) - side))
        for n, side in zip((height, width), pixels.shape, strict=False)
    ]
    whole = Image.fromarray(np.pad(pixels, (*beyond, (0, 0)), mode="edge"))
    box = (0, 0, min(width * ratio, whole.width), min(height * ratio, whole.height))
    return np.asarray(whole.resize((width, height), Image.Resampling.BILINEAR, box=box))
