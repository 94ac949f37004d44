"""The 32 features of a slide, against formulas worked out by hand."""

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label, regionprops

from helpers.simulated_heatmaps import CATEGORIES, simulated_cohort, simulated_heatmap
from microtome.errors import InputError
from microtome.heatmaps.codes import decode, encode, is_at_least
from microtome.staging.feature_table import FEATURES, STATISTICS
from microtome.staging.features import slide_features

SHAPES = ("area_um2_90", "perimeter_um_90", "eccentricity_90", "extent_90", "solidity_90")
NAMES = [
    *("largest_major_axis_um_90", "largest_major_axis_um_50", "largest_area_um2_50"),
    *("tumour_tissue_ratio_90", "tumour_px_90"),
    *(f"{s}_{k}" for s in SHAPES for k in ("max", "mean", "variance", "skewness", "kurtosis")),
    *("mean_probability_90", "regions_90"),
]
SURE = 255  # probability 1
LIKELY = 128  # probability 0.5: just in what is _50
MASKS = array_shapes(min_dims=2, max_dims=2, max_side=14).flatmap(lambda s: arrays(bool, s))


def drawn(picture: str, codes: dict[str, int] | None = None) -> np.ndarray:
    """A heatmap from lines of characters: # is sure tumour, + likely, . is scored and free."""
    codes = {".": 1, "+": LIKELY, "#": SURE, " ": 0} | (codes or {})
    return np.array([[codes[c] for c in line] for line in picture.split()], np.uint8)


def measured(heatmap: np.ndarray, spacing_um: float = 1.0, tissue_mm2: float = 1.0) -> dict:
    """The features, without any warning, of a heatmap that may not be changed."""
    heatmap.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return slide_features(heatmap, spacing_um=spacing_um, tissue_mm2=tissue_mm2)


def axes_px(mask: np.ndarray) -> tuple[float, float]:
    """Axes of the ellipse with the second moments of the px's centres, by numpy alone."""
    small, large = np.linalg.eigvalsh(np.cov(np.argwhere(mask).T, bias=True))
    return 4 * large**0.5, 4 * small**0.5


def of_values(name: str, values: list[float]) -> dict[str, float]:
    """The five statistics by their definitions."""
    v = np.array(values)
    m2, m3, m4 = (((v - v.mean()) ** k).mean() for k in (2, 3, 4))
    expected = (v.max(), v.mean(), m2, m3 / m2**1.5, m4 / m2**2 - 3)
    return {f"{name}_{k}": pytest.approx(e) for k, e in zip(STATISTICS, expected, strict=True)}


def test_names():
    """The 32 names are those of Table 5, in its order, and a row has them in that order."""
    assert len(NAMES) == 32
    assert list(FEATURES) == list(measured(drawn("..#"))) == NAMES


def test_where_thresholds_lie():
    """0.9 lies between the codes 229 and 230, 0.5 is code 128; no threshold takes unscored px."""
    codes = np.arange(256, dtype=np.uint8)
    assert is_at_least(codes, 0.9).nonzero()[0].tolist() == list(range(230, 256))
    assert is_at_least(codes, 0.5).nonzero()[0].tolist() == list(range(128, 256))
    assert is_at_least(codes, 0.0).nonzero()[0].tolist() == list(range(1, 256))
    assert not is_at_least(codes, 1.01).any()


@given(st.integers(0, 254), st.sampled_from([float, np.float64]))
def test_threshold_is_inclusive(k, kind):
    """A px of just the threshold is taken, whatever the kind of float; the next lower is not."""
    found = is_at_least(np.array([[k, k + 1]], np.uint8), kind(k / 254))
    assert found.tolist() == [[False, True]]


@pytest.mark.parametrize("code", [0, 1, 127])
def test_nothing_found(code):
    """Without a region the row is all zeros, whatever the tissue."""
    for tissue_mm2 in (0.0, 3.0):
        found = measured(np.full((6, 9), code, np.uint8), 8.0, tissue_mm2)
        assert found == dict.fromkeys(FEATURES, 0.0)


@pytest.mark.parametrize(
    ("shape", "perimeter"),
    [((1, 1), 0), ((1, 2), 0), ((1, 7), 5), ((5, 1), 3), ((4, 6), 16), ((5, 5), 16)],
)
def test_rectangles(shape, perimeter):
    """A rectangle by its formulas; of a line, the px between its ends make the perimeter."""
    height, width = shape
    mask = np.zeros((9, 9), bool)
    mask[1 : 1 + height, 2 : 2 + width] = True
    long, short = max(shape), min(shape)
    n_px, axis = height * width, pytest.approx(4 * ((long**2 - 1) / 12) ** 0.5 * 8)
    eccentricity = (1 - (short**2 - 1) / (long**2 - 1)) ** 0.5 if long > 1 else 0
    expected = {
        "largest_major_axis_um_90": axis,
        "largest_major_axis_um_50": axis,
        "largest_area_um2_50": n_px * 64.0,
        "tumour_tissue_ratio_90": pytest.approx(n_px * 64e-6 / 0.5),
        "tumour_px_90": n_px,
        "mean_probability_90": pytest.approx(241 / 254),  # 0.95 rounded to a code
        "regions_90": 1.0,
    }
    # Statistics of one region: no spread.
    for name, value in zip(SHAPES, (n_px * 64, perimeter * 8, eccentricity, 1, 1), strict=True):
        values = (pytest.approx(value), pytest.approx(value), 0, 0, 0)
        expected |= {f"{name}_{k}": v for k, v in zip(STATISTICS, values, strict=True)}
    assert measured(encode(np.where(mask, 0.95, 0.2)), 8.0, 0.5) == expected


