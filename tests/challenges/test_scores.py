"""Scores of challenges, by hand; those of whole submissions are in `test_scoring_step`."""

import pytest

from microtome.challenges.mask_overlap import Overlap
from microtome.challenges.scores import score_camelyon16, score_paip2019


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


def test_paip2019_without_a_burden():
    """Task 1 stands, task 2 is not scored, whichever burden is not there; 0.35 breaks ties."""
    summary, _ = score_paip2019({"a": jaccard(0.35), "b": jaccard(0.65)}, {"a": 1.0}, {"b": 1.0})
    assert (summary["task1"], summary["task1_mean_35"]) == (0.325, 0.5)
    assert (summary["without_task2"], summary["task2_present"]) == (["a", "b"], None)


def test_camelyon16_of_one_class():
    """Of slides that all hold tumour there is no AUC."""
    assert score_camelyon16({"a": True}, probabilities={"a": 0.5}, hits=None)[0]["auc"] is None
