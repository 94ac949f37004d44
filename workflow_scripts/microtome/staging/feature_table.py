"""The table of features, a row a lymph node: its columns, how it is filled and how it is read."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from microtome.io.atomic import read_json

STATISTICS = ("max", "mean", "variance", "skewness", "kurtosis")
# Of each region: name of the feature, the property it is of, power of the spacing in its unit.
SHAPES = (
    ("area_um2_90", "area", 2),
    ("perimeter_um_90", "perimeter", 1),
    ("eccentricity_90", "eccentricity", 0),
    ("extent_90", "extent", 0),
    ("solidity_90", "solidity", 0),
)
FEATURES: tuple[str, ...] = (
    "largest_major_axis_um_90",
    "largest_major_axis_um_50",
    "largest_area_um2_50",
    "tumour_tissue_ratio_90",
    "tumour_px_90",
    *(f"{name}_{statistic}" for name, _, _ in SHAPES for statistic in STATISTICS),
    "mean_probability_90",
    "regions_90",
)
LARGEST = "largest_lesion_um"
COLUMNS = ("slide", "patient", "node", "label", "split", LARGEST, *FEATURES)


def feature_rows(
    slides: Sequence[str], files: Sequence[str | Path], rows: Mapping[str, dict]
) -> list[dict]:
    """Fill the table (`COLUMNS`) from the file of features and the sheet's row of each slide."""
    return [
        {"slide": slide, **rows[slide], **read_json(file)}
        for slide, file in zip(slides, files, strict=True)
    ]


def feature_matrix(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """Read the features of a table's rows: float64 (n, 32), columns in the order of `FEATURES`."""
    cells = [[float(row[name]) for name in FEATURES] for row in rows]
    return np.array(cells, np.float64).reshape(len(rows), len(FEATURES))
