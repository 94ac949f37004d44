"""How many nuclei lie in tumour and in the rest of the tissue, and how close."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from microtome.errors import InputError
from microtome.rasters.bands import ReadRows, band_rows, bands
from microtome.rasters.label_tiff import open_raster
from microtome.rasters.labels import NONE, VIABLE, WHOLE
from microtome.rasters.point_lookup import look_up

ALL_CLASSES = "all"
_TISSUE = "tissue"
# Which labels of the tumour map, on tissue, a region has.
_REGIONS = {
    _TISSUE: (NONE, WHOLE, VIABLE),
    "viable_tumour": (VIABLE,),
    "whole_tumour": (WHOLE, VIABLE),
    "other_tissue": (NONE,),
}
_GLASS = 0  # of a region's code; tissue has 1 + label


def count_nuclei(
    batches: Iterable[Mapping[str, np.ndarray]],
    *,
    tissue: str | Path,
    tumour: str | Path | None,
) -> list[dict]:
    """Count the nuclei of a slide by region, and by class where they have one.

    All is decided on the px of the tissue mask: a px belongs to the label of the tumour map under
    its middle, a nucleus to the px in which it lies. Nuclei on glass do not count.

    Parameters
    ----------
    batches : iterable of mapping of str to ndarray of shape (n,)
        Nuclei: ``x_um`` and ``y_um``, from the slide's corner, and where there are classes
        ``class``: that of a nucleus, or '' if it has none and counts in 'all' alone.
    tissue : path
        Mask of the tissue.
    tumour : path or None
        Tumour map, with the labels of `microtome.rasters.labels`; without one, tissue is all.

    Returns
    -------
    list of dict
        One for each region and class: ``region`` (tissue, viable_tumour, whole_tumour,
        other_tissue: tissue without whole tumour), ``class`` ('all', then each by name),
        ``nuclei``, ``area_mm2`` of the region, ``nuclei_per_mm2`` (None without area).

    Raises
    ------
    InputError
        A class is called 'all'.
    """
    mask = open_raster(tissue)
    codes = mask.rows
    if tumour:
        codes = _mark_tumour(mask.rows, open_raster(tumour).rows_on(mask.shape, mask.spacing_um))
    px = np.zeros(2 + VIABLE, np.int64)
    for first, n in bands(mask.shape[0], band_rows(mask.shape[1])):
        px += np.bincount(codes(first, n).ravel(), minlength=len(px))
    nuclei: Counter[tuple[str, int]] = Counter()
    classes: set[str] = set()
    for batch in batches:
        places = batch["y_um"] / mask.spacing_um, batch["x_um"] / mask.spacing_um
        found = look_up(codes, mask.shape, places)
        nuclei.update({(ALL_CLASSES, i): n for i, n in enumerate(np.bincount(found).tolist())})
        named = set(np.unique(batch["class"]).tolist()) if "class" in batch else set()
        for name in named - {""}:
            classes.add(name)
            of_class = np.bincount(found[batch["class"] == name])
            nuclei.update({(name, i): n for i, n in enumerate(of_class.tolist())})
    if ALL_CLASSES in classes:
        raise InputError(f"a class of nuclei is called {ALL_CLASSES!r}; give it another name")
    regions = _REGIONS if tumour else {_TISSUE: (NONE,)}
    rows = []
    for region, labels in regions.items():
        inside = [1 + label for label in labels]
        area_mm2 = float(px[inside].sum()) * mask.spacing_um**2 * 1e-6
        for name in (ALL_CLASSES, *sorted(classes)):
            n = sum(nuclei[name, code] for code in inside)
            row = {"region": region, "class": name, "nuclei": n, "area_mm2": area_mm2}
            rows.append({**row, "nuclei_per_mm2": n / area_mm2 if area_mm2 else None})
    return rows


def list_counts(counts: Iterable[Mapping]) -> tuple[list[dict], list[str]]:
    """List what `count_nuclei` found on slides in one table; give its columns, too.

    Each has ``slide``, ``tumour_map_of`` (a model, or None) and ``regions``.

    Examples
    --------
    >>> rows, columns = list_counts([{"slide": "a", "tumour_map_of": None, "regions": []}])
    >>> rows, columns[:3]
    ([], ['slide', 'region', 'class'])
    """
    columns = ["slide", "region", "class", "nuclei", "area_mm2", "nuclei_per_mm2", "tumour_map_of"]
    rows = [
        {"slide": one["slide"], "tumour_map_of": one["tumour_map_of"], **region}
        for one in counts
        for region in one["regions"]
    ]
    return rows, columns


def _mark_tumour(tissue: ReadRows, labels: ReadRows) -> ReadRows:
    """Give the rows of codes: `_GLASS`, or 1 + label of the tumour map."""

    def rows(first: int, n: int) -> np.ndarray:
        return np.where(tissue(first, n) != 0, 1 + labels(first, n), np.uint8(_GLASS))

    return rows
