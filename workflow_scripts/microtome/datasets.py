"""Patches of many slides as one source of training batches, the same for the same seed."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from microtome.errors import InputError
from microtome.images import to_images
from microtome.patch_stores import open_patches


class PatchData:
    """Labelled patches of several stores.

    Parameters
    ----------
    paths : sequence of str or Path
        Patch stores, one a slide.
    labelled : bool
        Keep only patches whose label is known.

    Attributes
    ----------
    labels : ndarray of shape (n_patches,), int8
        1 tumour, 0 not, -1 unknown.
    slides : list of str
        The slides that gave at least one patch.
    """

    def __init__(self, paths: Sequence[str | Path], *, labelled: bool) -> None:
        self._paths = list(paths)
        stores = [open_patches(path) for path in paths]
        keep = [np.flatnonzero(s.label >= 0 if labelled else s.label >= -1) for s in stores]
        self._pixels = [store.pixels for store in stores]
        self._store = np.repeat(np.arange(len(stores)), [len(k) for k in keep])
        self._index = np.concatenate([np.empty(0, np.int64), *keep]).astype(np.int64)
        self.labels = np.concatenate(
            [np.empty(0, np.int8), *(s.label[k] for s, k in zip(stores, keep, strict=True))]
        )
        self.slides = [s.attributes["slide"] for s, k in zip(stores, keep, strict=True) if len(k)]

    def __len__(self) -> int:
        return len(self.labels)

    def summary(self) -> dict:
        """What there is to learn from: slides, number of patches, of tumour patches."""
        n_tumour = int((self.labels == 1).sum())
        return {"slides": self.slides, "patches": len(self), "tumour_patches": n_tumour}

    def identity(self) -> str:
        """Which patches these are: changes when a store is written anew or another is added."""
        text = " ".join(f"{p} {(Path(p) / 'zarr.json').stat().st_mtime_ns}" for p in self._paths)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require_both_classes(self, what: str) -> None:
        """Raise InputError unless tumour and non-tumour patches are there."""
        n_tumour = int((self.labels == 1).sum())
        n_other = len(self) - n_tumour
        if not n_tumour or not n_other:
            raise InputError(
                f"{what}: {n_tumour} tumour and {n_other} non-tumour patches from"
                f" {len(self.slides)} slides; both classes are needed: check column annotation and"
                " split of the slide sheet"
            )

    def in_order(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every patch once, in the stores' order, the last batch with what is left.

        Yields
        ------
        images : Tensor of shape (B, 3, side, side), float32
            RGB in [0, 1].
        labels : Tensor of shape (B,), int64
        """
        for first in range(0, len(self), batch):
            yield self._load(np.arange(first, min(first + batch, len(self))))

    def shuffled(
        self, batch: int, *, seed: int, epoch: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every patch once, in an order and with flips and turns that follow from seed and epoch.

        A last batch of one patch is left out: batch norm has no variance of one. Which patch that
        is changes with the epoch.
        """
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(len(self))
        turns = generator.integers(0, 8, len(self))
        for first in range(0, len(self), batch):
            index = order[first : first + batch]
            if len(index) == 1 and len(self) > 1:
                return
            images, labels = self._load(index)
            yield turn(images, turns[first : first + batch]), labels

    def _load(self, index: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        pixels = np.stack([self._pixels[self._store[i]][self._index[i]] for i in index])
        return to_images(pixels), torch.as_tensor(self.labels[index], dtype=torch.int64)


def turn(images: torch.Tensor, turns: np.ndarray) -> torch.Tensor:
    """Turn each square image by 0-3 quarter turns and flip it where its number is 4-7.

    Parameters
    ----------
    images : Tensor of shape (B, C, side, side)
        Images.
    turns : ndarray of shape (B,), int
        0 to 7: the eight symmetries of a square (random rotation, horizontal and vertical flips).
    """
    result = torch.empty_like(images)
    for code in np.unique(turns):
        chosen = torch.from_numpy(np.flatnonzero(turns == code))
        part = torch.rot90(images[chosen], int(code) % 4, (2, 3))
        result[chosen] = part.flip(3) if code >= 4 else part
    return result
