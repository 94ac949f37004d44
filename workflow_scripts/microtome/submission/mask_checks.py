"""What is wrong with a mask of a submission, whatever a stranger put into the file."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from tifffile import TiffFile, TiffPage

from microtome.errors import InputError, one_line
from microtome.rasters.mask_tiff import MAX_SEGMENT_PX

_DEFLATE = (8, 32946)  # Adobe's number for it, and the older one


@contextmanager
def _name_damage(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser or a codec trips over into one line."""
    try:
        yield
    except MemoryError:  # the machine's trouble, not the file's
        raise
    except Exception as error:
        # Some say which file; of a ZIP's member the reader of the line has another name.
        reason = one_line(error).replace(str(path), "this file")
        raise InputError(f"is no {kind} or is damaged ({reason})") from error


def check_mask_tiff(path: Path, size_px: tuple[int, int]) -> Iterator[str]:
    """Say what is wrong with a mask of PAIP 2019, in words that follow the file's name.

    It is read a strip or tile at a time, and is to have the width and height of the slide's level
    0. InputError is raised, in such words too, if it is no TIFF or is damaged.
    """
    with _name_damage(path, "TIFF"), TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.subifds or _has_second(tiff):
            yield "has several pages or levels; write one page of the slide's size"
        if page.shape != size_px[::-1]:
            yield f"has {_join(page.shape[::-1])} px, and the slide {_join(size_px)}"
            return  # so nothing larger than a slide is ever decoded
        if page.dtype != np.uint8:
            yield f"has {page.dtype} px; write uint8"
            return
        if page.compression not in _DEFLATE:
            yield "is not deflated; compress it so"
            return
        if math.prod(page.chunks) > MAX_SEGMENT_PX:
            yield "is compressed in pieces too large to read; write tiles of 512 px"
            return
        if min(len(page.dataoffsets), len(page.databytecounts)) != math.prod(page.chunked):
            yield "has an incomplete table of strips or tiles; write it again"
            return
        highest = _find_highest(tiff, page)
        if highest > 1:
            yield f"holds the value {highest}; a mask is 0 and 1"


def check_mask_png(path: Path, size_px: tuple[int, int]) -> Iterator[str]:
    """Say what is wrong with a mask of DigestPath.

    Size, what is yielded and what is raised are as of `check_mask_tiff`.
    """
    with _name_damage(path, "PNG"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow merely doubts about a file
        with Image.open(path, formats=("PNG",)) as image:
            if image.size != size_px:
                yield f"has {_join(image.size)} px, and the image {_join(size_px)}"
                return  # so nothing larger than an image is ever decoded
            if image.mode != "L":
                yield f"is not 8-bit grey ({image.mode}); write it so"
                return
            pixels = np.asarray(image)
        strange = pixels[(pixels != 0) & (pixels != 255)]
        if strange.size:
            yield f"holds the value {strange[0]}; a mask is 0 and 255"


def _has_second(tiff: TiffFile) -> bool:
    try:
        tiff.pages[1]
    except IndexError:
        return False
    return True


def _find_highest(tiff: TiffFile, page: TiffPage) -> int:
    """Find the highest value; pieces of one value that are stored alike are decoded once."""
    highest = 0
    of_one_value = set()
    for i, (offset, n_bytes) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
        if n_bytes == 0:  # left out, which stands for 0
            continue
        tiff.filehandle.seek(offset)
        data = tiff.filehandle.read(n_bytes)
        if data in of_one_value:
            continue
        pixels = page.decode(data, i)[0]
        if pixels is None:
            continue
        least, most = int(pixels.min()), int(pixels.max())
        if least == most:
            of_one_value.add(data)
        highest = max(highest, most)
    return highest


def _join(sides: tuple[int, ...]) -> str:
    return " x ".join(str(side) for side in sides)
