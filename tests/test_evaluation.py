"""Figures of quality, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from microtome.evaluation import (
    classification_metrics,
    cohort_metrics,
    confusion,
    evaluate_slide,
    overlap_metrics,
    pixel_confusion,
)
from microtome.masks import resampled
from microtome.rasters import open_raster, write_array
from microtome.score_stores import Scores
from microtome.tumour import VIABLE
from pictures import grid_of

PAIRS = st.integers(1, 40).flatmap(lambda n: st.tuples(arrays(bool, n), arrays(bool, n)))


def near(value: float):
    """Compare figures to rounding."""
    return pytest.approx(value, abs=1e-12)


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pair):
    """Confusion, accuracy, precision, recall, F1, Dice and Jaccard agree where they are defined."""
    truth, prediction = pair
    counts = confusion(truth, prediction)
    np.testing.assert_array_equal(
        counts, metrics.confusion_matrix(truth, prediction, labels=[False, True])
    )
    found = classification_metrics(counts)
    assert found["accuracy"] == near(metrics.accuracy_score(truth, prediction))
    for c, name in ((False, "other"), (True, "tumour")):
        for key, function in (
            ("precision", metrics.precision_score),
            ("recall", metrics.recall_score),
            ("f1", metrics.f1_score),
        ):
            expected = function(truth, prediction, pos_label=c, zero_division=np.nan)
            if np.isnan(expected):
                assert found[f"{key}_{name}"] is None
            else:
                assert found[f"{key}_{name}"] == near(expected)
    overlap = overlap_metrics(counts)
    assert overlap["jaccard"] == near(metrics.jaccard_score(truth, prediction, zero_division=1))
    assert overlap["dice"] == near(metrics.f1_score(truth, prediction, zero_division=1))


@given(PAIRS)
def test_balanced_accuracy(pair):
    """Balanced accuracy is scikit-learn's where both classes are there, else not defined."""
    truth, prediction = pair
    found = classification_metrics(confusion(truth, prediction))["balanced_accuracy"]
    if truth.all() or not truth.any():
        assert found is None
    else:
        assert found == near(metrics.balanced_accuracy_score(truth, prediction))


def test_figures_by_hand():
    """3 true negatives, 1 false positive, 2 false negatives, 4 true positives."""
    found = classification_metrics(np.array([[3, 1], [2, 4]]))
    assert found == {
        "accuracy": 0.7,
        "balanced_accuracy": near((3 / 4 + 4 / 6) / 2),
        "precision_other": 3 / 5,
        "recall_other": 3 / 4,
        "f1_other": near(6 / 9),
        "precision_tumour": 4 / 5,
        "recall_tumour": near(4 / 6),
        "f1_tumour": near(8 / 11),
    }
    assert overlap_metrics(np.array([[3, 1], [2, 4]])) == {"dice": near(8 / 11), "jaccard": 4 / 7}


def test_what_is_not_defined_is_none():
    """No patch at all, and no tumour predicted or there: None, never 0 or NaN."""
    assert set(classification_metrics(np.zeros((2, 2), int)).values()) == {None}
    found = classification_metrics(np.array([[5, 0], [0, 0]]))
    undefined = {key for key, value in found.items() if value is None}
    assert undefined == {"balanced_accuracy", "precision_tumour", "recall_tumour", "f1_tumour"}
    assert overlap_metrics(np.array([[5, 0], [0, 0]])) == {"dice": 1.0, "jaccard": 1.0}
    assert overlap_metrics(np.array([[5, 2], [0, 0]])) == {"dice": 0.0, "jaccard": 0.0}


@pytest.mark.parametrize(("truth_um", "map_um"), [(1.0, 8.0), (1.0, 1.0), (2.0, 1.0), (1.0, 2.7)])
def test_pixel_confusion_in_bands_is_that_of_the_whole(tmp_path, truth_um, map_um):
    """Counted in bands over a truth of several bands: the same as at once."""
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (60, 30)), np.ones((20, 20), int)).astype(np.uint8)
    shape = tuple(int(np.ceil(n * truth_um / map_um)) for n in truth.shape)
    labels = rng.integers(0, 3, shape, dtype=np.uint8)
    write_array(tmp_path / "truth.tif", truth, spacing_um=truth_um)
    write_array(tmp_path / "map.tif", labels, spacing_um=map_um)
    found = pixel_confusion(open_raster(tmp_path / "truth.tif"), open_raster(tmp_path / "map.tif"))
    ratio = truth_um / map_um
    at_once = confusion(truth == VIABLE, resampled(labels, truth.shape, ratio=ratio) == VIABLE)
    np.testing.assert_array_equal(found, at_once)
    assert found.sum() == truth.size


