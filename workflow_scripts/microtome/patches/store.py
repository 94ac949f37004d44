"""The patches of a slide as a sharded Zarr v3 store."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from zarr.codecs import BytesCodec

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.io.jpeg import SUBSAMPLING, decode_jpeg_into, encode_jpeg, require_side
from microtome.io.sharded_zarr import (
    CHUNK_KEYS,
    Chunk,
    ShardedArray,
    ShardWriter,
    chunks_per_shard,
    read_column,
    read_metadata,
)
from microtome.io.zarr_jpeg import NAME as JPEG
from microtome.io.zarr_jpeg import JpegCodec
from microtome.logs import log
from microtome.patches.grid import Grid
from microtome.patches.progress import log_progress
from microtome.patches.white_filter import is_kept
from microtome.patches.zarr_groups import create_store, write_columns

# What reading something else as a store raises, beside errors of files.
_NOT_A_STORE = (LookupError, RuntimeError, TypeError, ValueError)

# Several patches as `read_patches` or `read_streams` gives them: pixels, or a JPEG file of each.
Block = np.ndarray | list[bytes]
# For a block: which patches could be read, which are kept, and the kept ones' chunks by spacing.
_Chosen = tuple[np.ndarray, np.ndarray, list[Sequence[Chunk]]]


def write_patches(
    path: str | Path,
    parts: Iterable[tuple[np.ndarray, Block]],
    grid: Grid,
    *,
    origin: dict,
    codec: str,
    jpeg_quality: int,
    threads: int,
    white_from: int,
    max_white_fraction: float,
    spacings_um: Sequence[float] = (),
) -> int:
    """Write patches to a store in the order they come, one chunk each, in whole shards.

    Returns how many are stored.

    Parameters
    ----------
    parts : iterable of (index, pixels) or (index, streams)
        What `read_patches` gives of `grid`; for 'pass-through' what `read_streams` gives.
    origin : dict
        Attributes of the store: where the patches came from.
    codec : {'raw', 'jpeg', 'pass-through'}
        'raw': pixels as they are. 'jpeg': compressed here, at `jpeg_quality`, 1 to 100.
        'pass-through': the slide's own JPEGs.
    threads : int
        Threads that compress, or that decode JPEGs of 'pass-through' for the white filter.
    white_from, max_white_fraction
        See `is_kept`, which looks at the grid's own spacing. With a fraction of 1 or more every
        patch is kept, and JPEGs of 'pass-through' are not decoded.
    spacings_um : sequence of float
        The further spacings in `parts`, in µm per px.
    """
    if codec == "pass-through" and spacings_um:
        raise ValueError("a slide's own JPEGs are of one spacing")
    side = grid.patch_px
    per_shard = chunks_per_shard(side * side * 3, len(grid))
    names = _array_names(spacings_um)
    rule = None
    if max_white_fraction < 1:
        rule = partial(is_kept, white_from=white_from, max_white_fraction=max_white_fraction)
    about = {"codec": codec, "spacings_um": [grid.spacing_um, *spacings_um]}
    if codec == "jpeg":
        about["jpeg_quality"] = jpeg_quality
    stored = [np.empty(0, np.int64)]
    n_readable = 0
    with atomic(path) as temporary:
        group = create_store(temporary, grid, {**origin, **about})
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(threads))
            compress = partial(pool.map, partial(encode_jpeg, quality=jpeg_quality))
            choose: dict[str, Callable[[Block], _Chosen]] = {
                "raw": partial(_keep_pixels, rule=rule, encode=iter),
                "jpeg": partial(_keep_pixels, rule=rule, encode=compress),
                "pass-through": partial(_keep_streams, rule=rule, side=side, pool=pool),
            }
            writers = [
                stack.enter_context(ShardWriter(temporary / name, per_shard=per_shard))
                for name in names
            ]
            for index, block in log_progress(parts, len(grid), "read", sum_up=False):
                readable, kept, chunks = choose[codec](block)
                for writer, of_spacing in zip(writers, chunks, strict=True):
                    writer.append(of_spacing)
                stored.append(index[kept])
                n_readable += int(np.count_nonzero(readable))
        index = np.concatenate(stored)
        serializer = {
            "raw": BytesCodec(),
            "jpeg": JpegCodec(jpeg_quality, SUBSAMPLING),
            "pass-through": JpegCodec(),
        }[codec]
        for name in names:
            group.create_array(
                name,
                shape=(len(index), side, side, 3),
                dtype=np.uint8,
                chunks=(1, side, side, 3),
                shards=(per_shard, side, side, 3),
                serializer=serializer,
                compressors=None,
                chunk_key_encoding=CHUNK_KEYS,
            )
        write_columns(group, grid.subset(index))
        n_lost = group.attrs["unreadable_patches"] = len(grid) - n_readable
    n_white = n_readable - len(index)
    text = "%d patches stored, %d mostly white, %d unreadable"
    log.info(text, len(index), n_white, n_lost)
    return len(index)


def _array_names(spacings_um: Sequence[float]) -> list[str]:
    """Names of the arrays: of the grid's own spacing, and of further ones."""
    return ["pixels", *(f"pixels_{spacing:g}um" for spacing in spacings_um)]


