"""Patches to train on that are read from the slides, for models without stored patches."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from microtome.errors import InputError
from microtome.io.open_files import Handles
from microtome.patches.grid import Grid
from microtome.slides.inspection import open_inspected
from microtome.slides.slide import Slide
from microtome.training.batches import Source
from microtome.training.random_placement import STILL, Move

# An open slide holds its tables of tiles, a few MB, and a file or a few.
_MOST_OPEN = 64


def slide_sources(
    slides: Sequence[tuple[str, dict, Grid]],
    *,
    spacings_um: Sequence[float] = (),
    own: bool = True,
    copies: Mapping[str, str] | None = None,
    **slide_settings: Any,
) -> list[Source]:
    """Have the patches of several slides read from the slides each time they are needed.

    So they can be moved, anew in each epoch. A patch that is moved keeps the label of its place in
    the grid: with the rule that one px makes a tumour patch it may then hold no tumour, as in the
    generalized framework. What lies outside the slide is white, and no tumour.

    A grid says which patches these are: what is not to be trained on is left out of it. A patch
    that cannot be read is an error and not skipped, for then batches would no longer follow from
    the seed alone; a store leaves such patches out once for all.

    Parameters
    ----------
    slides : sequence of (str, dict, Grid)
        Each slide's id, what `inspect` found it to be, and its patches.
    spacings_um : sequence of float
        Further spacings in µm per px: images of the same size in px about the same centres.
    own : bool
        Whether to read the patches' own spacing, which comes first.
    copies : mapping of str to str
        Files to read instead, by the slide's id: see `microtome.parallel.local_copies`.
    **slide_settings
        The config's section ``slide``.
    """
    infos = {name: info for name, info, _ in slides}
    opener = partial(_open, infos, copies or {}, **slide_settings)
    opened = Handles(opener, Slide.close, _most_open)
    return [
        _SlidePatches(name, info, grid, opened, spacings_um=tuple(spacings_um), own=own)
        for name, info, grid in slides
    ]


def _most_open() -> int:
    return _MOST_OPEN


def _open(
    infos: Mapping[str, dict], copies: Mapping[str, str], name: str, **settings: Any
) -> Slide:
    return open_inspected(infos[name], name=name, read_from=copies.get(name), **settings)


class _SlidePatches:
    """The patches of one slide."""

    def __init__(
        self,
        name: str,
        info: dict,
        grid: Grid,
        opened: Handles[str, Slide],
        *,
        spacings_um: tuple[float, ...],
        own: bool,
    ) -> None:
        self.slide = name
        self.label = grid.label
        self.shape = (own + len(spacings_um), grid.patch_px, grid.patch_px, 3)
        self._opened = opened
        self._own = own
        self._spacings_um = spacings_um
        # Of the grid, only what is needed to read: ten million patches have to fit.
        self._row, self._column = grid.row, grid.column
        self._scale, self._stride_px = grid.scale, grid.stride_px
        content = hashlib.sha256(json.dumps(info, sort_keys=True).encode())
        numbers = np.array([self._scale, *spacings_um], np.float64)
        for part in (grid.row, grid.column, grid.label, numbers):
            content.update(part.tobytes())
        content.update(f"{grid.patch_px} {grid.stride_px} {own}".encode())
        self._identity = f"{name} {content.hexdigest()}"

    def identity(self) -> str:
        """Which patches these are: changes with the slide, the grid and the spacings."""
        return self._identity

    def read(self, row: int, out: np.ndarray, move: Move = STILL) -> None:
        """Read one patch, and what lies about its centre at the further spacings."""
        handle = self._opened[self.slide]
        slide = handle.value
        side = out.shape[1]
        scales = [slide.scale_for(spacing) for spacing in self._spacings_um]
        if self._own:
            scales.insert(0, self._scale)
        step = self._stride_px * self._scale
        x_px = int(self._column[row]) * step + move.x_px * self._scale
        y_px = int(self._row[row]) * step + move.y_px * self._scale
        try:
            for image, still in zip(out, scales, strict=True):
                scale = still * move.zoom
                inset = (self._scale - scale) * side / 2
                image[...] = slide.read(x_px + inset, y_px + inset, side, side, scale=scale)
        except InputError as error:
            raise InputError(
                f"{error}; leave the slide out, or train on stored patches (no codec none, no"
                " shift_px or zoom), which leave out what cannot be read"
            ) from error
