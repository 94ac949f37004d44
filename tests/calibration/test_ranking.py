"""ROC, and precision against recall, of counted px."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from sklearn import metrics

from microtome.calibration.ranking import rank_pixels
from microtome.calibration.ranking_figure import draw_rankings

COUNTS = arrays(np.int64, (5, 2), elements=st.integers(0, 6))


@given(COUNTS)
def test_counts_rank_as_the_px_do_one_by_one(counts):
    """The areas are scikit-learn's of all px; None where one class is not there."""
    found = rank_pixels(counts)
    if not counts.sum(axis=0).all():
        assert found is None
        return
    code, truth = np.repeat(np.stack(np.divmod(np.arange(10), 2)), counts.ravel(), axis=1)
    assert found.auroc == pytest.approx(metrics.roc_auc_score(truth, code))
    expected = metrics.average_precision_score(truth, code)
    assert found.average_precision == pytest.approx(expected)
    assert (found.true_positive_rate[0], found.true_positive_rate[-1]) == (0, 1)
    assert (found.recall[0], found.recall[-1]) == (1, 0)


def test_the_figure_has_a_line_for_each_model(tmp_path):
    """Of models that are left out nothing is said; with no other there is a sentence."""
    one = rank_pixels(np.array([[3, 0], [1, 1], [0, 1]]))
    for name, rankings in (("one", {"m": one}), ("both", {"m": one, "n": None}), ("none", {})):
        draw_rankings(tmp_path / f"{name}.png", rankings)
    first, both, none = (Image.open(tmp_path / f"{n}.png") for n in ("one", "both", "none"))
    assert first.tobytes() == both.tobytes()
    blue = np.abs(np.asarray(first.convert("RGB")).astype(int) - (31, 119, 180)).max(axis=2) < 20
    assert blue.sum() > 300
    assert none.size != first.size
