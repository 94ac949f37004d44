"""From latents back to pixels: the slide as a picture, and how near it comes to the slide.

Roy et al. 2021 (HistoCAE), giga-pixel image compression.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from simplejpeg import decode_jpeg
from torch import nn

from microtome.compression.latents import Latents
from microtome.compression.psnr import psnr_db
from microtome.errors import InputError
from microtome.io.jpeg import encode_jpeg
from microtome.io.jpeg_tables import split_jpeg
from microtome.logs import log
from microtome.networks.devices import autocast, default_device, to_images
from microtome.networks.reconstruction_loss import ssim
from microtome.patches.reading import read_patches
from microtome.patches.regrouping import regroup
from microtome.rasters.bands import bands
from microtome.rasters.picture_tiff import write_rgb_pyramid
from microtome.slides.slide import Slide

_WHITE = 255
_BEST_QUALITY = 100


def decode(cae: nn.Module, latents: np.ndarray) -> np.ndarray:
    """Decode the latents of patches, (B, h, w, depth), float32, to RGB (B, H, W, 3), uint8.

    The autoencoder's ``decoder`` maps (B, depth, h, w) to (B, 3, H, W) in [0, 1].

    Examples
    --------
    >>> from microtome.networks.histocae import HistoCAE
    >>> decode(HistoCAE(downsampling="stride"), np.zeros((5, 2, 3, 64), np.float32)).shape
    (5, 32, 48, 3)
    """
    device = default_device()
    decoder = cae.decoder.to(device, memory_format=torch.channels_last).eval()
    values = torch.from_numpy(latents).permute(0, 3, 1, 2).to(device)
    with torch.inference_mode(), autocast(device):
        images = decoder(values).float()
    pixels = images.mul(255).round().clamp(0, 255).byte()
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


class ReconstructedRows:
    """The rows of a slide decoded, in memory no more than one row of patches.

    `shape` is height and width of the slide in patch px.
    """

    def __init__(self, cae: nn.Module, latents: Latents, *, batch: int) -> None:
        self.shape = tuple(math.ceil(side / latents.grid.scale) for side in latents.size_px[::-1])
        self._cae = cae
        self._latents = latents
        self._batch = batch
        self._held: tuple[int, np.ndarray] | None = None

    def rows(self, first_row: int, n_rows: int) -> np.ndarray:
        """Rows of shape (n_rows, width, 3), uint8, white where there is no patch.

        Each row of patches is decoded once as long as they are read from the top down.
        """
        side = self._latents.grid.patch_px
        found = np.full((n_rows, self.shape[1], 3), _WHITE, np.uint8)
        for row in range(first_row // side, -(-(first_row + n_rows) // side)):
            pixels = self._patch_row(row)
            top = row * side
            a, b = max(first_row, top), min(first_row + n_rows, top + side)
            found[a - first_row : b - first_row] = pixels[a - top : b - top]
        return found

    def _patch_row(self, row: int) -> np.ndarray:
        """One row of patches, ndarray of shape (patch_px, width, 3), uint8."""
        if self._held and self._held[0] == row:
            return self._held[1]
        grid, width = self._latents.grid, self.shape[1]
        side = grid.patch_px
        pixels = np.full((side, width, 3), _WHITE, np.uint8)
        first, end = np.searchsorted(grid.row, [row, row + 1]).tolist()
        for start, n in bands(end - first, self._batch):
            index = np.arange(first + start, first + start + n)
            patches = decode(self._cae, self._latents.patches(index))
            for left, patch in zip((grid.column[index] * side).tolist(), patches, strict=True):
                pixels[:, left : left + side] = patch[:, : width - left]
        self._held = row, pixels
        return pixels


def reconstruct_slide(path: str | Path, cae: nn.Module, latents: Latents, *, batch: int) -> None:
    """Decode a slide's latents to a pyramid of JPEG tiles, cut to the slide's size."""
    picture = ReconstructedRows(cae, latents, batch=batch)
    write_rgb_pyramid(path, picture.rows, shape=picture.shape, spacing_um=latents.grid.spacing_um)
    log.info("%d patches decoded to %d x %d px", len(latents.grid), *picture.shape[::-1])


class Fidelity:
    """How near copies of patches come to them, summed up batch by batch.

    Examples
    --------
    Half of the values are off by 51 of 255, a fifth: 10 log10(25 * 2) dB.

    >>> white = np.full((2, 16, 16, 3), 255, np.uint8)
    >>> darker = white.copy()
    >>> darker[:, :8] = 204
    >>> found = Fidelity()
    >>> found.add(white, darker)
    >>> round(found.psnr_db, 2)
    16.99
    """

    def __init__(self) -> None:
        self._similarity = self._squared = 0.0
        self._n_patches = self._n_values = 0

    def add(self, patches: np.ndarray, copies: np.ndarray) -> None:
        """Compare patches with their copies, both of shape (n, side, side, 3), uint8."""
        device = default_device()
        one, other = (to_images(pixels).to(device) for pixels in (patches, copies))
        self._similarity += float(ssim(one, other)) * len(patches)
        difference = patches.astype(np.int64) - copies
        self._squared += float(np.sum(difference * difference))
        self._n_patches += len(patches)
        self._n_values += patches.size

    @property
    def ssim(self) -> float:
        """Mean over patches of `microtome.networks.reconstruction_loss.ssim`."""
        return self._similarity / self._n_patches

    @property
    def mean_squared_error(self) -> float:
        """Mean over all values, of which 1 is the largest."""
        return self._squared / self._n_values / 255**2

    @property
    def psnr_db(self) -> float | None:
        """Peak signal-to-noise ratio over all pixels in dB; None where nothing differs."""
        return psnr_db(self.mean_squared_error)


def spread_evenly(n: int, *, most: int) -> np.ndarray:
    """Choose at most so many of `n` things, evenly spaced: their numbers, int64.

    Examples
    --------
    >>> spread_evenly(9, most=3), spread_evenly(2, most=3)
    (array([0, 4, 8]), array([0, 1]))
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def nearest_quality(size_at: Callable[[int], int], target: int) -> int:
    """The JPEG quality, 1 to 100, whose size comes nearest to `target`; the lower of two alike.

    By bisection: sizes grow with the quality.

    Examples
    --------
    >>> nearest_quality(lambda quality: 100 * quality, 4321)
    43
    """
    low, high = 1, _BEST_QUALITY  # the first quality of at least the target, or the best
    while low < high:
        middle = (low + high) // 2
        if size_at(middle) < target:
            low = middle + 1
        else:
            high = middle
    around = [quality for quality in (low - 1, low) if quality]
    return min(around, key=lambda quality: abs(size_at(quality) - target))


