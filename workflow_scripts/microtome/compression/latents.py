"""The latents of a slide, read from the store that `microtome.compression.encoding` writes.

The array ``latents`` of shape (rows * h, columns * w, depth) has one chunk a patch of the slide's
grid, and none where a patch holds no tissue.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from microtome.errors import InputError
from microtome.patches.grid import Grid
from microtome.patches.zarr_groups import open_store, read_grid

# Corners that fall on cells do so to a part of a px, after a division.
_ROUNDING_CELLS = 1e-6


@dataclass(frozen=True)
class Latents:
    """The latents of a slide, opened for reading: of the store, only what is asked for is read.

    `grid` has the patches that are there, `present`, bool of shape (rows, columns), where on the
    lattice they are, and `n_bytes`, int64, what each takes in the store: chunk, its entry in the
    shard's index, low and step. `size_px` is width and height of the slide's level 0; `attributes`
    say where the latents came from; `arrays` are ``latents`` and, in uint8, ``low`` and ``step``.
    """

    path: Path
    grid: Grid
    size_px: tuple[int, int]
    present: np.ndarray
    n_bytes: np.ndarray
    attributes: dict
    arrays: tuple[zarr.Array, ...]

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """Height, width and depth of one patch's latents."""
        return self.arrays[0].chunks

    def patches(self, index: np.ndarray) -> np.ndarray:
        """Latents of some patches of the grid, shape (n, h, w, depth), float32."""
        tall, wide, depth = self.patch_shape
        row, column = self.grid.row[index], self.grid.column[index]
        found = np.empty((len(index), *self.patch_shape), np.float32)
        # Neighbours are read at once.
        starts = np.flatnonzero((np.diff(row) != 0) | (np.diff(column) != 1)) + 1
        for run in np.split(np.arange(len(index)), starts):
            if len(run):
                block = self._block(int(row[run[0]]), int(column[run[0]]), 1, len(run))
                found[run] = block.reshape(tall, len(run), wide, depth).swapaxes(0, 1)
        return found

    def region(
        self, x_px: float, y_px: float, width_px: int, height_px: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Latents of the cells that a region touches; only the patches it touches are read.

        Upper left corner in level-0 px, which may be negative; size in patch px, at `grid.scale`
        level-0 px each. The latents (h, w, depth), float32, are those from the cell on that holds
        the corner, 0 where there is none; (h, w), bool, says which belong to a patch of the store.
        """
        tall, wide, depth = self.patch_shape
        top, bottom = self._cells(y_px, height_px, tall)
        left, right = self._cells(x_px, width_px, wide)
        latents = np.zeros((bottom - top, right - left, depth), np.float32)
        there = np.zeros(latents.shape[:2], bool)
        rows, columns = self.present.shape
        a, b = np.clip([top, bottom], 0, rows * tall).tolist()
        c, d = np.clip([left, right], 0, columns * wide).tolist()
        row, column = a // tall, c // wide
        block = self._block(row, column, -(-b // tall) - row, -(-d // wide) - column)
        place = slice(a - top, b - top), slice(c - left, d - left)
        latents[place] = block[a - row * tall :, c - column * wide :][: b - a, : d - c]
        there[place] = self.present[np.ix_(np.arange(a, b) // tall, np.arange(c, d) // wide)]
        return latents, there

    def _cells(self, start_px: float, size_px: int, per_patch: int) -> tuple[int, int]:
        """First and end of the cells that a span touches: it starts at level-0 px."""
        cell_px = self.grid.patch_px / per_patch
        first = start_px / self.grid.scale / cell_px
        end = first + size_px / cell_px
        return math.floor(first + _ROUNDING_CELLS), math.ceil(end - _ROUNDING_CELLS)

    def _block(self, row: int, column: int, n_rows: int, n_columns: int) -> np.ndarray:
        """Latents of a rectangle of patches, shape (n_rows * h, n_columns * w, depth), float32."""
        tall, wide, depth = self.patch_shape
        values, *scales = self.arrays
        bottom, right = row + n_rows, column + n_columns
        cells = slice(row * tall, bottom * tall), slice(column * wide, right * wide)
        try:
            found = values[cells].astype(np.float32)
            factors = [s[row:bottom, column:right].astype(np.float32) for s in scales]
        except (ValueError, RuntimeError) as error:
            raise _damaged(self.path, str(error)) from error
        if factors:
            low, step = (factor[:, None, :, None] for factor in factors)
            by_patch = found.reshape(n_rows, tall, n_columns, wide, depth)
            by_patch *= step
            by_patch += low
        return found


def open_latents(path: str | Path) -> Latents:
    """Open a store of `microtome.compression.encoding.write_latents`.

    InputError if it is no such store, or lacks a file.
    """
    path = Path(path)
    group = open_store(path)
    try:
        grid, about = read_grid(group), dict(group.attrs)
        names = ("latents", "low", "step") if about["precision"] == "uint8" else ("latents",)
        arrays = tuple(group[name] for name in names)
        n_bytes, size_px = group["n_bytes"][:], (about["width_px"], about["height_px"])
    except KeyError as error:
        raise InputError(f"{path} holds no latents; delete it and run again") from error
    tall, wide, _ = arrays[0].chunks
    present = np.zeros((arrays[0].shape[0] // tall, arrays[0].shape[1] // wide), bool)
    present[grid.row, grid.column] = True
    _require_shards(path, arrays[0], grid)
    return Latents(path, grid, size_px, present, n_bytes, about, arrays)


def _require_shards(path: Path, values: zarr.Array, grid: Grid) -> None:
    """Raise InputError where a file lacks: Zarr would take it for patches without tissue."""
    per_shard = np.array(values.shards[:2]) // values.chunks[:2]
    corners = np.stack([grid.row, grid.column], axis=1) // per_shard
    for corner in np.unique(corners, axis=0).tolist():
        name = values.metadata.encode_chunk_key((*corner, 0))
        if not (path / values.basename / name).is_file():
            raise _damaged(path, f"{name} is not there")


def _damaged(path: Path, fault: str) -> InputError:
    return InputError(f"{path} is damaged ({fault}); delete it and run again")
