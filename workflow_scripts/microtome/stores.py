"""Zarr v3 stores: the patches of a slide, and the scores of its patches."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from zarr.codecs import ZstdCodec

from microtome.errors import InputError
from microtome.files import atomic
from microtome.grids import Grid
from microtome.logs import log

# A shard is one file, of 256 patches of 256 px. A patch is one chunk: it can be read alone.
_SHARD_BYTES = 256 * 256 * 256 * 3
_CODECS = {"none": None, "zstd": ZstdCodec(level=1)}
_PER_PATCH = ("row", "column", "tissue_fraction", "tumour_fraction", "label")
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
    with atomic(path) as temporary:
        group = zarr.create_group(temporary, attributes={**origin, **_geometry(grid)})
        store = group.create_array(
            "pixels",
            shape=(max(len(grid), 1), side, side, 3),
            dtype=np.uint8,
            chunks=(1, side, side, 3),
            shards=(per_shard, side, side, 3),
            compressors=_CODECS[codec],
        )
        shard = np.empty((per_shard, side, side, 3), np.uint8)
        kept: list[np.ndarray] = []
        n = n_read = 0
        for index, pixels in parts:
            keep = is_kept(pixels, white_from=white_from, max_white_fraction=max_white_fraction)
            if n_read // _LOG_EVERY != (n_read + len(index)) // _LOG_EVERY:
                log.info("%d of %d patches read", n_read + len(index), len(grid))
            n_read += len(index)
            kept.append(index[keep])
            for patch in pixels[keep]:
                shard[n % per_shard] = patch
                n += 1
                if n % per_shard == 0:
                    store[n - per_shard : n] = shard
        rest = n % per_shard
        if rest:
            store[n - rest : n] = shard[:rest]
        store.resize((n, side, side, 3))
        stored = grid.subset(np.concatenate([np.empty(0, np.int64), *kept]).astype(np.int64))
        _write_columns(group, stored)
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
    group = _open(path)
    return PatchStore(group["pixels"], group["label"][:], dict(group.attrs))


def write_scores(
    path: str | Path,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    *,
    origin: dict,
) -> None:
    """Write the probability maps of a slide's patches.

    Parameters
    ----------
    path : str or Path
        The store's folder, ``.zarr``.
    parts : iterable of (index, probability)
        Which patches of `grid`, and their tumour probability (n, h, w), float32: one value for a
        patch (h = w = 1) or a map of it.
    grid : Grid
        All patches that were to be scored.
    origin : dict
        Where the scores came from; becomes the store's attributes.
    """
    found = list(parts)
    index = np.concatenate([np.empty(0, np.int64), *(i for i, _ in found)]).astype(np.int64)
    if len(np.unique(index)) != len(index):
        raise ValueError("a patch was scored twice")
    maps = [p for _, p in found] or [np.empty((0, 1, 1), np.float32)]
    probability = np.concatenate(maps).astype(np.float32)
    order = np.argsort(index)
    with atomic(path) as temporary:
        group = zarr.create_group(temporary, attributes={**origin, **_geometry(grid)})
        _write_array(group, "probability", probability[order])
        _write_columns(group, grid.subset(index[order]))
        group.attrs["unreadable_patches"] = len(grid) - len(index)


@dataclass(frozen=True)
class Scores:
    """The scores of a slide's patches.

    Attributes
    ----------
    grid : Grid
        The patches that have a score.
    probability : ndarray of shape (n_patches, h, w), float32
        Tumour probability.
    attributes : dict
        Where the scores came from.
    """

    grid: Grid
    probability: np.ndarray
    attributes: dict


def open_scores(path: str | Path) -> Scores:
    """Open a store that `write_scores` wrote."""
    group = _open(path)
    attributes = dict(group.attrs)
    geometry = {k: attributes[k] for k in ("scale", "spacing_um", "patch_px", "stride_px")}
    columns = {name: group[name][:] for name in _PER_PATCH}
    return Scores(Grid(**columns, **geometry), group["probability"][:], attributes)


def score_attributes(path: str | Path) -> dict:
    """Where the scores of a store came from, without reading them."""
    return dict(_open(path).attrs)


def _geometry(grid: Grid) -> dict:
    return {
        "scale": grid.scale,
        "spacing_um": grid.spacing_um,
        "patch_px": grid.patch_px,
        "stride_px": grid.stride_px,
    }


def _write_columns(group: zarr.Group, grid: Grid) -> None:
    for name in (*_PER_PATCH, "x_px", "y_px"):
        _write_array(group, name, getattr(grid, name))


def _write_array(group: zarr.Group, name: str, values: np.ndarray) -> None:
    """Write a small array as one chunk, that is one file."""
    chunk = tuple(max(1, n) for n in values.shape)
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, chunks=chunk)
    array[:] = values


def _open(path: str | Path) -> zarr.Group:
    try:
        return zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError) as error:
        raise InputError(f"{path} is no store of this workflow; delete it and run again") from error
