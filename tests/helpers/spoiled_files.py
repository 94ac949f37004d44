"""Slides spoiled in every way that bytes can be: at random, but from a seed."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

_INTERESTING = (0, 1, 2, 3, 7, 8, 16, 63, 64, 255, 256, 4096, 32767, 65535, 65536, 2**21, 2**24)
_INTERESTING += (2**31 - 1, 2**31, 2**32 - 1, 33003, 33005, 34712, 50000, 330, 2**40, 2**63)


@dataclass(frozen=True)
class Layout:
    """Where a TIFF keeps what."""

    order: str  # < or >
    word: str  # how `struct` calls an offset: I, or Q in a BigTIFF
    entries: list[int]  # where the entries of tags begin
    ifds: list[int]  # where the directories begin
    links: list[int]  # where directories name the next one
    # Offset, bytes of an item and items of values outside of their entries: the tables of tiles.
    arrays: list[tuple[int, int, int]]
    tiles: list[tuple[int, int]]  # offset and bytes


def layout_of(path: Path) -> Layout:
    """Find out where a sound TIFF keeps what."""
    with tifffile.TiffFile(path) as tiff:
        big = tiff.is_bigtiff
        pages = [p for page in tiff.pages for p in (page, *(page.pages if page.subifds else ()))]
        tags = [tag for page in pages for tag in page.tags]
        entry_bytes, count_bytes, inline_bytes = (20, 8, 8) if big else (12, 2, 4)
        links = [p.offset + count_bytes + len(p.tags) * entry_bytes for p in pages]
        arrays = [
            (tag.valueoffset, tag.valuebytecount // tag.count, tag.count)
            for tag in tags
            if tag.valuebytecount > inline_bytes
        ]
        tiles = [pair for p in pages for pair in zip(p.dataoffsets, p.databytecounts, strict=True)]
        return Layout(
            tiff.byteorder,
            "Q" if big else "I",
            [tag.offset for tag in tags],
            [p.offset for p in pages],
            links,
            arrays,
            [(offset, count) for offset, count in tiles if count],
        )


def spoiled(content: bytes, layout: Layout | None, seed: int) -> bytes:
    """Spoil a file in one to three ways; one without a layout is no TIFF."""
    rng = np.random.default_rng(seed)
    result = bytearray(content)
    ways = _ANY if layout is None else _OF_TIFF
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if result:
            ways[rng.integers(len(ways))](result, layout, rng)
    return bytes(result)


def _number(content: bytearray, layout: Layout, rng: np.random.Generator) -> int:
    kind = rng.integers(4)
    if kind == 0:
        return int(rng.integers(2**32))
    if kind == 1:
        return int(rng.integers(len(content) + 16))
    if kind == 2:
        return int(rng.choice(layout.ifds))
    return int(rng.choice(np.array(_INTERESTING, object)))


def _put(content: bytearray, at: int, form: str, value: int) -> None:
    size = struct.calcsize(form)
    if 0 <= at <= len(content) - size:
        content[at : at + size] = struct.pack(form, value % 256**size)


def _tag_value(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    at = int(rng.choice(layout.entries)) + (8 if layout.word == "I" else 12)
    form = rng.choice([layout.word, "H"])
    _put(content, at, layout.order + form, _number(content, layout, rng))


def _tag_count(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    at = int(rng.choice(layout.entries)) + 4
    _put(content, at, layout.order + layout.word, _number(content, layout, rng))


def _tag_type(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    at = int(rng.choice(layout.entries)) + 2
    _put(content, at, layout.order + "H", int(rng.integers(20)))


def _tag_code(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    at, other = (int(n) for n in rng.choice(layout.entries, 2))
    content[at : at + 2] = content[other : other + 2]


def _table(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    offset, item_bytes, n_items = layout.arrays[rng.integers(len(layout.arrays))]
    form = {1: "B", 2: "H", 4: "I", 8: "Q"}[item_bytes]
    at = offset + int(rng.integers(n_items)) * item_bytes
    _put(content, at, layout.order + form, _number(content, layout, rng))


def _link(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    at = int(rng.choice(layout.links))
    _put(content, at, layout.order + layout.word, _number(content, layout, rng))


def _tags(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    start = int(rng.choice(layout.ifds))
    _bytes(content, rng, start, start + 300)


def _tile(content: bytearray, layout: Layout, rng: np.random.Generator) -> None:
    offset, count = layout.tiles[rng.integers(len(layout.tiles))]
    _bytes(content, rng, offset, offset + int(rng.choice([min(count, 60), count])))


def _head(content: bytearray, _: Layout | None, rng: np.random.Generator) -> None:
    _bytes(content, rng, 0, 600)


def _anywhere(content: bytearray, _: Layout | None, rng: np.random.Generator) -> None:
    _bytes(content, rng, 0, len(content))


def _cut(content: bytearray, _: Layout | None, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def _lost(content: bytearray, _: Layout | None, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content)))
    del content[start : start + int(rng.integers(1, 200))]


def _twice(content: bytearray, _: Layout | None, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content)))
    content[start:start] = content[start : start + int(rng.integers(1, 200))]


def _bytes(content: bytearray, rng: np.random.Generator, start: int, stop: int) -> None:
    stop = min(stop, len(content))
    if start < stop:
        for at in rng.integers(start, stop, int(rng.choice([1, 2, 8]))):
            content[at] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))


_ANY = (_head, _head, _head, _anywhere, _cut, _lost, _twice)
_OF_TIFF = (
    *(_tag_value, _tag_value, _tag_value, _tag_count, _tag_count, _tag_type, _tag_code),
    *(_table, _table, _table, _link, _tags, _tags, _tile, _tile, _tile),
    *(_head, _anywhere, _cut, _lost, _twice),
)
