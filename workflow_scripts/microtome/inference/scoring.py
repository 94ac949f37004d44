"""Tumour probabilities of the patches of a slide: all networks, in one pass over it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from microtome.inference.batch_size import fitting_batch
from microtome.inference.posteriors import posteriors, require_numbers
from microtome.inference.score_store import WHITE
from microtome.inference.shared_encoding import score_shared, shares_latents
from microtome.logs import log
from microtome.networks.compiling import compile_for
from microtome.networks.devices import as_input, default_device
from microtome.networks.gpu_memory import halve_batch
from microtome.patches.grid import Grid
from microtome.patches.progress import log_progress
from microtome.patches.reading import read_patches
from microtome.patches.regrouping import regroup
from microtome.patches.white_filter import white_shares
from microtome.slides.slide import Slide


def score(
    members: Mapping[str, nn.Module],
    slide: Slide,
    grid: Grid,
    *,
    map_um: float,
    batch: int | None = None,
    augmentations: Sequence[str] = (),
    spacings_um: Sequence[float] = (),
    epistemic: str = "views",
    threads: int = 1,
    compiled: bool = False,
    white_from: int | None = None,
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Score every patch of a grid, the last, partial batch too.

    Each region is read and decoded once, by processes that read ahead; every network and every
    test-time augmentation sees it then. On a GPU the next batch is put together while one is
    computed, and the last one's maps travel back meanwhile. Overlapping windows of a single
    HistoCAE share their encoding where that changes nothing: see
    `microtome.inference.shared_encoding`.

    Parameters
    ----------
    members : mapping of str to Module
        One network, or the members of an ensemble; each gives logits (B, 2) or (B, 2, H, W).
    map_um : float
        µm per px of the maps that are kept of a network that gives every px: means of their px.
    batch : int, optional
        Patches a step; if unset as many as the device is good for. Fewer, with a warning, where
        the GPU's memory asks for it.
    augmentations, epistemic, spacings_um
        Test-time augmentations and uncertainty of `posteriors`; further spacings of `read_patches`.
    threads, compiled
        How many read ahead while the models work, and whether torch.compile makes these faster.
    white_from : int, optional
        Note the share of px with R, G and B from here on, at the patches' own spacing.

    Yields
    ------
    index, maps : ndarray of shape (B,), int64, and dict
        Which patches of the grid, and what `posteriors` gives, as arrays; with `white_from` also
        ``white``, (B, 1, 1), float32.

    Raises
    ------
    InputError
        If a model gives something that is not a number, or the GPU's memory holds no patch.
    """
    if not len(grid):
        return
    alone = next(iter(members.values())) if len(members) == 1 and not augmentations else None
    if alone is not None and shares_latents(alone, grid):
        log.info("overlapping windows share their encoding")
        parts = score_shared(
            alone,
            slide,
            grid,
            batch=batch,
            threads=threads,
            compiled=compiled,
            white_from=white_from,
        )
    else:
        views = {"augmentations": augmentations, "epistemic": epistemic}
        work = _Work(members, grid, map_um=map_um, **views)
        shape = (3, grid.patch_px, grid.patch_px)
        if spacings_um:
            shape = (1 + len(spacings_um), *shape)
        batch = batch or work.fitting(shape)
        if compiled:
            work.compile((min(batch, len(grid)), *shape))
        patches = read_patches(slide, grid, threads=threads, spacings_um=spacings_um)
        parts = _score_batches(work, regroup(patches, batch), white_from)
    for index, maps in log_progress(parts, len(grid), "scored"):
        require_numbers(slide, grid, index, maps)
        yield index, maps


def _score_batches(
    work: "_Work", batches: Iterable[tuple[np.ndarray, np.ndarray]], white_from: int | None
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Launch each batch before the maps of the one before it are waited for."""
    waiting: tuple[np.ndarray, list[_Travelling], dict[str, np.ndarray]] | None = None
    for index, pixels in batches:
        travelling = work.launch(torch.from_numpy(pixels).movedim(-1, -3))
        noted = {}
        if white_from is not None:
            own = pixels if pixels.ndim == 4 else pixels[:, 0]
            noted = {WHITE: white_shares(own, white_from=white_from)[:, None, None]}
        if waiting:
            yield waiting[0], _wait_for(waiting[1]) | waiting[2]
        waiting = index, travelling, noted
    if waiting:
        yield waiting[0], _wait_for(waiting[1]) | waiting[2]


class _Work:
    """Networks on a device, and how many patches they take at a time."""

    def __init__(
        self,
        members: Mapping[str, nn.Module],
        grid: Grid,
        *,
        map_um: float,
        **views: object,
    ) -> None:
        self._device = default_device()
        self._members = {
            name: model.to(self._device, memory_format=torch.channels_last).eval()
            for name, model in members.items()
        }
        self._plain = self._members
        self._side = max(1, round(grid.patch_px * grid.spacing_um / map_um))
        self._views = views
        self._most: int | None = None

    def fitting(self, patch_shape: tuple[int, ...]) -> int:
        """How many patches of a shape to take at a time."""
        n = fitting_batch(self._maps, patch_shape, self._device)
        log.info("%d patches at a time", n)
        return n

    def compile(self, shape: tuple[int, ...]) -> None:
        """Compile the networks for batches of at most this shape."""
        images = torch.zeros(shape, device=self._device)
        if len(shape) == 4:  # as batches come
            images = images.to(memory_format=torch.channels_last)
        self._members = {name: compile_for(m, images) for name, m in self._plain.items()}

    def launch(self, images: torch.Tensor) -> list["_Travelling"]:
        """Set the networks to work on images, uint8; in parts where the memory asks for it."""
        self._most = self._most or len(images)
        if self._device.type == "cuda":
            images = images.pin_memory()
        while True:
            try:
                return [
                    _Travelling(self._maps(as_input(part, self._device)))
                    for part in images.split(self._most)
                ]
            except torch.OutOfMemoryError as error:
                lower = "patch_px, or inference_patch_px, of the model"
                self._most = halve_batch(self._most, error, lower=lower)
                self._members = self._plain  # what is compiled fills every batch up again

    def _maps(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return posteriors(self._members, images, side=self._side, **self._views)


class _Travelling:
    """Maps on their way from the device, while it works on."""

    def __init__(self, maps: dict[str, torch.Tensor]) -> None:
        self._maps = {name: values.to("cpu", non_blocking=True) for name, values in maps.items()}
        self._event = None
        if any(values.is_cuda for values in maps.values()):
            self._event = torch.cuda.Event()
            self._event.record()

    def wait(self) -> dict[str, np.ndarray]:
        if self._event:
            self._event.synchronize()
        return {name: values.numpy() for name, values in self._maps.items()}


def _wait_for(parts: list[_Travelling]) -> dict[str, np.ndarray]:
    """Wait for the maps of a batch."""
    found = [part.wait() for part in parts]
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}
