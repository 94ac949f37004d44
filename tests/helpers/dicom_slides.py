"""A writer of DICOM slides: one uncompressed file a level, of tiles in rows."""

import struct
from pathlib import Path

import numpy as np

from helpers.slide_files import tiles_of

_LONG = (b"OB", b"OW", b"SQ")
_WSI = "1.2.840.10008.5.1.4.1.1.77.1.6"
_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def _element(group: int, number: int, kind: bytes, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<I" if kind == b"UL" else "<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if kind == b"UI" else b" ") * (len(value) % 2)
    length = struct.pack("<2xI" if kind in _LONG else "<H", len(value))
    return struct.pack("<HH2s", group, number, kind) + length + value


def _sequence(group: int, number: int, *elements: bytes) -> bytes:
    content = b"".join(elements)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
    return _element(group, number, b"SQ", item)


def write_dicom_level(
    path: Path, pixels: np.ndarray, *, spacing_um: float, tile_px: int, number: int = 0
) -> Path:
    """Write a level of a slide, pixels (height, width, 3), the `number`-th of its series."""
    height, width = pixels.shape[:2]
    tiles = b"".join(tile.tobytes() for tile in tiles_of(pixels, (tile_px, tile_px), 255))
    made = ("DERIVED", "RESAMPLED") if number else ("ORIGINAL", "NONE")
    mm = f"{spacing_um / 1000:.8f}"
    measures = _sequence(0x28, 0x9110, _element(0x28, 0x30, b"DS", f"{mm}\\{mm}"))
    uid = f"1.2.3.{number + 1}"
    meta = b"".join(
        [
            _element(2, 1, b"OB", b"\0\1"),
            _element(2, 2, b"UI", _WSI),
            _element(2, 3, b"UI", uid),
            _element(2, 0x10, b"UI", _LITTLE_ENDIAN),
        ]
    )
    n_tiles = len(tiles) // (3 * tile_px**2)
    elements = [
        _element(8, 8, b"CS", f"{made[0]}\\PRIMARY\\VOLUME\\{made[1]}"),
        _element(8, 0x16, b"UI", _WSI),
        _element(8, 0x18, b"UI", uid),
        _element(8, 0x60, b"CS", "SM"),
        _element(0x20, 0xD, b"UI", "1.2.3"),
        _element(0x20, 0xE, b"UI", "1.2.4"),
        _element(0x20, 0x9311, b"CS", "TILED_FULL"),
        _element(0x28, 2, b"US", 3),
        _element(0x28, 4, b"CS", "RGB"),
        _element(0x28, 6, b"US", 0),
        _element(0x28, 8, b"IS", str(n_tiles)),
        *(_element(0x28, n, b"US", tile_px) for n in (0x10, 0x11)),
        *(_element(0x28, n, b"US", value) for n, value in ((0x100, 8), (0x101, 8), (0x102, 7))),
        _element(0x28, 0x103, b"US", 0),
        _element(0x48, 6, b"UL", width),
        _element(0x48, 7, b"UL", height),
        _sequence(0x5200, 0x9229, measures),
        _element(0x7FE0, 0x10, b"OB", tiles),
    ]
    length = _element(2, 0, b"UL", len(meta))
    path.write_bytes(bytes(128) + b"DICM" + length + meta + b"".join(elements))
    return path
