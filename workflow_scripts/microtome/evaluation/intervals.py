"""How sure a figure over slides is, by drawing the slides anew: the bootstrap.

Khened et al. 2021 (generalized framework, "Challenge results") say what difference of scores lies
within their bounds; how they found these they do not.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

N_RESAMPLES = 2000
CONFIDENCE = 0.95
_SEED = 1
_TAILS = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2

Interval = tuple[float | None, float | None]


def bound_over_slides(
    values: Sequence[float], statistic: Callable[..., np.ndarray] = np.mean
) -> Interval:
    """Bound a figure of slides by the percentile bootstrap: low and high.

    Of `N_RESAMPLES` samples, each of as many slides, drawn with replacement, the share `CONFIDENCE`
    in the middle lies within the bounds. Of few slides they are too narrow, for no sample has
    others than these. None of fewer than two slides, or where no sample has a figure.

    Parameters
    ----------
    values : sequence of float, of shape (n_slides,)
        What is drawn: a figure of each slide, or its number.
    statistic : callable
        ``statistic(drawn, axis=-1)`` of an array (..., n_slides) gives (...): the mean if unset;
        NaN where it is not defined, as an AUC without slides of both classes.

    Examples
    --------
    >>> bound_over_slides([0.5, 0.5, 0.5]), bound_over_slides([0.5])
    ((0.5, 0.5), (None, None))
    """
    if len(values) < 2:
        return None, None
    with warnings.catch_warnings():
        # That some samples have no figure is said of another method's interval, not taken here.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        drawn = stats.bootstrap(
            (np.asarray(values),),
            statistic,
            n_resamples=N_RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            vectorized=True,
            rng=np.random.default_rng(_SEED),
        ).bootstrap_distribution
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return None, None
    low, high = np.quantile(known, _TAILS)
    return float(low), float(high)
