"""Outlines and areas of the nuclei of a slide, from a segmenter's map of their px."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import nn

from microtome.networks.batch_norm_folding import fold_into_convolutions
from microtome.networks.devices import default_device
from microtome.nuclei.around_nuclei import Surroundings, read_around_nuclei
from microtome.nuclei.finder import round_up
from microtome.nuclei.probabilities import NUCLEUS_FROM, predict_map
from microtome.parallel.prefetch import map_ahead
from microtome.rasters.seeded_regions import Reach, grow_regions, make_empty, outline_regions
from microtome.slides.slide import Slide

# How far a nucleus is looked for: from where it was found to its px; the largest disc in it that
# counts; and from that disc to its ends. So of a nucleus 15 µm each way, and no more.
_SHIFT_UM, _DEEP_UM, _BEYOND_UM = 1.5, 5.0, 10.0
_INNER_PX = 1536
# The network goes over a window in so many parts a side: it needs far more memory a px.
_PARTS = 3

Found = tuple[Surroundings, np.ndarray | None]


class NucleusOutliner:
    """Outlines nuclei in windows, such that it does not matter how windows are laid.

    The px of nuclei, of probability 0.5 or more, are divided among the nuclei that were found, as
    in `microtome.rasters.seeded_regions`. That depends on what lies within `margin_px` alone.

    Parameters
    ----------
    network : Module
        A segmenter, as for `microtome.nuclei.probabilities.predict_map`. InputError if it knows
        windows of one size alone.
    spacing_um : float
        µm per px of the images.

    Attributes
    ----------
    inner_px, margin_px, lattice_px : int
        See `microtome.nuclei.windows.Sided`.
    """

    inner_px = _INNER_PX

    def __init__(self, network: nn.Module, *, spacing_um: float) -> None:
        sides = (side / spacing_um for side in (_SHIFT_UM, _DEEP_UM, _BEYOND_UM))
        self._reach = Reach(**dict(zip(("shift_px", "deep_px", "beyond_px"), sides, strict=True)))
        self.lattice_px = network.lattice_px
        self.margin_px = round_up(self._reach.margin_px + network.reach_px, self.lattice_px)
        self.seeds_px = self._reach.seeds_px
        folded = fold_into_convolutions(network)
        self._network = folded.to(default_device(), memory_format=torch.channels_last)
        self._area_um2 = spacing_um**2

    def find_px(self, pixels: np.ndarray) -> np.ndarray:
        """Find the px of nuclei of an image, ndarray of shape (height, width, 3), uint8: bool."""
        part_px = math.ceil(max(pixels.shape) / _PARTS)
        return predict_map(self._network, pixels, inner_px=part_px) >= NUCLEUS_FROM

    def outline(
        self, mask: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, is_asked: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Outline those nuclei of an image that are asked for.

        Parameters
        ----------
        mask : ndarray of shape (height, width), bool
            Px of nuclei.
        x_px, y_px : ndarray of shape (n,), float64
            Where nuclei were found: all that lie within `seeds_px` of those asked for.
        is_asked : ndarray of shape (n,), bool

        Returns
        -------
        dict of str to ndarray
            ``area_um2`` (m,) and ``outline`` (m,), as in `microtome.nuclei.table.Form`, but in px
            of the image.
        """
        # The first one counts of two that are as near: the same in every window.
        order = np.lexsort((x_px, y_px))
        regions = grow_regions(mask, x_px[order], y_px[order], self._reach)
        numbers = np.argsort(order)[is_asked]
        outlines, area_px = outline_regions(regions, numbers, self._reach)
        return {"area_um2": area_px * self._area_um2, "outline": outlines}


def outline_nuclei(
    outliner: NucleusOutliner,
    slide: Slide,
    table: str | Path,
    *,
    scale: float,
    inner_px: int | None = None,
    threads: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Outline the nuclei of a slide's table, window by window.

    Windows without nuclei are not read. Outlines do not depend on the windows; only where the slide
    has to be resampled the rounding of px does.

    Parameters
    ----------
    outliner : NucleusOutliner
        For the spacing of the slide's px at `scale`.
    slide : Slide
        The slide.
    table : path
        As `microtome.nuclei.table` writes it.
    scale : float
        Level-0 px per px.
    inner_px : int, optional
        Side of the windows without their margins, a multiple of 8 ``outliner.lattice_px``.
    threads : int
        How many processes read ahead, and threads outline, while the network works.

    Yields
    ------
    dict of str to ndarray
        All columns of the nuclei of a window, with ``area_um2`` and ``outline``. Where no px of a
        nucleus are near, or the slide cannot be decoded, these are NaN and empty.

    Raises
    ------
    InputError
        If the slide has changed while it was read, or the network gives what is not a number.
    """
    size_px = tuple(math.ceil(side / scale) for side in slide.size_px)

    def find_all() -> Iterator[Found]:
        for around in read_around_nuclei(
            slide,
            table,
            outliner,
            scale=scale,
            near_px=outliner.seeds_px + 1,
            lost="nuclei have no outlines there",
            inner_px=inner_px,
            threads=threads,
        ):
            mask = None
            if around.pixels is not None:
                mask = outliner.find_px(around.pixels)
                _clear_beyond(mask, around, size_px)
            yield around, mask

    def outline(found: Found) -> dict[str, np.ndarray]:
        around, mask = found
        n = np.count_nonzero(around.is_inside)
        if mask is None:
            return around.own() | {"area_um2": np.full(n, np.nan), "outline": make_empty(n)}
        outlined = outliner.outline(mask, around.x_px, around.y_px, around.is_inside)
        corner = np.array([around.left_px, around.top_px])
        for i, ring in enumerate(outlined["outline"]):
            outlined["outline"][i] = ((ring.reshape(-1, 2) + corner) * scale).ravel()
        return around.own() | outlined

    found = map_ahead(outline, find_all(), workers=threads if threads > 1 else 0)
    with closing(found):
        yield from found


def _clear_beyond(mask: np.ndarray, around: Surroundings, size_px: tuple[int, int]) -> None:
    """Take out what lies beyond the slide."""
    for values, first, side in (
        (mask.T, around.left_px, size_px[0]),
        (mask, around.top_px, size_px[1]),
    ):
        values[: max(0, -first)] = False
        values[max(0, side - first) :] = False
