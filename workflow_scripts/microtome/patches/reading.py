"""Cutting the patches of a grid out of a slide."""

from collections.abc import Iterator, Sequence

import numpy as np

from microtome.patches.grid import Grid
from microtome.patches.strips import read_strips
from microtome.patches.tile_plan import plan_views
from microtome.patches.tile_reading import read_tiles
from microtome.slides.slide import Slide


def read_patches(
    slide: Slide, grid: Grid, *, threads: int = 1, spacings_um: Sequence[float] = ()
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the patches of a grid, region by region, row by row; each tile is decoded once.

    If patches lie on whole pixels of a level, or of its tiles decoded at a fraction of their size,
    they are pieced together from tiles; else strips of patches are resampled.

    Further spacings, in µm/px, are patches of the same size in px with the same centres, from the
    same decoding if one level serves them (MR-HistoCAE).

    Yields
    ------
    index : ndarray of shape (n,), int64
        Which patches of the grid these are.
    pixels : ndarray of shape (n, patch_px, patch_px, 3), uint8
        RGB; with further spacings of shape (n, 1 + len(spacings_um), patch_px, patch_px, 3), the
        grid's own spacing first. Valid until the item after the next is asked for. Patches that
        cannot be decoded are left out, with a warning in the log.

    Raises
    ------
    InputError
        If a spacing is finer than the slide's, or the file has changed since it was opened.
    """
    if not len(grid):
        return
    scales = [grid.scale, *(slide.scale_for(spacing) for spacing in spacings_um)]
    views = plan_views(slide, grid, scales)
    if views:
        parts = read_tiles(slide, grid, views, threads=threads)
    else:
        parts = read_strips(slide, grid, scales, threads=threads)
    for index, pixels in parts:
        yield index, pixels if spacings_um else pixels[:, 0]
    slide.require_unchanged()
