"""Patches pieced together from a slide's tiles, each decoded once, in several processes."""

import itertools
import mmap
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from microtome.logs import log
from microtome.parallel.worker_team import Answer, Claims, Team
from microtome.patches.grid import Grid
from microtome.patches.tile_filling import Filler
from microtome.patches.tile_plan import Pieces, View, plan_blocks
from microtome.slides.slide import Slide
from microtome.slides.tiled_source import TiledSource

# Blocks are so large that asking for one takes no time, and few are in memory at once.
_BLOCK_BYTES = 8 * 2**20
_AHEAD = 2  # blocks that are decoded while another is used
# Tiles that a process takes at a time: they lie one after the other in the file.
_RUN = 4
_WHITE = 255


def read_tiles(
    slide: Slide, grid: Grid, views: list[View], *, threads: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the patches of a grid from the slide's tiles.

    Decoding a tile is so fast that threads of one process would wait for its interpreter, on two
    cores a fifth of the time and on eight most of it. So processes decode. Each goes through the
    plan by itself and is only told which buffer is free. Whenever a process is ready it takes the
    next few tiles of the block; a tile that several blocks share belongs to one process.

    Parameters
    ----------
    slide : Slide
        Opened slide.
    grid : Grid
        Its patches.
    views : list of View
        From `plan_views`.
    threads : int
        Processes that decode, forked from this one; with 1 this process decodes.

    Yields
    ------
    index : ndarray of shape (n,), int64
        Which patches of the grid these are.
    pixels : ndarray of shape (n, n_views, patch_px, patch_px, 3), uint8
        Valid until the item after the next is asked for. Patches that cannot be decoded are left
        out, with a warning in the log.
    """
    shape = (len(views), grid.patch_px, grid.patch_px, 3)
    per_block = max(1, _BLOCK_BYTES // int(np.prod(shape)))
    plan = partial(plan_blocks, slide.source, grid, views, per_block=per_block)
    alone = threads == 1 or len(grid) <= per_block
    ahead = 0 if alone else _AHEAD
    # Reused, since allocating new memory takes as long as copying into it.
    buffers = [_allocate_pages((per_block, *shape)) for _ in range(ahead + 2)]
    claims = Claims(len(buffers))
    work = _Work(slide.source, views, plan, buffers, claims, 1 if alone else threads)
    asked: deque[tuple[np.ndarray, np.ndarray]] = deque()
    with _Alone(work) if alone else Team(work.join, threads, about=slide.about) as team:
        for n, (which, pieces) in enumerate(plan()):
            number = n % len(buffers)
            block = buffers[number][: len(which)]
            block[~_find_covered(slide.source, views, pieces, block)] = _WHITE
            _prefetch(slide.source, pieces)
            claims.clear(number)
            team.ask(number)
            asked.append((which, block))
            if len(asked) > ahead:
                yield _drop_unreadable(*asked.popleft(), team.answers())
        while asked:
            yield _drop_unreadable(*asked.popleft(), team.answers())


def _allocate_pages(shape: tuple[int, ...]) -> np.ndarray:
    """Allocate memory that forked processes share and that begins at a page, as disks need."""
    return np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)


class _Alone:
    """A team that consists of this process only."""

    def __init__(self, work: "_Work") -> None:
        self._answer = work.join(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        """Nothing to end: there are no other processes."""

    def ask(self, number: int) -> None:
        self._found = self._answer(number)

    def answers(self) -> list:
        return [self._found]


@dataclass(frozen=True)
class _Work:
    """The work of a team of `size` processes, and the memory they share."""

    source: TiledSource
    views: list[View]
    plan: Callable[[], Iterator[tuple[np.ndarray, Pieces]]]
    buffers: list[np.ndarray]
    claims: Claims
    size: int

    def join(self, member: int) -> Answer:
        """Begin as one member.

        Returns
        -------
        callable
            Fills its part of the next block, in the buffer of the given number; returns the slots
            of patches that cannot be read, and why.
        """
        filler = Filler(self.source, self.views)
        blocks = self.plan()
        columns = np.array([table.columns for table in self.source.tables])

        def answer(number: int) -> dict[int, str]:
            _, pieces = next(blocks)
            buffer = self.buffers[number]
            if self.size == 1:
                return filler.fill(pieces, buffer)
            shared = pieces.first < pieces.last
            row, column = np.divmod(pieces.tile, columns[pieces.level])
            own = shared & ((row + column // _RUN) % self.size == member)
            unreadable = filler.fill(pieces.part(own), buffer)
            runs = _runs(pieces.part(~shared))
            while (n := self.claims.next(number)) < len(runs):
                unreadable |= filler.fill(runs[n], buffer)
            return unreadable

        return answer


def _runs(pieces: Pieces) -> list[Pieces]:
    """Divide pieces into runs of a few tiles."""
    if not len(pieces):
        return []
    new = (np.diff(pieces.level) != 0) | (np.diff(pieces.tile) != 0)
    edges = np.r_[0, np.flatnonzero(new)[_RUN - 1 :: _RUN] + 1, len(pieces)].tolist()
    return [pieces.part(slice(*edge)) for edge in itertools.pairwise(edges)]


def _find_covered(
    source: TiledSource, views: list[View], pieces: Pieces, block: np.ndarray
) -> np.ndarray:
    """Find the patches that tiles cover wholly at each spacing; the others are made white."""
    n, n_views, side = block.shape[:3]
    shapes = [[s // v.reduce for s in source.tables[v.level].tile_shape] for v in views]
    height, width = np.array(shapes)[pieces.view].T
    rows = np.minimum(pieces.top + height, side) - np.maximum(pieces.top, 0)
    columns = np.minimum(pieces.left + width, side) - np.maximum(pieces.left, 0)
    area = np.bincount(pieces.slot, rows * columns, minlength=n)
    return area == n_views * side * side


def _prefetch(source: TiledSource, pieces: Pieces) -> None:
    for level in set(pieces.level.tolist()):
        source.prefetch(level, pieces.tile[pieces.level == level])


def _drop_unreadable(
    which: np.ndarray, block: np.ndarray, answers: list[dict[int, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the patches from a block that could not be read, and log why."""
    unreadable = {slot: why for answer in answers for slot, why in answer.items()}
    for slot in sorted(unreadable):
        log.warning("%s", unreadable[slot])
    if not unreadable:
        return which, block
    readable = np.ones(len(which), bool)
    readable[list(unreadable)] = False
    return which[readable], block[readable]
