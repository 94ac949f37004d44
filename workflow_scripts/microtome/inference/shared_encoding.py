"""HistoCAE over overlapping windows: what they share goes through the encoder once.

Equal to window by window, up to rounding, where the head drops the latent px that the encoder's
padding reaches: see `microtome.networks.histocae.PADDED_LATENTS`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from microtome.inference.posteriors import tumour_probability
from microtome.inference.score_store import PROBABILITY, WHITE
from microtome.networks.batch_norm_folding import fold_batch_norms
from microtome.networks.compiling import compile_for
from microtome.networks.devices import as_input, autocast, default_device
from microtome.networks.gpu_memory import halve_batch
from microtome.networks.histocae import LATENT_PX, PADDED_LATENTS, HistoCAEClassifier
from microtome.patches.grid import UNKNOWN, Grid
from microtome.patches.reading import read_patches
from microtome.patches.regrouping import regroup
from microtome.patches.white_filter import white_shares
from microtome.slides.slide import Slide

# Windows that the head classifies at a time: their latents are copies.
_HEAD_WINDOWS = 256
# Px of the regions that a GPU encodes at a time, 3 GB of activations, where nothing else is said.
_GPU_PX = 16 * 2**20
_Scored = tuple[np.ndarray, dict[str, np.ndarray]]  # which windows, and their maps
# Some of the images asked for, and at most how many at a time.
_Job = Callable[[slice, int], _Scored]


def shares_latents(model: nn.Module, grid: Grid) -> bool:
    """Say whether `score_shared` can score a grid, and has anything to share."""
    return (
        isinstance(model, HistoCAEClassifier)
        and model.border_latents >= PADDED_LATENTS
        and grid.patch_px % LATENT_PX == 0
        and grid.stride_px % LATENT_PX == 0
        and grid.stride_px < grid.patch_px
    )


def score_shared(
    model: nn.Module,
    slide: Slide,
    grid: Grid,
    *,
    region_px: int = 704,
    batch: int | None = None,
    threads: int = 1,
    compiled: bool = False,
    white_from: int | None = None,
) -> Iterator[_Scored]:
    """Score every patch of a grid whose patches overlap, each place of the slide encoded once.

    Windows are read one by one, and go through the encoder each, where that is less work (regions
    with few windows), where a region cannot be read, and where the slide is resampled: the px of a
    region are not quite those of its windows then.

    `shares_latents` says of which models and grids; the patches are in the order of their rows.
    Yields what `microtome.inference.scoring.score` does: ``probability`` of shape (n, 1, 1), with
    `white_from` also ``white``.

    Parameters
    ----------
    region_px : int
        Largest side of the regions that are encoded. Neighbours overlap by patch less stride, so
        larger ones are less work; but from 512 x 1024 px on a layer takes 32 MiB, for which a CPU
        gets fresh memory from the system each time, at two thirds of the speed.
    batch : int, optional
        Regions hold together no more px than so many patches, on a GPU; on a CPU it is one region
        at a time. Fewer, with a warning, where the GPU's memory asks for it; InputError if it holds
        no region.
    """
    work = _Work(model, grid, compiled=compiled, white_from=white_from)
    regions = regions_of(grid, region_px if in_whole_px(slide, grid) else grid.patch_px)
    most_px = region_px**2
    if work.device.type == "cuda":
        most_px = max(most_px, batch * grid.patch_px**2 if batch else _GPU_PX)
    alone = np.ones(len(grid), bool)
    memory = _Memory(
        most_px, regions.grid.patch_px, one="region", many="regions", lower="region_px"
    )
    parts = read_patches(slide, regions.grid, threads=threads)
    for which, pixels in regroup(parts, memory.most):
        windows = [regions.windows[i] for i in which]
        alone[np.concatenate(windows)] = False
        job = partial(work.regions, pixels, windows, regions.strides)
        yield from memory.run(job, len(which))
    left = np.flatnonzero(alone)
    memory = _Memory(most_px, grid.patch_px, lower="patch_px of the model")
    parts = read_patches(slide, grid.subset(left), threads=threads)
    for which, pixels in regroup(parts, memory.most):
        yield from memory.run(partial(work.windows, pixels, left[which]), len(which))


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

    `grid` has them as patches, tissue and labels not known; `windows` says which windows each one
    holds, none in two; `strides` lie between one region and the next.
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


class _Memory:
    """How many images of one size are worked on at a time, and fewer where the GPU asks for it."""

    def __init__(self, most_px: int, side_px: int, **words: str) -> None:
        self.most = max(1, most_px // side_px**2)
        self._words = words  # as `halve_batch` takes them

    def run(self, job: _Job, n: int) -> Iterator[_Scored]:
        """Do the work on n images, in parts."""
        first = 0
        while first < n:
            part = slice(first, first + self.most)
            try:
                found = job(part, self.most)
            except torch.OutOfMemoryError as error:
                self.most = halve_batch(self.most, error, **self._words)
                continue
            yield found
            first = part.stop


class _Work:
    """A classifier on its device, ready for regions and for single windows."""

    def __init__(
        self, model: HistoCAEClassifier, grid: Grid, *, compiled: bool, white_from: int | None
    ) -> None:
        self.device = default_device()
        self._grid = grid
        self._white_from = white_from
        self._model = model.to(self.device, memory_format=torch.channels_last).eval()
        # Padding makes no difference to the latents that count. In float32 rounding makes none
        # either; half the bits of mixed precision would not do for px that are not normalised.
        on_cpu = self.device.type == "cpu"
        self._encoder = fold_batch_norms(model.encoder) if on_cpu else model.encoder
        self._compiles = compiled
        self._compiled: dict[tuple[int, ...], Callable[[torch.Tensor], torch.Tensor]] = {}

    def regions(
        self, pixels: np.ndarray, windows: list[np.ndarray], strides: int, part: slice, most: int
    ) -> _Scored:
        """Classify the windows of some regions from their latents."""
        windows = windows[part]
        index = np.concatenate(windows)
        region = np.repeat(np.arange(len(windows)), [len(w) for w in windows])
        row, column = self._grid.row[index] % strides, self._grid.column[index] % strides
        side, stride = (px // LATENT_PX for px in (self._grid.patch_px, self._grid.stride_px))
        with torch.inference_mode(), autocast(self.device):
            latents = self._fast(self._input(pixels[part]), most).movedim(1, -1)
            # (regions, rows, columns, 64, side, side) without a copy; channels last for the head.
            views = latents.unfold(1, side, stride).unfold(2, side, stride).movedim(3, -1)
            places = torch.from_numpy(np.stack([region, row, column])).to(self.device)
            logits = [
                self._model.classify(views[tuple(some)].movedim(-1, 1))
                for some in places.split(_HEAD_WINDOWS, dim=1)
            ]
        stride_px, side_px = self._grid.stride_px, self._grid.patch_px
        corners = zip(region, row * stride_px, column * stride_px, strict=True)
        cut = (pixels[part][r, y : y + side_px, x : x + side_px] for r, y, x in corners)
        return index, self._maps_of(torch.cat(logits), cut)

    def windows(self, pixels: np.ndarray, index: np.ndarray, part: slice, _: int) -> _Scored:
        """Classify windows, each by itself."""
        with torch.inference_mode(), autocast(self.device):
            logits = self._model.classify(self._encoder(self._input(pixels[part])))
        return index[part], self._maps_of(logits, pixels[part])

    def _maps_of(
        self, logits: torch.Tensor, windows: Iterable[np.ndarray]
    ) -> dict[str, np.ndarray]:
        maps = {PROBABILITY: tumour_probability(logits).cpu().numpy()}
        if self._white_from is not None:
            maps[WHITE] = white_shares(windows, white_from=self._white_from)[:, None, None]
        return maps

    def _input(self, pixels: np.ndarray) -> torch.Tensor:
        return as_input(torch.from_numpy(pixels).movedim(-1, -3), self.device)

    def _fast(self, images: torch.Tensor, most: int) -> torch.Tensor:
        if not self._compiles:
            return self._encoder(images)
        shape = (most, *images.shape[1:])
        if shape not in self._compiled:
            example = torch.zeros(shape, device=self.device)
            example = example.to(memory_format=torch.channels_last)
            self._compiled[shape] = compile_for(self._encoder, example)
        return self._compiled[shape](images)
