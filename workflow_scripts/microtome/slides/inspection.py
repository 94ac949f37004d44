"""Inspection of a slide file: its levels and spacing, and whether it is complete."""

from pathlib import Path

import tifffile

from microtome.errors import InputError
from microtome.io.atomic import read_json
from microtome.logs import log
from microtome.parallel.sandbox import run_isolated
from microtome.slides.openslide_source import read_bounds
from microtome.slides.slide import Slide

# Enough for any scan on a slow disk; a broken file must not block a job for longer.
_OPENING_S = 120
_OPENING_MB = 3000


def inspect(*, name: str, row: dict, **slide_settings: object) -> dict:
    """Open the slide of a row of the slide sheet, with settings for `Slide`, and describe it.

    Returns
    -------
    dict
        ``path``, ``vendor``, ``read_by``, ``file_bytes``, ``width_px``, ``height_px``,
        ``spacing_um``, ``levels`` (list of [width_px, height_px]), ``bounds_px`` (see
        `read_bounds`) and ``notes``, a line each.

    Raises
    ------
    InputError
        If the slide cannot be opened within two minutes and 3 GB, crashes its reader, is cut off,
        cannot be read anywhere, is not RGB of 8 bits, or no spacing is known.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> import numpy as np
    >>> with NamedTemporaryFile(suffix=".tif") as file:
    ...     pink = np.full((64, 80, 3), (230, 150, 190), np.uint8)
    ...     tifffile.imwrite(file.name, pink, tile=(32, 32), photometric="rgb")
    ...     row = {"path": file.name, "spacing_um": 0.5}
    ...     found = inspect(name="a", row=row, spacing_tolerance=0.02)
    >>> found["width_px"], found["height_px"], found["spacing_um"], found["read_by"]
    (80, 64, 0.5, 'tile by tile')
    """
    path = Path(row["path"])
    found = run_isolated(
        _describe,
        name=f"slide {name}: {path}",
        timeout_s=_OPENING_S,
        extra_mb=_OPENING_MB,
        path=path,
        slide_name=name,
        spacing_um=row.get("spacing_um"),
        **slide_settings,
    )
    found["notes"] += _note_bounds(name, found["bounds_px"])
    log.info(
        "%(name)s: %(vendor)s, %(width_px)d x %(height_px)d px, %(spacing_um)g µm/px,"
        " read %(read_by)s",
        {"name": name, **found},
    )
    return found


def _describe(*, path: Path, slide_name: str, **settings: object) -> dict:
    # Before OpenSlide opens the file: its error would not say that the file is cut off.
    _require_whole_file(path, slide_name)
    with Slide(path, name=slide_name, **settings) as slide:
        _try_reading(slide)
        width_px, height_px = slide.size_px
        return {
            "path": str(path),
            "vendor": slide.vendor,
            "read_by": slide.source.read_by,
            "file_bytes": slide.n_bytes,
            "width_px": width_px,
            "height_px": height_px,
            "spacing_um": slide.spacing_um,
            "levels": [list(size) for size in slide.levels],
            "bounds_px": read_bounds(path),
            "notes": slide.notes,
        }


def _note_bounds(name: str, bounds_px: list[int] | None) -> list[str]:
    if bounds_px is None:
        return []
    x, y, width, height = bounds_px
    return [
        f"slide {name}: its scan is {width} x {height} px from ({x}, {y}) on; coordinates in "
        "GeoJSON start there, as QuPath's do, all others at the slide's corner"
    ]


def _try_reading(slide: Slide) -> None:
    """Read the middle of each level; raise InputError if no level can be read."""
    errors = []
    for (width_px, height_px), downsample in zip(slide.levels, slide.downsamples, strict=True):
        corner = (width_px // 2 * downsample, height_px // 2 * downsample)
        try:
            slide.read(*corner, 1, 1, scale=downsample)
        except InputError as error:
            errors.append(error)
    if len(errors) == len(slide.levels):
        raise errors[0]


def _require_whole_file(path: Path, name: str) -> None:
    """Raise InputError for a file that was not fully copied: its tiles lie beyond its end."""
    try:
        size = path.stat().st_size
        with tifffile.TiffFile(path) as tiff:
            ends = [
                offset + count
                for page in tiff.pages
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
                if count
            ]
    except (OSError, tifffile.TiffFileError, ValueError, IndexError, KeyError):
        return  # no TIFF, or a dialect that only OpenSlide knows: opening it will tell
    if ends and max(ends) > size:
        raise InputError(
            f"slide {name}: {path} is cut off: it has {size} bytes, its tile table needs"
            f" {max(ends)}; copy the file again"
        )


def read_inspected(report: str | Path, *, slide_path: str | Path) -> dict:
    """Read the JSON of what `inspect` found of a slide, with the path that the slide has now."""
    return {**read_json(report), "path": str(Path(slide_path))}


def open_inspected(
    info: dict, *, name: str, read_from: str | Path | None = None, **slide_settings: object
) -> Slide:
    """Open a slide as `inspect` found it, or a copy of its file, with settings for `Slide`.

    Raises InputError if the file is no longer the one that was inspected.
    """
    path = Path(read_from or info["path"])
    slide = Slide(path, name=name, spacing_um=info["spacing_um"], **slide_settings)
    found = [*slide.size_px, slide.n_bytes]
    if found != [info["width_px"], info["height_px"], info["file_bytes"]]:
        slide.close()
        raise InputError(
            f"slide {name}: {info['path']} has another size than when it was inspected"
            f" ({info['width_px']} x {info['height_px']} px, {info['file_bytes']} bytes);"
            " run again"
        )
    return slide
