"""Reading whole-slide images: any region, at any spacing, as RGB on white.

One meaning of a region everywhere: its upper left corner in level-0 px, its size in output px,
and `scale`, the level-0 px per output px that `Slide.scale_for` gives for a spacing in µm/px.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import openslide
from PIL import Image

from microtome.errors import InputError
from microtome.spacing import scale_for

# A level whose width is 4.0003 times smaller than level 0 is a level of downsample 4.
_LEVEL_ROUNDING = 0.005


class Slide:
    """One whole-slide image, opened for reading.

    Parameters
    ----------
    path : str or Path
        The slide file.
    name : str
        The slide's id, for messages.
    spacing_um : float, optional
        µm per pixel of level 0; overrides what the file says.
    spacing_tolerance : float
        See `microtome.spacing.scale_for`; `spacing_at` says what a spacing really is.

    Raises
    ------
    InputError
        If the file cannot be opened, or no spacing is known.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str,
        spacing_um: float | None = None,
        spacing_tolerance: float = 0.02,
    ) -> None:
        self.name = name
        self.path = Path(path)
        self.spacing_tolerance = spacing_tolerance
        if not self.path.exists():
            raise InputError(f"slide {name}: the file {path} does not exist")
        self._open()
        self.size_px: tuple[int, int] = self._file.dimensions
        self.vendor: str = self._file.properties.get(openslide.PROPERTY_NAME_VENDOR, "unknown")
        self.spacing_um = self._spacing(spacing_um)

    def _open(self) -> None:
        try:
            self._file = openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise InputError(
                f"slide {self.name}: {self.path} cannot be opened as a slide ({error})"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def levels(self) -> list[tuple[int, int]]:
        """Sizes of the levels: list of (width_px, height_px), finest first."""
        return list(self._file.level_dimensions)

    @property
    def downsamples(self) -> list[float]:
        """Level-0 px per pixel of each level."""
        rounded = [(round(d), d) for d in self._file.level_downsamples]
        return [float(n) if abs(d / n - 1) < _LEVEL_ROUNDING else d for n, d in rounded]

    def scale_for(self, spacing_um: float) -> float:
        """Level-0 px per output px for a spacing in µm/px: see `microtome.spacing.scale_for`."""
        return scale_for(
            spacing_um,
            slide_spacing_um=self.spacing_um,
            spacing_tolerance=self.spacing_tolerance,
            name=self.name,
        )

    def spacing_at(self, scale: float) -> float:
        """µm per output px at `scale` level-0 px per output px."""
        return self.spacing_um * scale

    def read(
        self, x_px: float, y_px: float, width_px: int, height_px: int, *, scale: float
    ) -> np.ndarray:
        """Read one region; what lies outside the slide, or was never scanned, is white.

        Parameters
        ----------
        x_px, y_px : float
            Upper left corner in level-0 px; may be negative.
        width_px, height_px : int
            Size of the result in output px.
        scale : float
            Level-0 px per output px, at least 1.

        Returns
        -------
        ndarray of shape (height_px, width_px, 3), uint8
            RGB, antialiased, from the coarsest level that is fine enough: the mean of whole pixels
            where they line up, else weighted by a triangle.

        Raises
        ------
        InputError
            If the region cannot be decoded.
        """
        downsamples = self.downsamples
        level = max(i for i, d in enumerate(downsamples) if d <= scale * (1 + _LEVEL_ROUNDING))
        zoom = scale / downsamples[level]  # level px per output px
        left, top = x_px / downsamples[level], y_px / downsamples[level]
        width, height = width_px * zoom, height_px * zoom
        if all(float(n).is_integer() for n in (left, top, zoom)):
            pixels = self._read_level(level, int(left), int(top), int(width), int(height))
            return pixels if zoom == 1 else np.asarray(Image.fromarray(pixels).reduce(int(zoom)))
        # Pillow's BOX does not weigh by area where pixels do not line up; BILINEAR is a triangle
        # and looks one output px beyond the region on each side.
        margin = int(np.ceil(zoom)) + 1
        x0, y0 = int(np.floor(left)) - margin, int(np.floor(top)) - margin
        x1, y1 = int(np.ceil(left + width)) + margin, int(np.ceil(top + height)) + margin
        pixels = Image.fromarray(self._read_level(level, x0, y0, x1 - x0, y1 - y0))
        box = (left - x0, top - y0, left - x0 + width, top - y0 + height)
        size = (width_px, height_px)
        return np.asarray(pixels.resize(size, Image.Resampling.BILINEAR, box=box))

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """RGB of a rectangle in the pixels of one level."""
        downsample = self.downsamples[level]
        corner = (round(x * downsample), round(y * downsample))
        try:
            region = self._file.read_region(corner, level, (width, height))
        except openslide.OpenSlideError as error:
            self._open()  # OpenSlide refuses all further reads after an error
            raise InputError(
                f"slide {self.name}: {self.path} cannot be read at x={corner[0]}, y={corner[1]},"
                f" level {level} ({error})"
            ) from error
        white = Image.new("RGB", region.size, "white")
        white.paste(region, mask=region.getchannel("A"))
        return np.asarray(white)

    def _spacing(self, override_um: float | None) -> float:
        if override_um is not None:
            return float(override_um)
        properties = self._file.properties
        try:
            x_um = float(properties[openslide.PROPERTY_NAME_MPP_X])
            y_um = float(properties[openslide.PROPERTY_NAME_MPP_Y])
        except (KeyError, ValueError) as error:
            raise InputError(
                f"slide {self.name}: {self.path} does not say its spacing;"
                " add it to the column spacing_um of the slide sheet (µm per pixel)"
            ) from error
        if not 0.01 < x_um < 100 or not 0.95 < y_um / x_um < 1.05:
            raise InputError(
                f"slide {self.name}: {self.path} says its pixels are {x_um:g} x {y_um:g} µm, which"
                " cannot be; give the right value in the column spacing_um of the slide sheet"
            )
        return (x_um + y_um) / 2
