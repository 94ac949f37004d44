"""Quadratic kappa against scikit-learn, and its bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from microtome.errors import InputError
from microtome.staging import kappa as module
from microtome.staging.kappa import bootstrap_interval, quadratic_kappa
from microtome.staging.pn_stages import STAGES

PAIRS = st.lists(st.tuples(st.sampled_from(STAGES), st.sampled_from(STAGES)), min_size=1)


@given(PAIRS)
def test_equals_scikit_learn(pairs):
    """Whatever the labels, in the order given; where scikit-learn has no value all agree: 1."""
    truth, predicted = zip(*pairs, strict=True)
    found = quadratic_kappa(truth, predicted, STAGES)
    if len({*truth, *predicted}) == 1:
        assert found == 1
    else:
        expected = cohen_kappa_score(truth, predicted, labels=list(STAGES), weights="quadratic")
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("function", [quadratic_kappa, bootstrap_interval])
def test_mistakes(function):
    """Unknown labels, unequal lengths, and nothing at all."""
    for truth, predicted, message in (
        (["pN0"], ["pN3"], "pN3 is no label; known: pN0, pN0"),
        (["pn0"], ["pN0"], "pn0 is no label"),
        (["pN0", "pN0"], ["pN0"], "2 true labels and 1 predicted"),
        ([], [], "no case"),
    ):
        with pytest.raises(InputError, match=message):
            function(truth, predicted, STAGES)


def patients(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw stages that agree mostly."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(5, size=n)
    predicted = np.clip(truth + rng.integers(-1, 2, size=n) * (rng.random(n) < 0.6), 0, 4)
    return [STAGES[i] for i in truth], [STAGES[i] for i in predicted]


def test_the_bootstrap_against_a_plain_one():
    """The same draws, scored one by one by scikit-learn, have the same percentiles."""
    truth, predicted = patients(25, 3)
    drawn = np.random.default_rng(7).integers(25, size=(60, 25))
    pairs = [(np.array(truth)[rows], np.array(predicted)[rows]) for rows in drawn]
    options = {"labels": list(STAGES), "weights": "quadratic"}
    kappas = [cohen_kappa_score(*pair, **options) for pair in pairs]
    found = bootstrap_interval(truth, predicted, STAGES, n=60, seed=7, share=0.8)
    assert found == pytest.approx((np.quantile(kappas, 0.1), np.quantile(kappas, 0.9)))


def test_the_bootstrap_in_parts(monkeypatch):
    """Drawn a few samples at a time, the figures are those of one draw."""
    truth, predicted = patients(40, 1)
    whole = bootstrap_interval(truth, predicted, STAGES, n=101)
    monkeypatch.setattr(module, "_DRAWN_AT_ONCE", 400)
    assert bootstrap_interval(truth, predicted, STAGES, n=101) == pytest.approx(whole)


def test_the_bootstrap_is_deterministic_and_bounds_kappa():
    """Seeds decide; the interval is about kappa and wider for a larger share."""
    truth, predicted = patients(100, 2)
    low, high = bootstrap_interval(truth, predicted, STAGES)
    assert (low, high) == bootstrap_interval(truth, predicted, STAGES)
    assert (low, high) != bootstrap_interval(truth, predicted, STAGES, seed=2)
    assert low < quadratic_kappa(truth, predicted, STAGES) < high
    narrow = bootstrap_interval(truth, predicted, STAGES, share=0.5)
    assert low < narrow[0] < narrow[1] < high


@given(PAIRS)
def test_the_bootstrap_is_finite(pairs):
    """Samples of a single label give 1 and no warning, never a NaN."""
    low, high = bootstrap_interval(*zip(*pairs, strict=True), STAGES, n=50)
    assert -1 <= low <= high <= 1
