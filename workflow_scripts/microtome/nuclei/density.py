"""Nuclei per mm² of tissue, as a map of the slide."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.rasters.bands import band_rows, bands, rows_of
from microtome.rasters.label_tiff import Raster, open_raster, write_raster
from microtome.rasters.point_lookup import look_up
from microtome.slides.scales import scale_for


def write_density(
    path: str | Path,
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    tissue: str | Path,
    inspected: Mapping,
    spacing_um: float,
    name: str,
    slide_settings: Mapping,
) -> None:
    """Write the density of a slide's nuclei: a raster of float32, nuclei/mm², NaN without tissue.

    Parameters
    ----------
    path : path
        Of the TIFF, as `microtome.rasters.label_tiff` writes it.
    batches : iterable of mapping of str to ndarray of shape (n,)
        Nuclei: ``x_um`` and ``y_um``, from the slide's corner.
    tissue : path
        Mask of the tissue.
    inspected : mapping
        What is known of the slide: ``width_px``, ``height_px``, ``spacing_um``.
    spacing_um : float
        µm per px of the map, as it is asked for.
    name : str
        The slide's id, for messages.
    slide_settings : mapping
        See `microtome.slides.scales.scale_for`.

    Raises
    ------
    InputError
        If the map is to be finer than the tissue mask: its px would have tissue or none by chance.
    """
    mask = open_raster(tissue)
    scale = scale_for(
        spacing_um, slide_spacing_um=inspected["spacing_um"], name=name, **slide_settings
    )
    real_um = scale * inspected["spacing_um"]
    if real_um < mask.spacing_um:
        raise InputError(
            f"slide {name}: nuclei.density_um is {spacing_um:g}, finer than the tissue mask of"
            f" {mask.spacing_um:g} µm/px; give that or more"
        )
    size = inspected["height_px"], inspected["width_px"]
    shape = tuple(int(np.ceil(side / scale)) for side in size)
    density = measure_density(batches, mask, shape=shape, spacing_um=real_um)
    write_raster(path, rows_of(density), shape=shape, spacing_um=real_um, dtype=np.float32)


def measure_density(
    batches: Iterable[Mapping[str, np.ndarray]],
    tissue: Raster,
    *,
    shape: tuple[int, int],
    spacing_um: float,
) -> np.ndarray:
    """Measure the nuclei per mm² of tissue in each px of a map of `shape` and `spacing_um`.

    A px of the tissue mask belongs to the px of the map that holds its middle, and nuclei go with
    the px of the mask in which they lie; those on glass do not count. So the densities times the
    areas of tissue add up to the nuclei on tissue. The map is held whole: at 64 µm/px it has a
    thousandth of the px of the mask of a slide.

    Returns
    -------
    ndarray of shape (height, width), float32
        NaN where there is no tissue.
    """
    row_of, column_of = _find_px(tissue, shape, spacing_um)
    nuclei = np.zeros(shape, np.int64)
    for batch in batches:
        y, x = (batch[key] / tissue.spacing_um for key in ("y_um", "x_um"))
        on_tissue = look_up(tissue.rows, tissue.shape, (y, x)) != 0
        row, column = (np.floor(place[on_tissue]).astype(np.int64) for place in (y, x))
        np.add.at(nuclei, (row_of[row], column_of[column]), 1)
    with np.errstate(invalid="ignore"):
        return (nuclei / measure_tissue(tissue, shape=shape, spacing_um=spacing_um)).astype(
            np.float32
        )


def measure_tissue(tissue: Raster, *, shape: tuple[int, int], spacing_um: float) -> np.ndarray:
    """Measure the mm² of tissue in each px of a map of `shape` and `spacing_um`, float64."""
    row_of, column_of = _find_px(tissue, shape, spacing_um)
    px = np.zeros(shape, np.int64)
    for first, n in bands(tissue.shape[0], band_rows(tissue.shape[1])):
        row, column = np.nonzero(tissue.rows(first, n))
        np.add.at(px, (row_of[row + first], column_of[column]), 1)
    return px * (tissue.spacing_um**2 * 1e-6)


def _find_px(
    tissue: Raster, shape: tuple[int, int], spacing_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of the map's px that hold the middles of the rows and columns of the mask."""
    ratio = tissue.spacing_um / spacing_um
    # Rounded first: 7.99999 of a fractional ratio is meant to be 8.
    middles = (np.round((np.arange(n) + 0.5) * ratio, 6) for n in tissue.shape)
    return tuple(
        np.minimum(middle.astype(np.int64), n - 1) for middle, n in zip(middles, shape, strict=True)
    )
