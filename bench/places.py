"""The patches wanted of a slide: which, where, and as a grid of Microtome's."""

from dataclasses import dataclass
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import numpy as np

from microtome.patches.grid import UNKNOWN, Grid
from slides import CACHE, SPACING_UM, SlideSpec

PATCH_PX = 256
_MIN_TISSUE = 0.5
# Divides patches of any spacing here, and tiles of 240 and of 256 px.
_UNIT_PX = 16


@dataclass(frozen=True)
class Places:
    """Files that say where the patches are.

    Attributes
    ----------
    corners : Path
        ``.npy`` of (x_px, y_px), level-0 px, int64, row by row.
    grid : Path
        ``.npz`` of `microtome.patches.grid.Grid`.
    n : int
        Number of patches.
    """

    corners: Path
    grid: Path
    n: int


def make_places(spec: SlideSpec, spacing_um: float) -> Places:
    """Lay patches of 256 px side by side over a slide's tissue.

    Parameters
    ----------
    spec : SlideSpec
        The slide, made before.
    spacing_um : float
        µm per patch px.

    Returns
    -------
    Places
    """
    scale = spacing_um / SPACING_UM
    side = int(PATCH_PX * scale) // _UNIT_PX
    tissue = np.kron(spec.tissue_tiles(), np.ones((spec.coding.tile_px // _UNIT_PX,) * 2))
    n = spec.side_px // _UNIT_PX // side
    fraction = tissue[: n * side, : n * side].reshape(n, side, n, side).mean((1, 3))
    row, column = np.nonzero(fraction >= _MIN_TISSUE)
    grid = Grid(
        row=row.astype(np.int32),
        column=column.astype(np.int32),
        tissue_fraction=fraction[row, column].astype(np.float32),
        tumour_fraction=np.full(len(row), np.nan, np.float32),
        label=np.full(len(row), UNKNOWN, np.int8),
        scale=scale,
        spacing_um=spacing_um,
        patch_px=PATCH_PX,
        stride_px=PATCH_PX,
    )
    stem = CACHE / "places" / f"{spec.name}-{spacing_um:g}um"
    places = Places(
        stem.with_name(f"{stem.name}.npy"), stem.with_name(f"{stem.name}.npz"), len(grid)
    )
    grid.save(places.grid)
    np.save(places.corners, np.stack([grid.x_px, grid.y_px], axis=1).astype(np.int64))
    return places
