"""Pictures of slides: pyramids of JPEG tiles that OpenSlide, QuPath and tifffile open."""

from pathlib import Path

import numpy as np

from microtome.rasters.bands import ReadRows
from microtome.rasters.block_mean import block_mean
from microtome.rasters.tiff_pyramid import write_pyramid

TILE_PX = 256
_QUALITY = 90


def write_rgb_pyramid(
    path: str | Path, rows: ReadRows, *, shape: tuple[int, int], spacing_um: float
) -> None:
    """Write RGB of `shape` as a tiled pyramid of JPEG, colour at half the resolution.

    ``rows(first_row, n_rows)`` gives an ndarray of shape (n_rows, width, 3), uint8. Each level is
    the mean of 2 x 2 px of the one before; memory does not grow with the height.
    """
    write_pyramid(
        path,
        rows,
        shape=(*shape, 3),
        spacing_um=spacing_um,
        dtype=np.uint8,
        tile_px=TILE_PX,
        halve=_halve,
        beyond_edge="edge",  # any other colour would bleed into the picture
        compression="jpeg",
        compressionargs={"level": _QUALITY},
        photometric="rgb",  # what is given: tifffile turns it into YCbCr
        subsampling=(2, 2),
        software=False,
    )


def _halve(band: np.ndarray) -> np.ndarray:
    """Average 2 x 2 px; the last row and column of an odd number are doubled."""
    height, width = band.shape[:2]
    return block_mean(np.pad(band, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"), 2)
