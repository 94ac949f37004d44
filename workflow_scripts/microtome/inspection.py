"""What a slide file is: its levels and spacing, and whether all of it is there."""

from pathlib import Path

import tifffile

from microtome.errors import InputError
from microtome.logs import log
from microtome.slides import Slide


def inspect(*, name: str, row: dict, spacing_tolerance: float) -> dict:
    """Open a slide and describe it.

    Parameters
    ----------
    name : str
        The slide's id.
    row : dict
        Its row of the slide sheet.
    spacing_tolerance : float
        See `Slide`.

    Returns
    -------
    dict
        ``path``, ``vendor``, ``width_px``, ``height_px``, ``spacing_um``, ``levels`` (list of
        [width_px, height_px]).

    Raises
    ------
    InputError
        If the slide cannot be opened, is cut off, or no spacing is known.
    """
    # Before OpenSlide sees it, which would only say that it cannot open the file.
    _require_whole_file(Path(row["path"]), name)
    with Slide(
        row["path"],
        name=name,
        spacing_um=row.get("spacing_um"),
        spacing_tolerance=spacing_tolerance,
    ) as slide:
        width_px, height_px = slide.size_px
        log.info(
            "%s: %s, %d x %d px, %g µm/px", name, slide.vendor, *slide.size_px, slide.spacing_um
        )
        return {
            "path": str(row["path"]),
            "vendor": slide.vendor,
            "width_px": width_px,
            "height_px": height_px,
            "spacing_um": slide.spacing_um,
            "levels": [list(size) for size in slide.levels],
        }


def _require_whole_file(path: Path, name: str) -> None:
    """Find a file whose copy stopped early: its tile table points beyond its end."""
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
        return  # no TIFF, or a dialect only OpenSlide knows: opening it will tell
    if ends and max(ends) > size:
        raise InputError(
            f"slide {name}: {path} is cut off: it has {size} bytes, its tile table needs"
            f" {max(ends)}; copy the file again"
        )


def open_inspected(info: dict, *, name: str, spacing_tolerance: float) -> Slide:
    """Open a slide again as `inspect` found it.

    Raises
    ------
    InputError
        If the file is no longer the one that was inspected.
    """
    slide = Slide(
        Path(info["path"]),
        name=name,
        spacing_um=info["spacing_um"],
        spacing_tolerance=spacing_tolerance,
    )
    if list(slide.size_px) != [info["width_px"], info["height_px"]]:
        slide.close()
        raise InputError(
            f"slide {name}: {info['path']} has another size than when it was inspected"
            f" ({info['width_px']} x {info['height_px']} px); run again"
        )
    return slide
