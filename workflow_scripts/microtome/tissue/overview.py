"""A slide at low resolution, read once in blocks and kept on disk; and its picture."""

from pathlib import Path

import numpy as np
from PIL import Image

from microtome.errors import InputError
from microtome.io.atomic import atomic
from microtome.io.jpeg import encode_jpeg
from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.disk_raster import Spool
from microtome.slides.brightfield import Light
from microtome.slides.slide import Slide
from microtome.tissue.picture_size import picture_step

# Px of the slide's level that are decoded at a time: about 100 MB during conversion to RGB.
_BLOCK_PX = 2**21
_MOST_ROWS, _LEAST_LEVEL_ROWS = 512, 512


def read_overview(
    slide: Slide, *, spacing_um: float, beside: str | Path, block_px: int = _BLOCK_PX
) -> tuple[Spool, float]:
    """Read a whole slide at low resolution, `block_px` px of its level at a time.

    Gives RGB, (height, width, 3), uint8, in a temporary file in the folder of the output `beside`,
    which the caller closes; and its level-0 px per px.
    """
    scale = slide.scale_for(spacing_um)
    width, height = (int(np.ceil(side / scale)) for side in slide.size_px)
    zoom = scale / slide.downsamples[slide.level_for(scale)]  # px of the level per px
    # Whole rows of the slide, unless these are so few that tiles would be decoded many times.
    fitting = int(block_px / (width * zoom**2))
    n_rows = min(_MOST_ROWS, max(fitting, int(np.ceil(_LEAST_LEVEL_ROWS / zoom))))
    n_columns = max(1, int(block_px / (n_rows * zoom**2)))
    spool = Spool((height, width, 3), np.uint8, beside=beside)
    try:
        for top, n in bands(height, n_rows):
            blocks = [
                slide.read(left * scale, top * scale, w, n, scale=scale)
                for left, w in bands(width, n_columns)
            ]
            spool.write(top, blocks[0] if len(blocks) == 1 else np.hstack(blocks))
    except BaseException:
        spool.close()
        raise
    return spool, scale


def require_brightfield(rows: ReadRows, shape: tuple[int, ...], *, name: str) -> None:
    """Raise InputError if an overview is nearly all dark, or has no colours: it is no H&E then."""
    # The last row and column may hang over the slide and be partly white.
    height, width = shape[0] - 1, shape[1] - 1
    light = Light()
    for band in bands(height, band_rows(width)):
        light.count(rows(*band)[:, :-1])
    fault = light.find_fault()
    if fault:
        raise InputError(f"slide {name}: {fault}")


def write_picture(path: str | Path, rows: ReadRows, shape: tuple[int, ...]) -> None:
    """Write an overview as a JPEG of at most 1536 px on its longer side, by means of its px."""
    step = picture_step(shape)
    n_rows = max(1, band_rows(shape[1]) // step) * step
    picture = np.empty((-(-shape[0] // step), -(-shape[1] // step), 3), np.uint8)
    for first, n in bands(shape[0], n_rows):
        part = np.asarray(Image.fromarray(rows(first, n)).reduce(step))
        picture[first // step : first // step + len(part)] = part
    with atomic(path) as temporary:
        temporary.write_bytes(encode_jpeg(picture, quality=90))
