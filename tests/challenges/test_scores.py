"""Scores of the four challenges, by hand."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from microtome.challenges.froc import SlideHits
from microtome.challenges.mask_overlap import Overlap
from microtome.challenges.scores import (
    score_camelyon16,
    score_camelyon17,
    score_digestpath,
    score_paip2019,
)
from microtome.errors import InputError
from microtome.staging.pn_stages import STAGES


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
    assert score_paip2019({"a": jaccard(0.35)}, {}, {})[0]["task1_mean_35"] == 0.35


def test_paip2019_with_a_missing_case():
    """It is named, nothing is scored over all, and what is there is scored as that."""
    summary, rows = score_paip2019(
        {"a": jaccard(0.8), "b": None}, {"a": 10, "b": 10}, {"a": 20, "b": 20}
    )
    assert summary == {
        "challenge": "paip2019",
        "cases": 2,
        "missing": ["b"],
        "task1": None,
        "task1_present": 0.8,
        "task1_median_65": None,
        "task1_mean_35": None,
        "without_task2": ["b"],
        "task2": None,
        "task2_present": pytest.approx(0.72),
    }
    assert list(rows[1]) == ["case", "jaccard", "task1", "burden", "true_burden", "task2"]
    assert list(rows[1].values()) == ["b", None, None, 10, 20, None]


@pytest.mark.parametrize(("burdens", "true"), [({}, {"a": 1.0}), ({"a": 1.0}, {})])
def test_paip2019_without_a_burden(burdens, true):
    """Task 1 stands, task 2 is not scored."""
    summary, _ = score_paip2019({"a": jaccard(0.8)}, burdens, true)
    assert (summary["task1"], summary["task2"], summary["task2_present"]) == (0.8, None, None)
    assert summary["without_task2"] == ["a"]


def test_camelyon17_by_hand():
    """Kappa has the five stages' distances, and its interval; a missing patient is an error."""
    truth = {f"patient_{i}": stage for i, stage in enumerate(STAGES * 3)}
    submitted = truth | {"patient_0": "PN2"}
    summary, rows = score_camelyon17(submitted, truth)
    predicted = ["pN2", *(STAGES * 3)[1:]]
    expected = cohen_kappa_score(STAGES * 3, predicted, labels=list(STAGES), weights="quadratic")
    assert summary["kappa"] == pytest.approx(expected)
    assert summary["kappa_low"] < summary["kappa"] < summary["kappa_high"] <= 1
    assert (summary["patients"], summary["accuracy"]) == (15, 14 / 15)
    assert rows[0] == {"patient": "patient_0", "stage": "pN2", "true_stage": "pN0", "right": 0}
    assert sum(row["right"] for row in rows) == 14
    del submitted["patient_9"]
    with pytest.raises(InputError, match="patient patient_9: no stage was submitted"):
        score_camelyon17(submitted, truth)


def hits(best: list[float], false: list[float], itc: list[bool] | None = None) -> SlideHits:
    """Make the hits of a slide."""
    return SlideHits(
        np.array(best), np.array(itc or [False] * len(best), bool), np.array(false, float)
    )


def test_camelyon16_by_hand():
    """AUC: 3 of 4 pairs in order. FROC: 1 of 2 lesions at once, 2 false in 4 slides."""
    is_tumour = {"t2": True, "t1": True, "n1": False, "n2": False}
    probabilities = {"t1": 0.9, "t2": 0.4, "n1": 0.5, "n2": 0.1, "else": 0.3}
    found = {
        "t1": hits([0.8, 0.0, 0.0], [0.6], [False, False, True]),
        "t2": hits([0.0], [], [True]),
        "n1": hits([], [0.7]),
        "n2": hits([], []),
    }
    summary, rows = score_camelyon16(is_tumour, probabilities=probabilities, hits=found)
    assert summary == {
        "challenge": "camelyon16",
        "slides": 4,
        "auc": 0.75,
        "froc": 0.5,
        **{f"sensitivity_at_{rate}": 0.5 for rate in ("0.25", "0.5", "1", "2", "4", "8")},
    }
    columns = ("slide", "tumour", "probability", "lesions", "itc", "hit", "false_positives")
    assert {tuple(row) for row in rows} == {columns}
    assert [tuple(row.values()) for row in rows] == [
        ("n1", 0, 0.5, 0, 0, 0, 1),
        ("n2", 0, 0.1, 0, 0, 0, 0),
        ("t1", 1, 0.9, 2, 1, 1, 1),
        ("t2", 1, 0.4, 0, 1, 0, 0),
    ]


def test_camelyon16_of_one_task():
    """What was not entered is None; of slides of one class there is no AUC."""
    summary, rows = score_camelyon16({"a": True, "b": False}, probabilities=None, hits=None)
    assert (summary["auc"], summary["froc"], summary["sensitivity_at_8"]) == (None, None, None)
    assert rows[0] == {"slide": "a", "tumour": 1, "probability": None}
    summary, _ = score_camelyon16({"a": True}, probabilities={"a": 0.5}, hits={"a": hits([], [])})
    assert (summary["auc"], summary["froc"]) == (None, None)


def test_digestpath_by_hand():
    """The mean over images, and over those with and without lesion; a missing one leaves none."""
    overlaps = {
        "c": Overlap(jaccard=0, dice=0, truth_px=0),
        "a": Overlap(jaccard=0.5, dice=0.75, truth_px=9),
        "b": Overlap(jaccard=1, dice=1, truth_px=0),
    }
    summary, rows = score_digestpath(overlaps)
    assert summary == {
        "challenge": "digestpath",
        "images": 3,
        "missing": [],
        "dice": pytest.approx(1.75 / 3),
        "dice_present": pytest.approx(1.75 / 3),
        "dice_lesion": 0.75,
        "dice_lesion_free": 0.5,
    }
    assert rows[1] == {"image": "b", "dice": 1, "lesion_free": 1}
    assert [row["lesion_free"] for row in rows] == [0, 1, 1]
    summary, rows = score_digestpath({"a": overlaps["a"], "d": None})
    assert (summary["missing"], summary["dice"], summary["dice_present"]) == (["d"], None, 0.75)
    assert (summary["dice_lesion"], summary["dice_lesion_free"]) == (0.75, None)
    assert rows[1] == {"image": "d", "dice": None, "lesion_free": None}
