"""Windows of slides to learn from without labels: drawn at random from the tissue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.logs import log
from microtome.patches.grid import UNKNOWN, Grid
from microtome.slides.inspection import read_inspected
from microtome.training.batches import Patches
from microtome.training.slide_source import slide_sources


class SlideWindows(Patches):
    """Windows of several slides; see `Patches`."""

    def summary(self) -> dict:
        """What there is to learn from: slides, and number of windows."""
        return {"slides": self.slides, "windows": len(self)}


def open_slide_windows(
    patches: Sequence[str | Path],
    inspected: Sequence[str | Path],
    slide_paths: Sequence[str | Path],
    *,
    n: int,
    seed: int,
    workers: int,
    min_tissue_fraction: float,
    slide_settings: dict,
    copies: Mapping[str, str],
    again: bool = True,
    **_: object,
) -> SlideWindows:
    """Draw windows over all slides together, which are read when they are needed.

    Parameters
    ----------
    patches, inspected, slide_paths : sequence of str or Path
        The slides' grids, patch beside patch, what `inspect` found each slide to be, and the
        slides. A slide whose grid could not be made is left out; the log says why.
    n, seed : int
        How many windows, and what they follow from.
    workers : int
        Threads that read them.
    min_tissue_fraction : float
        A place of a grid must hold more tissue than this.
    slide_settings, copies
        See `microtome.training.slide_source.slide_sources`.
    again : bool
        Where there are fewer places than `n`, take places again; else all once.

    Raises
    ------
    InputError
        If there are slides, and no place with so much tissue on any of them.
    """
    chosen = _leave_out_bad(patches, inspected, slide_paths)
    counts = [len(_on_tissue(path, min_tissue_fraction)) for path, *_ in chosen]
    if chosen and not any(counts):
        raise InputError(
            f"no place of {len(chosen)} slides has more tissue than patches.min_tissue_fraction"
            f" {min_tissue_fraction:g}; lower it"
        )
    generator = np.random.default_rng(seed)
    places = choose_places(counts, n=n, generator=generator, again=again)
    slides = []
    for (path, report, slide_path), of_slide in zip(chosen, places, strict=True):
        # Of the grids, of which there may be tens of millions of places, one is held at a time.
        grid = _on_tissue(path, min_tissue_fraction).subset(of_slide)
        info = read_inspected(report, slide_path=slide_path)
        size_px = info["width_px"], info["height_px"]
        windows = move_windows(grid, size_px=size_px, generator=generator)
        slides.append((Path(path).stem, info, windows))
    sources = slide_sources(slides, copies=copies, **slide_settings)
    return SlideWindows(sources, labelled=False, workers=workers)


def _leave_out_bad(*files: Sequence[str | Path]) -> list[tuple[str | Path, ...]]:
    """Leave out slides whose grid, the first of each one's files, could not be made."""
    chosen = []
    for of_slide in zip(*files, strict=True):
        status = read_json(Path(of_slide[0]).with_suffix(".json"))
        if status["state"] == "ok":
            chosen.append(of_slide)
        else:
            log.warning("%s; no windows of it", status["reason"])
    return chosen


def _on_tissue(path: str | Path, min_tissue_fraction: float) -> Grid:
    grid = Grid.load(path)
    return grid.subset(grid.tissue_fraction > min_tissue_fraction)


def choose_places(
    counts: Sequence[int], *, n: int, generator: np.random.Generator, again: bool = True
) -> list[np.ndarray]:
    """Choose among the places of several slides, `counts` of each.

    Every place is as likely as any other, whichever slide it is on, and none is taken again before
    all have been. Without `again` there are no more than there are places. Gives the numbers of a
    slide's places, sorted, for each slide.

    Examples
    --------
    >>> generator = np.random.default_rng(1)
    >>> [places.tolist() for places in choose_places([1, 3], n=8, generator=generator)]
    [[0, 0], [0, 0, 1, 1, 2, 2]]
    """
    total = sum(counts)
    n = n if again else min(n, total)
    times, rest = divmod(n, total) if total else (0, 0)
    more = generator.multivariate_hypergeometric(counts, rest, method="marginals")
    return [
        np.sort(
            np.concatenate(
                [
                    np.repeat(np.arange(count), times),
                    generator.choice(count, extra, replace=False, shuffle=False),
                ]
            )
        )
        for count, extra in zip(counts, more, strict=True)
    ]


def move_windows(grid: Grid, *, size_px: tuple[int, int], generator: np.random.Generator) -> Grid:
    """Move each window off its place at random, by up to half a stride each way.

    So, with patch beside patch, it may lie anywhere on the tissue; never beyond the slide, whose
    level 0 has the size `size_px`, if that holds a window. In the grid that is given back ``row``
    and ``column`` are px of the window, the stride is 1, and ``label`` is -1.

    Examples
    --------
    >>> zeros, ones = np.zeros(2, np.int32), np.ones(2, np.float32)
    >>> grid = Grid(zeros, zeros, ones, ones, zeros, 2.0, 0.5, 100, 100)
    >>> moved = move_windows(grid, size_px=(200, 200), generator=np.random.default_rng(1))
    >>> moved.row.tolist(), moved.stride_px
    ([0, 0], 1)
    """
    half = grid.stride_px // 2
    moves = generator.integers(-half, grid.stride_px - half, (2, len(grid)), dtype=np.int32)
    places = []
    for place, move, side_px in zip((grid.row, grid.column), moves, size_px[::-1], strict=True):
        last = max(0, int(side_px / grid.scale) - grid.patch_px)
        places.append(np.clip(place * grid.stride_px + move, 0, last).astype(np.int32))
    row, column = places
    label = np.full(len(grid), UNKNOWN, np.int8)
    return replace(grid, row=row, column=column, label=label, stride_px=1)
