"""Patches of many slides as one source of training batches, the same for the same seed."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from microtome.errors import InputError
from microtome.parallel.prefetch import map_ahead
from microtome.patches.store import open_patches
from microtome.training.random_placement import Move, Moves

_RGB = np.dtype("V3")  # a pixel as one thing to be moved, three times faster than three bytes

# Which patches come in which order, how each is turned, and how it is moved: None is not at all.
_Plan = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]


class Source(Protocol):
    """The patches of one slide, wherever they are read from."""

    slide: str  # its id
    label: np.ndarray  # (n_patches,), int8: 1 tumour, 0 not, -1 unknown
    shape: tuple[int, int, int, int]  # of one patch: (spacings, side, side, 3)

    def read(self, row: int, out: np.ndarray, *move: Move) -> None:
        """Read one patch into `out`, of `shape`, uint8; in any thread.

        With a move it is read elsewhere than where it lies, which a store cannot.
        """

    def identity(self) -> str:
        """Which patches these are, for a checkpoint to know its own."""


class Truth(Protocol):
    """What is true of the patches of one slide.

    Its `shape` is that of one patch's truth: (side, side), a map that is turned with the patch, or
    (n,), which is not.
    """

    shape: tuple[int, ...]

    def read(self, row: int, out: np.ndarray, *move: Move) -> None:
        """Read the truth of the patch in a row of the source into `out`, of `shape`, uint8."""


class Patches:
    """Labelled patches of several slides, in training batches.

    It can also be given to a ``DataLoader`` as a map-style dataset of (pixels, label), with worker
    processes or without.

    Parameters
    ----------
    sources : sequence of Source
        One a slide.
    labelled : bool
        Keep only patches whose label is known.
    workers : int
        Threads that make the next batches while the last one is used. The batches are the same
        for any number.
    truths : sequence of Truth
        One a source, all of one shape, where batches are to hold them instead of labels.
    moves : Moves, optional
        How far `shuffled` moves patches, of which all sources and truths are then movable.

    Attributes
    ----------
    labels : ndarray of shape (n_patches,), int8
        1 tumour, 0 not, -1 unknown.
    slides : list of str
        The slides that gave at least one patch.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        labelled: bool,
        workers: int = 1,
        truths: Sequence[Truth] = (),
        moves: Moves | None = None,
    ) -> None:
        least = 0 if labelled else -1
        rows = [np.flatnonzero(s.label >= least).astype(np.int32) for s in sources]
        shapes = {s.shape: s.slide for s in sources}
        if len(shapes) > 1:
            (a, slide), (b, other) = list(shapes.items())[:2]
            raise InputError(
                f"patches of slide {slide} are {a[1]} px wide, of slide {other} {b[1]} px; delete"
                " the patch stores and run again"
            )
        self._all = list(sources)
        self._truths = list(truths)
        self._moves = moves
        self._workers = workers
        self._shape = next(iter(shapes), (1, 0, 0, 3))
        # All that is held of a patch, besides what its source knows: its row there, and its label.
        self._first = np.cumsum([0, *map(len, rows)])
        self._row = np.concatenate([np.empty(0, np.int32), *rows])
        self.labels = np.concatenate(
            [np.empty(0, np.int8), *(s.label[r] for s, r in zip(sources, rows, strict=True))]
        )
        self.slides = [s.slide for s, r in zip(sources, rows, strict=True) if len(r)]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"patch {i} of {len(self)}")
        return self.__getitems__([i % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[torch.Tensor, int]]:
        """Give the (pixels, label) of several patches at once, as a ``DataLoader`` asks for them.

        RGB of shape (side, side, 3), or with further spacings (spacings, side, side, 3), uint8;
        label 1, 0 or -1.
        """
        index = np.asarray(indices, np.int64)
        pixels = np.empty((len(index), *self._shape), np.uint8)
        for place, (source, row) in enumerate(self._places(index)):
            self._all[source].read(row, pixels[place])
        images = torch.from_numpy(pixels if self._shape[0] > 1 else pixels[:, 0])
        return list(zip(images, self.labels[index].tolist(), strict=True))

    def summary(self) -> dict:
        """What there is to learn from: slides, number of patches, of tumour patches."""
        n_tumour = int((self.labels == 1).sum())
        return {"slides": self.slides, "patches": len(self), "tumour_patches": n_tumour}

    def identity(self) -> str:
        """Which patches these are: changes when a source does, or another is added."""
        text = " ".join(source.identity() for source in self._all)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require_both_classes(self, what: str) -> None:
        """Raise InputError unless tumour and non-tumour patches are there."""
        n_tumour = self.summary()["tumour_patches"]
        n_other = len(self) - n_tumour
        if not n_tumour or not n_other:
            raise InputError(
                f"{what}: {n_tumour} tumour and {n_other} non-tumour patches from"
                f" {len(self.slides)} slides; both classes are needed: check column annotation and"
                " split of the slide sheet"
            )

    def in_order(
        self, batch: int, *, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every patch once, in the sources' order, the last batch with what is left.

        Where several processes train, each takes its `share` (number, of) of every batch.

        Yields
        ------
        images : Tensor of shape (B, 3, side, side), uint8
            RGB, channels last in memory; see `microtome.networks.devices.as_input`. With further
            spacings (B, spacings, 3, side, side): one block, since all have one size, for one copy
            to the GPU; ``images[:, s]`` are the images of a spacing, contiguous, channels last.
        labels : Tensor of shape (B,), int64
            Or the truths, (B, *shape), uint8.
        """
        return self._batches((np.arange(len(self)), None, None), batch, len(self), share)

    def shuffled(
        self,
        batch: int,
        *,
        seed: int,
        epoch: int,
        balanced: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every patch once, in an order and with flips and turns that follow from seed and epoch.

        A last batch of one patch is left out, for batch norm has no variance of one, and one that
        has none for some process. Which patches these are changes with the epoch. Co-centred images
        of a patch, and its truth, are moved and turned alike. A patch keeps its label wherever it
        is moved.

        With `balanced` an epoch has as many tumour as other patches: of the smaller class each
        comes several times, of the larger not all come, and it is as long as without. All else is
        as for `in_order`.
        """
        generator = np.random.default_rng([seed, epoch])
        number = np.int32 if len(self) < 2**31 else np.int64
        order = self._balanced(generator) if balanced else np.arange(len(self), dtype=number)
        generator.shuffle(order)
        turns = generator.integers(0, 8, len(self), dtype=np.uint8)
        moves = self._moves.draw(len(self), seed=seed, epoch=epoch) if self._moves else None
        rest = len(self) % batch
        last = len(self) - (rest if len(self) > rest and rest < max(2, share[1]) else 0)
        return self._batches((order, turns, moves), batch, last, share)

    def _balanced(self, generator: np.random.Generator) -> np.ndarray:
        """As many patches as there are, half of them tumour."""
        drawn = []
        for label, n in ((1, len(self) // 2), (0, len(self) - len(self) // 2)):
            rows = np.flatnonzero(self.labels == label)
            times = -(-n // max(1, len(rows)))
            drawn.append(np.concatenate([generator.permutation(rows) for _ in range(times)])[:n])
        return np.concatenate(drawn)

    def _batches(
        self, plan: _Plan, batch: int, last: int, share: tuple[int, int]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        number, of = share
        chosen = (
            slice(first + number, min(first + batch, last), of) for first in range(0, last, batch)
        )
        parts = (tuple(None if each is None else each[c] for each in plan) for c in chosen)
        return map_ahead(self._load, parts, workers=self._workers)

    def _places(self, index: np.ndarray) -> Iterator[tuple[int, int]]:
        """The number of each patch's source, and the patch's row there."""
        sources = np.searchsorted(self._first, index, side="right") - 1
        return zip(sources.tolist(), self._row[index].tolist(), strict=True)

    def _load(self, part: _Plan) -> tuple[torch.Tensor, torch.Tensor]:
        """Read a batch. All that is done to a patch is done while it is in the cache.

        NumPy only: in a thread of ours PyTorch would start threads of its own.
        """
        index, turns, moves = part
        n_spacings, side = self._shape[:2]
        images = _for_the_gpu((n_spacings, len(index), side, side, 3))
        truth_shape = self._truths[0].shape if self._truths else ()
        truths = _for_the_gpu((len(index) if self._truths else 0, *truth_shape))
        pixels, maps = images.numpy(), truths.numpy()
        straight, straight_map = np.empty(self._shape, np.uint8), np.empty(truth_shape, np.uint8)
        for place, (source, row) in enumerate(self._places(index)):
            code = 0 if turns is None else int(turns[place])
            move = () if moves is None else (Move(*moves[place].item()),)
            self._all[source].read(row, straight if code else pixels[:, place], *move)
            if code:
                for image, target in zip(straight, pixels[:, place], strict=True):
                    np.copyto(_as_points(target), turn(_as_points(image), code))
            if self._truths:
                self._truths[source].read(row, straight_map, *move)
                is_map = straight_map.ndim > 1
                np.copyto(maps[place], turn(straight_map, code) if is_map else straight_map)
        batch = images.permute(1, 0, 4, 2, 3)
        labels = truths if self._truths else torch.from_numpy(self.labels[index].astype(np.int64))
        return batch if n_spacings > 1 else batch[:, 0], labels


def _for_the_gpu(shape: tuple[int, ...]) -> torch.Tensor:
    """Memory that a GPU, where there is one, fetches by itself while the network works."""
    return torch.empty(shape, dtype=torch.uint8, pin_memory=torch.cuda.is_available())


class PatchData(Patches):
    """Labelled patches of several stores, one a slide.

    With `spacings_um` there are co-centred images of each patch at further spacings of the stores;
    without `own` the patches' own spacing is not read. All else is given to `Patches`.

    Examples
    --------
    >>> data = PatchData([], labelled=True)
    >>> len(data), data.summary()
    (0, {'slides': [], 'patches': 0, 'tumour_patches': 0})
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        spacings_um: Sequence[float] = (),
        own: bool = True,
        **settings: Any,
    ) -> None:
        stores = [open_patches(path, spacings_um=spacings_um, own=own) for path in paths]
        super().__init__(stores, **settings)


def _as_points(pixels: np.ndarray) -> np.ndarray:
    """(side, side, 3), uint8 -> the same memory as (side, side) of whole pixels."""
    return pixels.view(_RGB)[..., 0]


def turn(image: np.ndarray, code: int) -> np.ndarray:
    """Turn a square image (side, side, ...) by `code` quarter turns; from 4 on flip it, too.

    The codes 0 to 7 are the eight symmetries of a square; the result is a view.

    Examples
    --------
    >>> turn(np.array([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    quarter = np.rot90(image, code % 4)
    return quarter[:, ::-1] if code >= 4 else quarter
