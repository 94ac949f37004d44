"""Windows over the nuclei of a slide that are known, each with these and with those nearby."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.nuclei.table import NucleiByPlace, read_nuclei
from microtome.nuclei.windows import Sided, choose_inner_px, make_windows, read_windows
from microtome.slides.slide import Slide


@dataclass(frozen=True)
class Surroundings:
    """A window of a slide and the nuclei in it.

    Attributes
    ----------
    pixels : ndarray of shape (side, side, 3), uint8, or None
        RGB, with the margin; None where it cannot be decoded.
    left_px, top_px : int
        Upper left corner of `pixels`, in px of this size from the slide's corner.
    nuclei : dict of str to ndarray of shape (n, ...)
        All columns of the nuclei within the window without its margin, and near it.
    x_px, y_px : ndarray of shape (n,), float64
        Their places in `pixels`.
    is_inside : ndarray of shape (n,), bool
        Which ones lie within. Every nucleus of the slide does so in one window.
    """

    pixels: np.ndarray | None
    left_px: int
    top_px: int
    nuclei: dict[str, np.ndarray]
    x_px: np.ndarray
    y_px: np.ndarray
    is_inside: np.ndarray

    def own(self) -> dict[str, np.ndarray]:
        """All columns of the nuclei within."""
        return {name: values[self.is_inside] for name, values in self.nuclei.items()}


def read_around_nuclei(
    slide: Slide,
    table: str | Path,
    sides: Sided,
    *,
    scale: float,
    near_px: int,
    lost: str,
    inner_px: int | None = None,
    threads: int = 1,
) -> Iterator[Surroundings]:
    """Read a slide where it has nuclei, window by window; beyond the slide it is white.

    Parameters
    ----------
    slide : Slide
        The slide.
    table : path
        Its nuclei, as `microtome.nuclei.table` writes them.
    sides : Sided
        Of the windows.
    scale : float
        Level-0 px per px.
    near_px : int
        How far from a window nuclei are near it.
    lost : str
        What is lost where a tile cannot be decoded, for the log.
    inner_px : int, optional
        Side of the windows without their margins, a multiple of 8 ``sides.lattice_px``; by itself
        one with which little is read twice.
    threads : int
        How many processes read ahead.

    Raises
    ------
    InputError
        If the slide has changed while it was read, or `table` is no table of nuclei.
    """
    size_px = tuple(math.ceil(side / scale) for side in slide.size_px)
    margin_px = sides.margin_px
    inner_px = inner_px or choose_inner_px(size_px, sides)
    windows = make_windows(
        _find_windows(read_nuclei(table, ["x_px", "y_px"]), inner_px * scale),
        slide,
        scale=scale,
        inner_px=inner_px,
        margin_px=margin_px,
        lattice_px=sides.lattice_px,
    )
    with NucleiByPlace(table) as nuclei:
        for window in read_windows(slide, windows, margin_px=margin_px, threads=threads, lost=lost):
            corner = [(n - near_px) * scale for n in (window.x_px, window.y_px)]
            side = (window.inner_px + 2 * near_px) * scale
            found = nuclei.within(*corner, *(n + side for n in corner))
            place = np.array([window.y_px, window.x_px]) // window.inner_px
            of_window = _find_window(found, window.inner_px * scale) == place
            left_px, top_px = window.x_px - margin_px, window.y_px - margin_px
            yield Surroundings(
                window.pixels,
                left_px,
                top_px,
                found,
                found["x_px"].astype(np.float64) / scale - left_px,
                found["y_px"].astype(np.float64) / scale - top_px,
                of_window.all(axis=1),
            )


def _find_windows(batches: Iterable[Mapping[str, np.ndarray]], side_px: float) -> np.ndarray:
    """Find the rows and columns of the windows that hold a nucleus, (n, 2), row by row."""
    found = [np.unique(_find_window(batch, side_px), axis=0) for batch in batches]
    return np.unique(np.concatenate([np.empty((0, 2), np.int64), *found]), axis=0)


def _find_window(nuclei: Mapping[str, np.ndarray], side_px: float) -> np.ndarray:
    """Find row and column (n, 2) of the window of a side in level-0 px that each nucleus is in."""
    places = np.stack([nuclei["y_px"], nuclei["x_px"]], axis=1).astype(np.float64)
    return np.floor(places / side_px).astype(np.int64)
