"""Viable tumour, whole tumour and burden, against figures worked out by hand."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

from helpers import whole_arrays
from helpers.whole_arrays import in_bands
from microtome.rasters.bands import rows_of
from microtome.rasters.labels import NONE, VIABLE
from microtome.tumour.burden import label_tumour, measure_burden
from microtome.tumour.segmentation import segment_viable

PLAIN = {
    "spacing_um": 1.0,
    "threshold": 0.5,
    "opening_um": 0,
    "max_hole_um2": 0,
    "min_area_um2": 0,
}


def found(probability: np.ndarray, *, tissue: np.ndarray | None = None, **changes: object):
    """Segment a probability map, all of it tissue if unset."""
    tissue = np.ones(probability.shape, bool) if tissue is None else tissue
    asked = {**PLAIN, **changes}
    with tempfile.TemporaryDirectory() as folder:
        asked["beside"] = Path(folder) / "a.tif"
        with segment_viable(rows_of(probability), rows_of(tissue), tissue.shape, **asked) as mask:
            return mask.rows(0, len(tissue))


def filled(shape: tuple[int, int], *boxes: tuple[slice, slice], value: float = 1) -> np.ndarray:
    """Draw boxes of a value on zeros."""
    array = np.zeros(shape)
    for box in boxes:
        array[box] = value
    return array


def labelled(viable: np.ndarray, tissue: np.ndarray | None = None, *, n_rows: int = 512):
    """Label whole and viable tumour, all of it tissue if unset."""
    tissue = np.ones(viable.shape, bool) if tissue is None else tissue
    rows = label_tumour(rows_of(viable), rows_of(tissue), viable.shape)
    return in_bands(rows, len(viable), n_rows)


def burden(labels: np.ndarray, *, spacing_um: float) -> dict:
    """Measure a tumour map."""
    return measure_burden(rows_of(labels), labels.shape, spacing_um=spacing_um)


def test_threshold_counts_from_its_value_on():
    """A probability of exactly the threshold is tumour; unknown never is, at threshold 0 either."""
    probability = np.array([[0.49, 0.5, 0.51, np.nan]])
    np.testing.assert_array_equal(found(probability), [[False, True, True, False]])
    np.testing.assert_array_equal(found(probability, threshold=0), [[True, True, True, False]])
    mask = found(np.array([[0.5, 0.7, 0.4, np.nan, 0.4]]), threshold=0.7, low_threshold=0.4)
    np.testing.assert_array_equal(mask, [[True, True, True, False, False]])


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    n_rows=st.sampled_from([1, 3, 40]),
    low=st.sampled_from([0.2, 0.45, 0.5, 0.6]),
    seed=st.integers(0, 10**6),
)
def test_hysteresis_against_skimage(*, shape, n_rows, low, seed):
    """The pieces that scikit-image keeps, which joins px by their edges too."""
    rng = np.random.default_rng(seed)
    probability = ndimage.uniform_filter(rng.random(shape), 3)
    mask = found(probability, threshold=0.65, low_threshold=low, n_rows=n_rows)
    np.testing.assert_array_equal(mask, apply_hysteresis_threshold(probability, low, 0.65))


def test_hysteresis_comes_before_the_opening():
    """A seed too thin to last still keeps its piece; a bridge to a seed counts before it goes."""
    probability = filled((20, 40), np.s_[5:14, 5:14], np.s_[9, 14:30], value=0.5)
    probability[9, 30] = 0.9
    mask = found(probability, threshold=0.9, low_threshold=0.5, opening_um=2)
    assert mask[7:12, 7:12].all()
    assert not mask[:, 15:].any()
    assert not found(probability, threshold=0.9, opening_um=2).any()


def test_opening_is_in_um():
    """At 2 µm/px the radius of 4 µm is 2 px: 4 px wide goes, 5 px wide stays."""
    probability = filled((40, 60), np.s_[5:9, 5:55], np.s_[20:25, 5:55])
    mask = found(probability, opening_um=4, spacing_um=2.0)
    assert not mask[:15].any()
    assert mask[20:25, 8:52].all()


SMALL, LARGE = np.s_[5:9, 5:9], np.s_[15:20, 15:19]


@pytest.mark.parametrize(("limit_um2", "spacing_um"), [(20, 1.0), (5, 0.5)])
def test_holes_and_pieces_smaller_than_the_limit(limit_um2, spacing_um):
    """With a limit of 20 µm² a hole or piece of 4 x 4 µm goes, one of 5 x 4 µm stays."""
    pieces, kept = filled((30, 30), SMALL, LARGE), filled((30, 30), LARGE)
    mask = found(1 - pieces, max_hole_um2=limit_um2, spacing_um=spacing_um)
    np.testing.assert_array_equal(mask, 1 - kept)
    mask = found(pieces, min_area_um2=limit_um2, spacing_um=spacing_um)
    np.testing.assert_array_equal(mask, kept)


def test_hull_of_a_square_ring_by_hand():
    """Four squares at the corners of 20 x 20 px: the hull is the whole square."""
    corners = [np.s_[y : y + 5, x : x + 5] for y in (10, 25) for x in (10, 25)]
    labels = labelled(filled((40, 40), *corners))
    np.testing.assert_array_equal(labels != NONE, filled((40, 40), np.s_[10:30, 10:30]))
    np.testing.assert_array_equal(labels == VIABLE, filled((40, 40), *corners))
    areas = burden(labels, spacing_um=8.0)
    assert (areas["viable_mm2"], areas["whole_mm2"]) == pytest.approx((100 * 64e-6, 400 * 64e-6))
    assert areas["burden"] == 0.25


def test_no_tumour_is_a_burden_of_zero():
    """Without viable tumour there is no whole tumour, and the burden is 0."""
    labels = labelled(np.zeros((9, 9), bool))
    assert burden(labels, spacing_um=1) == {"viable_mm2": 0.0, "whole_mm2": 0.0, "burden": 0.0}


MASKS = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


@given(MASKS, st.data())
def test_burden_is_a_share(viable, data):
    """Whatever viable tumour and tissue are, also apart: 0 <= burden <= 1."""
    tissue = data.draw(arrays(bool, viable.shape))
    labels = labelled(viable, tissue)
    areas = burden(labels, spacing_um=2.0)
    assert 0 <= areas["burden"] <= 1
    assert areas["viable_mm2"] == pytest.approx((viable & tissue).sum() * 4e-6)
    assert areas["whole_mm2"] >= areas["viable_mm2"]
    assert not labels[~tissue].any()


@settings(max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    n_rows=st.integers(1, 70),
    density=st.sampled_from([0.2, 0.5, 0.8]),
    opening_um=st.integers(0, 3),
    areas=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    seed=st.integers(0, 10**6),
)
def test_bands_of_any_height_give_the_maps_of_the_whole(
    *, shape, n_rows, density, opening_um, areas, seed
):
    """Viable tumour and tumour map in bands are those of the whole arrays, px by px."""
    rng = np.random.default_rng(seed)
    probability = ndimage.uniform_filter(rng.random(shape), 3).astype(np.float32)
    probability[rng.random(shape) < 0.1] = np.nan
    tissue = rng.random(shape) < density
    asked = {**PLAIN, "opening_um": opening_um, "max_hole_um2": areas[0], "min_area_um2": areas[1]}
    viable = found(probability, tissue=tissue, n_rows=n_rows, **asked)
    np.testing.assert_array_equal(viable, whole_arrays.viable(probability, tissue, **asked))
    np.testing.assert_array_equal(
        labelled(viable, tissue, n_rows=n_rows), whole_arrays.tumour_labels(viable, tissue)
    )
