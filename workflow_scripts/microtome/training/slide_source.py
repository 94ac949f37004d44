"""Training batches straight from the slides, with nothing stored."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from microtome.errors import InputError
from microtome.io.open_files import Handles
from microtome.patches.grid import Grid
from microtome.slides.inspection import open_inspected
from microtome.slides.slide import Slide
from microtome.training.batches import Patches, Truth
from microtome.training.random_placement import STILL, Move, Moves

# An open slide holds its tables of tiles, a few MB, and a file or a few.
_MOST_OPEN = 64


class SlideData(Patches):
    """Labelled patches of several slides, read from the slides each time they are needed.

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
    labelled, workers, truths, moves
        Arguments of `Patches`.
    spacing_tolerance, upsample
        Arguments of `Slide`.
    spacings_um : sequence of float
        Further spacings in µm per px: images of the same size in px about the same centres.
    own : bool
        Whether to read the patches' own spacing, which comes first.
    copies : mapping of str to str
        Files to read instead, by the slide's id: what `copy_to_scratch` gives.
    """

    def __init__(
        self,
        slides: Sequence[tuple[str, dict, Grid]],
        *,
        labelled: bool,
        spacing_tolerance: float,
        upsample: bool = False,
        workers: int = 1,
        spacings_um: Sequence[float] = (),
        own: bool = True,
        truths: Sequence[Truth] = (),
        moves: Moves | None = None,
        copies: Mapping[str, str] | None = None,
    ) -> None:
        infos = {name: info for name, info, _ in slides}
        opener = _Opener(infos, spacing_tolerance, upsample, copies or {})
        opened = Handles(opener, Slide.close, _most_open)
        sources = [
            _SlidePatches(name, info, grid, opened, spacings_um=tuple(spacings_um), own=own)
            for name, info, grid in slides
        ]
        super().__init__(sources, labelled=labelled, workers=workers, truths=truths, moves=moves)


def _most_open() -> int:
    return _MOST_OPEN


@dataclass(frozen=True)
class _Opener:
    """Opens a slide by its id."""

    infos: dict[str, dict]
    spacing_tolerance: float
    upsample: bool
    copies: Mapping[str, str]

    def __call__(self, name: str) -> Slide:
        return open_inspected(
            self.infos[name],
            name=name,
            spacing_tolerance=self.spacing_tolerance,
            upsample=self.upsample,
            read_from=self.copies.get(name),
        )


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
