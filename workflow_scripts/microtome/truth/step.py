"""Step of one slide: turn its annotation or masks into one checked truth map."""

from pathlib import Path

import numpy as np

from microtome.io.atomic import read_json
from microtome.logs import log
from microtome.rasters.label_tiff import write_raster
from microtome.slides.scales import scale_for
from microtome.truth.checks import TruthCheck
from microtome.truth.maps import OutlineSource, Truth, merge_labels, open_truth


def write_truth(
    *,
    name: str,
    row: dict,
    inspected: str | Path,
    truth: str | Path,
    slide_settings: dict,
    spacing_um: float,
    classes: dict,
) -> dict:
    """Write the truth map of a slide, with the labels of `microtome.rasters.labels`, and check it.

    If the slide is coarser than `spacing_um`, the map has the slide's spacing. A slide of label
    'negative' needs no annotation in its row of the sheet. Gives ``burden`` (None if the whole
    tumour is not known) and ``notes``. Raises InputError if the truth cannot be used.
    """
    info = read_json(inspected)
    size_px = info["width_px"], info["height_px"]
    scale = scale_for(
        max(spacing_um, info["spacing_um"]),
        slide_spacing_um=info["spacing_um"],
        name=name,
        **slide_settings,
    )
    given = {k: row[k] for k in ("annotation", "viable_mask", "whole_mask") if k in row}
    opened = (
        open_truth(
            slide=name,
            slide_size_px=size_px,
            bounds_px=info["bounds_px"],
            spacing_um=info["spacing_um"],
            classes=classes,
            **given,
        )
        if given or row.get("label") != "negative"
        else Truth(name, size_px, OutlineSource([]), OutlineSource([]), ())
    )
    with opened:
        check = TruthCheck(opened)

        def rows(first_row: int, n_rows: int) -> np.ndarray:
            viable, whole = opened.rows(first_row, n_rows, scale)
            check.add(viable, whole)
            return merge_labels(viable, whole)

        write_raster(truth, rows, shape=opened.shape(scale), spacing_um=info["spacing_um"] * scale)
        burden, notes = check.result(given_burden=row.get("burden"), label=row.get("label"))
    for note in notes:
        log.warning("%s", note)
    return {"burden": burden, "notes": notes}
