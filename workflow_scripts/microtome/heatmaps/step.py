"""Step of one slide: stitch its patch scores to a heatmap or a map of uncertainty."""

from functools import partial
from pathlib import Path

import numpy as np

from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import open_scores
from microtome.io.atomic import read_json
from microtome.rasters.bands import band_rows, bands
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.slides.scales import scale_for


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
    """Open the scores of a slide to be stitched, and give the real µm per px of the map too.

    `part` is 'probability', 'aleatoric' or 'epistemic'; `member` one of the ensemble, or all
    together if unset; `inspected` the JSON about the slide from `inspect`; `spacing_um` the µm per
    px that are asked for; `blending` how overlapping patches are weighed.
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


def stitch_heatmap(
    heatmap: str | Path,
    scores: str | Path,
    *,
    tissue: str | Path,
    name: str,
    calibration: str | Path | None = None,
    **stitching: object,
) -> None:
    """Write the heatmap of a slide as codes of `microtome.heatmaps.codes`.

    Probabilities get the temperature in the JSON `calibration`, if that is given; the rest is
    passed to `open_stitcher`. Raises RuntimeError if no patch lies on some px of tissue: a fault of
    this program, for grids leave none bare.
    """
    stitcher, spacing_um = open_stitcher(scores, part="probability", name=name, **stitching)
    require_covered(stitcher, tissue, spacing_um=spacing_um, name=name)
    temperature = read_json(calibration)["temperature"] if calibration else None
    rows = partial(stitcher.encoded_rows, temperature=temperature)
    write_raster(heatmap, rows, shape=stitcher.shape, spacing_um=spacing_um)


def stitch_uncertainty(
    uncertainty: str | Path, scores: str | Path, *, part: str, **stitching: object
) -> None:
    """Write the variances of a slide's patches as one map, float32; NaN where nothing was scored.

    `part` is 'aleatoric' or 'epistemic'; the rest is passed to `open_stitcher`.
    """
    stitcher, spacing_um = open_stitcher(scores, part=part, **stitching)
    rows, shape = stitcher.float_rows, stitcher.shape
    write_raster(uncertainty, rows, shape=shape, spacing_um=spacing_um, dtype=np.float32)


def require_covered(
    stitcher: Stitcher, tissue: str | Path, *, spacing_um: float, name: str
) -> None:
    """Raise RuntimeError if no patch of the grid lies on some px of tissue."""
    rows = open_raster(tissue).rows_on(stitcher.shape, spacing_um)
    for band in bands(stitcher.shape[0], band_rows(stitcher.shape[1])):
        bare = (rows(*band) != 0) & ~stitcher.is_covered(*band)
        if bare.any():
            row, column = np.argwhere(bare)[0]
            raise RuntimeError(
                f"slide {name}: no patch covers the tissue at x={column * spacing_um:.0f} µm,"
                f" y={(row + band[0]) * spacing_um:.0f} µm"
            )
