"""Nuclei found on a whole slide against the places of all its true ones."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from microtome.nucleus_images.point_tables import read_point_table
from microtome.nucleus_scores.matching import detection_rates, match_points
from microtome.rasters.bands import count_true
from microtome.rasters.label_tiff import Raster, open_raster
from microtome.rasters.point_lookup import look_up

_COUNTS = ("nuclei", "found", "right", "tissue_mm2")


def score_slide(
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    name: str,
    truth: str | Path,
    tissue: str | Path,
    spacing_um: float,
    match_um: float,
) -> dict:
    """Count the true, found and right nuclei in the tissue of a slide.

    Parameters
    ----------
    batches : iterable of mapping of str to ndarray of shape (n,)
        Nuclei found: ``x_um`` and ``y_um`` from the slide's corner, and ``confidence``.
    name : str
        The slide's id.
    truth : path
        Table of points in level-0 px, as `read_point_table` reads it.
    tissue : path
        Mask of the tissue.
    spacing_um : float
        µm per px of level 0.
    match_um : float
        A detection is right as in `microtome.nucleus_scores.matching.match_points`.

    Returns
    -------
    dict
        ``slide``, ``nuclei``, ``found``, ``right``, ``tissue_mm2``.

    Raises
    ------
    InputError
        The truth is no such table.
    """
    mask = open_raster(tissue)
    points, _ = read_point_table(Path(truth), about=f"nuclei of slide {name}: {truth}")
    parts = [np.stack([b["x_um"], b["y_um"], b["confidence"]], axis=1) for b in batches]
    found = np.concatenate([np.empty((0, 3)), *parts])
    found = found[np.argsort(-found[:, 2], kind="stable"), :2]  # the surest first
    inside = [places[_is_on(mask, places)] for places in (found, points * spacing_um)]
    matches = match_points(*inside, within_um=match_um)
    tissue_mm2 = count_true(mask.rows, mask.shape) * mask.spacing_um**2 * 1e-6
    counts = (matches.n_true, matches.n_found, matches.n_right, tissue_mm2)
    return {"slide": name, **dict(zip(_COUNTS, counts, strict=True))}


def list_rates(slides: Iterable[Mapping]) -> list[dict]:
    """List what `score_slide` gave, and their sum as slide 'all', with rates and densities.

    Added are ``precision``, ``recall`` and ``f``, ``true_per_mm2``, ``found_per_mm2``, and
    ``density_error``: found less true, over true (None without true nuclei).

    Examples
    --------
    >>> one = {"slide": "a", "nuclei": 4, "found": 5, "right": 3, "tissue_mm2": 2.0}
    >>> a, all_slides = list_rates([one])
    >>> a["f"], a["true_per_mm2"], a["found_per_mm2"], a["density_error"]
    (0.6666666666666666, 2.0, 2.5, 0.25)
    """
    slides = list(slides)
    total = {key: sum(slide[key] for slide in slides) for key in _COUNTS}
    rows = []
    for one in [*slides, {"slide": "all", **total}]:
        n_true, n_found, mm2 = one["nuclei"], one["found"], one["tissue_mm2"]
        rates = detection_rates(n_right=one["right"], n_found=n_found, n_true=n_true)
        densities = [n / mm2 if mm2 else None for n in (n_true, n_found)]
        row = {
            **one,
            **rates,
            **dict(zip(("true_per_mm2", "found_per_mm2"), densities, strict=True)),
        }
        rows.append({**row, "density_error": n_found / n_true - 1 if n_true else None})
    return rows


def _is_on(mask: Raster, places_um: np.ndarray) -> np.ndarray:
    x, y = places_um.T / mask.spacing_um
    return look_up(mask.rows, mask.shape, (y, x)) != 0
