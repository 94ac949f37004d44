"""Patches pieced together from a slide's tiles, each decoded once, in threads."""

import mmap
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from microtome.grids import Grid
from microtome.logs import log
from microtome.regions import regions
from microtome.slides import Slide
from microtome.tile_jobs import SharedTiles, TileJob, run_jobs
from microtome.tile_plan import Pieces, View, pieces_of
from microtome.tiled_source import TiledSource

# Blocks are large enough to keep threads busy, and few are in memory at a time.
_BLOCK_BYTES = 4 * 2**20
# Tiles that a thread is given at a time: enough to hide what handing over costs.
_TILES_PER_TASK = 8
_AHEAD = 3  # blocks that are decoded while one is used
_WHITE = 255


@dataclass
class _Block:
    """Patches on their way."""

    which: np.ndarray
    pixels: np.ndarray
    futures: list[Future] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)  # slot -> reason


def read_tiles(
    slide: Slide, grid: Grid, views: list[View], *, threads: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read the patches of a grid from the slide's tiles.

    Parameters
    ----------
    slide : Slide
        Opened slide.
    grid : Grid
        Its patches.
    views : list of View
        From `views_of`.
    threads : int
        Threads that decode; with one, it is the caller's.

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
    # Used again and again: fresh memory would cost as much as copying into it.
    ahead = 0 if threads == 1 else _AHEAD
    free = [_pages((per_block, *shape)) for _ in range(ahead + 2)]
    used: deque[np.ndarray] = deque()
    pending: deque[_Block] = deque()
    executor = None if threads == 1 else ThreadPoolExecutor(threads)
    try:
        for region in regions(grid, repeat_px=_repeat_px(slide.source, views)):
            for block in _start(slide.source, views, region, free, executor):
                pending.append(block)
                if len(pending) > ahead:
                    yield _finished(pending.popleft(), used)
                    free += [used.popleft() for _ in range(len(used) - 1)]
        while pending:
            yield _finished(pending.popleft(), used)
    finally:
        if executor:
            executor.shutdown(cancel_futures=True)


def _pages(shape: tuple[int, ...]) -> np.ndarray:
    """Make room that begins with a page of memory, which a disk can be given as it is."""
    return np.frombuffer(mmap.mmap(-1, int(np.prod(shape))), np.uint8).reshape(shape)


def _repeat_px(source: TiledSource, views: list[View]) -> int:
    """After how many patch px the edges of all tiles involved fall together."""
    sides = [s // v.reduce for v in views for s in source.tables[v.level].tile_shape]
    return int(np.lcm.reduce(sides))


def _start(
    source: TiledSource,
    views: list[View],
    region: np.ndarray,
    free: list[np.ndarray],
    executor: ThreadPoolExecutor | None,
) -> Iterator[_Block]:
    """Hand the tiles of each block of a region to the threads."""
    per_block, _, side = free[0].shape[:3]
    pieces = pieces_of(source, views, region, patch_px=side, per_block=per_block)
    shared = SharedTiles(pieces)
    covered = _covered(source, views, pieces, n=len(region), per_block=per_block, side=side)
    n_blocks = -(-len(region) // per_block)
    edges = np.searchsorted(pieces.block, np.arange(n_blocks + 1)).tolist()
    for n in range(n_blocks):
        members = slice(n * per_block, (n + 1) * per_block)
        block = _Block(region[members], free.pop())
        block.pixels[np.flatnonzero(~covered[members])] = _WHITE
        jobs = shared.jobs(pieces, slice(edges[n], edges[n + 1]), n)
        _prefetch(source, jobs)
        for at in range(0, len(jobs), _TILES_PER_TASK):
            work = (source, views, jobs[at : at + _TILES_PER_TASK], block.pixels, block.unreadable)
            if executor:
                block.futures.append(executor.submit(run_jobs, *work))
            else:
                run_jobs(*work)
        yield block


def _covered(
    source: TiledSource, views: list[View], pieces: Pieces, *, n: int, per_block: int, side: int
) -> np.ndarray:
    """Which patches tiles cover altogether, at every spacing; the others begin as white."""
    shapes = [[s // v.reduce for s in source.tables[v.level].tile_shape] for v in views]
    height, width = np.array(shapes)[pieces.view].T
    rows = np.minimum(pieces.top + height, side) - np.maximum(pieces.top, 0)
    columns = np.minimum(pieces.left + width, side) - np.maximum(pieces.left, 0)
    patch = pieces.block * per_block + pieces.slot
    area = np.bincount(patch, rows * columns, minlength=n)
    return area == len(views) * side * side


def _prefetch(source: TiledSource, jobs: list[TileJob]) -> None:
    for level in {job.level for job in jobs}:
        tiles = [job.tile for job in jobs if job.level == level and job.decodes]
        source.prefetch(level, tiles)


def _finished(block: _Block, used: deque[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Wait for a block, and give what could be read of it."""
    for future in block.futures:
        future.result()
    used.append(block.pixels)
    pixels = block.pixels[: len(block.which)]
    for slot in sorted(block.unreadable):
        log.warning("%s", block.unreadable[slot])
    if not block.unreadable:
        return block.which, pixels
    readable = np.setdiff1d(np.arange(len(block.which)), list(block.unreadable))
    return block.which[readable], pixels[readable]
