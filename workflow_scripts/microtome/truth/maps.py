"""The ground truth of a slide, read in bands of rows: viable tumour and whole tumour."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from microtome.errors import InputError
from microtome.rasters.labels import VIABLE
from microtome.rasters.mask_tiff import MaskTiff, find_centres
from microtome.rasters.polygon_fill import list_edges, paint_edges
from microtome.truth.annotations import Region, order_for_painting, read_annotation
from microtome.truth.geojson_annotations import is_geojson
from microtome.truth.xml_annotations import read_drawn_spacing

# An outline may reach beyond the slide by this share of its side, as drawing by hand does. If it
# reaches further or lies wholly outside, it belongs to another slide.
MAX_OVERHANG = 0.01

# Outlines drawn at a spacing that differs by more from the slide's are noted.
MAX_SPACING_DIFFERENCE = 0.05


class OutlineSource:
    """Tissue from the regions of an annotation."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self._layers = [
            [(list_edges(region.rings), not region.hole) for region in layer]
            for layer in order_for_painting(regions)
        ]

    def rows(self, *, first_row: int, shape: tuple[int, int], scale: float) -> np.ndarray:
        """Paint the regions on rows from `first_row` on: bool of `shape`."""
        band = np.zeros(shape, dtype=bool)
        for strokes in self._layers:
            layer = np.zeros(shape, dtype=bool)
            for edges, value in strokes:
                paint_edges(layer, edges, value=value, first_row=first_row, scale=scale)
            band |= layer
        return band

    def close(self) -> None:
        """Do nothing: no file is open."""


