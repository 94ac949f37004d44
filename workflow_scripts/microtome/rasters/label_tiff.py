"""Masks and heatmaps of a slide: tiled pyramidal OME-TIFF, written and read in bands."""

import uuid
from pathlib import Path

import numpy as np
import tifffile
import zarr
from numpy.typing import DTypeLike

from microtome.rasters.bands import ReadRows, bands, rows_of
from microtome.rasters.resampling import resample_rows
from microtome.rasters.tiff_pyramid import write_pyramid

TILE_PX = 512
_KEPT_TILE_ROWS = 2


def write_raster(
    path: str | Path,
    rows: ReadRows,
    *,
    shape: tuple[int, int],
    spacing_um: float,
    dtype: DTypeLike = np.uint8,
) -> None:
    """Write one channel as a tiled pyramid that QuPath, Bio-Formats and tifffile open.

    The rows are asked for from top to bottom, each once, at most 512 at a time and fewer if they
    are long, so memory does not grow with the height. Coarser levels keep every second pixel, so
    labels stay labels.

    ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width) of `dtype`, uint8 or
    float32. `spacing_um`, µm per px, is written to the OME-XML and to the resolution tags.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> labels = np.array([[0, 1], [2, 2]], np.uint8)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels.tif"
    ...     write_raster(path, rows_of(labels), shape=(2, 2), spacing_um=4)
    ...     raster = open_raster(path)
    ...     raster.spacing_um, raster.rows(1, 1)
    (4.0, array([[2, 2]], dtype=uint8))
    """
    write_pyramid(
        path,
        rows,
        shape=shape,
        spacing_um=spacing_um,
        dtype=dtype,
        tile_px=TILE_PX,
        halve=lambda band: band[::2, ::2],
        beyond_edge="constant",
        ome={
            "axes": "YX",
            "PhysicalSizeX": spacing_um,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": spacing_um,
            "PhysicalSizeYUnit": "µm",
            # tifffile would draw a random one, and the same run would give other bytes.
            "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, Path(path).name)}",
        },
        compression="zlib",
        photometric="minisblack",
    )


def write_array(path: str | Path, array: np.ndarray, *, spacing_um: float) -> None:
    """Write a raster that is in memory, ndarray of shape (height, width), bool or uint8."""
    labels = array.astype(np.uint8)
    write_raster(path, rows_of(labels), shape=labels.shape, spacing_um=spacing_um)


class Raster:
    """A raster opened for reading, of `spacing_um` µm per px.

    Its `pixels` have the shape (height, width), uint8 or float32; slicing decodes only the tiles it
    touches.
    """

    def __init__(self, pixels: zarr.Array, spacing_um: float) -> None:
        self.pixels = pixels
        self.spacing_um = spacing_um
        self._decoded: dict[int, np.ndarray] = {}  # rows of tiles

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.pixels.shape

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Read rows, ndarray of shape (n_rows, width); fewer at the end.

        The last two rows of tiles stay decoded, so bands that overlap or are lower than a tile
        decode each tile once as long as they are read from the top down.
        """
        last_row = min(first_row + n_rows, self.shape[0])
        found = np.empty((last_row - first_row, self.shape[1]), self.pixels.dtype)
        touched = range(first_row // TILE_PX, -(-last_row // TILE_PX))
        self._decoded = {i: tiles for i, tiles in self._decoded.items() if i in touched}
        for i in touched:
            top = i * TILE_PX
            if i not in self._decoded:
                if len(self._decoded) == _KEPT_TILE_ROWS:
                    del self._decoded[min(self._decoded)]
                self._decoded[i] = self.pixels[top : top + TILE_PX]
            a, b = max(first_row, top), min(last_row, top + TILE_PX)
            found[a - first_row : b - first_row] = self._decoded[i][a - top : b - top]
        return found

    def rows_on(self, shape: tuple[int, int], spacing_um: float) -> ReadRows:
        """Give the rows of this raster on the px of another of the same slide.

        Each px of the other, of `shape` and `spacing_um`, has the value under its centre.
        """
        return resample_rows(self.rows, self.shape, shape, ratio=spacing_um / self.spacing_um)

    def region(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Read a rectangle, `bottom` and `right` exclusive; safe to call from several threads."""
        return self.pixels[top:bottom, left:right]

    def thin(self, step: int) -> np.ndarray:
        """Read every `step`-th pixel of every `step`-th row, for a picture."""
        height, width = self.shape
        found = np.empty((-(-height // step), -(-width // step)), self.pixels.dtype)
        for first, n in bands(len(found), max(1, TILE_PX // step)):
            rows = self.rows(first * step, (n - 1) * step + 1)
            found[first : first + n] = rows[::step, ::step]
        return found


def open_raster(path: str | Path) -> Raster:
    """Open a raster that `write_raster` wrote; see its example."""
    with tifffile.TiffFile(path) as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    store = tifffile.imread(path, aszarr=True, level=0)
    return Raster(zarr.open_array(store, mode="r"), float(pixels["PhysicalSizeX"]))


def read_raster(path: str | Path) -> tuple[np.ndarray, float]:
    """Read a whole raster, shape (height, width), and its spacing in µm/px: for coarse ones."""
    raster = open_raster(path)
    return raster.rows(0, raster.shape[0]), raster.spacing_um
