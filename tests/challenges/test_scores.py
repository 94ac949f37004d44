"""Scores of challenges, by hand; those of whole submissions are in `test_scoring_step`."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from microtome.challenges.curve_figure import draw_camelyon16
from microtome.challenges.froc import SlideHits
from microtome.challenges.mask_overlap import Overlap
from microtome.challenges.scores import score_camelyon16, score_digestpath, score_paip2019
from microtome.evaluation.intervals import bound_over_slides


def jaccard(value: float) -> Overlap:
    """Make an overlap of a Jaccard index."""
    return Overlap(jaccard=value, dice=2 * value / (1 + value), truth_px=10)


def test_paip2019_by_hand():
    """Below 0.65 a case is 0, and 0.65 itself is not; ties are broken as the text says.

    Task 2: burdens off by 10, 0 and 5 points; the second case has no task 1 score to give.
    """
    summary, rows = score_paip2019(
        {"b": jaccard(0.64), "a": jaccard(0.65), "c": jaccard(0.9), "d": jaccard(0.34)},
        {"a": 40.0, "b": 30.0, "c": 95.0, "d": 1.0},
        {"a": 50.0, "b": 30.0, "c": 90.0, "d": 1.0},
    )
    assert [row["case"] for row in rows] == ["a", "b", "c", "d"]
    assert [row["task1"] for row in rows] == [0.65, 0, 0.9, 0]
    assert [row["task2"] for row in rows] == pytest.approx([0.9 * 0.65, 0, 0.95 * 0.9, 0])
    assert summary["task1"] == pytest.approx(1.55 / 4)
    assert summary["task1_median_65"] == pytest.approx(0.325)
    assert summary["task1_mean_35"] == pytest.approx((0.65 + 0.64 + 0.9) / 4)
    assert summary["task2"] == pytest.approx((0.585 + 0.855) / 4)
    assert (summary["cases"], summary["missing"], summary["without_task2"]) == (4, [], [])
    for task in ("task1", "task2"):
        expected = bound_over_slides([row[task] for row in rows])
        assert (summary[f"{task}_low"], summary[f"{task}_high"]) == expected


def test_paip2019_without_a_burden():
    """Task 1 stands, task 2 is not scored, whichever burden is not there; 0.35 breaks ties."""
    summary, _ = score_paip2019({"a": jaccard(0.35), "b": jaccard(0.65)}, {"a": 1.0}, {"b": 1.0})
    assert (summary["task1"], summary["task1_mean_35"]) == (0.325, 0.5)
    assert (summary["without_task2"], summary["task2_present"]) == (["a", "b"], None)
    assert (summary["task2_low"], summary["task2_high"]) == (None, None)
    assert summary["task1_low"] == 0 < summary["task1_high"] == 0.65


def test_digestpath_has_the_interval_of_its_images():
    """While one is missing there is none, as there is no score."""
    found = {name: jaccard(value) for name, value in (("a", 0.5), ("b", 0.9), ("c", 1.0))}
    summary, rows = score_digestpath(found)
    expected = bound_over_slides([row["dice"] for row in rows])
    assert (summary["dice_low"], summary["dice_high"]) == expected
    assert score_digestpath(found | {"d": None})[0]["dice_low"] is None


def test_camelyon16_has_intervals_over_slides():
    """Of the AUC that of scikit-learn's on the same samples; of the FROC by hand."""
    rng = np.random.default_rng(0)
    is_tumour = {f"s{i:02}": i % 3 == 0 for i in range(15)}
    # Coarse: many slides are equally likely.
    probabilities = {s: round(rng.random() + 0.3 * t, 1) for s, t in is_tumour.items()}
    truth, said = (np.array([*of.values()]) for of in (is_tumour, probabilities))

    def auc(drawn: np.ndarray, axis: int) -> np.ndarray:
        assert axis == -1
        both = [len({*truth[rows]}) == 2 for rows in drawn.reshape(-1, 15)]
        found = [
            roc_auc_score(truth[rows], said[rows]) if is_defined else np.nan
            for rows, is_defined in zip(drawn.reshape(-1, 15), both, strict=True)
        ]
        return np.reshape(found, drawn.shape[:-1])

    summary, _ = score_camelyon16(is_tumour, probabilities=probabilities, hits=None)
    expected = bound_over_slides(np.arange(15), auc)
    assert (summary["auc_low"], summary["auc_high"]) == pytest.approx(expected)
    assert (summary["froc_low"], summary["froc_high"]) == (None, None)
    # Slides with the one lesion found, missed, or none at all: a sample finds all, none or a part.
    one = np.zeros(1, bool)
    kinds = (SlideHits(np.ones(1), one, np.zeros(0)), SlideHits(np.zeros(1), one, np.full(1, 0.9)))
    hits = {slide: kinds[i % 2] for i, slide in enumerate(is_tumour)}
    summary, _ = score_camelyon16(is_tumour, probabilities=None, hits=hits)
    assert 0 <= summary["froc_low"] < summary["froc"] < summary["froc_high"] <= 1
    hits = dict.fromkeys(is_tumour, kinds[0])
    summary, _ = score_camelyon16(is_tumour, probabilities=None, hits=hits)
    assert summary["froc"] == summary["froc_low"] == summary["froc_high"]
    assert summary["auc_low"] is None


def test_the_curves_of_camelyon16_are_drawn(tmp_path):
    """Both or one of them, as it was scored, with a dot for each rate of the FROC."""
    one = np.zeros(1, bool)
    hits = {
        "a": SlideHits(np.array([0.9]), one, np.array([0.4])),
        "b": SlideHits(np.array([0.3]), one, np.array([0.8, 0.2])),
        "c": SlideHits(np.zeros(0), np.zeros(0, bool), np.zeros(0)),
    }
    said = {"a": 0.9, "b": 0.3, "c": 0.5}
    is_tumour = {"a": True, "b": True, "c": False}
    pink = []
    for probabilities, found in ((said, hits), (said, None), (None, hits)):
        scores, cases = score_camelyon16(is_tumour, probabilities=probabilities, hits=found)
        draw_camelyon16(tmp_path / "a.png", scores, cases, name="a.zip")
        picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
        pink.append(int((abs(picture - (194, 24, 91)).max(axis=2) < 20).sum()))
    assert pink[0] == pink[2] > 100
    assert pink[1] == 0
    # All confidences but the lowest are thresholds, and none at all.
    assert scores["froc_curve"] == {
        "false_positives": [pytest.approx(n / 3) for n in (2, 2, 1, 0, 0)],
        "sensitivity": [1, 0.5, 0.5, 0.5, 0],
    }


def test_camelyon16_of_one_class():
    """Of slides that all hold tumour there is no AUC."""
    assert score_camelyon16({"a": True}, probabilities={"a": 0.5}, hits=None)[0]["auc"] is None
