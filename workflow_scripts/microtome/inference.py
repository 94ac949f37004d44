"""Tumour probabilities of the patches of a slide."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from microtome.batching import batches
from microtome.devices import autocast, default_device
from microtome.errors import InputError
from microtome.grids import Grid
from microtome.images import to_images
from microtome.logs import log
from microtome.patches import read_patches
from microtome.slides import Slide

_LOG_EVERY = 1000


def score(
    model: nn.Module, slide: Slide, grid: Grid, *, batch: int, threads: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Score every patch of a grid, the last, partial batch too.

    Parameters
    ----------
    model : nn.Module
        Gives logits (B, 2) or (B, 2, h, w).
    slide : Slide
        Where the patches are read from.
    grid : Grid
        The patches.
    batch : int
        Patches a step.
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
        If the model gives something that is not a number.
    """
    device = default_device()
    model = model.to(device, memory_format=torch.channels_last).eval()
    n_done = 0
    for index, pixels in batches(read_patches(slide, grid, threads=threads), batch):
        images = to_images(pixels).to(device, memory_format=torch.channels_last)
        with torch.inference_mode(), autocast(device):
            logits = model(images)
        probability = tumour_probability(logits).cpu().numpy()
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


def tumour_probability(logits: torch.Tensor) -> torch.Tensor:
    """Softmax of logits (B, 2) or (B, 2, h, w) -> tumour probability (B, h, w), float32."""
    maps = logits.float().softmax(dim=1)[:, 1]
    return maps[:, None, None] if maps.ndim == 1 else maps