def test_two_regions():
    """Statistics over two regions, each with one voice whatever its size.

    The hull of the angle takes in the px between its ends, on whose centre its edge lies. Its
    perimeter: the ends of its longer arm and the px beyond count 0, 1 and 1, the end of its shorter
    arm, which goes on to a side and to a corner, (1 + sqrt 2) / 2.
    """
    heatmap = drawn("#.... #..aa ##.aa ...aa", {"#": 231, "a": 251})
    angle, block = heatmap == 231, heatmap == 251
    long, short = axes_px(angle)
    found = measured(heatmap, 10.0, 0.01)
    assert found == {
        "largest_major_axis_um_90": pytest.approx(axes_px(block)[0] * 10),
        "largest_major_axis_um_50": pytest.approx(axes_px(block)[0] * 10),
        "largest_area_um2_50": 600.0,
        "tumour_tissue_ratio_90": pytest.approx(10 * 100e-6 / 0.01),
        "tumour_px_90": 10.0,
        "mean_probability_90": pytest.approx((230 + 250) / 2 / 254),
        "regions_90": 2.0,
        **of_values("area_um2_90", [400, 600]),
        **of_values("perimeter_um_90", [10 * (2 + (1 + 2**0.5) / 2), 60]),
        **of_values("eccentricity_90", [(1 - (short / long) ** 2) ** 0.5, (1 - 3 / 8) ** 0.5]),
        **of_values("extent_90", [4 / 6, 1]),
        **of_values("solidity_90", [4 / 5, 1]),
    }
    for name in ("area_um2_90", "extent_90", "solidity_90", "perimeter_um_90"):
        assert found[f"{name}_skewness"] == pytest.approx(0, abs=1e-9)
        assert found[f"{name}_kurtosis"] == pytest.approx(-2)


def test_three_regions():
    """Areas of 1, 1 and 4 px: variance 2, skewness 1 / sqrt 2, excess kurtosis -1.5."""
    found = measured(drawn("#...## ....## #....."), 3.0)
    for name, value in zip(STATISTICS, (36, 18, 162, 0.5**0.5, -1.5), strict=True):
        assert found[f"area_um2_90_{name}"] == pytest.approx(value)


def test_px_touch_by_corners():
    """Px that touch by a corner alone are one region, of length 4 standard deviations."""
    found = measured(drawn("#.. .#. ..#"), 5.0)
    assert found["regions_90"] == 1.0
    assert found["largest_major_axis_um_90"] == pytest.approx(4 * (4 / 3) ** 0.5 * 5)
    assert found["eccentricity_90_max"] == 1.0
    assert found["perimeter_um_90_max"] == pytest.approx(2**0.5 * 5)
    assert found["extent_90_max"] == pytest.approx(1 / 3)
    assert found["largest_area_um2_50"] == 75.0


def test_largest_differs_by_threshold():
    """At 0.5 another region may be the largest; what is only likely is in no other feature."""
    found = measured(drawn("###...... ......... +++++++##"))
    assert found["largest_major_axis_um_90"] == pytest.approx(4 * (8 / 12) ** 0.5)
    assert found["largest_major_axis_um_50"] == pytest.approx(4 * (80 / 12) ** 0.5)
    assert (found["largest_area_um2_50"], found["tumour_px_90"]) == (9.0, 5.0)
    assert (found["regions_90"], found["area_um2_90_max"]) == (2.0, 3.0)


def test_only_likely():
    """Without sure tumour the features of 0.5 alone are not 0."""
    found = measured(drawn(".++. .... ++++"), 2.0, 0.0)
    assert found.pop("largest_area_um2_50") == 16.0
    assert found.pop("largest_major_axis_um_50") == pytest.approx(4 * (15 / 12) ** 0.5 * 2)
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("code", [SURE, LIKELY])
@pytest.mark.parametrize(
    "picture",
    [
        "##... ##... ..... ..... #####",
        "##.#.. ##.#.. ...#.. ...#..",
        "###..... ###..... ###..... ........ ########",
    ],
)
def test_longest_of_the_largest(picture, code):
    """Of the regions of most px the longest is the largest, wherever it lies."""
    heatmap = drawn(picture, {"#": code})
    masks = [label(heatmap == code, connectivity=2) == k for k in (1, 2)]
    _, longest = max((mask.sum(), axes_px(mask)[0]) for mask in masks)
    found = measured(heatmap)
    assert found["largest_major_axis_um_50"] == pytest.approx(longest)
    if code == SURE:
        assert found["largest_major_axis_um_90"] == pytest.approx(longest)