def jpeg_bytes(patches: np.ndarray, *, quality: int) -> int:
    """Bytes of patches as JPEG (4:2:0), the tables that all have in common counted once."""
    parts = [split_jpeg(encode_jpeg(patch, quality=quality)) for patch in patches]
    return len(parts[0][0]) + sum(len(picture) for _, picture in parts)


def compare(
    cae: nn.Module,
    slide: Slide,
    latents: Latents,
    *,
    most_patches: int,
    batch: int,
    threads: int = 1,
) -> dict:
    """Measure what latents keep of a slide, and what JPEG keeps in as many bytes.

    Of the grid's patches at most `most_patches` are compared, evenly spaced, and held in memory;
    `batch` of them go through the autoencoder at a time, and so many `threads` read the slide.

    Returns
    -------
    dict
        ``patches`` that are compared; ``ssim``, ``psnr_db`` of the decoded latents;
        ``latent_bytes`` of exactly these patches, ``raw_bytes`` of their pixels and their
        ``ratio``; ``jpeg_quality`` that comes nearest to ``latent_bytes``, ``jpeg_bytes``,
        ``jpeg_ssim``, ``jpeg_psnr_db``; ``jpeg_is_larger`` where even quality 1 takes more bytes;
        ``stored_patches``, ``store_bytes`` and ``slide_bytes`` of the whole store and slide.

    Raises
    ------
    InputError
        If there is no patch to compare.
    """
    n = len(latents.grid)
    chosen = spread_evenly(n, most=most_patches)
    decoded, originals, compared = Fidelity(), [], []
    grid = latents.grid.subset(chosen)
    for index, patches in regroup(read_patches(slide, grid, threads=threads), batch):
        decoded.add(patches, decode(cae, latents.patches(chosen[index])))
        originals.append(patches)
        compared.append(chosen[index])
    if not originals:
        raise InputError(
            f"slide {slide.name}: {latents.path} holds no patch that can be read and compared;"
            " look at the slide's file"
        )
    pixels, which = np.concatenate(originals), np.concatenate(compared)
    latent_bytes = int(latents.n_bytes[which].sum())
    size_at = cache(lambda quality: jpeg_bytes(pixels, quality=quality))
    quality = nearest_quality(size_at, latent_bytes)
    is_larger = size_at(1) > latent_bytes
    if is_larger:
        log.warning("JPEG of quality 1 takes more than the latents: %d bytes", size_at(1))
    jpeg = Fidelity()
    for first, count in bands(len(pixels), batch):
        part = pixels[first : first + count]
        files = [encode_jpeg(patch, quality=quality) for patch in part]
        jpeg.add(part, np.stack([decode_jpeg(file, "RGB") for file in files]))
    return {
        "patches": len(pixels),
        "ssim": decoded.ssim,
        "psnr_db": decoded.psnr_db,
        "latent_bytes": latent_bytes,
        "raw_bytes": pixels.nbytes,
        "ratio": pixels.nbytes / latent_bytes,
        "jpeg_quality": quality,
        "jpeg_bytes": size_at(quality),
        "jpeg_ssim": jpeg.ssim,
        "jpeg_psnr_db": jpeg.psnr_db,
        "jpeg_is_larger": is_larger,
        "stored_patches": n,
        "store_bytes": sum(f.stat().st_size for f in latents.path.rglob("*") if f.is_file()),
        "slide_bytes": slide.n_bytes,
    }
