"""Lesions of a slide, from files."""

from pathlib import Path

import numpy as np

from microtome.files import read_json
from microtome.lesions import find_lesions
from microtome.on_tissue import heatmap_on_tissue


def lesions_of(
    heatmap: str | Path,
    *,
    tissue: str | Path,
    inspected: str | Path,
    threshold: float,
    min_distance_um: float,
) -> np.ndarray:
    """Find the lesions of a slide.

    Parameters
    ----------
    heatmap, tissue : str or Path
        Heatmap and tissue mask.
    inspected : str or Path
        What is known of the slide.
    threshold, min_distance_um : float
        See `microtome.lesions.find_lesions`.

    Returns
    -------
    ndarray of shape (n,)
        `microtome.lesions.LESION`, in level-0 px, all of them on the slide.
    """
    encoded, spacing_um, _ = heatmap_on_tissue(heatmap, tissue)
    slide = read_json(inspected)
    found = find_lesions(
        encoded,
        scale_px=spacing_um / slide["spacing_um"],
        spacing_um=spacing_um,
        threshold=threshold,
        min_distance_um=min_distance_um,
    )
    # The last px of a heatmap can reach beyond the slide.
    for side, size_px in (("x_px", slide["width_px"]), ("y_px", slide["height_px"])):
        found[side] = np.minimum(found[side], size_px - 1)
    return found
