"""Slides whose tiles are read straight from the TIFF: tiled TIFF, SVS, OME-TIFF, BigTIFF."""

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from microtome.errors import InputError, one_line
from microtome.rasters.block_mean import block_mean
from microtome.slides.missing_tiles import classify_tiles
from microtome.slides.tile_decoding import (
    LOSSLESS,
    SOI,
    UndecodableError,
    decode_jpeg,
    decode_lossless,
    decode_picture,
)
from microtome.slides.tile_tables import TileTables

REDUCTIONS = (8, 4, 2, 1)
# Two rows of tiles across the region that `microtome.patches.strips` reads side by side.
_CACHE_BYTES = 8 * 2**20
# A tile cannot have more bytes than its pixels take, and some for headers.
_MAX_BYTES_PER_PX, _MAX_EXTRA_BYTES = 6, 2**16
_WHITE = 255
# Runs of tiles with a gap of less than this between them are fetched as one.
_GAP_BYTES = 2**16


class TiledSource:
    """The pixels of a slide, read tile by tile; safe to use from several threads.

    The tables are those of `read_tile_tables`, and `spoils` is for `classify_tiles`.
    """

    reduces = True
    read_by = "tile by tile"
    is_resampled = False

    def __init__(self, path: Path, tables: TileTables, *, name: str, spoils: bool) -> None:
        self._path, self._name, self._spoils = path, name, spoils
        self.tables, self.places, self.pictures = tables.levels, tables.places, tables.pictures
        self.states = classify_tiles(tables.levels, spoils=False)
        self.spacing = tables.spacing
        self._file = os.open(path, os.O_RDONLY)
        self._local = threading.local()
        self._cache: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def keep(self, levels: Sequence[int]) -> None:
        """Forget all places but those of these levels."""
        self.tables = tuple(self.tables[level] for level in levels)
        self.places = tuple(self.places[level] for level in levels)
        self.states = classify_tiles(self.tables, spoils=self._spoils)
        self._cache.clear()
        self._cached_bytes = 0

    def tile_bytes(self, level: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Give the bytes of the tiles of a level, (rows, columns), int64, and a tile's shape."""
        table = self.tables[level]
        return table.counts.reshape(table.rows, table.columns), table.tile_shape

    def read(
        self, level: int, x: int, y: int, width: int, height: int, *, reduce: int = 1
    ) -> np.ndarray:
        """Read a rectangle of one level, in level px / `reduce`, white beyond its edges.

        The result is an ndarray of shape (height, width, 3), uint8. Each px is the mean of 1, 2, 4
        or 8 px of the level, `reduce`, a side; JPEG tiles are decoded at this fraction of their
        size, in the DCT domain. Raises InputError if a tile cannot be read or decoded.
        """
        table = self.tables[level]
        result = np.full((height, width, 3), _WHITE, np.uint8)
        tile_height, tile_width = (side // reduce for side in table.tile_shape)
        first_row, last_row = max(y // tile_height, 0), (y + height - 1) // tile_height
        first_column, last_column = max(x // tile_width, 0), (x + width - 1) // tile_width
        rows = range(first_row, min(last_row + 1, table.rows))
        columns = range(first_column, min(last_column + 1, table.columns))
        needed = {row * table.columns + column: (row, column) for row in rows for column in columns}
        self.prefetch(level, [t for t in needed if (level, t, reduce) not in self._cache])
        for tile, (row, column) in needed.items():
            pixels = self._cached_tile(level, tile, reduce)
            if pixels is not None:
                paste(result, pixels, column * tile_width - x, row * tile_height - y)
        return result

    def is_absent(self, level: int, tile: int | np.ndarray) -> bool | np.ndarray:
        """Whether a tile is background: it was never written and cannot be made from others."""
        states = self.states[level]
        return ~(states.own[tile] | states.remade[tile])

    def is_cut(self, level: int, tile: int | np.ndarray) -> bool | np.ndarray:
        """Whether a tile hangs over the right or lower edge of its level."""
        table = self.tables[level]
        row, column = tile // table.columns, tile % table.columns
        height, width = table.tile_shape
        return ((row + 1) * height > table.height_px) | ((column + 1) * width > table.width_px)

    def prefetch(self, level: int, tiles: Sequence[int]) -> None:
        """Tell the system which tiles of a level are read next, so that it fetches runs of them."""
        if len(tiles) < 2:
            return
        table = self.tables[level]
        offsets = table.offsets[tiles]
        order = np.argsort(offsets)
        starts = offsets[order]
        ends = starts + table.counts[tiles][order]
        cuts = np.flatnonzero(starts[1:] > ends[:-1] + _GAP_BYTES) + 1
        firsts, lasts = np.r_[0, cuts], np.r_[cuts, len(order)] - 1
        for start, end in zip(starts[firsts].tolist(), ends[lasts].tolist(), strict=True):
            os.posix_fadvise(self._file, start, end - start, os.POSIX_FADV_WILLNEED)

    def read_stream(self, level: int, tile: int) -> bytearray:
        """Read the bytes of a tile; for a JPEG tile a whole JPEG file with tables and colours.

        Raises InputError if they cannot be read.
        """
        table = self.tables[level]
        count, header = int(table.counts[tile]), len(table.header)
        height, width = table.tile_shape
        if count > height * width * _MAX_BYTES_PER_PX + _MAX_EXTRA_BYTES:
            raise self._error(level, tile, f"{count} bytes are too many for a tile")
        # The header replaces the first two bytes of a JPEG.
        skip = len(SOI) if header else 0
        content = bytearray(header - skip + count)
        view = memoryview(content)[header - skip :]
        try:
            n_read = os.preadv(self._file, [view], int(table.offsets[tile]))
        except OSError as error:
            raise self._error(level, tile, str(error)) from error
        if n_read != count:
            raise self._error(level, tile, "the file has become shorter")
        if header:
            if view[:skip] != SOI:
                raise self._error(level, tile, "no JPEG")
            content[:header] = table.header
        return content

    def read_tile(
        self, level: int, tile: int, reduce: int = 1, *, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Decode one tile at 1/`reduce` of its size; what lies beyond the level's edge is white.

        The tile must not be absent. The result is an ndarray of shape
        (tile_height / reduce, tile_width / reduce, 3), uint8. For a JPEG tile that does not hang
        over the edge it is a view of `out`, if that is given: uint8, C-contiguous. Raises
        InputError if the tile cannot be read or decoded.
        """
        table = self.tables[level]
        content = self.read_stream(level, tile)
        row, column = divmod(tile, table.columns)
        height, width = table.tile_shape
        inside = (
            min(height, max(0, table.height_px - row * height)),
            min(width, max(0, table.width_px - column * width)),
        )
        # A reduced px may lie half beyond the edge, where a tile may hold anything.
        exact = not (inside[0] % reduce or inside[1] % reduce)
        try:
            at_once = reduce if table.is_jpeg and exact else 1
            if table.is_jpeg:
                if out is None or at_once != reduce:
                    out = np.empty((height // at_once) * (width // at_once) * 3, np.uint8)
                pixels = decode_jpeg(content, table.tile_shape, out=out, reduce=at_once)
            elif table.compression in LOSSLESS:
                how = {"compression": table.compression, "predictor": table.predictor}
                pixels = decode_lossless(bytes(content), table.tile_shape, **how)
            else:
                how = {"compression": table.compression}
                pixels = decode_picture(bytes(content), table.tile_shape, **how)
        except UndecodableError as error:
            raise self._error(level, tile, str(error)) from error
        if inside != table.tile_shape:
            if not pixels.flags.writeable:
                pixels = pixels.copy()
            pixels[inside[0] // at_once :] = _WHITE
            pixels[:, inside[1] // at_once :] = _WHITE
        return block_mean(pixels, reduce // at_once)

    def scratch(self, n_bytes: int) -> np.ndarray:
        """Memory for one tile, one per thread, which the next tile overwrites."""
        room = getattr(self._local, "room", None)
        if room is None or room.size < n_bytes:
            room = self._local.room = np.empty(n_bytes, np.uint8)
        return room

    def _cached_tile(self, level: int, tile: int, reduce: int) -> np.ndarray | None:
        """Decode a tile and keep it, since neighbouring regions need it too; None if absent."""
        if self.is_absent(level, tile):
            return None
        key = (level, tile, reduce)
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
                return found
        remade = self.states[level].remade[tile]
        pixels = (self._from_finer if remade else self.read_tile)(level, tile, reduce)
        with self._lock:
            if key not in self._cache:
                self._cache[key] = pixels
                self._cached_bytes += pixels.nbytes
                while self._cached_bytes > _CACHE_BYTES:
                    self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return pixels

    def _from_finer(self, level: int, tile: int, reduce: int) -> np.ndarray:
        """Make a tile from the next finer level, at 1/`reduce` of its size."""
        table = self.tables[level]
        row, column = divmod(tile, table.columns)
        height, width = (side // reduce for side in table.tile_shape)
        zoom = reduce * round(self.places[level].downsample / self.places[level - 1].downsample)
        decoded = next(r for r in REDUCTIONS if zoom % r == 0)
        mean = zoom // decoded
        box = [mean * n for n in (column * width, row * height, width, height)]
        return block_mean(self.read(level - 1, *box, reduce=decoded), mean)

    def _error(self, level: int, tile: int, reason: str) -> InputError:
        table = self.tables[level]
        row, column = divmod(tile, table.columns)
        downsample = self.places[level].downsample
        x = round(column * table.tile_width_px * downsample)
        y = round(row * table.tile_height_px * downsample)
        return InputError(
            f"slide {self._name}: {self._path} cannot be read at x={x}, y={y}, level {level}"
            f" ({one_line(reason)})"
        )


def paste(target: np.ndarray, source: np.ndarray, left: int, top: int) -> None:
    """Copy `source` into `target` with its corner at (left, top), cut to what overlaps."""
    height, width = source.shape[:2]
    y0, y1 = max(top, 0), min(top + height, target.shape[0])
    x0, x1 = max(left, 0), min(left + width, target.shape[1])
    target[y0:y1, x0:x1] = source[y0 - top : y1 - top, x0 - left : x1 - left]
