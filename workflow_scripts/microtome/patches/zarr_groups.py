"""Zarr v3 stores with values per patch, for patches and for scores."""

from pathlib import Path

import numpy as np
import zarr

from microtome.errors import InputError
from microtome.patches.grid import Grid

PER_PATCH = ("row", "column", "tissue_fraction", "tumour_fraction", "label")
_GEOMETRY = ("scale", "spacing_um", "patch_px", "stride_px")


def create_store(path: str | Path, grid: Grid, origin: dict) -> zarr.Group:
    """Create a store whose attributes hold its origin and the geometry of its patches."""
    geometry = {name: getattr(grid, name) for name in _GEOMETRY}
    return zarr.create_group(path, attributes={**origin, **geometry})


def open_store(path: str | Path) -> zarr.Group:
    """Open a store for reading, or raise InputError if there is none."""
    try:
        return zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError) as error:
        raise InputError(f"{path} is no store of this workflow; delete it and run again") from error


def write_columns(group: zarr.Group, grid: Grid) -> None:
    """Write the columns of a grid: place, tissue, tumour and label of each patch."""
    for name in (*PER_PATCH, "x_px", "y_px"):
        write_array(group, name, getattr(grid, name))


def read_grid(group: zarr.Group) -> Grid:
    """Read the grid that `create_store` and `write_columns` wrote."""
    columns = {name: group[name][:] for name in PER_PATCH}
    return Grid(**columns, **{name: group.attrs[name] for name in _GEOMETRY})


def write_array(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """Write a small array as one chunk, which is one file."""
    chunk = tuple(max(1, n) for n in values.shape)
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunk)
    array[:] = values
