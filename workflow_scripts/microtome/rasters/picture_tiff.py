"""Pictures of slides: pyramids of JPEG tiles that OpenSlide, QuPath and tifffile open."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tifffile

from microtome.io.atomic import atomic
from microtome.io.jpeg import encode_jpeg
from microtome.rasters.bands import ReadRows, bands
from microtome.rasters.disk_raster import Spool

TILE_PX = 256
_QUALITY = 90
_SUBSAMPLING = (2, 2)  # what the codec's 4:2:0 is to TIFF
# Markers of JPEG: tables, what follows a picture's header, and the first and the last of a file.
_DQT, _DHT, _SOF0, _SOS = 0xDB, 0xC4, 0xC0, 0xDA
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"


def write_rgb_pyramid(
    path: str | Path, rows: ReadRows, *, shape: tuple[int, int], spacing_um: float
) -> None:
    """Write RGB as a tiled pyramid, in a TIFF that may pass 4 GB.

    The rows are asked for from top to bottom, each once, 256 at a time, so memory does not grow
    with the picture's height; coarser levels wait on disk. Each is the mean of 2 x 2 px of the
    one before it, down to one tile. The levels are pages one after the other, as OpenSlide wants
    them, and the tables of all tiles are stored once a level.

    Parameters
    ----------
    path : str or Path
        The TIFF to write.
    rows : callable
        ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width, 3), uint8.
    shape : tuple of int
        Height and width in px.
    spacing_um : float
        µm per px, written to the resolution tags in px per cm.
    """
    levels = [shape]
    while max(levels[-1]) > TILE_PX:
        levels.append(tuple(-(-side // 2) for side in levels[-1]))
    tables = split_jpeg(_jpeg(np.zeros((TILE_PX, TILE_PX, 3), np.uint8)))[0]
    with (
        atomic(path) as temporary,
        ExitStack() as spools,
        tifffile.TiffWriter(temporary, bigtiff=True) as tiff,
    ):
        coarser = [
            spools.enter_context(Spool((*size, 3), np.uint8, beside=path)) for size in levels[1:]
        ]
        sources = [rows, *(spool.rows for spool in coarser)]
        below = [*coarser, None]
        for i, size in enumerate(levels):
            spacing = spacing_um * shape[1] / size[1] if i else spacing_um
            tiff.write(
                _tiles(sources[i], size, below[i]),
                shape=(*size, 3),
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                photometric="ycbcr",
                subsampling=_SUBSAMPLING,
                jpegtables=tables,
                resolution=(1e4 / spacing, 1e4 / spacing),
                resolutionunit="CENTIMETER",
                subfiletype=1 if i else 0,
                metadata=None,
                software=False,
            )


def split_jpeg(content: bytes) -> tuple[bytes, bytes]:
    """Split a baseline JPEG into its tables and what is the picture's own, as TIFF stores them.

    Parameters
    ----------
    content : bytes
        A JPEG file; what it says beyond tables and picture (JFIF) is left out.

    Returns
    -------
    tables, picture : bytes
        The same tables go with every picture of one quality.
    """
    parts = {_DQT: b"", _DHT: b"", _SOF0: b""}
    position = len(_SOI)
    while (marker := content[position + 1]) != _SOS:
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        if marker in parts:
            parts[marker] += content[position:end]
        position = end
    tables = _SOI + parts[_DQT] + parts[_DHT] + _EOI
    return tables, _SOI + parts[_SOF0] + content[position:]


def _jpeg(pixels: np.ndarray) -> bytes:
    return encode_jpeg(pixels, quality=_QUALITY)


def _tiles(rows: ReadRows, shape: tuple[int, int], below: Spool | None) -> Iterator[bytes]:
    """Compress bands tile by tile, and fill the next coarser level on the way."""
    height, width = shape
    for top, n_rows in bands(height, TILE_PX):
        band = rows(top, n_rows)
        if below is not None:
            below.write(top // 2, _halved(band))
        # A tile's rest beyond the edge repeats it: any other colour would bleed into the picture.
        band = np.pad(band, ((0, -n_rows % TILE_PX), (0, -width % TILE_PX), (0, 0)), mode="edge")
        for left in range(0, width, TILE_PX):
            tile = np.ascontiguousarray(band[:, left : left + TILE_PX])
            yield split_jpeg(_jpeg(tile))[1]


def _halved(band: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 px, rounded; the last row and column are doubled where they have no other."""
    height, width = band.shape[:2]
    band = np.pad(band, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    total = sum(band[y::2, x::2].astype(np.uint16) for y in (0, 1) for x in (0, 1))
    return ((total + 2) // 4).astype(np.uint8)
