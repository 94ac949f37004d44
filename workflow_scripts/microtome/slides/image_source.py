"""Plain images as slides of one level: JPEG, PNG, BMP and untiled TIFF."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from microtome.errors import InputError, one_line
from microtome.slides.level_places import Place
from microtome.slides.pixel_forms import require_rgb_image
from microtome.slides.tile_tables import read_tiff_spacing
from microtome.slides.tiled_source import paste

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF")


class ImageSource:
    """The pixels of a plain image; only a TIFF may say its spacing.

    Raises InputError if it is no JPEG, PNG, BMP or TIFF in colour, is damaged, or is too large.
    """

    reduces = False
    read_by = "as one image"
    is_resampled = False

    def __init__(self, path: Path, *, name: str) -> None:
        self._pixels = read_picture(path, about=f"slide {name}: {path}", kind="a slide")
        height, width, _ = self._pixels.shape
        self.places = (Place(0, 1.0, (width, height)),)
        self.pictures = ((width, height),)
        self.spacing = read_tiff_spacing(path)

    def close(self) -> None:
        """Release the pixels."""
        self._pixels = self._pixels[:0]

    def keep(self, levels: Sequence[int]) -> None:
        """Do nothing: there is one level."""

    def read(
        self, level: int, x: int, y: int, width: int, height: int, *, reduce: int = 1
    ) -> np.ndarray:
        """Read a rectangle, white beyond the edges: ndarray (height, width, 3), uint8."""
        result = np.full((height, width, 3), 255, np.uint8)
        x1, y1 = max(x + width, 0), max(y + height, 0)
        part = self._pixels[max(y, 0) : y1, max(x, 0) : x1]
        paste(result, part, max(-x, 0), max(-y, 0))
        return result


def read_picture(path: Path, *, about: str, kind: str) -> np.ndarray:
    """Read a whole image, on white where it is transparent: ndarray (height, width, 3), uint8.

    Raises InputError, which begins with `about` and calls the image `kind`, if it is no JPEG, PNG,
    BMP or TIFF in colour, is damaged, or is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's doubts that are no errors
            image = Image.open(path, formats=_FORMATS)
        with image:
            require_rgb_image(image, about=about)
            white = Image.new("RGB", image.size, "white")
            # A palette or one colour may be transparent too.
            pixels = image.convert("RGBA") if image.has_transparency_data else image
            white.paste(pixels, mask=pixels if image.has_transparency_data else None)
    except InputError:
        raise
    except Exception as error:  # Pillow's plugins raise anything for broken bytes
        fault = f"cannot be opened as {kind} ({one_line(error)})"
        if isinstance(error, UnidentifiedImageError):
            fault = f"cannot be opened as {kind} (no format that is read; see docs/formats.md)"
        elif isinstance(error, Image.DecompressionBombError):
            fault = "is too large for an image in one piece; convert it to a tiled TIFF"
        raise InputError(f"{about} {fault}") from error
    return np.asarray(white)
