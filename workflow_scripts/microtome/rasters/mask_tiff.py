"""Reading a slide-sized mask TIFF a band at a time, never whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tifffile import TiffFile

from microtome.errors import InputError
from microtome.rasters.tiff_pages import find_doubt

# A strip or tile is decoded in one piece: a mask that is one huge strip would fill the memory.
MAX_SEGMENT_PX = 2**30

FOREGROUND = (1, 255)

_AS_TIFF = "vips tiffsave IN OUT.tif --tile --compression deflate --bigtiff"
_OF_A_JPEG = "vips relational_const IN.jpg OUT.tif more 127"
_PHOTOMETRIC, _MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 262, 0, 1, 2, 3
_MAX_LOOKED_UP_BITS = 16
_COLOUR = np.array([1 << 32, 1 << 16, 1])  # makes one number of red, green and blue


@contextmanager
def _name_damage(path: str | Path) -> Iterator[None]:
    """Turn any error of the TIFF parser or the codecs into one line that names the file."""
    try:
        yield
    except (InputError, OSError, MemoryError):  # told already, or not the file's trouble
        raise
    except Exception as error:
        raise InputError(
            f"{path}: is no TIFF or is damaged ({error}); copy it again, or write it as a TIFF "
            f"({_AS_TIFF}; of a JPEG: {_OF_A_JPEG})"
        ) from None


class MaskTiff:
    """A mask of 0 and 1, or of 0 and 255, sampled in bands of rows.

    Strips and tiles are decoded once if the bands are read from the top down. One row of tiles is
    kept, without empty tiles and columns that are not asked for.

    Parameters
    ----------
    path : str or Path
        A TIFF with one channel or in RGB, in strips or tiles, in any compression that imagecodecs
        reads. Only the first level of a pyramid is read. White (of 8 bits or its own number of
        bits) is foreground on black, whether 0 stands for black or for white; so is any other one
        colour of a palette or of RGB.

    Attributes
    ----------
    size_px : tuple of int
        Width and height.

    Raises
    ------
    InputError
        The file is no such TIFF. `rows` raises it too, for damaged data and for other values.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._foreground: int | None = None
        # What stored values stand for, if not for themselves: 0 is black.
        self._meaning: np.ndarray | None = None
        self._kept: tuple[int, np.ndarray, list[tuple[int, np.ndarray]]] | None = None
        with _name_damage(path):
            self._tiff = TiffFile(path)
        try:
            self._open_page()
        except BaseException:
            self._tiff.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()

    def rows(self, *, first_row: int, shape: tuple[int, int], scale: float) -> np.ndarray:
        """Read rows from `first_row` on, at the centres of px of `scale` level-0 px.

        The centres must lie inside the mask. The result is a bool ndarray of `shape`.
        """
        rows, columns = find_centres(first_row, shape[0], scale), find_centres(0, shape[1], scale)
        if self._is_mapped:
            # Mapped for one band only: the pages that a map has touched count as memory.
            return self._binary(self._map_pixels()[np.ix_(rows, columns)])
        band = np.zeros((len(rows), len(columns)), dtype=bool)
        height = self._segment_shape[0]
        # Consecutive rows of the band come from one row of tiles (or strip) at a time.
        starts = np.flatnonzero(np.diff(rows // height, prepend=-1))
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            for left, pixels in self._tile_row(int(rows[start] // height), columns):
                right = left + pixels.shape[1]
                band[start:stop, left:right] = pixels[rows[start:stop] % height]
        return band

    def _open_page(self) -> None:
        with _name_damage(self.path):
            page = self._tiff.pages.first
            shape, n_segments = page.shape, min(len(page.dataoffsets), len(page.databytecounts))
            doubt = find_doubt(self._tiff, page)
        self._is_rgb = page.photometric == _RGB and page.samplesperpixel == 3 == shape[-1]
        if len(shape) != 2 + self._is_rgb:
            raise InputError(
                f"{self.path}: a mask has one channel, this has the shape {shape}: keep the one "
                "that is meant (vips extract_band IN OUT.tif 0)"
            )
        if doubt:
            raise InputError(f"{self.path}: {doubt}")
        self._page = page
        with _name_damage(self.path):
            self._find_meaning()
        self.size_px = (page.imagewidth, page.imagelength)
        self._segment_shape = page.chunks
        self._is_mapped = bool(page.is_memmappable)
        if self._is_mapped:
            self._map_pixels()  # fails at once if the file is cut short
        elif page.chunks[0] * page.chunks[1] > MAX_SEGMENT_PX:
            raise InputError(
                f"{self.path}: is compressed in pieces of {page.chunks[1]} x {page.chunks[0]} px, "
                f"too large to read; write it in tiles ({_AS_TIFF})"
            )
        elif n_segments != page.chunked[0] * page.chunked[1]:
            raise InputError(
                f"{self.path}: its table of strips or tiles is incomplete; write the mask again"
            )

    def _find_meaning(self) -> None:
        """Find what stored values stand for; raise InputError if that is open."""
        page, bits = self._page, self._page.bitspersample
        open_to_doubt = None
        if page.nodata:
            open_to_doubt = f"names {page.nodata} as px without data"
        elif _PHOTOMETRIC not in page.tags or not (
            self._is_rgb or page.photometric in (_MIN_IS_WHITE, _MIN_IS_BLACK, _PALETTE)
        ):
            open_to_doubt = "does not say whether 0 is black or white (PhotometricInterpretation)"
        elif page.photometric == _MIN_IS_BLACK:
            return
        elif self._tiff.is_imagej and page.photometric == _MIN_IS_WHITE:
            open_to_doubt = (
                "was saved by ImageJ with an inverting LUT, so tumour may be black or white; choose"
                " Image > Lookup Tables > Invert LUT so that it is white, and save"
            )
        elif (page.photometric, bits) == (_MIN_IS_WHITE, 1) and "tifffile" in page.software:
            open_to_doubt = (
                "was saved by tifffile, which without photometric='minisblack' makes True of bool"
                " black, so tumour may be black or white; save mask.astype('uint8')"
            )
        elif page.dtype is None or page.dtype.kind not in "bu" or bits > _MAX_LOOKED_UP_BITS:
            open_to_doubt = f"holds inverted, palette or RGB px of type {page.dtype}"
        if open_to_doubt:
            raise InputError(f"{self.path}: {open_to_doubt}; write the mask again")
        if page.photometric == _MIN_IS_WHITE:
            self._meaning = np.arange(2**bits)[::-1]
        elif page.photometric == _PALETTE:
            self._meaning = page.colormap.T.astype(np.int64) @ _COLOUR

    def _map_pixels(self) -> np.ndarray:
        dtype = np.dtype(self._page.dtype).newbyteorder(self._tiff.byteorder)
        offset = self._page.dataoffsets[0]
        try:
            return np.memmap(self.path, dtype, mode="r", offset=offset, shape=self._page.shape)
        except ValueError:
            raise InputError(f"{self.path}: the file ends too early; copy it again") from None

    def _tile_row(self, tile_row: int, columns: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Decode the given columns of one row of tiles, or of one strip; keep it for the next band.

        Returns each tile that is not empty, with its first index in `columns`.
        """
        if self._kept is not None:
            kept_row, kept_columns, tiles = self._kept
            if kept_row == tile_row and np.array_equal(kept_columns, columns):
                return tiles
        self._kept = tiles = None  # frees the last row of tiles before there is a second
        width = self._segment_shape[1]
        across = -(-self.size_px[0] // width)
        bounds = np.searchsorted(columns, np.arange(across + 1) * width)
        tiles = []
        for tile in range(across):
            left, right = bounds[tile : tile + 2]
            if left == right or (pixels := self._decode(tile_row * across + tile)) is None:
                continue
            inside = self._binary(pixels.take(columns[left:right] - tile * width, axis=1))
            if inside.any():
                tiles.append((left, inside))
        self._kept = (tile_row, columns, tiles)
        return tiles

    def _decode(self, index: int) -> np.ndarray | None:
        """Decode a strip or tile to (height, width); None, meaning 0, if the file lacks it."""
        page = self._page
        file = self._tiff.filehandle
        if page.databytecounts[index] == 0:
            if self._meaning is not None and self._meaning[0]:
                raise InputError(
                    f"{self.path}: lacks tiles, which need not be black here; write the mask again"
                )
            return None
        file.seek(page.dataoffsets[index])
        data = file.read(page.databytecounts[index])
        with _name_damage(self.path):
            segment, _, _ = page.decode(
                data, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
            )
        if segment is None:
            return None
        return segment[0] if self._is_rgb else segment[0, :, :, 0]

    def _binary(self, pixels: np.ndarray) -> np.ndarray:
        """Turn stored values into bool; the whole file must have one foreground value."""
        if self._is_rgb:
            pixels = pixels.astype(np.int64) @ _COLOUR
        elif self._meaning is not None:
            pixels = self._meaning.take(pixels)
        inside = pixels != 0
        if not inside.any():
            return inside
        first = pixels.flat[inside.argmax()] if self._foreground is None else self._foreground
        has_colours = self._is_rgb or self._page.photometric == _PALETTE
        is_known = has_colours or first in (*FOREGROUND, 2**self._page.bitspersample - 1)
        strange = inside & (pixels != first) if is_known else inside
        if strange.any():
            beside = f" beside {first}" if is_known else ""
            found = f"the value {pixels.flat[strange.argmax()]}{beside}"
            raise InputError(
                f"{self.path}: holds {'two colours beside black' if has_colours else found}; "
                "a mask is 0 and 1, or 0 and 255, compressed without loss: write it again"
            )
        self._foreground = first
        return inside


def find_centres(first: int, n: int, scale: float) -> np.ndarray:
    """Level-0 px under the centres of `n` px from `first` on, each of `scale` level-0 px."""
    return ((np.arange(first, first + n) + 0.5) * scale).astype(np.int64)