def test_ratio_is_not_clipped():
    """More tumour than tissue gives a ratio above 1."""
    found = measured(np.full((10, 10), SURE, np.uint8), 100.0, 0.25)
    assert found["tumour_tissue_ratio_90"] == pytest.approx(4.0)


@pytest.mark.parametrize("tissue_mm2", [0.0, -1.0, float("nan")])
def test_tumour_without_tissue(tissue_mm2):
    """Tumour where there is no tissue is refused in one line that says what to do."""
    with pytest.raises(InputError, match=r"area of tissue is .* make it anew$") as refused:
        measured(drawn("..#"), 8.0, tissue_mm2)
    assert "\n" not in str(refused.value)


@settings(max_examples=60)
@given(MASKS)
def test_shapes_against_scikit_image(mask):
    """What is measured once for each shape is what scikit-image gives of each region."""
    found = measured(np.where(mask, SURE, 1).astype(np.uint8), 3.0)
    regions = regionprops(label(mask, connectivity=2))
    assert found["regions_90"] == len(regions)
    for name, attribute, scale in (
        ("area_um2_90", "area", 9),
        ("perimeter_um_90", "perimeter", 3),
        ("eccentricity_90", "eccentricity", 1),
        ("extent_90", "extent", 1),
        ("solidity_90", "solidity", 1),
    ):
        values = np.array([getattr(region, attribute) * scale for region in regions] or [0.0])
        assert found[f"{name}_max"] == pytest.approx(values.max(), abs=1e-6)
        assert found[f"{name}_mean"] == pytest.approx(values.mean(), abs=1e-6)
        assert found[f"{name}_variance"] == pytest.approx(values.var(), abs=1e-5)


@settings(max_examples=60)
@given(array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(lambda s: arrays(np.uint8, s)))
def test_any_heatmap(heatmap):
    """Any heatmap gives finite features, the same when it is turned or seen in a mirror."""
    found = measured(heatmap, 8.0)
    assert np.isfinite(list(found.values())).all()
    for other in (heatmap[::-1], heatmap.T, np.rot90(heatmap)):
        assert measured(other, 8.0) == pytest.approx(found, rel=1e-4, abs=1e-4)


def test_round_is_round():
    """Equal moments are an eccentricity of 0, not the root of a rounding error, and no spread."""
    found = measured(drawn("###... #..... ####.# #....."))
    assert found["regions_90"] == 2.0
    for name in STATISTICS:
        assert found[f"eccentricity_90_{name}"] == 0.0


def test_shapes_of_the_same_bytes():
    """Four px in a row, in a column and in a square are three shapes."""
    found = measured(drawn("####.##. .....##. #....... #....... #....... #......."))
    assert found["regions_90"] == 3.0
    assert found["eccentricity_90_mean"] == pytest.approx(2 / 3)
    assert found["perimeter_um_90_mean"] == pytest.approx((2 + 2 + 4) / 3)


def test_mean_probability_is_of_px_and_then_of_regions():
    """Every region has one voice: 1 of one px and the mean of a px of 1 and one of 0.906."""
    found = measured(drawn("#..#b", {"b": 231}))
    assert found["mean_probability_90"] == pytest.approx((1 + (1 + 230 / 254) / 2) / 2)


def test_simulated_cohort():
    """It is the same each time, in order, with a label and features in each row."""
    cohort = simulated_cohort(16, seed=3)
    assert simulated_cohort(2, seed=3) == cohort[:10]
    assert simulated_cohort(2, seed=4) != cohort[:10]
    assert list(cohort[7]) == ["slide", "patient", "node", "label", *NAMES]
    assert list(cohort[7].values())[:3] == ["patient_001_node_2", "patient_001", 2]
    counts = Counter(row["label"] for row in cohort)
    assert set(counts) == set(CATEGORIES)
    assert counts["negative"] == max(counts.values())


@pytest.mark.parametrize(("category", "least", "most"), [("macro", 1500, 4500), ("itc", 0, 900)])
def test_simulated_lesions(category, least, most):
    """Made-up lesions have about the size of their category, within tissue."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        heatmap, tissue_mm2 = simulated_heatmap(rng, category, spacing_um=16.0)
        assert tissue_mm2 == pytest.approx(np.count_nonzero(heatmap) * 256e-6)
        assert np.nanmin(decode(heatmap)) < 0.01
        found = measured(heatmap, 16.0, tissue_mm2)
        assert least <= found["largest_major_axis_um_50"] <= most
        assert found["tumour_tissue_ratio_90"] < 1