def test_pixel_confusion_counts_viable_tumour_only(tmp_path):
    """Whole tumour that is not viable (1) is "other", in truth and map."""
    truth = np.array([[0, 1, 2, 2]], np.uint8)
    labels = np.array([[1, 2, 1, 2]], np.uint8)
    write_array(tmp_path / "truth.tif", truth, spacing_um=1)
    write_array(tmp_path / "map.tif", labels, spacing_um=1)
    found = pixel_confusion(open_raster(tmp_path / "truth.tif"), open_raster(tmp_path / "map.tif"))
    np.testing.assert_array_equal(found, [[1, 1], [1, 1]])


def slide_figures(tmp_path, name: str, *, true_burden: float | None) -> dict:
    """Evaluate a slide of 4 patches and 10 x 10 px."""
    truth, labels = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    truth[:5], labels[:4] = 2, 2
    write_array(tmp_path / f"{name}.tif", truth, spacing_um=1)
    write_array(tmp_path / "map.tif", labels, spacing_um=1)
    # The last could not be read.
    probability = np.array([0.5, 0.4, 0.9, 0.1, np.nan], np.float32)[:, None, None]
    grid = grid_of([(0, i) for i in range(5)], patch_px=4, labels=[1, 1, 0, 0, 1])
    return evaluate_slide(
        name,
        scores=Scores(grid, probability, {}),
        labels=open_raster(tmp_path / "map.tif"),
        truth=open_raster(tmp_path / f"{name}.tif"),
        burden=0.4,
        true_burden=true_burden,
    )


def test_a_slide_by_hand(tmp_path):
    """A patch is tumour from 0.5 on; Dice is of px; the burden's error keeps its sign."""
    found = slide_figures(tmp_path, "a", true_burden=0.5)
    assert found["patch_counts"] == [[1, 1], [1, 1]]
    row = found["metrics"]
    assert (row["slide"], row["patches"], row["accuracy"]) == ("a", 4, 0.5)
    assert row["dice"] == near(80 / 90)
    assert row["jaccard"] == near(40 / 50)
    assert row["burden_error"] == near(-0.1)
    assert slide_figures(tmp_path, "b", true_burden=None)["metrics"]["burden_error"] is None


def test_a_patch_with_a_map_counts_by_its_mean(tmp_path):
    """A dense map is one vote: its mean."""
    write_array(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), spacing_um=1)
    maps = np.array([[[1.0, 0.2]], [[0.7, 0.2]]], np.float32)
    found = evaluate_slide(
        "a",
        scores=Scores(grid_of([(0, 0), (0, 1)], patch_px=4, labels=[1, 0]), maps, {}),
        labels=open_raster(tmp_path / "a.tif"),
        truth=open_raster(tmp_path / "a.tif"),
        burden=0.0,
        true_burden=0.0,
    )
    assert found["patch_counts"] == [[1, 0], [0, 1]]


def slide(counts: list, **figures: float | None) -> dict:
    """Make what `evaluate_slide` gives, as the cohort's figures need it."""
    empty = {"dice": None, "jaccard": None, "burden": 0.0, "true_burden": None}
    return {"patch_counts": counts, "metrics": {**empty, "burden_error": None, **figures}}


def test_the_cohort_pools_patches_and_averages_slides():
    """Patches are pooled; Dice is the mean over slides; the burden's error the mean absolute."""
    found = cohort_metrics(
        [
            slide([[1, 0], [0, 0]], dice=1.0, jaccard=1.0, true_burden=0.5, burden_error=-0.2),
            slide([[0, 0], [4, 5]], dice=0.5, jaccard=0.4, true_burden=0.3, burden_error=0.4),
            slide([[0, 0], [0, 0]], dice=0.0, jaccard=0.1, burden=0.9),
        ]
    )
    assert (found["slides"], found["patches"]) == (3, 10)
    assert found["accuracy"] == near(6 / 10)
    assert found["recall_tumour"] == near(5 / 9)
    assert found["dice"] == near(0.5)
    assert found["jaccard"] == near(0.5)
    assert found["burden"] == near(0.3)
    assert found["true_burden"] == near(0.4)
    assert found["burden_error"] == near(0.3)


def test_a_cohort_without_true_burden_has_none():
    """A figure that no slide has is None."""
    found = cohort_metrics([slide([[1, 0], [0, 1]], dice=1.0)])
    assert found["burden_error"] is None
    assert found["true_burden"] is None
    assert found["dice"] == 1.0


@settings(deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=4))
def test_pooling_is_counting_all_patches_together(pairs):
    """The cohort's figures of patches are those of all patches in one heap."""
    slides = [slide(confusion(*pair).tolist()) for pair in pairs]
    heap = confusion(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
    found = cohort_metrics(slides)
    assert {key: found[key] for key in classification_metrics(heap)} == classification_metrics(heap)
