"""The decode bound: the JPEG tiles that hold the wanted patches, each decoded once, nothing else.

Bytes come from memory and pixels go into one buffer a thread, so no reader of the same patches
that decodes on the CPU with libjpeg-turbo can be faster.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import simplejpeg
import tifffile

PATCH_PX = 256
_SOI = b"\xff\xd8"
_RGB = 2  # TIFF's photometric
# Levels are never enlarged: from the coarsest that is fine enough, reduced by a DCT of 1, 2, 4, 8.
_REDUCTIONS = (1, 2, 4, 8)


def load_streams(slide: Path, corners: np.ndarray, spacing_um: float) -> tuple[list[bytes], int]:
    """Read the streams of all tiles that patches touch.

    Parameters
    ----------
    slide : Path
        An Aperio SVS.
    corners : ndarray of shape (n, 2)
        Level-0 px.
    spacing_um : float
        µm per patch px.

    Returns
    -------
    streams : list of bytes
        Whole JPEG streams: an Adobe marker that says what TIFF says of the colours, the tables,
        the tile.
    reduction : int
        By how much to reduce while decoding.
    """
    with tifffile.TiffFile(slide) as tiff:
        pages = [page for page in tiff.pages if page.is_tiled]
        spacing_0 = float(pages[0].description.split("MPP = ")[1].split("|")[0])
        page, reduction = _level(pages, spacing_um / spacing_0)
        times = pages[0].imagewidth / page.imagewidth
        side = PATCH_PX * reduction
        first = np.floor(corners / times / page.tilewidth).astype(int)
        last = np.floor((corners / times + side - 1) / page.tilewidth).astype(int)
        columns = -(-page.imagewidth // page.tilewidth)
        wanted = sorted(
            {
                y * columns + x
                for (x0, y0), (x1, y1) in zip(first, last, strict=True)
                for y in range(y0, y1 + 1)
                for x in range(x0, x1 + 1)
            }
        )
        transform = 0 if page.photometric == _RGB else 1
        head = _SOI + b"\xff\xee\x00\x0eAdobe\x00\x64" + bytes(4) + bytes([transform])
        head += page.jpegtables[2:-2]
        streams = []
        for i in wanted:
            tiff.filehandle.seek(page.dataoffsets[i])
            streams.append(head + tiff.filehandle.read(page.databytecounts[i])[2:])
    _require_reduction(streams[0], page.tilewidth // reduction)
    return [s for s in streams if len(s) > len(head)], reduction


def decode(streams: list[bytes], *, reduction: int, threads: int) -> float:
    """Seconds to decode all streams."""
    side = simplejpeg.decode_jpeg_header(streams[0])[0] // reduction

    def share(k: int) -> None:
        buffer = np.empty((side, side, 3), np.uint8)
        for stream in streams[k::threads]:
            simplejpeg.decode_jpeg(
                stream, "RGB", min_height=side, min_width=side, min_factor=reduction, buffer=buffer
            )

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        list(pool.map(share, range(threads)))
        return time.perf_counter() - began


def _level(pages: list[tifffile.TiffPage], scale: float) -> tuple[tifffile.TiffPage, int]:
    """The coarsest level that one of `_REDUCTIONS` brings to `scale`, and that one."""
    for page in reversed(pages):
        reduction = scale / (pages[0].imagewidth / page.imagewidth)
        if reduction in _REDUCTIONS:
            return page, int(reduction)
    raise ValueError(f"no level is a power of two finer than {scale:g} level-0 px")


def _require_reduction(stream: bytes, side: int) -> None:
    """Make sure that the decoder really reduces, as it would ignore what it cannot do."""
    pixels = simplejpeg.decode_jpeg(stream, "RGB", min_height=side, min_width=side)
    if pixels.shape != (side, side, 3):
        raise RuntimeError(f"decoded to {pixels.shape}, not to {side} px")


def main() -> None:
    """Measure, and write n, seconds and the number of tiles as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", type=Path)
    parser.add_argument("places", type=Path)
    parser.add_argument("spacing", type=float)
    parser.add_argument("workers", type=int)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    corners = np.load(arguments.places)
    streams, reduction = load_streams(arguments.slide, corners, arguments.spacing)
    seconds = decode(streams, reduction=reduction, threads=arguments.workers)
    result = {"n": len(corners), "loop_s": seconds, "tiles": len(streams)}
    arguments.out.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
