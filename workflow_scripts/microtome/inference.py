"""Tumour probabilities of the patches of a slide."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from microtome.batching import batches
from microtome.devices import autocast, default_device
from microtome.errors import InputError
from microtome.grids import Grid
from microtome.images import as_input
from microtome.logs import log
from microtome.patches import read_patches
from microtome.slides import Slide

_LOG_EVERY = 1000


def score(
    model: nn.Module,
    slide: Slide,
    grid: Grid,
    *,
    batch: int,
    map_um: float,
    spacings_um: Sequence[float] = (),
    threads: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Score every patch of a grid, the last, partial batch too.

    Parameters
    ----------
    model : nn.Module
        Gives logits (B, 2) or (B, 2, H, W).
    slide : Slide
        Where the patches are read from.
    grid : Grid
        The patches.
    batch : int
        Patches a step; fewer, with a warning, where the GPU's memory asks for it.
    map_um : float
        µm per px of the maps that are kept of a network that gives a value for each px: means of
        their px.
    spacings_um : sequence of float
        Further spacings of each patch that the model takes: see `read_patches`.
    threads : int
        Threads that read ahead while the model works.

    Yields
    ------
    index : ndarray of shape (B,), int64
        Which patches of the grid.
    probability : ndarray of shape (B, h, w), float32
        Tumour probability.

    Raises
    ------
    InputError
        If the model gives something that is not a number, or the GPU's memory holds no patch.
    """
    device = default_device()
    model = model.to(device, memory_format=torch.channels_last).eval()
    side = max(1, round(grid.patch_px * grid.spacing_um / map_um))
    parts = read_patches(slide, grid, threads=threads, spacings_um=spacings_um)
    n_done, most = 0, batch
    for index, pixels in batches(parts, batch):
        images = torch.from_numpy(pixels).movedim(-1, -3)
        while True:
            try:
                probability = _probabilities(model, images, device, most=most, side=side)
                break
            except torch.OutOfMemoryError as error:
                most = _halved(most, error)
        bad = ~np.isfinite(probability).all(axis=(1, 2))
        if bad.any():
            i = index[bad][0]
            raise InputError(
                f"slide {slide.name}: the model gives no number for the patch at"
                f" x={grid.x_px[i]:.0f}, y={grid.y_px[i]:.0f}"
            )
        if n_done // _LOG_EVERY != (n_done + len(index)) // _LOG_EVERY:
            log.info("%d of %d patches scored", n_done + len(index), len(grid))
        n_done += len(index)
        yield index, probability
    log.info("%d patches scored, %d unreadable", n_done, len(grid) - n_done)


def _probabilities(
    model: nn.Module, images: torch.Tensor, device: torch.device, *, most: int, side: int
) -> np.ndarray:
    """Tumour probabilities of images, at most so many at a time."""
    found = []
    for part in images.split(most):
        with torch.inference_mode(), autocast(device):
            logits = model(as_input(part, device))
        maps = tumour_probability(logits)
        if maps.shape[-1] > side:
            maps = adaptive_avg_pool2d(maps, side)
        found.append(maps.cpu().numpy())
    return np.concatenate(found)


def _halved(most: int, error: torch.OutOfMemoryError) -> int:
    if most == 1:
        raise InputError(
            "a single patch does not fit into the memory of the GPU; lower patch_px of the model"
        ) from error
    log.warning(
        "%d patches do not fit into the memory of the GPU: going on with %d; lower inference.batch"
        " to be rid of this",
        most,
        most // 2,
    )
    torch.cuda.empty_cache()
    return most // 2


def tumour_probability(logits: torch.Tensor) -> torch.Tensor:
    """Softmax of logits (B, 2) or (B, 2, h, w) -> tumour probability (B, h, w), float32."""
    maps = logits.float().softmax(dim=1)[:, 1]
    return maps[:, None, None] if maps.ndim == 1 else maps
