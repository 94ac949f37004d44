"""Decoding the compressed bytes of one tile to RGB, with libjpeg-turbo and imagecodecs."""

from collections.abc import Callable
from functools import partial

import imagecodecs
import numpy as np
import simplejpeg

JPEG = 7  # as TIFF numbers compressions
RGB, YCBCR = 2, 6  # photometric interpretations

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # and then the transform, one byte

# Lossless decoders by TIFF's number: (stream, number of bytes wanted) -> bytes.
_BYTES: dict[int, Callable] = {
    1: lambda stream, n: stream[:n],
    5: lambda stream, n: imagecodecs.lzw_decode(stream, out=n),
    8: lambda stream, n: imagecodecs.zlib_decode(stream, out=n),
    32946: lambda stream, n: imagecodecs.zlib_decode(stream, out=n),
    34925: lambda stream, n: imagecodecs.lzma_decode(stream, out=n),
    50000: lambda stream, n: imagecodecs.zstd_decode(stream, out=n),
}
LOSSLESS = frozenset(_BYTES)
# Decoders of whole pictures: (stream, array to fill) -> array; they raise if its shape is another.
# Aperio's JPEG 2000 in YCbCr (33003) is left to OpenSlide.
_PICTURES: dict[int, Callable] = {
    **dict.fromkeys((33004, 33005, 34712), imagecodecs.jpeg2k_decode),
    **dict.fromkeys((22610, 34934), imagecodecs.jpegxr_decode),
    **dict.fromkeys((34927, 50001), imagecodecs.webp_decode),
    **dict.fromkeys((50002, 52546), imagecodecs.jpegxl_decode),
}
PICTURES = frozenset(_PICTURES)
COMPRESSIONS = LOSSLESS | PICTURES | {JPEG}
_NO_PREDICTOR, _HORIZONTAL = 1, 2
PREDICTORS = (_NO_PREDICTOR, _HORIZONTAL)


class UndecodableError(Exception):
    """A tile's bytes are not what the slide's tile table says."""


def make_jpeg_header(tables: bytes | None, photometric: int) -> bytes:
    """Make the part that a tile's JPEG stream lacks: colour coding, and the shared tables.

    Aperio's streams have no marker of how colours are coded, and libjpeg would guess YCbCr; TIFF's
    photometric tag knows. The header is to replace the first two bytes of the stream.
    """
    adobe = _ADOBE + bytes([photometric == YCBCR])
    return SOI + adobe + (tables or b"").removeprefix(SOI).removesuffix(EOI)


def decode_jpeg(
    stream: bytes | bytearray | memoryview,
    shape: tuple[int, int],
    *,
    out: np.ndarray,
    reduce: int = 1,
) -> np.ndarray:
    """Decode a whole JPEG of `shape` at 1/`reduce` of its size, in the DCT domain, into `out`.

    Its memory is uint8 and C-contiguous; a JPEG of another shape never gets more. The result is a
    view of it, of shape (height / reduce, width / reduce, 3). Raises UndecodableError if the
    stream is damaged or of another size.
    """
    height, width = shape[0] // reduce, shape[1] // reduce
    room = out.reshape(-1)[: height * width * 3]
    decode = partial(
        simplejpeg.decode_jpeg, stream, min_height=height, min_width=width, buffer=room
    )
    try:
        # For a larger JPEG the decoder would choose a scale at which all of it fits.
        if simplejpeg.decode_jpeg_header(stream)[:2] != shape:
            raise UndecodableError(f"a JPEG of another size than {shape[1]} x {shape[0]} px")
        try:
            return decode()
        except ValueError as error:
            # Some scanners pad their streams; the picture is complete then.
            if "extraneous bytes" not in str(error):
                raise
            return decode(strict=False)
    except (ValueError, OverflowError, MemoryError) as error:
        raise UndecodableError(str(error) or type(error).__name__) from error


def decode_picture(stream: bytes, shape: tuple[int, int], *, compression: int) -> np.ndarray:
    """Decode JPEG 2000, JPEG XR, JPEG XL or WebP of `shape` to RGB; raises UndecodableError."""
    pixels = np.empty((*shape, 3), np.uint8)
    try:
        return _PICTURES[compression](stream, out=pixels)
    except (RuntimeError, ValueError, MemoryError) as error:  # imagecodecs' errors are the first
        fault = f"no picture of {shape[1]} x {shape[0]} px in RGB of 8 bits: {error}"
        raise UndecodableError(fault) from error


def decode_lossless(
    stream: bytes, shape: tuple[int, int], *, compression: int, predictor: int
) -> np.ndarray:
    """Undo LZW, deflate, zstd or nothing, and the predictor, to RGB; raises UndecodableError."""
    n_bytes = shape[0] * shape[1] * 3
    try:
        flat = _BYTES[compression](stream, n_bytes)
    except (RuntimeError, ValueError, MemoryError) as error:  # imagecodecs' errors are the first
        raise UndecodableError(str(error)) from error
    if len(flat) != n_bytes:
        raise UndecodableError(f"{len(flat)} bytes where {n_bytes} are needed")
    pixels = np.frombuffer(flat, np.uint8).reshape(*shape, 3)
    if predictor == _HORIZONTAL:
        return np.cumsum(pixels, axis=1, dtype=np.uint8)
    return pixels
