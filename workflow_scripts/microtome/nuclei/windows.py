"""Windows over a slide, and the nuclei in those that have tissue."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from microtome.logs import log
from microtome.nuclei.detector import Detected
from microtome.nuclei.finder import Nuclei, NucleusFinder, Window, round_up
from microtome.parallel.prefetch import map_ahead
from microtome.patches.grid import UNKNOWN, Grid, count_patches, measure_windows
from microtome.patches.reading import read_patches
from microtome.rasters.label_tiff import Raster
from microtome.slides.slide import Slide

# Windows may be so much larger than the finder's own, if that covers a slide with less to compute.
_LARGER = 1.25
_TELL_EVERY = 20
# A window that cannot be read is searched in so many parts a side, but for those that cannot.
_PARTS = 8


class Sided(Protocol):
    """What looks at windows: a good side without margins, the margin, and what divides both."""

    inner_px: int
    margin_px: int
    lattice_px: int


@dataclass(frozen=True)
class ReadWindow:
    """A window of a slide.

    Attributes
    ----------
    pixels : ndarray of shape (inner_px + 2 margin, inner_px + 2 margin, 3), uint8, or None
        RGB; None where it cannot be decoded.
    x_px, y_px : int
        Upper left corner, without the margin, in px of this size from the slide's corner.
    inner_px : int
        Side without the margins.
    """

    pixels: np.ndarray | None
    x_px: int
    y_px: int
    inner_px: int


def find_nuclei(
    finder: NucleusFinder,
    slide: Slide,
    tissue: Raster,
    *,
    scale: float,
    inner_px: int | None = None,
    threads: int = 1,
) -> Iterator[Nuclei]:
    """Find the nuclei in the tissue of a slide, window by window.

    Windows are read and decoded ahead, those without tissue not at all. Beyond the slide it is
    white. What is found does not depend on the windows; only where the slide has to be resampled
    the rounding of px does.

    Parameters
    ----------
    finder : NucleusFinder
        For the spacing of the slide's px at `scale`.
    slide : Slide
        The slide.
    tissue : Raster
        Its tissue mask. A nucleus whose place is on none is left out.
    scale : float
        Level-0 px per px.
    inner_px : int, optional
        Side of the windows without their margins, a multiple of 8 ``finder.lattice_px``; by itself
        one with which little is computed twice.
    threads : int
        How many processes read ahead, and threads list nuclei, while the network works.

    Yields
    ------
    Nuclei
        Those of a window, their places in level-0 px.

    Raises
    ------
    InputError
        If the slide has changed while it was read, or the network gives what is not a number.
        Where a tile cannot be decoded nothing is found, with a warning in the log.
    """
    size_px = tuple(int(np.ceil(side / scale)) for side in slide.size_px)
    margin_px = finder.margin_px
    windows = lay_windows(
        slide,
        tissue,
        scale=scale,
        inner_px=inner_px or choose_inner_px(size_px, finder),
        margin_px=margin_px,
        lattice_px=finder.lattice_px,
    )

    def detect_all() -> Iterator[tuple[Window, Detected]]:
        read = read_windows(
            slide, windows, margin_px=margin_px, threads=threads, lost="no nuclei are found there"
        )
        for window in read:
            if window.pixels is not None:
                yield finder.detect(Window(window.pixels, window.x_px, window.y_px, size_px))

    found = map_ahead(finder.list_nuclei, detect_all(), workers=threads if threads > 1 else 0)
    with closing(found):
        for nuclei in found:
            yield _keep_tissue(nuclei, slide, tissue, scale)


def read_windows(
    slide: Slide, windows: Grid, *, margin_px: int, threads: int, lost: str
) -> Iterator[ReadWindow]:
    """Read windows, as `lay_windows` lays them; then parts of those that cannot be decoded.

    Every place of the windows is in one that is given, without its margin: last come the parts that
    cannot be decoded either, and the log says of them what is `lost`.
    """
    log.info("%d windows of %d px to be looked at", len(windows), windows.patch_px)
    is_read = np.zeros(len(windows), bool)
    yield from _read(slide, windows, is_read, margin_px=margin_px, threads=threads)
    if is_read.all():
        return
    log.info("%d windows unreadable: trying parts of them", np.count_nonzero(~is_read))
    parts = split_windows(windows.subset(~is_read), margin_px=margin_px)
    is_read = np.zeros(len(parts), bool)
    yield from _read(slide, parts, is_read, margin_px=margin_px, threads=threads)
    unread = parts.subset(~is_read)
    log.warning(
        "%s cannot be read in %d places of %.0f µm: %s",
        slide.about,
        len(unread),
        (parts.patch_px - 2 * margin_px) * parts.spacing_um,
        lost,
    )
    for i in range(len(unread)):
        yield _window(unread, i, None, margin_px)


def _read(
    slide: Slide, windows: Grid, is_read: np.ndarray, *, margin_px: int, threads: int
) -> Iterator[ReadWindow]:
    """Read what can be decoded, and mark it in `is_read`."""
    for index, pixels in read_patches(slide, windows, threads=threads):
        for i, window_pixels in zip(index.tolist(), pixels, strict=True):
            # Copied, since buffers of what is read ahead are used again.
            yield _window(windows, i, window_pixels.copy(), margin_px)
            is_read[i] = True
            if (n_read := np.count_nonzero(is_read)) % _TELL_EVERY == 0:
                log.info("%d of %d windows looked at", n_read, len(windows))


def _window(windows: Grid, i: int, pixels: np.ndarray | None, margin_px: int) -> ReadWindow:
    x_px, y_px = (int(n[i]) * windows.stride_px + margin_px for n in (windows.column, windows.row))
    return ReadWindow(pixels, x_px, y_px, windows.patch_px - 2 * margin_px)


def choose_inner_px(size_px: tuple[int, int], finder: Sided) -> int:
    """Choose the side of windows, without margins, that cover a slide with least to compute."""
    multiple = finder.lattice_px * _PARTS
    least = round_up(finder.inner_px, multiple)
    if max(size_px) <= least:
        return round_up(max(size_px), multiple)

    def count_px(inner_px: int) -> int:
        n_windows = np.prod([-(-side // inner_px) for side in size_px])
        return int(n_windows) * (inner_px + 2 * finder.margin_px) ** 2

    return min(range(least, round_up(_LARGER * least, multiple), multiple), key=count_px)


def lay_windows(
    slide: Slide,
    tissue: Raster,
    *,
    scale: float,
    inner_px: int,
    margin_px: int,
    lattice_px: int,
) -> Grid:
    """Cover the tissue of a slide with windows that overlap by their margins.

    It is a grid of patches of `inner_px` and the margins, on a lattice of `lattice_px`, of which
    both are multiples: the inner parts begin at the slide's corner. Windows whose inner part has no
    tissue are left out.
    """
    mask = (tissue.rows, tissue.shape, tissue.spacing_um / slide.spacing_um)
    side = inner_px * scale
    n_columns, n_rows = (count_patches(n, patch_px=side, stride_px=side) for n in slide.size_px)
    found = [
        measure_windows(mask, window_px=side, stride_px=side, row=row, n_columns=n_columns) > 0
        for row in range(n_rows)
    ]
    return make_windows(
        np.argwhere(found).reshape(-1, 2),
        slide,
        scale=scale,
        inner_px=inner_px,
        margin_px=margin_px,
        lattice_px=lattice_px,
    )


def make_windows(
    places: np.ndarray,
    slide: Slide,
    *,
    scale: float,
    inner_px: int,
    margin_px: int,
    lattice_px: int,
) -> Grid:
    """Make windows as `lay_windows` lays them of rows and columns, (n, 2), in inner sides."""
    row, column = (places * inner_px - margin_px).T // lattice_px
    unknown = np.full(len(row), np.nan, np.float32)
    return Grid(
        row=row,
        column=column,
        tissue_fraction=unknown,
        tumour_fraction=unknown,
        label=np.full(len(row), UNKNOWN, np.int8),
        scale=scale,
        spacing_um=slide.spacing_um * scale,
        patch_px=inner_px + 2 * margin_px,
        stride_px=lattice_px,
    )


def split_windows(windows: Grid, *, margin_px: int) -> Grid:
    """Divide each window, as `lay_windows` lays them, into eight times eight with such margins."""
    side_px = (windows.patch_px - 2 * margin_px) // _PARTS
    n, step = len(windows), side_px // windows.stride_px
    parts = windows.subset(np.repeat(np.arange(n), _PARTS**2))
    down, right = np.divmod(np.tile(np.arange(_PARTS**2), n), _PARTS)
    return replace(
        parts,
        row=parts.row + down * step,
        column=parts.column + right * step,
        patch_px=side_px + 2 * margin_px,
    )


def _keep_tissue(nuclei: Nuclei, slide: Slide, tissue: Raster, scale: float) -> Nuclei:
    """Give places in level-0 px, and leave out nuclei that are not on tissue."""
    nuclei = nuclei.scaled(scale)
    if not len(nuclei.x_px):
        return nuclei
    ratio = tissue.spacing_um / slide.spacing_um
    row, column = (
        np.clip((places / ratio).astype(np.int64), 0, side - 1)
        for places, side in zip((nuclei.y_px, nuclei.x_px), tissue.shape, strict=True)
    )
    top, left = row.min(), column.min()
    mask = tissue.region(top, row.max() + 1, left, column.max() + 1)
    return nuclei.select(mask[row - top, column - left] > 0)
