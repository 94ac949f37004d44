"""Masks and heatmaps of a slide: tiled pyramidal OME-TIFF, written and read in bands."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import zarr

from microtome.files import atomic

TILE_PX = 512

ReadRows = Callable[[int, int], np.ndarray]


def write_raster(
    path: str | Path, rows: ReadRows, *, shape: tuple[int, int], spacing_um: float
) -> None:
    """Write one channel as a tiled pyramid that QuPath, Bio-Formats and tifffile open.

    The rows are asked for from top to bottom, 512 at a time, so memory does not grow with the
    raster's height. Coarser levels keep every second pixel: labels stay labels.

    Parameters
    ----------
    path : str or Path
        The TIFF to write.
    rows : callable
        ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width), uint8.
    shape : tuple of int
        Height and width in px.
    spacing_um : float
        µm per px, written to the OME-XML and to the resolution tags.
    """
    levels = [shape]
    while max(levels[-1]) > TILE_PX:
        levels.append(tuple(-(-side // 2) for side in levels[-1]))
    with (
        atomic(path) as temporary,
        tempfile.TemporaryFile(dir=temporary.parent) as spill,
        tifffile.TiffWriter(temporary, bigtiff=True, ome=True) as tiff,
    ):
        offsets = np.cumsum([0] + [h * w for h, w in levels[1:]])
        if offsets[-1]:
            # Taken now: a disk that fills up under a memory map would kill the process.
            os.posix_fallocate(spill.fileno(), 0, int(offsets[-1]))
        coarser = [
            np.memmap(spill, np.uint8, "r+", offset=int(at), shape=size)
            for at, size in zip(offsets, levels[1:], strict=False)
        ]
        for i, size in enumerate(levels):
            spacing = spacing_um * shape[1] / size[1] if i else spacing_um
            below = coarser[i] if i < len(coarser) else None
            source = coarser[i - 1] if i else None
            tiff.write(
                _tiles(rows if source is None else _rows_of(source), size, below),
                shape=size,
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                compression="zlib",
                photometric="minisblack",
                resolution=(1e4 / spacing, 1e4 / spacing),
                resolutionunit="CENTIMETER",
                maxworkers=1,
                **(
                    {"subfiletype": 1}
                    if i
                    else {"subifds": len(levels) - 1, "metadata": _ome(path, spacing_um)}
                ),
            )


def write_array(path: str | Path, array: np.ndarray, *, spacing_um: float) -> None:
    """Write a raster that is in memory, ndarray of shape (height, width), bool or uint8."""
    labels = array.astype(np.uint8)
    write_raster(path, _rows_of(labels), shape=labels.shape, spacing_um=spacing_um)


@dataclass(frozen=True)
class Raster:
    """A raster opened for reading.

    Attributes
    ----------
    pixels : zarr.Array
        Shape (height, width), uint8; slicing decodes only the tiles it touches.
    spacing_um : float
        µm per px.
    """

    pixels: zarr.Array
    spacing_um: float

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in px."""
        return self.pixels.shape

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Rows as an ndarray of shape (n_rows, width), uint8."""
        return self.pixels[first_row : first_row + n_rows]


def open_raster(path: str | Path) -> Raster:
    """Open a raster that `write_raster` wrote."""
    with tifffile.TiffFile(path) as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    store = tifffile.imread(path, aszarr=True, level=0)
    return Raster(zarr.open_array(store, mode="r"), float(pixels["PhysicalSizeX"]))


def read_raster(path: str | Path) -> tuple[np.ndarray, float]:
    """A whole raster, shape (height, width), and its spacing in µm/px: for coarse ones."""
    raster = open_raster(path)
    return raster.rows(0, raster.shape[0]), raster.spacing_um


def _tiles(
    rows: ReadRows, shape: tuple[int, int], below: np.ndarray | None
) -> Iterator[np.ndarray]:
    """Cut bands into tiles, and fill the next coarser level on the way."""
    height, width = shape
    for top in range(0, height, TILE_PX):
        band = rows(top, min(TILE_PX, height - top))
        if below is not None:
            half = band[::2, ::2]
            below[top // 2 : top // 2 + len(half)] = half
        for left in range(0, width, TILE_PX):
            yield np.ascontiguousarray(band[:, left : left + TILE_PX])


def _rows_of(array: np.ndarray) -> ReadRows:
    return lambda first, n: array[first : first + n]


def _ome(path: str | Path, spacing_um: float) -> dict:
    return {
        "axes": "YX",
        "PhysicalSizeX": spacing_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": spacing_um,
        "PhysicalSizeYUnit": "µm",
        # tifffile would draw a random one, and the same run would give other bytes.
        "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, Path(path).name)}",
    }
