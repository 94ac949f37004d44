"""Step of one slide: make its patch grid from its masks."""

from pathlib import Path

import numpy as np

from microtome.io.atomic import read_json
from microtome.logs import log
from microtome.patches.grid import make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import VIABLE
from microtome.slides.scales import scale_for


def write_grid(
    *,
    name: str,
    spec: GridSpec,
    inspected: str | Path,
    tissue: str | Path,
    truth: str | Path | None,
    grid: str | Path,
    slide_settings: dict,
    **labelling: object,
) -> dict:
    """Write the grid of a slide as NPZ, and count its ``patches`` and ``tumour_patches``.

    Raises InputError if no patch holds tissue, or the spacing is finer than the slide's.
    """
    info = read_json(inspected)
    level_0_um = info["spacing_um"]
    scale = scale_for(spec.spacing_um, slide_spacing_um=level_0_um, name=name, **slide_settings)
    mask = open_raster(tissue)
    viable = None
    if truth:
        raster = open_raster(truth)
        viable = (
            lambda first, n: raster.rows(first, n) == VIABLE,
            raster.shape,
            raster.spacing_um / level_0_um,
        )
    made = make_grid(
        spec,
        name=name,
        size_px=(info["width_px"], info["height_px"]),
        scale=scale,
        spacing_um=level_0_um * scale,
        tissue=(mask.rows, mask.shape, mask.spacing_um / level_0_um),
        truth=viable,
        **labelling,
    )
    made.save(grid)
    n_tumour = int(np.sum(made.label == 1))
    log.info("%s: %d patches of %s, %d of them tumour", name, len(made), spec.name, n_tumour)
    return {"patches": len(made), "tumour_patches": n_tumour}
