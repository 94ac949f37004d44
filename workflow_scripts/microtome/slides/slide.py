"""Reading whole-slide images: any region, at any spacing, as RGB on white.

A region is always given by its upper left corner in level-0 px, its size in output px, and
`scale`: level-0 px per output px, which `Slide.scale_for` gives for a spacing in µm/px.
"""

import math
from pathlib import Path
from typing import Self

import numpy as np
import openslide
from PIL import Image

from microtome.errors import InputError
from microtome.io.slide_files import list_files
from microtome.slides.containers import find_opened, require_slide
from microtome.slides.image_source import ImageSource
from microtome.slides.level_content import choose_levels
from microtome.slides.openslide_source import OpenSlideSource
from microtome.slides.scales import scale_for
from microtome.slides.spacing import COARSEST_UM, FINEST_UM, SAME_WITHIN
from microtome.slides.tile_tables import read_tile_tables
from microtome.slides.tiled_source import REDUCTIONS, TiledSource

# Of scales and level px, which are floats.
_ROUNDING = 1e-6
# Level px per output px from which on it does not show that a level's px had to be interpolated.
_COARSE_ZOOM = 4
# Regions of more source px are read in parts, so memory does not depend on the region's size.
_MAX_SOURCE_PX = 2**22
# Whole brains are cut for glass of 200 x 250 mm; a scan that is longer has its spacing wrong.
_LONGEST_MM = 250
_USUAL_UM = 0.099, 2.2
# OpenSlide's names of formats whose tiles lie where TIFF says; others shift, join or pad tiles.
_TILED_VENDORS = (None, "aperio", "generic-tiff")


