"""DICE-average: by hand, by loops over all pairs, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from microtome.nucleus_scores.dice import (
    dice_ensemble,
    dice_mask,
    label_regions,
)

LABELS = arrays(np.uint16, st.just((4, 5)), elements=st.sampled_from([0, 0, 1, 2, 7, 300]))


@pytest.mark.parametrize(
    ("found", "truth", "mask", "ensemble"),
    [
        ([1, 1, 0, 2], [5, 5, 0, 9], 1, 1),
        ([1, 1, 0, 0], [0, 5, 5, 0], 0.5, 0.5),
        ([1, 1, 2, 2], [5, 5, 5, 5], 1, 2 * (2 + 2) / (2 + 4 + 2 + 4)),  # split
        ([1, 1, 1, 1], [5, 5, 6, 6], 1, 2 * (2 + 2) / (4 + 2 + 4 + 2)),  # merged
        ([1, 0, 0, 3], [5, 0, 0, 0], 2 / 3, 1),  # a false one costs in the first alone
        ([1, 0, 0, 0], [5, 0, 0, 6], 2 / 3, 1),  # and a missed one
        ([1, 0, 0, 0], [0, 0, 0, 6], 0, 0),
        ([0, 0, 0, 0], [0, 5, 0, 0], 0, 0),
        ([1, 1, 0, 0], [0, 0, 0, 0], 0, 0),
        ([0, 0, 0, 0], [0, 0, 0, 0], None, None),
    ],
)
def test_cases_by_hand(found, truth, mask, ensemble):
    """Equal, shifted, split, merged, false, missed, nothing."""
    found, truth = np.array([found]), np.array([truth])
    assert dice_mask(found, truth) == (None if mask is None else pytest.approx(mask))
    assert dice_ensemble(found, truth) == (None if ensemble is None else pytest.approx(ensemble))


@given(LABELS, LABELS)
def test_the_ensemble_is_a_sum_over_all_pairs(found, truth):
    """By loops over every pair of labels, masks and all."""
    shared = sizes = 0
    for a in set(found[found > 0].tolist()):
        for b in set(truth[truth > 0].tolist()):
            n = np.sum((found == a) & (truth == b))
            if n:
                shared += n
                sizes += np.sum(found == a) + np.sum(truth == b)
    if sizes:
        assert dice_ensemble(found, truth) == pytest.approx(2 * shared / sizes)
    elif found.any() or truth.any():
        assert dice_ensemble(found, truth) == 0
    else:
        assert dice_ensemble(found, truth) is None


@given(LABELS, LABELS)
def test_the_first_is_f1_of_the_px(found, truth):
    """As scikit-learn has it, which gives NaN where there is none."""
    expected = f1_score(truth.ravel() > 0, found.ravel() > 0, zero_division=np.nan)
    ours = dice_mask(found, truth)
    assert np.isnan(expected) if ours is None else ours == pytest.approx(expected)


@given(LABELS, LABELS)
def test_both_are_symmetric_and_blind_to_the_names_of_labels(found, truth):
    """Found and truth may change places; labels are no order; axes may be swapped."""
    renamed = np.where(found > 0, 1000 - found.astype(int), 0)
    for measure in (dice_mask, dice_ensemble):
        value = measure(found, truth)
        assert measure(truth, found) == value
        assert measure(renamed, truth) == value
        assert measure(found.T, truth.T) == value


def test_regions_that_touch_at_a_corner_are_one_nucleus():
    """Two px on a diagonal; a px apart is another."""
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)
    assert label_regions(mask).tolist() == [[1, 0, 0, 2], [0, 1, 0, 2]]
