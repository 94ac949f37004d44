"""Regions of a slide that are encoded as one, and the overlapping windows that they hold."""

from dataclasses import dataclass

import numpy as np

from microtome.patches.grid import UNKNOWN, Grid
from microtome.slides.slide import Slide


def in_whole_px(slide: Slide, grid: Grid) -> bool:
    """Say whether a grid's px are px of a level, or means of whole ones.

    Only then are the px of a region, bit by bit, those of its windows: where px are interpolated,
    rounding depends on where a read begins.
    """
    scale = float(grid.scale)
    zoom = scale / slide.downsamples[slide.level_for(scale)]
    return scale.is_integer() and zoom.is_integer()


@dataclass(frozen=True)
class Regions:
    """Squares of windows that are worth encoding as one.

    Attributes
    ----------
    grid : Grid
        The regions, as patches; tissue and labels are not known.
    windows : list of ndarray of shape (n,), int64
        Which windows each one holds; none is in two.
    strides : int
        Strides from one region to the next.
    """

    grid: Grid
    windows: list[np.ndarray]
    strides: int


def regions_of(grid: Grid, region_px: int) -> Regions:
    """Divide a grid into regions, row by row.

    A region is at most `region_px` patch px wide, and ends with its last window. Regions that are
    no less px than their windows one by one are left out, and their windows are in none.
    """
    strides = max(0, region_px - grid.patch_px) // grid.stride_px + 1
    side_px = grid.patch_px + (strides - 1) * grid.stride_px
    corners = np.stack([grid.row, grid.column], axis=1) // strides
    places, region, n_windows = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
    windows = np.split(np.argsort(region, kind="stable"), np.cumsum(n_windows)[:-1])
    worth = np.flatnonzero(n_windows * grid.patch_px**2 > side_px**2)
    row, column = places[worth].T
    unknown = np.full(len(worth), np.nan, np.float32)
    return Regions(
        grid=Grid(
            row=row,
            column=column,
            tissue_fraction=unknown,
            tumour_fraction=unknown,
            label=np.full(len(worth), UNKNOWN, np.int8),
            scale=grid.scale,
            spacing_um=grid.spacing_um,
            patch_px=side_px,
            stride_px=strides * grid.stride_px,
        ),
        windows=[windows[i] for i in worth],
        strides=strides,
    )
