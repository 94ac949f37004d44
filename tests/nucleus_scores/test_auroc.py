"""AUROC of attributes: by hand, against the share of pairs in the right order."""

import numpy as np
import pytest

from microtome.nucleus_scores.auroc import attribute_aurocs


def test_it_is_the_share_of_pairs_in_the_right_order():
    """Of a nucleus with and one without the attribute; equal ones count half."""
    generator = np.random.default_rng(3)
    probability = generator.integers(0, 6, (40, 2)) / 5
    has = generator.random((40, 2)) < 0.4
    found = attribute_aurocs(probability, has, ["pale", "oval"])
    for i, name in enumerate(("pale", "oval")):
        pairs = np.sign(probability[has[:, i], i][:, None] - probability[~has[:, i], i])
        assert found[name] == pytest.approx(np.mean((pairs + 1) / 2))


def test_an_attribute_of_one_class_has_none():
    """All have it, or none has: no number, and the others stand."""
    has = np.array([[True, False, True], [True, False, False]])
    found = attribute_aurocs(np.full((2, 3), 0.5), has, ["all", "none", "some"])
    assert found == {"all": None, "none": None, "some": 0.5}
