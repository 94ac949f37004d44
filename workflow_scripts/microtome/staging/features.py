"""What the heatmap of a lymph node comes to: the 32 features that stage a CAMELYON17 patient."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage, stats
from skimage.measure import label, regionprops_table

from microtome.errors import InputError
from microtome.heatmaps.codes import decode, is_at_least
from microtome.rasters.bands import count_true, rows_of
from microtome.rasters.convex_hull import draw_hull, find_hull_corners
from microtome.staging.feature_table import SHAPES, STATISTICS

_AXIS = "axis_major_length"
_PROPERTIES = (_AXIS, "area", "perimeter", "eccentricity", "extent")
# Values that differ by less than this share of the largest differ by rounding alone.
_SAME = 1e-9
_ROUND = 1e-6  # a lower eccentricity is none
# Shapes that fit into so many px are looked up; larger ones hardly recur.
_SMALL_PX = 36
_CORNERS = 2  # connectivity in scikit-image's words: px that touch by a corner are one region


def slide_features(
    heatmap: np.ndarray, *, spacing_um: float, tissue_mm2: float
) -> dict[str, float]:
    """Measure a slide for the random forests (generalized framework, Table 5).

    Regions are 8-connected px of a probability of 0.9 or more (names with ``_90``) or of 0.5 or
    more (``_50``). Shapes are measured as scikit-image does: axes, perimeter and solidity take a
    px for a point at its centre or little more, so one px has a major axis, a perimeter and an
    eccentricity of 0, extent and solidity of 1; two px in a row have a perimeter of 0; a straight
    line has an eccentricity of 1.

    Parameters
    ----------
    heatmap : ndarray of shape (height, width), uint8
        0 where nothing was scored, else 1 + 254 * probability.
    spacing_um : float
        Of the heatmap, µm per px.
    tissue_mm2 : float
        Area of the slide's tissue, mm².

    Returns
    -------
    dict of str to float
        The names of `microtome.staging.feature_table.FEATURES` in their order; all finite. Without
        a region all are 0.

        ``largest_major_axis_um_*`` : µm, of the ellipse with the second moments of the region of
        most px; of equally large ones the longest counts.
        ``largest_area_um2_50`` : µm².
        ``tumour_tissue_ratio_90`` : area of all regions per area of tissue. Not clipped: it is
        above 1 where the tissue mask is smaller than what was scored.
        ``tumour_px_90`` : px of the heatmap, so it depends on `spacing_um`.
        ``area_um2_90_*``, ``perimeter_um_90_*``, ``eccentricity_90_*``, ``extent_90_*`` (area by
        area of the bounding box), ``solidity_90_*`` (area by area of the convex hull) : statistics
        over regions, all of which count alike. ``max`` and ``mean`` are in the unit named,
        ``variance`` (of the population, not the sample) in its square: µm⁴ of areas, µm² of
        perimeters. ``skewness`` and ``kurtosis`` have no unit and no correction for bias; kurtosis
        is excess (Fisher's: 0 of a normal distribution). Of values that are all equal, as those of
        one region are, all three are 0.
        ``mean_probability_90`` : mean over regions of their mean probability.
        ``regions_90`` : number of regions.

    Raises
    ------
    InputError
        There is tumour, and the area of tissue is not above 0.

    Examples
    --------
    >>> two_px = np.array([[1, 255, 255, 1]], np.uint8)
    >>> found = slide_features(two_px, spacing_um=8.0, tissue_mm2=1.0)
    >>> found["largest_area_um2_50"], found["regions_90"]
    (128.0, 1.0)
    """
    sure = is_at_least(heatmap, 0.9)
    labels = label(sure, connectivity=_CORNERS)
    found = _measure(labels, _PROPERTIES, also=(hull_px,))
    found["solidity"] = found["area"] / found["hull_px"]
    # The square root of a rounding error is 1e-8: what is round should be 0.
    found["eccentricity"][found["eccentricity"] < _ROUND] = 0
    n_px = int(np.count_nonzero(sure))
    features = {"largest_major_axis_um_90": _longest(found) * spacing_um}
    likely = _measure(label(is_at_least(heatmap, 0.5), connectivity=_CORNERS), (_AXIS, "area"))
    features["largest_major_axis_um_50"] = _longest(likely) * spacing_um
    features["largest_area_um2_50"] = float(likely["area"].max(initial=0)) * spacing_um**2
    features["tumour_tissue_ratio_90"] = _ratio(n_px * spacing_um**2 / 1e6, tissue_mm2)
    features["tumour_px_90"] = float(n_px)
    for feature, name, power in SHAPES:
        of_regions = _statistics(found[name] * spacing_um**power)
        features |= {f"{feature}_{key}": value for key, value in of_regions.items()}
    # One mean probability of each region.
    codes = np.bincount(labels[sure], weights=heatmap[sure])[1:]
    means = decode(codes / found["area"]).astype(np.float64)
    features["mean_probability_90"] = float(means.mean()) if len(means) else 0.0
    features["regions_90"] = float(len(means))
    return features


def _measure(
    labels: np.ndarray, names: tuple[str, ...], also: tuple[Callable, ...] = ()
) -> dict[str, np.ndarray]:
    """Give properties of every region, in the order of the labels 1, 2, ...

    A noisy heatmap has thousands of specks of few shapes, and scikit-image takes almost a
    millisecond for each region: every small shape is measured once.
    """
    first: dict[object, int] = {}  # shape -> its place among those measured
    chosen, place = [0], []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        image = labels[box] == number
        shape = (image.shape, image.tobytes()) if image.size <= _SMALL_PX else number
        if shape not in first:
            first[shape] = len(first)
            chosen.append(number)
        place.append(first[shape])
    number_of = np.zeros(int(labels.max()) + 1, labels.dtype)
    number_of[chosen] = np.arange(len(chosen))
    found = regionprops_table(number_of[labels], properties=names, extra_properties=also)
    return {name: values[place].astype(np.float64) for name, values in found.items()}


def hull_px(image: np.ndarray) -> int:
    """Count the px of a region's hull; scikit-image takes a minute for 5000 px a side."""
    rows = draw_hull(find_hull_corners(rows_of(image), image.shape), image.shape)
    return count_true(rows, image.shape)


def _longest(found: dict[str, np.ndarray]) -> float:
    """Give the major axis in px of the region of most px, 0 without regions."""
    area = found["area"]
    return float(found[_AXIS][area == area.max(initial=0)].max(initial=0))


def _ratio(tumour_mm2: float, tissue_mm2: float) -> float:
    if not tumour_mm2:
        return 0.0
    if not tissue_mm2 > 0:
        raise InputError(
            f"the heatmap has tumour, but the area of tissue is {tissue_mm2} mm²: the tissue mask"
            " is of another slide or spoiled; make it anew"
        )
    return tumour_mm2 / tissue_mm2


def _statistics(values: np.ndarray) -> dict[str, float]:
    """Compute statistics by name; 0 where there are no values."""
    if not len(values):
        return dict.fromkeys(STATISTICS, 0.0)
    found = [values.max(), values.mean(), 0.0, 0.0, 0.0]
    # Higher moments of rounding errors are nonsense, and of equal values not defined.
    if np.ptp(values) > _SAME * np.abs(values).max():
        found[2:] = values.var(), stats.skew(values), stats.kurtosis(values)
    return {name: float(value) for name, value in zip(STATISTICS, found, strict=True)}
