"""Compressing a slide: its patches become latents, and these a small Zarr v3 store.

Roy et al. 2021 (HistoCAE), giga-pixel image compression: the latents of the patches, laid out on
the slide's grid, stand for the slide. The store is read by `microtome.compression.latents`.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
import torch
import zarr
from numcodecs.zstd import Zstd
from torch import nn
from zarr.codecs import ZstdCodec

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.io.sharded_zarr import CHUNK_KEYS
from microtome.networks.devices import autocast, default_device, to_images
from microtome.networks.histocae import LATENT_DEPTH, LATENT_PX
from microtome.patches.grid import Grid, count_patches
from microtome.patches.progress import log_progress
from microtome.patches.reading import read_patches
from microtome.patches.regrouping import regroup
from microtome.patches.zarr_groups import create_store, write_array, write_columns
from microtome.slides.slide import Slide

# A shard, that is a file, holds so many patches a side: 32 MiB of latents before compression.
_SHARD_PATCHES = 32
_ZSTD_LEVEL = 3  # level 9 takes four times as long for 3 % less
_ABSENT = 2**64 - 1
_INDEX_ENTRY_BYTES = 16
_STEPS = 255
_HALF = np.dtype("<f2")
_MOST = float(np.finfo(np.float16).max)


def latent_shape(patch_px: int) -> tuple[int, int, int]:
    """Height, width and depth of what HistoCAE's encoder makes of a patch.

    Examples
    --------
    >>> latent_shape(256)
    (16, 16, 64)
    """
    return patch_px // LATENT_PX, patch_px // LATENT_PX, LATENT_DEPTH


def encode(cae: nn.Module, patches: np.ndarray) -> np.ndarray:
    """Encode patches, RGB (B, H, W, 3), uint8, to latents (B, h, w, depth), float32.

    The autoencoder's ``encoder`` maps (B, 3, H, W) in [0, 1] to (B, depth, h, w).

    Examples
    --------
    >>> from microtome.networks.histocae import HistoCAE
    >>> encode(HistoCAE(downsampling="stride"), np.zeros((5, 32, 48, 3), np.uint8)).shape
    (5, 2, 3, 64)
    """
    device = default_device()
    encoder = cae.encoder.to(device, memory_format=torch.channels_last).eval()
    images = to_images(patches).to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(device):
        return encoder(images).float().permute(0, 2, 3, 1).cpu().numpy()


def encode_slide(
    cae: nn.Module, slide: Slide, grid: Grid, *, batch: int, threads: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Encode every patch of a grid, the last, partial batch too.

    `batch` patches go through `encode` at a time, and so many `threads` read ahead meanwhile.

    Yields
    ------
    index : ndarray of shape (B,), int64
        Which patches of the grid.
    latents : ndarray of shape (B, h, w, depth), float32
        Within the range of half precision.

    Raises
    ------
    InputError
        If a latent is no number, or too large for half precision.
    """
    parts = regroup(read_patches(slide, grid, threads=threads), batch)
    for index, pixels in log_progress(parts, len(grid), "encoded"):
        latents = encode(cae, pixels)
        bad = ~(np.abs(latents) <= _MOST).all(axis=(1, 2, 3))  # NaN too
        if bad.any():
            i = index[bad][0]
            raise InputError(
                f"slide {slide.name}: the latents of the patch at x={grid.x_px[i]:.0f},"
                f" y={grid.y_px[i]:.0f} are no numbers or beyond {_MOST:.0f}; train the"
                " autoencoder again"
            )
        yield index, latents


