"""The AUROC of uncertainty, against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from microtome.rasters.bands import rows_of
from microtome.uncertainty.error_detection import auroc, error_counts

N_BINS = 2**14


def counts_of(uncertainty: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Count arrays of one dimension or two."""
    uncertainty, wrong = np.atleast_2d(uncertainty), np.atleast_2d(wrong)
    return error_counts(rows_of(uncertainty), rows_of(wrong), wrong.shape, largest=0.25)


def centre(of_bin: np.ndarray) -> np.ndarray:
    """Give the uncertainty at the centre of bins."""
    return 0.25 * ((of_bin + 0.5) / N_BINS) ** 2


def test_bins_by_hand():
    """Of the root of the share: 1/4 of the largest is in the middle; NaN does not count."""
    uncertainty = np.array([0, centre(3), 0.0625, 0.25, np.nan, 0.3], np.float32)
    wrong = np.array([0, 1, 0, 1, 1, 0], bool)
    counts = counts_of(uncertainty, wrong)
    assert counts.shape == (N_BINS, 2)
    assert counts.dtype == np.int64
    assert np.argwhere(counts).tolist() == [
        [0, 0],
        [3, 1],
        [N_BINS // 2, 0],
        [N_BINS - 1, 0],
        [N_BINS - 1, 1],
    ]
    assert counts.sum() == 5


def test_bands_change_nothing():
    """A raster of several bands has the counts of its rows one by one."""
    rng = np.random.default_rng(0)
    uncertainty = rng.random((1300, 7)).astype(np.float32) / 4
    uncertainty[rng.random(uncertainty.shape) < 0.2] = np.nan
    wrong = rng.random(uncertainty.shape) < 0.5
    whole = counts_of(uncertainty, wrong)
    np.testing.assert_array_equal(whole, counts_of(uncertainty.ravel(), wrong.ravel()))
    assert whole.sum() == np.count_nonzero(~np.isnan(uncertainty))


@given(
    arrays(np.int64, 30, elements=st.integers(0, 5)),
    arrays(bool, 30).filter(lambda wrong: 0 < wrong.sum() < 30),
)
def test_auroc_is_exact_on_bin_centres(of_bin, wrong):
    """With ties, which count half, the same as scikit-learn's; also of very many px."""
    uncertainty = centre(of_bin * 3000)
    counts = counts_of(uncertainty, wrong)
    expected = pytest.approx(roc_auc_score(wrong, uncertainty), abs=1e-12)
    assert (auroc(counts), auroc(counts * 10**11)) == (expected, expected)


def test_auroc_of_random_variances():
    """Binned, the AUROC of any values is right to 1e-3, also where most are close to 0."""
    rng = np.random.default_rng(1)
    wrong = rng.random(20_000) < 0.1
    uncertainty = 0.25 * rng.beta(0.3, 5, 20_000) ** np.where(wrong, 1, 1.5)
    found = auroc(counts_of(uncertainty.astype(np.float32), wrong))
    assert found == pytest.approx(roc_auc_score(wrong, uncertainty), abs=1e-3)
    assert found > 0.6


@pytest.mark.parametrize(
    ("uncertainty", "wrong"),
    [([0.1, 0.2], [True, True]), ([0.1, 0.2], [False, False]), ([np.nan], [True])],
)
def test_auroc_needs_wrong_and_right(uncertainty, wrong):
    """Not defined where nothing is right, nothing wrong, or nothing there."""
    assert auroc(counts_of(np.array(uncertainty), np.array(wrong))) is None
