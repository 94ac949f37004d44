"""Slides that OpenSlide reads: NDPI, MRXS, DICOM, Philips, Ventana, Leica and others."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from microtome.errors import InputError, one_line
from microtome.slides.spacing import Spacing, Statement, choose_spacing
from microtome.slides.tile_tables import read_tiff_spacing

_MPP = openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y
# Vendors, as OpenSlide names them, of which it has the spacing from tags and texts read here too.
_PLAIN_TIFF = ("aperio", "generic-tiff")
_BOUNDS = (
    openslide.PROPERTY_NAME_BOUNDS_X,
    openslide.PROPERTY_NAME_BOUNDS_Y,
    openslide.PROPERTY_NAME_BOUNDS_WIDTH,
    openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
)


class OpenSlideSource:
    """The pixels of a slide, read by OpenSlide; safe to use from several threads.

    Raises InputError if OpenSlide cannot open it.
    """

    reduces = False
    read_by = "by OpenSlide"

    def __init__(self, path: Path, *, name: str) -> None:
        self._path, self._name = path, name
        self._open()
        self.levels = list(self._file.level_dimensions)
        self.downsamples = list(self._file.level_downsamples)
        self.spacing = self._read_spacing()

    def _open(self) -> None:
        try:
            self._file = openslide.OpenSlide(self._path)
        except openslide.OpenSlideError as error:
            raise InputError(
                f"slide {self._name}: {self._path} cannot be opened as a slide ({one_line(error)})"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_spacing(self) -> Spacing:
        """Take µm per px as OpenSlide reads them from a scanner's own texts; of a TIFF, ours."""
        found = self._file.properties
        if found[openslide.PROPERTY_NAME_VENDOR] in _PLAIN_TIFF:
            return read_tiff_spacing(self._path)
        with suppress(KeyError, ValueError):
            x_um, y_um = (float(found[name]) for name in _MPP)
            return choose_spacing([Statement(f"{x_um:g} x {y_um:g} µm per px", (x_um, y_um))])
        return Spacing()

    def read(
        self, level: int, x: int, y: int, width: int, height: int, *, reduce: int = 1
    ) -> np.ndarray:
        """Read a rectangle of one level, in px of the level; areas not scanned are white.

        The result is an ndarray of shape (height, width, 3), uint8. Raises InputError if it cannot
        be decoded.
        """
        downsample = self.downsamples[level]
        corner = (round(x * downsample), round(y * downsample))
        try:
            region = self._file.read_region(corner, level, (width, height))
        except openslide.OpenSlideError as error:
            self._open()  # after an error OpenSlide refuses all further reads
            raise InputError(
                f"slide {self._name}: {self._path} cannot be read at x={corner[0]}, y={corner[1]},"
                f" level {level} ({one_line(error)})"
            ) from error
        white = Image.new("RGB", region.size, "white")
        white.paste(region, mask=region.getchannel("A"))
        return np.asarray(white)


def read_bounds(path: Path) -> list[int] | None:
    """Read where on the slide its scan lies: x, y, width and height in level-0 px.

    So OpenSlide says it of MRXS, SCN and others, whoever reads their pixels; the scan may reach
    beyond the slide. None if it says nothing, or that the scan is the whole slide.
    """
    errors = openslide.OpenSlideError, KeyError, ValueError
    with suppress(*errors), openslide.OpenSlide(path) as file:
        bounds = [int(file.properties[name]) for name in _BOUNDS]
        return None if bounds == [0, 0, *file.dimensions] else bounds
    return None