def quantize(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round latents to 256 levels between the extremes of each patch and channel.

    The latents (n, h, w, depth), float32, lie within the range of half precision.

    Returns
    -------
    levels : ndarray of shape (n, h, w, depth), uint8
        ``low + levels * step`` is at most half a step from the latents: nothing is clipped.
    low, step : ndarray of shape (n, depth), float16
        Rounded down and up, so that the levels hold the extremes.

    Examples
    --------
    A channel from -1 to 254 has steps of 1; one of a single value needs none.

    >>> values = np.float32([[-1, 0.25], [0, 0.25], [99.4, 0.25], [254, 0.25]])
    >>> levels, low, step = quantize(values[None, None])
    >>> levels[0, 0].T.tolist(), low.tolist(), step.tolist()
    ([[0, 1, 100, 255], [0, 0, 0, 0]], [[-1.0, 0.25]], [[1.0, 0.0]])
    """
    least = latents.min((1, 2))
    low = least.astype(_HALF)
    np.nextafter(low, _HALF.type(-np.inf), out=low, where=low > least)
    # In double precision: a difference of floats that is rounded could lie under the true one.
    widest = (latents.max((1, 2)).astype(np.float64) - low) / _STEPS
    step = widest.astype(_HALF)
    np.nextafter(step, _HALF.type(np.inf), out=step, where=step < widest)
    divisor = np.where(step > 0, step, 1).astype(np.float32)
    levels = np.rint((latents - low.astype(np.float32)[:, None, None]) / divisor[:, None, None])
    return levels.astype(np.uint8, order="C"), low, step


def write_latents(
    path: str | Path,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    *,
    patch_shape: tuple[int, int, int],
    size_px: tuple[int, int],
    precision: str,
    origin: dict,
) -> None:
    """Write the latents of a slide's patches as they come, in little memory.

    Each of the `parts` is (index, latents): which patches of the grid, in any order, and their
    latents (n, h, w, depth), float32, of `patch_shape` each. Patches touch and do not overlap;
    those of which there is no part are absent from the store, and counted.

    Parameters
    ----------
    size_px : tuple of int
        Width and height of the slide's level 0.
    precision : {'float16', 'uint8'}
        'uint8': as `quantize` gives them, with ``low`` and ``step`` beside the latents.
    origin : dict
        Where the latents came from; becomes attributes of the store.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from microtome.compression.latents import open_latents
    >>> sides = {"scale": 1.0, "spacing_um": 0.5, "patch_px": 16, "stride_px": 16}
    >>> index = np.zeros(1, np.int64)
    >>> grid = Grid(*[index] * 5, **sides)  # one patch, in the upper left corner
    >>> parts = [(index, np.full((1, 1, 1, 64), 0.5, np.float32))]
    >>> about = {"patch_shape": (1, 1, 64), "size_px": (16, 16), "precision": "float16"}
    >>> with TemporaryDirectory() as folder:
    ...     write_latents(f"{folder}/a.zarr", parts, grid, **about, origin={})
    ...     open_latents(f"{folder}/a.zarr").patches(index).mean().item()
    0.5
    """
    if grid.stride_px != grid.patch_px:
        raise ValueError("patches that overlap or leave gaps have no place in one array")
    side = grid.patch_px * grid.scale
    columns, rows = (count_patches(n, patch_px=side, stride_px=side) for n in size_px)
    about = {"width_px": size_px[0], "height_px": size_px[1], "precision": precision}
    offset, length = np.zeros((2, len(grid)), np.int64)
    with atomic(path) as temporary, tempfile.TemporaryFile(dir=temporary.parent) as spool:
        group = create_store(temporary, grid, {**origin, **about})
        _create_arrays(group, (rows, columns), patch_shape, precision)
        for index, latents in parts:
            for i, record in zip(index.tolist(), _encode_records(latents, precision), strict=True):
                if length[i]:
                    raise ValueError("a patch was encoded twice")
                offset[i] = spool.tell()
                length[i] = spool.write(record)
        # Now that all are here: shards in an order that does not depend on who was read first.
        shard = grid.row // _SHARD_PATCHES * columns + grid.column // _SHARD_PATCHES
        stored = np.flatnonzero(length)
        there = stored[np.argsort(shard[stored], kind="stable")]
        for members in np.split(there, np.flatnonzero(np.diff(shard[there])) + 1):
            if len(members):
                places = grid.row[members], grid.column[members]
                records = [_read_at(spool, offset[i], length[i]) for i in members.tolist()]
                _write_shard(temporary, group, places, records)
        write_columns(group, grid.subset(stored))
        write_array(group, "n_bytes", length[stored] + _INDEX_ENTRY_BYTES)
        group.attrs["unreadable_patches"] = len(grid) - len(stored)


def _create_arrays(
    group: zarr.Group, lattice_shape: tuple[int, int], patch_shape: tuple[int, ...], precision: str
) -> None:
    height, width, depth = patch_shape
    group.create_array(
        "latents",
        shape=(lattice_shape[0] * height, lattice_shape[1] * width, depth),
        dtype=precision,
        chunks=patch_shape,
        shards=(_SHARD_PATCHES * height, _SHARD_PATCHES * width, depth),
        compressors=ZstdCodec(level=_ZSTD_LEVEL),
        chunk_key_encoding=CHUNK_KEYS,
    )
    for name in ("low", "step") if precision == "uint8" else ():
        group.create_array(
            name,
            shape=(*lattice_shape, depth),
            dtype=np.float16,
            chunks=(_SHARD_PATCHES, _SHARD_PATCHES, depth),
            chunk_key_encoding=CHUNK_KEYS,
        )


def _encode_records(latents: np.ndarray, precision: str) -> Iterator[bytes]:
    """For each patch: its low and step where it has them, then its chunk."""
    if precision == "uint8":
        values, *scales = quantize(latents)
        heads = np.stack(scales, axis=1)
    else:
        values, heads = latents.astype(_HALF, order="C"), np.empty((len(latents), 0), _HALF)
    codec = Zstd(_ZSTD_LEVEL)
    for head, value in zip(heads, values, strict=True):
        yield head.tobytes() + codec.encode(value)


def _read_at(file: BinaryIO, start: int, n_bytes: int) -> bytes:
    file.seek(start)
    return file.read(n_bytes)


def _write_shard(
    folder: Path, group: zarr.Group, places: tuple[np.ndarray, np.ndarray], records: Iterable[bytes]
) -> None:
    """Write the patches of one shard at their (row, column), and their low and step.

    zarr-python would write the shard again for every patch that is added.
    """
    array = group["latents"]
    corner = [int(axis[0]) // _SHARD_PATCHES for axis in places]
    row, column = (axis % _SHARD_PATCHES for axis in places)
    scales = [group[name] for name in ("low", "step") if name in group]
    depth = array.shape[2]
    head_bytes = len(scales) * depth * _HALF.itemsize
    heads, chunks = zip(*((r[:head_bytes], r[head_bytes:]) for r in records), strict=True)
    lengths = np.array([len(chunk) for chunk in chunks], np.uint64)
    index = np.full((_SHARD_PATCHES, _SHARD_PATCHES, 2), _ABSENT, "<u8")
    index[row, column] = np.stack([np.cumsum(lengths) - lengths, lengths], axis=1)
    content = index.tobytes()
    crc = google_crc32c.value(content).to_bytes(4, "little")
    name = array.metadata.encode_chunk_key((*corner, 0))
    (folder / "latents" / name).write_bytes(b"".join([*chunks, content, crc]))
    values = np.frombuffer(b"".join(heads), _HALF).reshape(len(chunks), len(scales), depth)
    top, left = (n * _SHARD_PATCHES for n in corner)
    for i, scale in enumerate(scales):
        block = np.zeros((_SHARD_PATCHES, _SHARD_PATCHES, depth), _HALF)
        block[row, column] = values[:, i]
        block = block[: scale.shape[0] - top, : scale.shape[1] - left]
        scale[top : top + len(block), left : left + block.shape[1]] = block
