"""Bootstrap intervals over slides, against all samples there are and the normal distribution."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.evaluation.intervals import bound_over_slides


def test_few_slides_by_all_their_samples():
    """Of three slides there are 27 samples: the bounds are those of the distribution of all."""
    values = [0.2, 0.5, 0.9]
    means = sorted(np.mean(sample) for sample in product(values, repeat=3))
    low, high = bound_over_slides(values)
    # 1 of 27 samples, more than 2.5 %, is three times the least; likewise the greatest.
    assert (low, high) == pytest.approx((means[0], means[-1]))
    middle = bound_over_slides([0.2] * 20 + [0.8] * 20)
    assert middle == pytest.approx((0.5 - 0.6 * 6 / 40, 0.5 + 0.6 * 6 / 40), abs=0.016)


def test_of_many_slides_it_is_that_of_the_normal_distribution():
    """Mean and 1.96 standard errors to either side."""
    values = np.random.default_rng(3).normal(0.7, 0.1, 400)
    reach = 1.96 * values.std() / 20
    found = bound_over_slides(values)
    assert found == pytest.approx((values.mean() - reach, values.mean() + reach), abs=0.1 * reach)


def test_it_holds_the_truth_as_often_as_it_says():
    """Of 200 draws of 30 slides about 95 % hold the mean, a few less for the slides are few."""
    rng = np.random.default_rng(0)
    bounds = [bound_over_slides(rng.random(30)) for _ in range(200)]
    n_right = sum(low <= 0.5 <= high for low, high in bounds)
    assert 178 <= n_right <= 198


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_it_lies_among_the_slides_and_is_the_same_again(values):
    """Between the least and the greatest value, low first; a bound of the same seed."""
    low, high = bound_over_slides(values)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert bound_over_slides(values) == (low, high)


def test_samples_without_a_figure_are_left_out():
    """A figure that only some samples have is bounded by these; one that none has is not."""

    def where_first(drawn: np.ndarray, axis: int) -> np.ndarray:
        return np.where((drawn == 0).any(axis), 0.25, np.nan)

    assert bound_over_slides(np.arange(3), where_first) == (0.25, 0.25)
    assert bound_over_slides(np.arange(1, 4), where_first) == (None, None)
    assert bound_over_slides([]) == bound_over_slides([0.5]) == (None, None)