def _keep_pixels(block: np.ndarray, *, rule: Callable | None, encode: Callable) -> _Chosen:
    pixels = block if block.ndim == 5 else block[:, None]
    readable = np.ones(len(pixels), bool)
    kept = rule(pixels[:, 0]) if rule else readable
    rows = np.flatnonzero(kept)
    images = ([pixels[i, s] for i in rows] for s in range(pixels.shape[1]))
    return readable, kept, [list(encode(of_spacing)) for of_spacing in images]


def _keep_streams(
    streams: list[bytes], *, rule: Callable | None, side: int, pool: ThreadPoolExecutor
) -> _Chosen:
    def look(stream: bytes) -> tuple[bool, bool]:
        """Tell whether a JPEG can be read, and whether it is kept."""
        try:
            if rule is None:
                require_side(stream, side)
                return True, True
            pixels = np.empty((1, side, side, 3), np.uint8)
            decode_jpeg_into(stream, pixels[0])
        except ValueError as error:
            log.warning("a patch cannot be decoded and is left out: %s", error)
            return False, False
        return True, bool(rule(pixels)[0])

    # Reading a header is faster than handing it to a thread.
    looked = pool.map(look, streams) if rule else map(look, streams)
    readable, kept = np.array(list(looked), bool).reshape(-1, 2).T
    return readable, kept, [[streams[i] for i in np.flatnonzero(kept)]]


@dataclass(frozen=True)
class PatchStore:
    """A store of patches, opened for reading; see `open_patches`.

    Safe to use from several threads, and in processes forked from the one that opened it.
    """

    path: Path
    pixels: tuple[ShardedArray, ...]  # one per spacing, (n_patches, side, side, 3)
    label: np.ndarray  # 1 tumour, 0 not, -1 unknown: shape (n_patches,), int8
    attributes: dict  # where the patches came from

    def __len__(self) -> int:
        return len(self.label)

    @property
    def slide(self) -> str:
        """The slide's id."""
        return self.attributes["slide"]

    def identity(self) -> str:
        """A text that identifies the store and changes when it is written again."""
        return f"{self.path} {(self.path / 'zarr.json').stat().st_mtime_ns}"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of one patch: (spacings, side, side, 3)."""
        return (len(self.pixels), *self.pixels[0].shape[1:])

    def read(self, row: int, out: np.ndarray) -> None:
        """Read patch number `row` into an array of `shape`, uint8, C-contiguous for each spacing.

        Raises InputError if the store is damaged.
        """
        for array, image in zip(self.pixels, out, strict=True):
            content = array.read_bytes(row) if array.codec == JPEG else b""
            if not content:  # not compressed, or never written
                array.read_into(row, image)
                continue
            try:
                decode_jpeg_into(content, image)
            except ValueError as error:
                raise array.damaged(f"patch {row}: {error}") from error


def open_patches(
    path: str | Path, *, spacings_um: Sequence[float] = (), own: bool = True
) -> PatchStore:
    """Open a store that `write_patches` wrote, at some of the further spacings that it has.

    The grid's `own` spacing is read unless that is unset, and comes first.

    Raises
    ------
    InputError
        If it is no such store, lacks a spacing, or is damaged.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> one = np.zeros(1, np.int32)
    >>> grid = Grid(one, one, one + 1.0, one + 1.0, one + 1, 1.0, 0.5, patch_px=16, stride_px=16)
    >>> parts = [(one, np.full((1, 16, 16, 3), 200, np.uint8))]
    >>> settings = {"codec": "raw", "jpeg_quality": 90, "white_from": 256}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.zarr"
    ...     n = write_patches(path, parts, grid, origin={"slide": "a"}, threads=1,
    ...                       max_white_fraction=1, **settings)
    ...     store = open_patches(path)
    ...     patch = np.empty(store.shape, np.uint8)
    ...     store.read(0, patch)
    >>> len(store), store.slide, patch.shape, patch[0, 0, 0].tolist()
    (1, 'a', (1, 16, 16, 3), [200, 200, 200])
    """
    path = Path(path)
    try:
        attributes = read_metadata(path)["attributes"]
        missing = set(_array_names(spacings_um)) - set(_array_names(attributes["spacings_um"][1:]))
        if missing:
            raise InputError(
                f"{path} has no {', '.join(sorted(missing))}; delete it and run again with these"
                " spacings"
            )
        names = _array_names(spacings_um)[0 if own else 1 :]
        pixels = tuple(ShardedArray(path / name) for name in names)
        label = read_column(path / "label")
        shape = (len(label), *pixels[0].shape[1:])
        if any(a.shape != shape or a.codec not in ("bytes", JPEG) for a in pixels):
            raise ValueError(f"{path} holds something else")
    except (FileNotFoundError, NotADirectoryError, *_NOT_A_STORE) as error:
        raise InputError(f"{path} is no store of this workflow; delete it and run again") from error
    return PatchStore(path, pixels, label, attributes)
