"""The patches of a slide as a sharded Zarr v3 store."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from microtome.batching import batches
from microtome.files import atomic
from microtome.grids import Grid
from microtome.logs import log
from microtome.zarr_files import create_store, open_store, write_columns

# A shard is one file, of 256 patches of 256 px. A patch is one chunk: it can be read alone.
_SHARD_BYTES = 256 * 256 * 256 * 3
_CODECS = {"none": None, "zstd": ZstdCodec(level=1)}
_LOG_EVERY = 1000


def is_kept(pixels: np.ndarray, *, white_from: int, max_white_fraction: float) -> np.ndarray:
    """Tell patches that are mostly white, by the rule of HistoCAE's authors.

    Parameters
    ----------
    pixels : ndarray of shape (n, height, width, 3), uint8
        RGB.
    white_from : int
        A pixel with R, G and B all at or above it is white.
    max_white_fraction : float
        A patch is kept if its share of white pixels is below this.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    return (pixels >= white_from).all(axis=3).mean(axis=(1, 2)) < max_white_fraction


def write_patches(
    path: str | Path,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    *,
    origin: dict,
    codec: str,
    white_from: int,
    max_white_fraction: float,
) -> int:
    """Write patches to a store, in whole shards.

    Parameters
    ----------
    path : str or Path
        The store's folder, ``.zarr``.
    parts : iterable of (index, pixels)
        From `read_patches`: which patches of `grid`, and their RGB (n, side, side, 3), uint8.
    grid : Grid
        The patches that were read.
    origin : dict
        Where the patches came from; becomes the store's attributes.
    codec : {'none', 'zstd'}
        How chunks are compressed.
    white_from, max_white_fraction
        See `is_kept`.

    Returns
    -------
    int
        Number of patches stored.
    """
    side = grid.patch_px
    per_shard = max(1, _SHARD_BYTES // (side * side * 3))
    n_read = 0

    def worth_keeping() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal n_read
        for index, pixels in parts:
            keep = is_kept(pixels, white_from=white_from, max_white_fraction=max_white_fraction)
            if n_read // _LOG_EVERY != (n_read + len(index)) // _LOG_EVERY:
                log.info("%d of %d patches read", n_read + len(index), len(grid))
            n_read += len(index)
            yield index[keep], pixels[keep]

    with atomic(path) as temporary:
        group = create_store(temporary, grid, origin)
        store = group.create_array(
            "pixels",
            shape=(max(len(grid), 1), side, side, 3),
            dtype=np.uint8,
            chunks=(1, side, side, 3),
            shards=(per_shard, side, side, 3),
            compressors=_CODECS[codec],
        )
        stored = [np.empty(0, np.int64)]
        n = 0
        for index, pixels in batches(worth_keeping(), per_shard):
            store[n : n + len(index)] = pixels
            stored.append(index)
            n += len(index)
        store.resize((n, side, side, 3))
        write_columns(group, grid.subset(np.concatenate(stored)))
        group.attrs["unreadable_patches"] = len(grid) - n_read
    log.info("%d patches stored, %d mostly white, %d unreadable", n, n_read - n, len(grid) - n_read)
    return n


@dataclass(frozen=True)
class PatchStore:
    """A store of patches, opened for reading.

    Attributes
    ----------
    pixels : zarr.Array
        Shape (n_patches, side, side, 3), uint8.
    label : ndarray of shape (n_patches,), int8
        1 tumour, 0 not, -1 unknown.
    attributes : dict
        Where the patches came from.
    """

    pixels: zarr.Array
    label: np.ndarray
    attributes: dict


def open_patches(path: str | Path) -> PatchStore:
    """Open a store that `write_patches` wrote."""
    group = open_store(path)
    return PatchStore(group["pixels"], group["label"][:], dict(group.attrs))
