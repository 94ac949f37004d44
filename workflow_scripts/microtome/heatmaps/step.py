"""Stitching, from files to the rows of a map."""

from pathlib import Path

import numpy as np

from microtome.heatmaps.codes import encode, with_temperature
from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import open_scores
from microtome.io.atomic import read_json
from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.label_tiff import open_raster
from microtome.slides.spacing import scale_for


def open_stitcher(
    scores: str | Path,
    *,
    part: str,
    member: str | None,
    inspected: str | Path,
    name: str,
    spacing_um: float,
    slide_settings: dict,
    blending: str,
) -> tuple[Stitcher, float]:
    """Open the scores of a slide to be stitched.

    Parameters
    ----------
    scores : str or Path
        Their store.
    part : {'probability', 'aleatoric', 'epistemic'}
        Which maps.
    member : str, optional
        Of one member of the ensemble.
    inspected : str or Path
        What `inspect` found of the slide, JSON.
    name : str
        The slide's id.
    spacing_um : float
        µm per px of the map.
    slide_settings : dict
        The config's section ``slide``.
    blending : str
        See `Stitcher`.

    Returns
    -------
    stitcher : Stitcher
        Of the slide.
    spacing_um : float
        The real µm per px of the map.
    """
    info = read_json(inspected)
    found = open_scores(scores, member=member)
    scale = scale_for(spacing_um, slide_spacing_um=info["spacing_um"], name=name, **slide_settings)
    stitcher = Stitcher(
        found.grid,
        getattr(found, part),
        size_px=(info["width_px"], info["height_px"]),
        scale=scale,
        blending=blending,
    )
    return stitcher, info["spacing_um"] * scale


def heatmap_rows(stitcher: Stitcher, *, calibration: str | Path | None) -> ReadRows:
    """What a heatmap holds, calibrated where a temperature is given."""
    if not calibration:
        return stitcher.encoded_rows
    temperature = read_json(calibration)["temperature"]

    def rows(first_row: int, n_rows: int) -> np.ndarray:
        return encode(with_temperature(stitcher.rows(first_row, n_rows), temperature))

    return rows


def require_covered(
    stitcher: Stitcher, tissue: str | Path, *, spacing_um: float, name: str
) -> None:
    """Make sure that a patch lies on every px of tissue.

    Raises
    ------
    RuntimeError
        If the grid has a hole: a fault of this program, for grids are made to leave none.
    """
    rows = open_raster(tissue).rows_on(stitcher.shape, spacing_um)
    for band in bands(stitcher.shape[0], band_rows(stitcher.shape[1])):
        bare = (rows(*band) != 0) & ~stitcher.covered(*band)
        if bare.any():
            row, column = np.argwhere(bare)[0]
            raise RuntimeError(
                f"slide {name}: no patch covers the tissue at x={column * spacing_um:.0f} µm,"
                f" y={(row + band[0]) * spacing_um:.0f} µm"
            )
