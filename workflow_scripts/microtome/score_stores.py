"""The scores of a slide's patches as a Zarr v3 store."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.files import atomic
from microtome.grids import Grid
from microtome.zarr_files import create_store, open_store, read_grid, write_array, write_columns


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
        group = create_store(temporary, grid, origin)
        write_array(group, "probability", probability[order])
        write_columns(group, grid.subset(index[order]))
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
    group = open_store(path)
    return Scores(read_grid(group), group["probability"][:], dict(group.attrs))


def score_attributes(path: str | Path) -> dict:
    """Where the scores of a store came from, without reading them."""
    return dict(open_store(path).attrs)
