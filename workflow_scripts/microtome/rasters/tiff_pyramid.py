"""Tiled TIFF pyramids, written from top to bottom in bands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import DTypeLike

from microtome.io.atomic import atomic
from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.disk_raster import Spool

_BAND_PX = 2**21


def write_pyramid(
    path: str | Path,
    rows: ReadRows,
    *,
    shape: tuple[int, ...],
    spacing_um: float,
    dtype: DTypeLike,
    tile_px: int,
    halve: Callable[[np.ndarray], np.ndarray],
    beyond_edge: str,
    ome: dict | None = None,
    **settings: object,
) -> None:
    """Write a raster and its coarser levels, each half as large, down to a level of one tile.

    The rows are asked for from top to bottom, each once, at most `tile_px` at a time and fewer if
    they are long, so memory does not grow with the height. Coarser levels wait on disk; `halve`
    makes their rows from twice as many rows of the finer level.

    `shape` are height and width, and the number of channels if pixels have several; `spacing_um` is
    written to the resolution tags in px per cm. Tiles beyond the raster's edge are filled with
    zeros, 'constant', or with the last row and column again, 'edge'. If `ome`, metadata of the
    first level, is given, coarser levels are sub-images of the first as in OME-TIFF; else they are
    pages of their own, as OpenSlide wants them. The rest is for `tifffile.TiffWriter.write`.
    """

    def cut_tiles(
        rows: ReadRows, size: tuple[int, ...], below: Spool | None
    ) -> Iterator[np.ndarray]:
        """Cut bands into tiles, and fill the next coarser level on the way."""
        height, width = size[:2]
        part_rows = min(tile_px, band_rows(width, band_px=_BAND_PX))
        for top, n_rows in bands(height, tile_px):
            band = np.empty((n_rows, *size[1:]), dtype)
            for first, n in bands(n_rows, part_rows):
                band[first : first + n] = rows(top + first, n)
            if below is not None:
                below.write(top // 2, halve(band))
            for left in range(0, width, tile_px):
                tile = band[:, left : left + tile_px]
                missing = [(0, tile_px - side) for side in tile.shape[:2]]
                missing += [(0, 0)] * (tile.ndim - 2)
                yield np.pad(tile, missing, mode=beyond_edge)

    levels = [shape]
    while max(levels[-1][:2]) > tile_px:
        levels.append((*(-(-side // 2) for side in levels[-1][:2]), *shape[2:]))
    with (
        atomic(path) as temporary,
        ExitStack() as spools,
        tifffile.TiffWriter(temporary, bigtiff=True, ome=ome is not None) as tiff,
    ):
        coarser = [spools.enter_context(Spool(size, dtype, beside=path)) for size in levels[1:]]
        sources = [rows, *(spool.rows for spool in coarser)]
        for i, (size, source, below) in enumerate(
            zip(levels, sources, [*coarser, None], strict=True)
        ):
            spacing = spacing_um * shape[1] / size[1] if i else spacing_um
            if ome is None:
                place = {"subfiletype": 1 if i else 0, "metadata": None}
            else:
                place = {"subfiletype": 1} if i else {"subifds": len(coarser), "metadata": ome}
            tiff.write(
                cut_tiles(source, size, below),
                shape=size,
                dtype=dtype,
                tile=(tile_px, tile_px),
                resolution=(1e4 / spacing, 1e4 / spacing),
                resolutionunit="CENTIMETER",
                maxworkers=1,
                **place,
                **settings,
            )
