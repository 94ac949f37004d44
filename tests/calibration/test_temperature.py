"""Calibration from counts, against scikit-learn and figures worked out by hand."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, f1_score, log_loss

from microtome.calibration.temperature import (
    best_threshold,
    brier,
    count_codes,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability_table,
)
from microtome.heatmaps.codes import apply_temperature, encode
from microtome.rasters.bands import rows_of


def counts_of(entries: dict[int, tuple[int, int]]) -> np.ndarray:
    """Make counts from {step of 254: (other, tumour)}."""
    counts = np.zeros((255, 2), np.int64)
    for step, pair in entries.items():
        counts[step] = pair
    return counts


def pixels_of(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the px that were counted: truth and probability."""
    step, truth = np.indices(counts.shape)
    return np.repeat(truth, counts.ravel()), np.repeat(step / 254, counts.ravel())


def drawn(*, seed: int = 0, n: int = 3000, factor: float = 1.0) -> np.ndarray:
    """Draw counts of calibrated logits, then multiplied by a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-0.5, 1.2, n)
    truth = rng.random(n) < expit(logits)
    return count_codes(rows_of(encode(expit(logits * factor))[None]), rows_of(truth[None]), (1, n))


@pytest.mark.parametrize("n", [1, 500])
def test_counts_by_hand(n):
    """Code 1 + k of a heatmap is row k; px without a score do not count; bands change nothing."""
    encoded = np.array([[0, 1, 255], [0, 128, 128], [255, 2, 0]] * n, np.uint8)
    truth = np.array([[1, 0, 1], [0, 1, 0], [0, 1, 1]] * n, bool)
    counts = count_codes(rows_of(encoded), rows_of(truth), encoded.shape)
    expected = counts_of({0: (1, 0), 1: (0, 1), 127: (1, 1), 254: (1, 1)})
    np.testing.assert_array_equal(counts, n * expected)


def test_reliability_table_by_hand():
    """With 2 bins 127 / 254 is in the first, closed above, and so is 0; one may be empty."""
    counts = counts_of({0: (3, 0), 127: (0, 1), 128: (1, 1), 254: (0, 2)})
    mean = pytest.approx((2 * 128 / 254 + 2) / 4)
    assert [tuple(row.values()) for row in reliability_table(counts, n_bins=2)] == [
        (0.0, 0.5, 4, 0.125, 0.25),
        (0.5, 1.0, 4, mean, 0.75),
    ]
    empty, _ = reliability_table(counts_of({254: (0, 1)}), n_bins=2)
    assert list(empty) == ["above", "up_to", "pixels", "probability", "tumour_share"]
    assert list(empty.values()) == [0.0, 0.5, 0, None, None]


@pytest.mark.parametrize("n_bins", [1, 2, 3, 10, 15, 254, 300])
def test_bins_hold_what_their_edges_say(n_bins):
    """Each probability lies above its bin's lower and up to its upper edge."""
    for step in (0, 1, 2, 84, 85, 127, 128, 253, 254):
        table = reliability_table(counts_of({step: (1, 0)}), n_bins)
        (row,) = [row for row in table if row["pixels"]]
        assert row["above"] < step / 254 <= row["up_to"] or (step == 0 == row["above"])


def test_calibration_error_against_a_loop():
    """Over the px one by one, as the paper has it."""
    counts = drawn(factor=2.0)
    truth, probability = pixels_of(counts)
    expected = 0.0
    for i in range(10):
        inside = (probability > (i / 10 if i else -1)) & (probability <= (i + 1) / 10)
        if inside.any():
            expected += inside.mean() * abs(truth[inside].mean() - probability[inside].mean())
    assert expected_calibration_error(counts, n_bins=10) == pytest.approx(expected)


def test_brier_and_likelihood_against_sklearn():
    """The same as of the px one by one, probabilities of 0 and 1 clipped to half a step."""
    counts = drawn() + counts_of({0: (5, 1), 254: (2, 9)})
    truth, probability = pixels_of(counts)
    assert brier(counts) == pytest.approx(brier_score_loss(truth, probability))
    clipped = np.clip(probability, 1 / 508, 1 - 1 / 508)
    assert negative_log_likelihood(counts) == pytest.approx(log_loss(truth, clipped))
    scaled = apply_temperature(clipped, 3.0)
    assert negative_log_likelihood(counts, 3.0) == pytest.approx(log_loss(truth, scaled))


@pytest.mark.parametrize(
    ("figure", "entries"),
    [
        (brier, {}),
        (negative_log_likelihood, {}),
        (expected_calibration_error, {}),
        (fit_temperature, {}),
        (fit_temperature, {10: (5, 0), 200: (3, 0)}),
        (fit_temperature, {10: (0, 5)}),
        (best_threshold, {}),
        (best_threshold, {100: (5, 0)}),
    ],
)
def test_what_is_not_defined(figure, entries):
    """Without px there is no figure; of one class no temperature; without tumour no threshold."""
    assert figure(counts_of(entries)) is None


def test_temperature_is_the_least_of_a_grid():
    """No other temperature has less loss."""
    counts = drawn(n=500, factor=3.0)
    found = fit_temperature(counts)
    least = negative_log_likelihood(counts, found)
    others = [negative_log_likelihood(counts, t) for t in np.geomspace(0.05, 20, 200)]
    assert least <= min(others) + 1e-9
    assert least < negative_log_likelihood(counts)


@pytest.mark.parametrize(("tumour", "bound"), [((0, 90), 0.05), ((45, 45), 20)])
def test_temperature_is_bounded(tumour, bound):
    """What is always right would be made as sure as can be, what says nothing as unsure."""
    low, high = tumour
    counts = counts_of({100: (90 - low, low), 150: (90 - high, high)})
    assert fit_temperature(counts) == pytest.approx(bound, rel=1e-3)


def test_applying_a_temperature():
    """Logits are divided; NaN, 0 and 1 stay; the dtype stays."""
    probability = np.array([0, 0.2, 0.5, 0.9, 1, np.nan], np.float32)
    found = apply_temperature(probability, 2.0)
    expected = [0, expit(logit(0.2) / 2), 0.5, expit(logit(0.9) / 2), 1, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert apply_temperature(probability.astype(np.float64), 2.0).dtype == np.float64
    np.testing.assert_allclose(apply_temperature(found, 0.5), probability, rtol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_best_threshold_against_sklearn(seed):
    """No threshold between two codes has a greater Dice, which is F1."""
    counts = drawn(seed=seed, n=200)
    truth, probability = pixels_of(counts)
    thresholds = (np.arange(1, 255) - 0.5) / 254
    dice = np.array([f1_score(truth, probability >= t, zero_division=0) for t in thresholds])
    best = thresholds[np.isclose(dice, dice.max(), rtol=0, atol=1e-12)]
    expected = best[np.argmin(np.abs(best - 0.5))]
    assert best_threshold(counts) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({200: (5, 0), 210: (0, 5)}, 200.5),  # nearest to 0.5 among 200.5 to 209.5
        ({40: (5, 0), 50: (0, 5)}, 49.5),
        ({0: (5, 0), 254: (0, 5)}, 126.5),  # 126.5 and 127.5 are equally near
    ],
)
def test_ties_of_the_threshold_by_hand(entries, expected):
    """Any threshold between the two classes is perfect: the nearest to 0.5 is taken."""
    assert best_threshold(counts_of(entries)) == pytest.approx(expected / 254)