@dataclass(frozen=True)
class Truth:
    """The ground truth of a slide; a context manager that closes its masks.

    The name of the slide is for messages, its size width and height at level 0. Whole tumour is
    None if the slide does not have it; the notes say what is odd but harmless.
    """

    slide: str
    slide_size_px: tuple[int, int]
    viable: OutlineSource | MaskTiff
    whole: OutlineSource | MaskTiff | None
    notes: tuple[str, ...]

    def __enter__(self) -> Self:
        """Return the truth, which is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the masks."""
        for source in (self.viable, self.whole):
            if source is not None:
                source.close()

    @property
    def has_whole(self) -> bool:
        """Whether the whole tumour is known, and with it the burden."""
        return self.whole is not None

    def shape(self, scale: float) -> tuple[int, int]:
        """Height and width of a mask of `scale` level-0 px per pixel, rounded up."""
        width, height = self.slide_size_px
        return math.ceil(height / scale), math.ceil(width / scale)

    def rows(self, first_row: int, n_rows: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Read the rows `first_row` to `first_row + n_rows`; fastest from the top down.

        A pixel, of `scale` level-0 px a side, fractions allowed, has the value under its centre; it
        is no tumour if that is beyond the edge of the slide. Gives viable and whole tumour, each
        (n_rows, width), bool; whole tumour is all False if not known. Raises InputError if a mask
        file is damaged or holds other values than 0 and 1, or 0 and 255.
        """
        width, height = self.slide_size_px
        on_slide = (
            np.count_nonzero(find_centres(first_row, n_rows, scale) < height),
            np.count_nonzero(find_centres(0, self.shape(scale)[1], scale) < width),
        )
        bands = np.zeros((2, n_rows, self.shape(scale)[1]), dtype=bool)
        for band, source in zip(bands, (self.viable, self.whole), strict=True):
            if source is not None and all(on_slide):
                rows = source.rows(first_row=first_row, shape=on_slide, scale=scale)
                band[: on_slide[0], : on_slide[1]] = rows
        return bands[0], bands[1]


def open_truth(
    *,
    slide: str,
    slide_size_px: tuple[int, int],
    annotation: str | Path | None = None,
    viable_mask: str | Path | None = None,
    whole_mask: str | Path | None = None,
    classes: Mapping[str, Sequence[str]],
    bounds_px: Sequence[int] | None = None,
    spacing_um: float | None = None,
) -> Truth:
    """Open the ground truth of a slide; masks take precedence over the annotation.

    Parameters
    ----------
    slide_size_px : tuple of int
        Width and height at level 0.
    annotation, classes
        Outlines and what their names mean, as in `read_annotation`.
    viable_mask, whole_mask : str or Path, optional
        Mask TIFFs of the size of level 0, as in `MaskTiff`.
    bounds_px : sequence of int, optional
        x, y, width and height of the scan in level-0 px, where it is a part of the slide, as in
        `read_bounds`. QuPath shows the scan alone: coordinates of GeoJSON start at its corner.
    spacing_um : float, optional
        µm per px of level 0, to be compared with that of the slide on which outlines were drawn.

    Returns
    -------
    Truth
        To be used in a `with` block.

    Raises
    ------
    InputError
        A file cannot be used, a mask has another size than the slide, outlines lie outside it (of
        GeoJSON: outside the scan), or nothing tells where viable tumour is.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> import tifffile
    >>> with NamedTemporaryFile(suffix=".tif") as file:
    ...     tifffile.imwrite(file.name, np.array([[0, 0, 1], [0, 1, 1]], np.uint8))
    ...     given = {"viable_mask": file.name, "classes": {}}
    ...     with open_truth(slide="a", slide_size_px=(3, 2), **given) as truth:
    ...         viable, whole = truth.rows(0, 2, 1.0)
    >>> viable.astype(int).tolist(), truth.has_whole
    ([[0, 0, 1], [0, 1, 1]], False)
    """
    if viable_mask is None and annotation is None:
        raise InputError(
            f"slide {slide}: nothing tells where viable tumour is; "
            "give an annotation or a viable_mask"
        )
    notes: list[str] = []
    regions: list[Region] = []
    if annotation is not None and (viable_mask is None or whole_mask is None):
        regions, notes = read_annotation(annotation, classes=classes)
        if bounds_px and is_geojson(annotation):
            notes += _note_overhang(slide, annotation, regions, bounds_px[2:], within="scan")
            regions = [region.moved(bounds_px[:2]) for region in regions]
        else:
            notes += _note_overhang(slide, annotation, regions, slide_size_px)
        if spacing_um is not None:
            notes += _note_spacing(annotation, spacing_um)
    viable: OutlineSource | MaskTiff = OutlineSource(
        [region for region in regions if region.tissue == "viable"]
    )
    drawn_whole = [region for region in regions if region.tissue == "whole"]
    has_whole = any(not region.hole for region in drawn_whole)
    whole: OutlineSource | MaskTiff | None = OutlineSource(drawn_whole) if has_whole else None
    if viable_mask is not None:
        viable = _open_mask(slide, "viable", viable_mask, slide_size_px, bounds_px)
    if whole_mask is not None:
        try:
            whole = _open_mask(slide, "whole", whole_mask, slide_size_px, bounds_px)
        except InputError:
            viable.close()
            raise
    return Truth(slide, slide_size_px, viable, whole, tuple(notes))


def merge_labels(viable: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Merge a band into uint8: 0 no tumour, 1 whole tumour but not viable, 2 viable tumour.

    Examples
    --------
    >>> merge_labels(np.array([False, False, True]), np.array([False, True, True]))
    array([0, 1, 2], dtype=uint8)
    """
    return np.where(viable, np.uint8(VIABLE), whole.astype(np.uint8))


def _open_mask(
    slide: str,
    tissue: str,
    path: str | Path,
    slide_size_px: tuple[int, int],
    bounds_px: Sequence[int] | None,
) -> MaskTiff:
    mask = MaskTiff(path)
    if mask.size_px != tuple(slide_size_px):
        mask.close()
        remedy = ""
        if bounds_px and mask.size_px == tuple(bounds_px[2:]):
            x, y = bounds_px[:2]
            remedy = f"; it is of the slide's scan: put it at ({x}, {y}) of a mask of that size"
        raise InputError(
            f"slide {slide}: {tissue} mask {path} is {mask.size_px[0]} x {mask.size_px[1]} px, "
            f"the slide is {slide_size_px[0]} x {slide_size_px[1]} px{remedy}"
        )
    return mask


def _note_spacing(path: str | Path, spacing_um: float) -> list[str]:
    """Note outlines drawn at another spacing, perhaps on a copy of the slide with other px."""
    drawn_um = read_drawn_spacing(path)
    if drawn_um is None or abs(drawn_um / spacing_um - 1) <= MAX_SPACING_DIFFERENCE:
        return []
    return [
        f"{path}: was drawn on a slide of {drawn_um:g} µm/px, this one has {spacing_um:g}; if that "
        "was a copy of other px, its outlines are too small or too large"
    ]


def _note_overhang(
    slide: str,
    path: str | Path,
    regions: Sequence[Region],
    size_px: Sequence[int],
    *,
    within: str = "slide",
) -> list[str]:
    """Refuse outlines that reach far beyond the slide, or the scan on it; note a little beyond."""
    size = np.array(size_px)
    cause = "annotation of another slide?"
    if within == "scan":
        cause = (
            "annotation of another slide, or one whose coordinates start at the slide's corner "
            "(QuPath with --no-crop, another program)? Then move them to the scan's corner"
        )
    overhanging = 0
    for region in regions:
        low_x, low_y, high_x, high_y = region.bounds_px
        beyond = np.array([-low_x, -low_y, high_x - size[0], high_y - size[1]]) / np.tile(size, 2)
        wholly_outside = high_x < 0 or high_y < 0 or low_x > size[0] or low_y > size[1]
        if wholly_outside or beyond.max() > MAX_OVERHANG:
            raise InputError(
                f"slide {slide}: {path} reaches from ({low_x:.0f}, {low_y:.0f}) "
                f"to ({high_x:.0f}, {high_y:.0f}) px, the {within} is {size[0]} x {size[1]} px: "
                f"{cause}"
            )
        overhanging += beyond.max() > 0
    if overhanging == 0:
        return []
    return [f"{path}: {overhanging} outlines reach a little beyond the {within}"]
