"""Which pictures of a slide are its levels, where tags do not tell: those that show the same."""

from typing import Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from microtome.errors import InputError
from microtome.slides.level_places import Place

# Windows of a level that are compared, in px of it, and how far around them the best fit is sought.
_SIDE_PX, _LEAST_SIDE_PX = 32, 8
_AROUND_PX = 6
_MOST_TILE_PX = 512
# So many windows with something to see are compared, in at most so many tiles.
_WINDOWS, _MOST_TILES = 6, 64
# Standard deviation, grey values, below which a window shows nothing.
_FLAT = 4
# Tiles that were never written are this bright; of the rest there must be this part of a window.
_ABSENT, _LEAST_KNOWN = 255, 0.25
# Mean squared difference: at most this part of the window's variance, and no more than this above
# that of any other place.
_MOST_DIFFERENCE, _NOISE = 0.3, 1.0


class Source(Protocol):
    """The pixels of a slide's pictures, each at every place where it may lie, finest first."""

    places: list[Place]

    def tile_bytes(self, level: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Give the bytes of tiles, (rows, columns), all equal if unknown, and a tile's shape."""


class LevelReader(Protocol):
    """What is asked of a slide here; `microtome.slides.slide.Slide` is one."""

    source: Source

    def read_level(
        self, x_px: float, y_px: float, width_px: int, height_px: int, *, level: int, zoom: float
    ) -> np.ndarray:
        """Read a region from a level, RGB; the corner in level-0 px."""


def choose_levels(slide: LevelReader) -> list[int]:
    """Choose the places, finest first, at which a picture is a level; the first is level 0.

    A place that is certain counts, another only if the picture shows there, to a px, what the next
    finer level does. The same file gives the same levels.
    """
    places = slide.source.places
    chosen = [0]
    for level, place in enumerate(places[1:], start=1):
        finer = chosen[-1]
        is_known = place.number in {places[known].number for known in chosen}
        if is_known or place.downsample <= places[finer].downsample:
            continue
        if place.is_certain or _shows_the_same(slide, level, finer):
            chosen.append(level)
    return chosen


def _shows_the_same(slide: LevelReader, level: int, finer: int) -> bool:
    """Whether a picture shows what a finer level does, wherever there is something to see."""
    place = slide.source.places[level]
    zoom = place.downsample / slide.source.places[finer].downsample
    n_fitting = 0
    for tile in _rich_tiles(slide, level):
        try:
            for x, y, window in _find_windows(slide, level, *tile):
                shape = tuple(n + 2 * _AROUND_PX for n in window.shape)
                corner = (x - _AROUND_PX, y - _AROUND_PX)
                around = _read_grey(slide, place, corner, shape, level=finer, zoom=zoom)
                fits = _fits(window, around)
                if fits is False:
                    return False
                n_fitting += fits is True
        except InputError:
            continue  # a broken tile says nothing of others
        if n_fitting >= _WINDOWS:
            break
    return n_fitting > 0


def _rich_tiles(slide: LevelReader, level: int) -> list[list[int]]:
    """Rows and columns of tiles of many bytes, all over the picture, the farthest first."""
    n_bytes, (height, width) = slide.source.tile_bytes(level)
    width_px, height_px = slide.source.places[level].size_px
    n_bytes = n_bytes[: -(-height_px // height), : -(-width_px // width)]
    if not n_bytes.any():
        return []
    # A wrong downsample shows most far from the corner.
    rich = np.argwhere(n_bytes >= n_bytes.max() / 2)
    rich = rich[np.argsort(-rich.sum(axis=1), kind="stable")]
    n = min(len(rich), _MOST_TILES)
    spread = np.argsort(np.arange(n) * 0.618 % 1)  # each a good way from those before
    return rich[np.linspace(0, len(rich) - 1, n).astype(int)[spread]].tolist()


def _read_grey(
    slide: LevelReader, place: Place, corner: tuple[int, int], shape: tuple[int, int], **how: float
) -> np.ndarray:
    """Read what lies at a corner, px of a picture at its place, as `read_level` does, in grey."""
    x_px, y_px = (n * place.downsample for n in corner)
    return slide.read_level(x_px, y_px, shape[1], shape[0], **how).mean(axis=2, dtype=np.float32)


def _find_windows(
    slide: LevelReader, level: int, row: int, column: int
) -> list[tuple[int, int, np.ndarray]]:
    """Find what is rich in contrast in a tile: the richest window, and the first and last others.

    Gives the corner of each in px of the level, and its grey values.
    """
    _, (height, width) = slide.source.tile_bytes(level)
    x, y = column * width, row * height
    place = slide.source.places[level]
    width = min(width, place.size_px[0] - x, _MOST_TILE_PX)
    height = min(height, place.size_px[1] - y, _MOST_TILE_PX)
    high, wide = min(_SIDE_PX, height), min(_SIDE_PX, width)
    if min(high, wide) < _LEAST_SIDE_PX:
        return []
    tile = _read_grey(slide, place, (x, y), (height, width), level=level, zoom=1.0)
    cells = sliding_window_view(tile, (high, wide))[::high, ::wide]
    contrast = cells.std(axis=(2, 3))
    rich = np.flatnonzero(contrast >= max(_FLAT, contrast.max() / 2)).tolist()
    chosen = {int(contrast.argmax()), rich[0], rich[-1]} if rich else set()
    found = (np.unravel_index(cell, contrast.shape) for cell in sorted(chosen))
    return [(int(x + c * wide), int(y + r * high), cells[r, c]) for r, c in found]


def _fits(window: np.ndarray, around: np.ndarray) -> bool | None:
    """Whether a window lies in the middle of what is around it; None if that was never written."""
    shifted = sliding_window_view(around, window.shape)
    is_known = shifted < _ABSENT
    n_known = is_known.sum(axis=(2, 3))
    least_known = window.size * _LEAST_KNOWN
    if n_known[_AROUND_PX, _AROUND_PX] < least_known:
        return None
    difference = np.square((shifted - window) * is_known).sum(axis=(2, 3)) / n_known.clip(1)
    difference[n_known < least_known] = np.inf
    near = slice(_AROUND_PX - 1, _AROUND_PX + 2)
    least = difference[near, near].min()
    return bool(least <= _MOST_DIFFERENCE * window.var() and least <= difference.min() + _NOISE)
