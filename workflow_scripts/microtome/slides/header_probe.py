"""Size and spacing of a slide from a few bytes of its file: enough to estimate memory and time."""

import math
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from microtome.io.slide_files import list_files
from microtome.slides.spacing import read_spacing

# Compressed slides have 0.1 to 0.3 bytes per px: a high estimate is safer than a low one.
_PX_PER_BYTE = 10
# A header that claims more is broken: even tiles that were never written take some bytes.
_MOST_PX_PER_BYTE = 1000
# Pillow refuses larger images, which are read in one piece.
_MOST_PX_OF_AN_IMAGE = 179_000_000
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp"}
_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PAGES = 100
_MOST_ENTRIES = 1000
_MOST_TEXT_BYTES = 65536
_ASPECT_TOLERANCE = 0.02
_WIDTH, _HEIGHT, _DESCRIPTION, _TILE_WIDTH = 256, 257, 270, 322
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_SHORT, _LONG, _ASCII, _RATIONAL, _LONG8 = 3, 4, 2, 5, 16
_NUMBERS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}


@dataclass(frozen=True)
class SlideHeader:
    """What the header of a slide's file says.

    Width and height in px of each level, the largest first (a single level if only the size of
    the file is known); µm per px of the first level, if the header says it; and whether the file
    has no tiles, so it is read into memory as one image.
    """

    levels: tuple[tuple[int, int], ...]
    spacing_um: float | None = None
    is_one_image: bool = False


def probe_slide(path: str | Path) -> SlideHeader | None:
    """Read the header of a slide; nothing is decoded, and no slide library is imported.

    Gives the sizes of a TIFF's pages, or the size of a PNG; for other and broken files a size that
    is estimated from the number of bytes; and None if there is no such file.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile(suffix=".dcm") as file:
    ...     file.truncate(1_000_000)
    ...     probe_slide(file.name)
    1000000
    SlideHeader(levels=((3162, 3162),), spacing_um=None, is_one_image=False)
    """
    path = Path(path)
    try:
        files = list_files(path)
        found = None
        if files == [path]:
            with path.open("rb") as file:
                found = _from_header(file)
        n_bytes = sum(one.stat().st_size for one in files)
    except OSError:
        return None
    if not files:
        return None
    if found and math.prod(found.levels[0]) <= _MOST_PX_PER_BYTE * n_bytes:
        return found
    # As many px, in a square, as a file of this size may hold.
    is_image = path.suffix.lower() in _IMAGES
    n_px = min(_PX_PER_BYTE * n_bytes, _MOST_PX_OF_AN_IMAGE if is_image else math.inf)
    side = int(n_px**0.5)
    return SlideHeader(((side, side),), is_one_image=is_image)


def _from_header(file: BinaryIO) -> SlideHeader | None:
    head = file.read(24)
    if head.startswith(_PNG) and len(head) == 24:
        return SlideHeader((struct.unpack(">II", head[16:]),), is_one_image=True)
    try:
        return _from_tiff(file, head)
    except (struct.error, KeyError, ValueError, OverflowError):
        return None


def is_cut_off(path: Path) -> bool:
    """Whether a file is a TIFF that ends before one of its pages is described."""
    with suppress(OSError, KeyError, ValueError, OverflowError), path.open("rb") as file:
        try:
            list(_pages(file, file.read(24)))
        except struct.error:
            return True
    return False


def _pages(file: BinaryIO, head: bytes) -> Iterator[dict[int, float | bytes]]:
    """Walk through the pages of a TIFF or BigTIFF; a broken one raises what the caller catches."""
    order = {b"II": "<", b"MM": ">"}[head[:2]]
    is_big = {42: False, 43: True}[struct.unpack(f"{order}H", head[2:4])[0]]
    form, end = ("Q", 16) if is_big else ("I", 8)
    (at,) = struct.unpack(f"{order}{form}", head[end // 2 : end])
    for _ in range(_MOST_PAGES):
        if not at:
            break
        page, at = _page(file, at, order, is_big=is_big)
        yield page


def _from_tiff(file: BinaryIO, head: bytes) -> SlideHeader | None:
    sized = [page for page in _pages(file, head) if page.get(_WIDTH) and page.get(_HEIGHT)]
    if not sized:
        return None
    first = max(sized, key=lambda page: page[_WIDTH] * page[_HEIGHT])
    sizes = {(page[_WIDTH], page[_HEIGHT]) for page in sized}
    aspect = first[_WIDTH] / first[_HEIGHT]
    # Label and macro images have another shape.
    levels = [(w, h) for w, h in sizes if abs(w / h / aspect - 1) < _ASPECT_TOLERANCE]
    resolution = first.get(_X_RESOLUTION), first.get(_Y_RESOLUTION)
    spacing = read_spacing(
        _decode(first.get(_DESCRIPTION, b"")),
        resolution=None if None in resolution else resolution,
        resolution_unit=first.get(_RESOLUTION_UNIT, 2),
        size_px=(first[_WIDTH], first[_HEIGHT]),
    )
    return SlideHeader(
        tuple(sorted(levels, reverse=True)),
        spacing_um=spacing.um,
        # A file without tiles but with levels is from Hamamatsu; OpenSlide reads it in parts.
        is_one_image=_TILE_WIDTH not in first and len(levels) == 1,
    )


def _decode(text: bytes) -> str:
    """Decode a tag's text as tifffile does: UTF-8, else Windows' code."""
    text = text.partition(b"\0")[0]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def _page(
    file: BinaryIO, at: int, order: str, *, is_big: bool
) -> tuple[dict[int, float | bytes], int]:
    """Read the tags of a page that matter here, and the offset of the next page."""
    file.seek(at)
    counted = "Q" if is_big else "H"
    size = struct.calcsize(counted)
    (n_entries,) = struct.unpack(f"{order}{counted}", file.read(size))
    if n_entries > _MOST_ENTRIES:
        raise ValueError("no TIFF has so many tags")
    entry = struct.Struct(f"{order}HHQ8s" if is_big else f"{order}HHI4s")
    pointer = struct.Struct(f"{order}Q" if is_big else f"{order}I")
    block = file.read(n_entries * entry.size + pointer.size)
    tags: dict[int, float | bytes] = {}
    for k in range(n_entries):
        tag, kind, count, value = entry.unpack_from(block, k * entry.size)
        if tag in (_WIDTH, _HEIGHT, _TILE_WIDTH, _RESOLUTION_UNIT):
            tags[tag] = struct.unpack_from(f"{order}{_NUMBERS[kind]}", value)[0]
        elif tag == _DESCRIPTION and kind == _ASCII and count > len(value):
            file.seek(pointer.unpack(value)[0])
            tags[tag] = file.read(min(count, _MOST_TEXT_BYTES))
        elif tag in (_X_RESOLUTION, _Y_RESOLUTION) and kind == _RATIONAL and count == 1:
            if not is_big:
                file.seek(pointer.unpack(value)[0])
                value = file.read(8)
            above, below = struct.unpack(f"{order}II", value)
            tags[tag] = above / below if below else 0.0
    return tags, pointer.unpack_from(block, n_entries * entry.size)[0]