class Slide:
    """One whole-slide image, opened for reading.

    Parameters
    ----------
    name : str
        The slide's id, for messages.
    spacing_um : float, optional
        µm per pixel of level 0; overrides what the file says.
    spacing_tolerance, upsample
        See `microtome.slides.scales.scale_for`.

    Attributes
    ----------
    size_px : tuple of int
        Width and height of level 0.
    levels : list of (width_px, height_px)
        Sizes of the levels, finest first.
    downsamples : list of float
        Level-0 px per pixel of each level.
    spacing_um : float
        µm per pixel of level 0.
    n_bytes : int
        Bytes of all files of the slide.
    notes : list of str
        What is odd about them, a line each.

    Raises
    ------
    InputError
        If the file cannot be opened, or no spacing is known that can be.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.png"
    ...     Image.new("RGB", (400, 300), "pink").save(path)
    ...     with Slide(path, name="a", spacing_um=0.5) as slide:
    ...         pixels = slide.read(0, 0, 50, 50, scale=slide.scale_for(2.0))
    >>> slide.size_px, pixels.shape, pixels[0, 0].tolist()
    ((400, 300), (50, 50, 3), [255, 192, 203])
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str,
        spacing_um: float | None = None,
        spacing_tolerance: float | str = 0.02,
        upsample: bool = False,
    ) -> None:
        self.name = name
        self.path = Path(path)
        self.spacing_tolerance, self.upsample = spacing_tolerance, upsample
        if not self.path.exists():
            raise InputError(f"slide {name}: the file {path} does not exist")
        self._opened = self._state()
        self.n_bytes = sum(size for size, *_ in self._opened)
        self.vendor, self.source = _open_source(self.path, name)
        self.source.keep(choose_levels(self))
        places = self.source.places
        self.levels: list[tuple[int, int]] = [place.size_px for place in places]
        self.downsamples = [place.downsample for place in places]
        self.size_px = self.levels[0]
        self.spacing_um, self.notes = self._choose_spacing(spacing_um)
        self.notes += self._note_others()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.source.close()

    @property
    def about(self) -> str:
        """Name of the slide and its file, as messages begin."""
        return f"slide {self.name}: {self.path}"

    def require_unchanged(self) -> None:
        """Raise InputError if the file was removed or changed since it was opened."""
        if self._state() != self._opened:
            raise InputError(f"{self.about} has changed while it was read; run again")

    def _state(self) -> list[tuple[int, int, int]]:
        try:
            states = [file.stat() for file in list_files(self.path)]
        except OSError as error:
            raise InputError(f"{self.about} is no longer there ({error.strerror})") from error
        return [(state.st_size, state.st_mtime_ns, state.st_ino) for state in states]

    def level_for(self, scale: float) -> int:
        """The coarsest level that is fine enough for `scale` level-0 px per output px; else 0.

        For a whole scale, a level whose px would have to be interpolated is passed over for a
        finer one, unless it is so much finer that this would not show.
        """
        fine = [i for i, d in enumerate(self.downsamples) if d <= scale * (1 + _ROUNDING)]
        if not fine or not _is_whole(scale):
            return fine[-1] if fine else 0
        for level in reversed(fine):
            downsample, is_exact = self.downsamples[level], self.source.places[level].is_exact
            zoom = scale / downsample
            if zoom >= _COARSE_ZOOM or (is_exact and (_is_whole(downsample) or _is_whole(zoom))):
                return level
        return 0

    def scale_for(self, spacing_um: float) -> float:
        """Level-0 px per output px at a spacing; see `microtome.slides.scales.scale_for`."""
        return scale_for(
            spacing_um,
            slide_spacing_um=self.spacing_um,
            spacing_tolerance=self.spacing_tolerance,
            upsample=self.upsample,
            name=self.name,
        )

    def read(
        self, x_px: float, y_px: float, width_px: int, height_px: int, *, scale: float
    ) -> np.ndarray:
        """Read one region; areas outside the slide or never scanned are white.

        Parameters
        ----------
        x_px, y_px : float
            Upper left corner in level-0 px; may be negative.
        width_px, height_px : int
            Size of the result in output px.
        scale : float
            Level-0 px per output px; below 1 px are interpolated.

        Returns
        -------
        ndarray of shape (height_px, width_px, 3), uint8
            RGB, antialiased, from the coarsest level that is fine enough: the mean of whole pixels
            if they line up, else a mean weighted by a triangle.

        Raises
        ------
        InputError
            If the region cannot be decoded.
        """
        level = self.level_for(scale)
        zoom = scale / self.downsamples[level]  # level px per output px
        decoded = zoom / self._reduction(_power_below(zoom))
        most = _MAX_SOURCE_PX / decoded**2  # output px of a part
        columns = max(1, min(width_px, max(int(most**0.5), int(most / height_px))))
        rows = max(1, int(most / columns))
        if rows >= height_px and columns >= width_px:
            return self.read_level(x_px, y_px, width_px, height_px, level=level, zoom=zoom)
        result = np.empty((height_px, width_px, 3), np.uint8)
        for top in range(0, height_px, rows):
            for left in range(0, width_px, columns):
                part = result[top : top + rows, left : left + columns]
                corner = (x_px + left * scale, y_px + top * scale)
                size = (part.shape[1], part.shape[0])
                part[:] = self.read_level(*corner, *size, level=level, zoom=zoom)
        return result

    def read_level(
        self, x_px: float, y_px: float, width_px: int, height_px: int, *, level: int, zoom: float
    ) -> np.ndarray:
        """Read one region from one level, of which `zoom` px a side are an output px.

        The corner is in level-0 px; result and errors are those of `read`.
        """
        downsample = self.source.places[level].downsample
        left, top = x_px / downsample, y_px / downsample  # in level px
        if all(_is_whole(n) for n in (left, top, zoom)):
            left, top, zoom = round(left), round(top), round(zoom)
            # The decoder reduces by the common divisor; the rest is a mean of whole pixels.
            reduce = self._reduction(math.gcd(zoom, left, top))
            mean = zoom // reduce
            x, y = left // reduce, top // reduce
            pixels = self.source.read(level, x, y, width_px * mean, height_px * mean, reduce=reduce)
            return pixels if mean == 1 else np.asarray(Image.fromarray(pixels).reduce(mean))
        reduce = self._reduction(_power_below(zoom))
        left, top, zoom = left / reduce, top / reduce, zoom / reduce
        width, height = width_px * zoom, height_px * zoom
        # If pixels do not line up, Pillow's BOX does not weight by area. BILINEAR is a triangle,
        # which looks one output px beyond the region on each side.
        margin = int(np.ceil(zoom)) + 1
        x0, y0 = int(np.floor(left)) - margin, int(np.floor(top)) - margin
        x1, y1 = int(np.ceil(left + width)) + margin, int(np.ceil(top + height)) + margin
        pixels = self.source.read(level, x0, y0, x1 - x0, y1 - y0, reduce=reduce)
        box = (left - x0, top - y0, left - x0 + width, top - y0 + height)
        image = Image.fromarray(pixels)
        size = (width_px, height_px)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box))

    def _reduction(self, divisor: int) -> int:
        """The strongest reduction of the decoder that divides `divisor`."""
        if not self.source.reduces:
            return 1
        return next(reduce for reduce in REDUCTIONS if divisor % reduce == 0)

    def _note_others(self) -> list[str]:
        """Note pictures of the file that are not read, and a finest level that may not be it."""
        read = {place.number for place in self.source.places}
        others = [px for number, px in enumerate(self.source.pictures) if number not in read]
        sizes = ", ".join(f"{width} x {height} px" for width, height in sorted(set(others))[:3])
        text = f"{self.about}: pictures that are no levels of the slide are not read"
        notes = [f"{text}: {len(others)}, of {sizes}"] if others else []
        if self.source.is_resampled:
            text = (
                "its finest level says that it is resampled; a finer one may not have been copied"
            )
            notes.append(f"{self.about}: {text}")
        return notes

    def _choose_spacing(self, sheet_um: float | None) -> tuple[float, list[str]]:
        """Take the sheet's µm per px, else the file's; and say what is odd about them."""
        found = self.source.spacing
        if sheet_um is None and found.um is None:
            why = f" ({'; '.join(found.doubts)})" if found.doubts else ""
            raise InputError(
                f"{self.about} does not say its spacing{why};"
                " add it to the column spacing_um of the slide sheet (µm per pixel)"
            )
        if sheet_um is None:
            spacing_um, odd = found.um, list(found.doubts)
        elif not FINEST_UM <= sheet_um < COARSEST_UM:
            raise InputError(
                f"{self.about}: the slide sheet's spacing_um is {sheet_um:g}, which no scan has; it"
                " is µm per pixel, about 0.25 at 40x, 0.5 at 20x"
            )
        else:
            spacing_um, odd = float(sheet_um), []
            if found.um and abs(sheet_um / found.um - 1) > SAME_WITHIN:
                odd = [f"the sheet's {sheet_um:g} µm per px, but the file has {found.words}"]
        finest_um, coarsest_um = _USUAL_UM
        if not finest_um <= spacing_um <= coarsest_um:
            odd.append(f"{spacing_um:g} µm per px is unusual: scans have 0.1 (100x) to 2 (5x)")
        sides_mm = [side_px * spacing_um / 1000 for side_px in self.size_px]
        if max(sides_mm) > _LONGEST_MM:
            raise InputError(
                f"{self.about} would be {sides_mm[0]:.0f} x {sides_mm[1]:.0f} mm large at"
                f" {spacing_um:g} µm per px, and no glass is; give the right value in the column"
                " spacing_um of the slide sheet (about 0.25 at 40x, 0.5 at 20x)"
            )
        return spacing_um, [f"{self.about}: {text}" for text in odd]


def _power_below(zoom: float) -> int:
    """The largest power of two up to `zoom`, at least 1."""
    return 2 ** max(0, int(math.log2(zoom)))


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) < _ROUNDING


def _open_source(path: Path, name: str) -> tuple[str, TiledSource | OpenSlideSource | ImageSource]:
    """Detect the vendor of a slide, and open what reads it."""
    path = find_opened(path, name=name)
    vendor = openslide.OpenSlide.detect_format(path)
    tables = read_tile_tables(path, name=name) if vendor in _TILED_VENDORS else None
    # Big-endian TIFF, which OpenSlide does not know, is a slide too if it has tiles.
    require_slide(path, name=name, vendor=vendor or ("generic-tiff" if tables else None))
    if tables:
        source = TiledSource(path, tables, name=name, spoils=vendor == "aperio")
        return vendor or "tiff", source
    if vendor:
        return vendor, OpenSlideSource(path, name=name)
    return "image", ImageSource(path, name=name)
