"""How well an autoencoder reconstructs patches of a slide that it did not learn from.

Roy et al. 2021 (HistoCAE), reconstruction loss formulation: the SSIM of each pair of images, and
figures S1 and S3 of its supplement: reconstructions and latents of examples.
"""

from pathlib import Path

import numpy as np
from torch import nn

from microtome.compression.decoding import Fidelity, decode, spread_evenly
from microtome.compression.encoding import encode, latent_shape
from microtome.io.atomic import atomic
from microtome.logs import log
from microtome.patches.grid import Grid
from microtome.patches.reading import read_patches
from microtome.patches.regrouping import regroup
from microtome.patches.white_filter import is_kept
from microtome.slides.slide import Slide

N_EXAMPLES = 4


def reconstruct_patches(
    path: str | Path,
    cae: nn.Module,
    slide: Slide,
    grid: Grid,
    *,
    most_patches: int,
    batch: int,
    min_tissue_fraction: float,
    white_from: int,
    max_white_fraction: float,
    threads: int = 1,
) -> None:
    """Encode and decode patches of a slide, and write how near they come, and some of them.

    Parameters
    ----------
    path : str or Path
        Of the NPZ. For each patch in the order of the grid ``x_px`` and ``y_px`` (level-0 px),
        ``ssim``, and ``squared_error``, the mean over px and channels in [0, 1], all (n,), float64;
        of four of them, evenly spaced, ``example`` (their numbers, int64), ``original`` and
        ``reconstruction``, RGB (4, side, side, 3), uint8, and ``latents`` (4, h, w, depth),
        float32. Of a slide with fewer patches all are examples.
    cae : nn.Module
        An autoencoder, for `encode` and `decode`.
    slide, grid : Slide, Grid
        What is read; at most `most_patches`, evenly spaced, of those that would be learnt from:
        with more tissue than `min_tissue_fraction` and not white by
        `microtome.patches.white_filter.is_kept`.
    batch, threads : int
        Patches that go through the networks at a time, and threads that read.
    """
    tissue = grid.subset(grid.tissue_fraction > min_tissue_fraction)
    tissue = tissue.subset(spread_evenly(len(tissue), most=most_patches))
    white = {"white_from": white_from, "max_white_fraction": max_white_fraction}
    found: dict[int, tuple[float, float]] = {}
    for index, pixels in regroup(read_patches(slide, tissue, threads=threads), batch):
        kept = is_kept(pixels, **white)
        if kept.any():
            copies = decode(cae, encode(cae, pixels[kept]))
            pairs = zip(index[kept].tolist(), pixels[kept], copies, strict=True)
            found |= {number: _compare(*pair) for number, *pair in pairs}
    numbers = np.array(sorted(found), np.int64)
    near = np.array([found[number] for number in numbers.tolist()]).reshape(-1, 2)
    example = spread_evenly(len(numbers), most=N_EXAMPLES)
    shown = tissue.subset(numbers[example])
    original = np.zeros((len(example), grid.patch_px, grid.patch_px, 3), np.uint8)
    for index, pixels in read_patches(slide, shown, threads=threads):
        original[index] = pixels
    latents, copies = np.zeros((0, *latent_shape(grid.patch_px)), np.float32), original
    if len(example):
        latents = encode(cae, original)
        copies = decode(cae, latents)
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            x_px=tissue.x_px[numbers],
            y_px=tissue.y_px[numbers],
            ssim=near[:, 0],
            squared_error=near[:, 1],
            example=example,
            original=original,
            reconstruction=copies,
            latents=latents,
        )
    log.info("%d patches reconstructed, of %d with tissue", len(numbers), len(tissue))


def _compare(patch: np.ndarray, copy: np.ndarray) -> tuple[float, float]:
    """SSIM and mean squared error, in [0, 1], of a patch and its copy, (side, side, 3), uint8."""
    near = Fidelity()
    near.add(patch[None], copy[None])
    return near.ssim, near.mean_squared_error
