"""One tile's work: decode it once, copy its pieces into the patches they belong to."""

from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from microtome.errors import InputError
from microtome.tile_decoding import shrunk
from microtome.tile_plan import Pieces, View
from microtome.tiled_source import TiledSource, paste


@dataclass
class TileJob:
    """A tile and where it goes in one block of patches.

    Attributes
    ----------
    level, tile : int
        Which tile.
    targets : list of (slot, view, left, top)
        The patch, the spacing, and where the tile's corner lies in it.
    decoded : Future or None
        Where blocks that share the tile find its pixels.
    decodes : bool
        Whether it is this job that decodes it.
    """

    level: int
    tile: int
    targets: list[tuple[int, int, int, int]]
    decoded: Future | None
    decodes: bool


class SharedTiles:
    """The decoded tiles of a region that later blocks need.

    Parameters
    ----------
    pieces : Pieces
        All pieces of the region.
    """

    def __init__(self, pieces: Pieces) -> None:
        keys = pieces.level * (pieces.tile.max(initial=0) + 1) + pieces.tile
        unique, self._number = np.unique(keys, return_inverse=True)
        self._last = np.zeros(len(unique), np.int64)
        self._last[self._number] = pieces.block  # sorted by block: the last one stays
        self._kept: dict[int, tuple[int, Future]] = {}

    def jobs(self, pieces: Pieces, where: slice, block: int) -> list[TileJob]:
        """Group the pieces of one block by tile, blocks being asked for in their order."""
        for number in [n for n, (last, _) in self._kept.items() if last < block]:
            del self._kept[number]
        numbers = self._number[where]
        part = pieces.part(where)
        columns = (numbers, self._last[numbers], part.level, part.tile)
        targets = (part.slot, part.view, part.left, part.top)
        jobs: list[TileJob] = []
        previous = -1
        for number, last, level, tile, *target in zip(
            *(column.tolist() for column in (*columns, *targets)), strict=True
        ):
            if number != previous:
                decodes = number not in self._kept
                if decodes and last > block:
                    self._kept[number] = (last, Future())
                _, decoded = self._kept.get(number, (last, None))
                jobs.append(TileJob(level, tile, [], decoded, decodes))
                previous = number
            jobs[-1].targets.append(tuple(target))
        return jobs


def run_jobs(
    source: TiledSource,
    views: list[View],
    jobs: list[TileJob],
    pixels: np.ndarray,
    unreadable: dict[int, str],
) -> None:
    """Fill a block's patches from some of its tiles.

    Parameters
    ----------
    source : TiledSource
        Where tiles come from.
    views : list of View
        The spacings.
    jobs : list of TileJob
        What to do.
    pixels : ndarray of shape (n, n_views, patch_px, patch_px, 3), uint8
        The block; filled in place.
    unreadable : dict of int to str
        Slots that a tile is missing in, and why; filled in place.
    """
    finest = {}
    for view in views:
        finest[view.level] = min(view.reduce, finest.get(view.level, view.reduce))
    try:
        for job in jobs:
            try:
                tile = _decode(source, job, finest[job.level], pixels)
            except InputError as error:
                for slot, *_ in job.targets:
                    unreadable[slot] = str(error)
                continue
            if tile is None:
                continue
            sizes = {finest[job.level]: tile}
            for slot, view, left, top in job.targets:
                reduce = views[view].reduce
                if reduce not in sizes:
                    sizes[reduce] = shrunk(tile, reduce // finest[job.level])
                paste(pixels[slot, view], sizes[reduce], left, top)
    finally:
        # Where an error ends it all, nobody must wait for what is decoded no more.
        for job in jobs:
            if job.decodes and job.decoded:
                job.decoded.cancel()


def _decode(
    source: TiledSource, job: TileJob, reduce: int, pixels: np.ndarray
) -> np.ndarray | None:
    """Give the pixels of a job's tile, or None where they went straight into their patch."""
    if not job.decodes:
        return job.decoded.result()
    if job.decoded:
        try:
            tile = source.tile(job.level, job.tile, reduce)
        except BaseException as error:
            job.decoded.set_exception(error)  # others wait for it
            raise
        job.decoded.set_result(tile)
        return tile
    height, width = (side // reduce for side in source.tables[job.level].tile_shape)
    if len(job.targets) == 1 and pixels.shape[1:4] == (1, height, width):
        slot, _, left, top = job.targets[0]
        if left == top == 0 and not source.is_cut(job.level, job.tile):
            tile = source.tile(job.level, job.tile, reduce, out=pixels[slot])
            return None if source.tables[job.level].is_jpeg else tile
    return source.tile(job.level, job.tile, reduce, out=source.scratch(height * width * 3))
