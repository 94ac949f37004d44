"""Figures of quality, against scikit-learn and by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from helpers.pictures import grid_of
from microtome.evaluation.metrics import (
    classification_metrics,
    cohort_metrics,
    confusion,
    evaluate_slide,
    overlap_metrics,
    pixel_confusion,
)
from microtome.inference import score_store as score_stores
from microtome.inference.score_store import Scores
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.rasters.resampling import resample

EVERY = {"min_tissue_fraction": 0, "max_white_fraction": 1}  # every patch counts
RULE = {"label_rule": "fraction", "min_tumour_fraction": 0.3, "boundary_tolerance_um": 2, **EVERY}
PAIRS = st.integers(1, 40).flatmap(lambda n: st.tuples(arrays(bool, n), arrays(bool, n)))


def near(value: float):
    """Compare figures to rounding."""
    return pytest.approx(value, abs=1e-12)


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pair):
    """Confusion and all figures of it agree where they are defined, and are None where not."""
    truth, prediction = pair
    counts = confusion(truth, prediction)
    np.testing.assert_array_equal(
        counts, metrics.confusion_matrix(truth, prediction, labels=[False, True])
    )
    found = classification_metrics(counts)
    assert found["accuracy"] == near(metrics.accuracy_score(truth, prediction))
    if truth.all() or not truth.any():
        assert found["balanced_accuracy"] is None
    else:
        expected = near(metrics.balanced_accuracy_score(truth, prediction))
        assert found["balanced_accuracy"] == expected
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


def test_what_is_not_defined_is_none():
    """No patch at all, and no tumour predicted or there: None, never 0 or NaN."""
    assert set(classification_metrics(np.zeros((2, 2), int)).values()) == {None}
    found = classification_metrics(np.array([[5, 0], [0, 0]]))
    undefined = {key for key, value in found.items() if value is None}
    assert undefined == {"balanced_accuracy", "precision_tumour", "recall_tumour", "f1_tumour"}


@pytest.mark.parametrize(("truth_um", "map_um"), [(1.0, 8.0), (1.0, 1.0), (2.0, 1.0), (1.0, 2.7)])
def test_pixel_confusion_in_bands_is_that_of_the_whole(tmp_path, truth_um, map_um):
    """Over a truth of several bands; whole tumour that is not viable (1) is "other" in both."""
    rng = np.random.default_rng(0)
    truth = np.kron(rng.integers(0, 3, (60, 30)), np.ones((20, 20), int)).astype(np.uint8)
    shape = tuple(int(np.ceil(n * truth_um / map_um)) for n in truth.shape)
    labels = rng.integers(0, 3, shape, dtype=np.uint8)
    write_array(tmp_path / "truth.tif", truth, spacing_um=truth_um)
    write_array(tmp_path / "map.tif", labels, spacing_um=map_um)
    found = pixel_confusion(open_raster(tmp_path / "truth.tif"), open_raster(tmp_path / "map.tif"))
    ratio = truth_um / map_um
    at_once = confusion(truth == VIABLE, resample(labels, truth.shape, ratio=ratio) == VIABLE)
    np.testing.assert_array_equal(found, at_once)
    assert found.sum() == truth.size


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
        **RULE,
    )


def test_a_slide_by_hand(tmp_path):
    """A patch is tumour from 0.5 on; Dice is of px; the burden's error keeps its sign."""
    found = slide_figures(tmp_path, "a", true_burden=0.5)
    assert found["patch_counts"] == [[1, 1], [1, 1]]
    row = found["metrics"]
    assert (row["slide"], row["patches"], row["accuracy"]) == ("a", 4, 0.5)
    assert row["share_correct"] == 0.5
    assert row["dice"] == near(80 / 90)
    assert row["jaccard"] == near(40 / 50)
    assert found["pixel_counts"] == [[50, 0], [10, 40]]
    # Outlines of 10 x 5 and 10 x 4 px: 26 and 24 px, no one further than 1 px from the other.
    assert (row["boundary_f"], row["hausdorff95_um"]) == (1, 1)
    assert row["burden_error"] == near(-0.1)
    assert slide_figures(tmp_path, "b", true_burden=None)["metrics"]["burden_error"] is None


def patch_counts(tmp_path, maps: np.ndarray, labels: list[int], **rule: object) -> list:
    """Count the patches of a slide without tumour."""
    write_array(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), spacing_um=1)
    places = [(0, i) for i in range(len(labels))]
    found = evaluate_slide(
        "a",
        scores=Scores(grid_of(places, patch_px=4, labels=labels), maps, {}),
        labels=open_raster(tmp_path / "a.tif"),
        truth=open_raster(tmp_path / "a.tif"),
        burden=0.0,
        true_burden=0.0,
        **(RULE | rule),
    )
    return found["patch_counts"]


def test_a_patch_with_a_map_is_called_by_the_rule_that_labels(tmp_path):
    """Three of ten px at 0.5 or more are the 30 % that make a patch tumour; two are not."""
    maps = np.full((4, 2, 5), 0.49, np.float32)
    maps[0, 0, :3] = 0.5  # tumour, though the mean is below 0.5
    maps[1, 1, :2] = 1.0
    maps[2] = 0.9
    maps[3] = np.nan
    assert patch_counts(tmp_path, maps, [1, 0, 1, 1]) == [[1, 0], [0, 2]]
    assert patch_counts(tmp_path, maps, [1, 0, 1, 1], label_rule="any") == [[0, 1], [0, 2]]


