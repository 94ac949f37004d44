"""Patches pieced together from a slide's tiles, each decoded once, in several processes."""

import itertools
import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

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
    """Read the patches of a grid from the slide's tiles, as the views of `plan_views` lie on them.

    Decoding a tile is so fast that threads of one process would wait for its interpreter, on two
    cores a fifth of the time and on eight most of it. So processes decode, forked from this one;
    with one thread this process decodes. Each goes through the plan by itself and is only told
    which buffer is free. Whenever a process is ready it takes the next few tiles of the block; a
    tile that several blocks share belongs to one process.

    Gives what `microtome.patches.reading.read_patches` does, of shape
    (n, n_views, patch_px, patch_px, 3).
    """
    source = slide.source
    shape = (len(views), grid.patch_px, grid.patch_px, 3)
    per_block = max(1, _BLOCK_BYTES // int(np.prod(shape)))
    plan = partial(plan_blocks, source, grid, views, per_block=per_block)
    alone = threads == 1 or len(grid) <= per_block
    # Reused, since allocating new memory takes as long as copying into it.
    buffers = [_allocate_pages((per_block, *shape)) for _ in range(2 if alone else 2 + _AHEAD)]
    prepared = _prepare(source, views, plan(), buffers)
    filler = Filler(source, views)
    if alone:
        for which, pieces, block, _ in prepared:
            yield _drop_unreadable(which, block, [filler.fill(pieces, block)])
        return
    claims = Claims(len(buffers))
    work = {"plan": plan, "buffers": buffers, "claims": claims, "size": threads}
    join = partial(_join, filler=filler, **work)
    asked: deque[tuple[np.ndarray, np.ndarray]] = deque()
    with Team(join, threads, about=slide.about) as team:
        for which, _, block, number in prepared:
            claims.clear(number)
            team.ask(number)
            asked.append((which, block))
            if len(asked) > _AHEAD:
                yield _drop_unreadable(*asked.popleft(), team.answers())
        while asked:
            yield _drop_unreadable(*asked.popleft(), team.answers())


def _allocate_pages(shape: tuple[int, ...]) -> np.ndarray:
    """Allocate memory that forked processes share and that begins at a page, as disks need."""
    return np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)


def _prepare(
    source: TiledSource,
    views: list[View],
    blocks: Iterable[tuple[np.ndarray, Pieces]],
    buffers: list[np.ndarray],
) -> Iterator[tuple[np.ndarray, Pieces, np.ndarray, int]]:
    """Make each block white where no tile lies, in the next of the buffers, and fetch its tiles."""
    for n, (which, pieces) in enumerate(blocks):
        number = n % len(buffers)
        block = buffers[number][: len(which)]
        block[~_find_covered(source, views, pieces, block)] = _WHITE
        for level in set(pieces.level.tolist()):
            source.prefetch(level, pieces.tile[pieces.level == level])
        yield which, pieces, block, number


def _join(
    member: int,
    *,
    filler: Filler,
    plan: Callable[[], Iterator[tuple[np.ndarray, Pieces]]],
    buffers: list[np.ndarray],
    claims: Claims,
    size: int,
) -> Answer:
    """Begin as one member of a team of `size` processes.

    The answer fills the member's part of the next block, in the buffer of the given number, and
    says of which slots the patches cannot be read, and why.
    """
    blocks = plan()
    columns = np.array([table.columns for table in filler.source.tables])

    def answer(number: int) -> dict[int, str]:
        _, pieces = next(blocks)
        shared = pieces.first < pieces.last
        row, column = np.divmod(pieces.tile, columns[pieces.level])
        own = shared & ((row + column // _RUN) % size == member)
        unreadable = filler.fill(pieces.part(own), buffers[number])
        runs = _runs(pieces.part(~shared))
        while (n := claims.next(number)) < len(runs):
            unreadable |= filler.fill(runs[n], buffers[number])
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


def _drop_unreadable(
    which: np.ndarray, block: np.ndarray, answers: list[dict[int, str]]
) -> tuple[np.ndarray, np.ndarray]:
    """Remove the patches from a block that could not be read, and log why."""
    unreadable = {slot: why for answer in answers for slot, why in answer.items()}
    for _, why in sorted(unreadable.items()):
        log.warning("%s", why)
    if not unreadable:
        return which, block
    readable = np.delete(np.arange(len(which)), list(unreadable))
    return which[readable], block[readable]
