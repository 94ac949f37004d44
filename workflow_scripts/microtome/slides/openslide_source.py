"""Slides that OpenSlide reads: NDPI, MRXS, DICOM, Philips, Ventana, Leica and others."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
from PIL import Image

from microtome.errors import InputError, one_line
from microtome.slides.level_places import Place, guess_places
from microtome.slides.spacing import Spacing, Statement, choose_spacing, read_spacing

# Formats of which OpenSlide takes the mean ratio of sides for a level's downsample, padded or not.
_DIVIDED = ("aperio", "dicom", "generic-tiff")
_TILE_PX = 512
# Half a px of level 0 is next to nothing in levels of this downsample.
_SURELY_EXACT = 16

_MPP = openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y
# Vendors, as OpenSlide names them, of which it has the spacing from tags and texts read here too.
_PLAIN_TIFF = ("aperio", "generic-tiff")
_RESOLUTION_UNITS = {"none": 1, "inch": 2, "centimeter": 3}
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
        self.pictures = self._file.level_dimensions
        # So DICOM describes levels that are not as they were scanned.
        self.is_resampled = self._file.properties.get("dicom.ImageType[3]") == "RESAMPLED"
        # OpenSlide's own, which need not be where levels lie.
        self._downsamples = self._file.level_downsamples
        self.places = self._find_places()
        self.spacing = self._read_spacing()

    def _open(self) -> None:
        try:
            self._file = openslide.OpenSlide(self._path)
        except openslide.OpenSlideError as error:
            raise InputError(
                f"slide {self._name}: {self._path} cannot be opened as a slide ({one_line(error)})"
            ) from error

    def _find_places(self) -> tuple[Place, ...]:
        """Find where each level lies: as the file says, else by its size, to a px of the level."""
        vendor = self._file.properties[openslide.PROPERTY_NAME_VENDOR]
        places = []
        for number, size in enumerate(self.pictures):
            said = self._downsamples[number]
            if vendor not in _DIVIDED or not number:
                whole = round(said)
                if abs(said / whole - 1) * max(size) < 1:
                    said = float(whole)
                found = [Place(number, said, size)]
            else:
                # In a TIFF of nobody's making any picture may be flagged as reduced.
                how = {"tile_px": self._tile_px(number), "is_reduced": vendor != "generic-tiff"}
                found = guess_places(self.pictures[0], size, number=number, **how)
            # Between px of the level OpenSlide interpolates, up to half a px of level 0 off. Of
            # Aperio's only JPEG 2000 comes here, too slow to be read from a finer level instead.
            own = self._downsamples[number]
            is_exact = own.is_integer() or own >= _SURELY_EXACT or vendor == "aperio"
            places += [replace(place, is_exact=is_exact) for place in found]
        return tuple(sorted(places, key=lambda place: place.downsample))

    def _tile_px(self, number: int) -> tuple[int, int]:
        """Width and height of a tile of a level; OpenSlide says it where all tiles are the same."""
        names = (f"openslide.level[{number}].tile-{side}" for side in ("width", "height"))
        width, height = (int(self._file.properties.get(name, _TILE_PX)) for name in names)
        return width, height

    def keep(self, levels: Sequence[int]) -> None:
        """Forget all places but those of these levels."""
        self.places = tuple(self.places[level] for level in levels)

    def tile_bytes(self, level: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Give ones for the tiles of a level, (rows, columns), and a tile's height and width."""
        number = self.places[level].number
        width, height = self._tile_px(number)
        width_px, height_px = self.pictures[number]
        rows, columns = -(-height_px // height), -(-width_px // width)
        return np.ones((rows, columns), np.int64), (height, width)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_spacing(self) -> Spacing:
        """Take µm per px as OpenSlide reads them from a scanner's own texts; of a TIFF, ours."""
        found = self._file.properties
        if found[openslide.PROPERTY_NAME_VENDOR] in _PLAIN_TIFF:
            resolution = None
            with suppress(KeyError, ValueError):
                resolution = tuple(float(found[f"tiff.{axis}Resolution"]) for axis in "XY")
            return read_spacing(
                found.get("tiff.ImageDescription", ""),
                resolution=resolution,
                resolution_unit=_RESOLUTION_UNITS.get(found.get("tiff.ResolutionUnit"), 0),
                size_px=self.pictures[0],
            )
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
        number, size_px = self.places[level].number, self.places[level].size_px
        corner = (round(x * self._downsamples[number]), round(y * self._downsamples[number]))
        white = Image.new("RGB", (width, height), "white")
        if size_px != self.pictures[number]:  # beyond is padding
            width, height = min(width, size_px[0] - x), min(height, size_px[1] - y)
            if min(width, height) <= 0:
                return np.asarray(white)
        try:
            region = self._file.read_region(corner, number, (width, height))
        except openslide.OpenSlideError as error:
            self._open()  # after an error OpenSlide refuses all further reads
            raise InputError(
                f"slide {self._name}: {self._path} cannot be read at x={corner[0]}, y={corner[1]},"
                f" level {level} ({one_line(error)})"
            ) from error
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