def test_patches_that_are_not_learnt_from_do_not_count(tmp_path):
    """More than 25 % tissue and less than 70 % white, neither in part; all are told."""
    write_array(tmp_path / "a.tif", np.zeros((2, 2), np.uint8), spacing_um=1)
    grid = grid_of([(0, i) for i in range(5)], patch_px=4, labels=[0, 0, 1, 1, 0])
    tissue = np.array([1, 0.25, 0.2501, 1, 1], np.float32)
    white = np.array([0, 0, 0.69, 0.7, np.nan], np.float32)[:, None, None]
    probability = np.array([0.9, 0.1, 0.8, 0.1, np.nan], np.float32)[:, None, None]
    raster = open_raster(tmp_path / "a.tif")
    scores = Scores(replace(grid, tissue_fraction=tissue), probability, {}, white=white)
    settings = {"scores": scores, "labels": raster, "truth": raster}
    settings |= {"burden": 0.0, "true_burden": 0.0, **RULE}
    kept = {"min_tissue_fraction": 0.25, "max_white_fraction": 0.7}
    found = evaluate_slide("a", **(settings | kept))
    assert found["patch_counts"] == [[0, 1], [0, 1]]
    assert (found["metrics"]["patches"], found["metrics"]["scored_patches"]) == (2, 4)
    kept = {"min_tissue_fraction": 0.25, "max_white_fraction": 1}
    assert evaluate_slide("a", **(settings | kept))["patch_counts"] == [[0, 1], [1, 1]]
    assert evaluate_slide("a", **settings)["metrics"]["patches"] == 4


@pytest.mark.parametrize("rule", ["fraction", "any"])
def test_a_patch_of_one_value_is_tumour_from_one_half_on(tmp_path, rule):
    """Whatever the rule and the fraction, even that of the whole patch."""
    one = np.array([0.5, 0.49, 1.0, 0.31], np.float32)[:, None, None]
    for fraction in (0.01, 0.3, 1.0):
        found = patch_counts(
            tmp_path, one, [1, 0, 0, 1], label_rule=rule, min_tumour_fraction=fraction
        )
        assert found == [[1, 1], [1, 1]]


@given(
    maps=arrays(np.float32, (7, 3, 4), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75])),
    lost=arrays(bool, 7),
)
def test_tumour_shares_are_shares_of_the_map(maps, lost):
    """The part of a patch's px at 0.5 or more; NaN for one that could not be read."""
    maps[lost] = np.nan
    grid = grid_of([(0, i) for i in range(7)], patch_px=4)
    expected = [np.nan if np.isnan(m).any() else np.count_nonzero(m >= 0.5) / 12 for m in maps]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_stores, "_CHUNK_BYTES", 4 * 12 * 3)  # three patches at a time
        found = Scores(grid, maps, {}).tumour_shares()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def slide(counts: list, **figures: float | None) -> dict:
    """Make what `evaluate_slide` gives, as the cohort's figures need it."""
    undefined = ("share_correct", "dice", "jaccard", "boundary_f", "hausdorff95_um", "true_burden")
    empty = dict.fromkeys(undefined) | {"burden": 0.0, "scored_patches": 1 + np.sum(counts)}
    metrics = {**empty, "burden_error": None, **figures}
    return {"patch_counts": counts, "pixel_counts": counts, "metrics": metrics}


def test_the_cohort_pools_patches_and_averages_slides():
    """Patches are pooled; Dice is the mean over slides; the burden's error the mean absolute."""
    keys = ("share_correct", "dice", "jaccard", "boundary_f", "hausdorff95_um")
    keys += ("true_burden", "burden_error")
    first = dict(zip(keys, (1.0, 1.0, 1.0, 0.2, 10.0, 0.5, -0.2), strict=True))
    second = dict(zip(keys, (5 / 9, 0.5, 0.4, 0.4, 40.0, 0.3, 0.4), strict=True))
    third = {"dice": 0.0, "jaccard": 0.1, "boundary_f": 0.0, "burden": 0.9}
    counts = ([[1, 0], [0, 0]], [[0, 0], [4, 5]], [[0, 0], [0, 0]])
    slides = [slide(c, **f) for c, f in zip(counts, (first, second, third), strict=True)]
    found = cohort_metrics(slides)
    assert (found["slides"], found["patches"], found["scored_patches"]) == (3, 10, 13)
    assert (found["accuracy"], found["recall_tumour"]) == (near(6 / 10), near(5 / 9))
    assert found["pooled_dice"] == near(2 * 5 / (5 + 9))
    means = ((1 + 5 / 9) / 2, 0.5, 0.5, 0.2, 25, 0.4, 0.3)
    assert [found[key] for key in keys] == [near(mean) for mean in means]
    assert found["burden"] == near(0.3)


def test_a_cohort_without_true_burden_has_none():
    """A figure that no slide has is None."""
    found = cohort_metrics([slide([[1, 0], [0, 1]], dice=1.0)])
    assert (found["burden_error"], found["true_burden"], found["dice"]) == (None, None, 1.0)


@given(st.lists(PAIRS, min_size=1, max_size=4))
def test_pooling_is_counting_all_patches_together(pairs):
    """The cohort's figures of patches are those of all patches in one heap."""
    slides = [slide(confusion(*pair).tolist()) for pair in pairs]
    heap = confusion(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
    found = cohort_metrics(slides)
    assert {key: found[key] for key in classification_metrics(heap)} == classification_metrics(heap)
