"""Whether uncertainty points at the px that are wrong: AUROC from a histogram.

The task of Hendrycks and Gimpel, "A baseline for detecting misclassified and out-of-distribution
examples", 2017, section 2: tell wrong from right by one number. Histograms add up, so the AUROC of
a cohort is that of the sum over its slides.
"""

import numpy as np

from microtome.rasters.bands import ReadRows, band_rows, bands

_N_BINS = 2**14


def error_counts(
    uncertainty: ReadRows,
    wrong: ReadRows,
    shape: tuple[int, int],
    *,
    largest: float,
) -> np.ndarray:
    """Histograms of uncertainty, of the px that are right and of those that are wrong, in bands.

    Bins have the same width in the square root, since most variances are close to 0.

    Parameters
    ----------
    uncertainty, wrong : ReadRows
        Rows of rasters of this `shape`: float from 0 to `largest`, NaN where there is none, which
        does not count; and bool, where the prediction is wrong.
    largest : float
        The end of the last bin, in which greater ones lie too. A variance of probabilities is
        0.25 at most.

    Returns
    -------
    ndarray of shape (16384, 2), int64
        Row k: px of sqrt(uncertainty / largest) from k / 16384 on; column 0 right, 1 wrong.
    """
    counts = np.zeros(2 * _N_BINS, np.int64)
    for band in bands(shape[0], band_rows(shape[1])):
        value = uncertainty(*band)
        known = ~np.isnan(value)
        share = np.clip(value[known].astype(np.float64) / largest, 0, 1)
        of_bin = np.minimum((np.sqrt(share) * _N_BINS).astype(np.int64), _N_BINS - 1)
        counts += np.bincount(2 * of_bin + (wrong(*band)[known] != 0), minlength=len(counts))
    return counts.reshape(_N_BINS, 2)


def auroc(counts: np.ndarray) -> float | None:
    """How often a wrong px is more uncertain than a right one; px of the same bin count half.

    `counts` are those of `error_counts`, bins of growing uncertainty. It is 1 if every wrong px is
    more uncertain than all right ones, 0.5 if uncertainty says nothing, and None where no px is
    wrong, or none right.

    Examples
    --------
    >>> auroc(np.array([[9, 0], [0, 1]])), auroc(np.array([[9, 1]])), auroc(np.array([[9, 0]]))
    (1.0, 0.5, None)
    """
    right, wrong = counts.astype(np.float64).T  # products of counts do not fit into int64
    pairs = right.sum() * wrong.sum()
    if not pairs:
        return None
    return float((wrong * (np.cumsum(right) - right / 2)).sum() / pairs)
