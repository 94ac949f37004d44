"""Whether a probability of 0.8 is right 8 times in 10, and the temperature that makes it so.

All figures come from counts: how many px of each heatmap code are tumour and how many are not. A
slide of any size is 510 numbers, and those of a cohort add up.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logit

from microtome.heatmaps.codes import NO_DATA
from microtome.rasters.bands import ReadRows, band_rows, bands

# Row k of the counts are the px of probability k / 254, see `microtome.heatmaps.codes.encode`.
_STEPS = 254
_PROBABILITY = np.arange(_STEPS + 1) / _STEPS
# 0 and 1 stand for all that is rounded to them: half a step off, a logarithm is finite.
_CLIPPED = np.clip(_PROBABILITY, 0.5 / _STEPS, 1 - 0.5 / _STEPS)
_LOGIT = logit(_CLIPPED)
_TEMPERATURES = (0.05, 20.0)


def count_codes(encoded: ReadRows, truth: ReadRows, shape: tuple[int, int]) -> np.ndarray:
    """Count the px of each code among tumour and the rest, in bands.

    Parameters
    ----------
    encoded, truth : ReadRows
        Rows of rasters of this `shape`: uint8, as a heatmap has it, 0 where nothing was scored,
        else 1 + 254 * probability; and bool, where tumour is.

    Returns
    -------
    ndarray of shape (255, 2), int64
        Row k: px of probability k / 254; column 0 other tissue, 1 tumour. Px without a score do
        not count.

    Examples
    --------
    >>> encoded, truth = np.array([[0, 1, 255, 255]], np.uint8), np.array([[0, 0, 1, 0]])
    >>> counts = count_codes(lambda *_: encoded, lambda *_: truth, (1, 4))
    >>> counts[0].tolist(), counts[254].tolist(), int(counts.sum())
    ([1, 0], [1, 1], 3)
    """
    counts = np.zeros(2 * 256, np.int64)
    for band in bands(shape[0], band_rows(shape[1])):
        both = encoded(*band).astype(np.uint16) * 2 + (truth(*band) != 0)
        counts += np.bincount(both.ravel(), minlength=len(counts))
    return counts.reshape(256, 2)[NO_DATA + 1 :]


def reliability_table(counts: np.ndarray, n_bins: int = 15) -> list[dict]:
    """Mean probability and share of tumour in bins of equal width, of the counts of `count_codes`.

    Bins are open below and closed above, as in Guo et al., "On calibration of modern neural
    networks", 2017, section 2; a probability of 0 is in the first. ``probability``, the mean, and
    ``tumour_share`` are None in a bin without px.
    """
    of_bin = np.maximum(np.arange(_STEPS + 1) * n_bins - 1, 0) // _STEPS
    pixels, tumour, total = (
        np.bincount(of_bin, weights, minlength=n_bins)
        for weights in (counts.sum(axis=1), counts[:, 1], counts.sum(axis=1) * _PROBABILITY)
    )
    return [
        {
            "above": i / n_bins,
            "up_to": (i + 1) / n_bins,
            "pixels": int(pixels[i]),
            "probability": float(total[i] / pixels[i]) if pixels[i] else None,
            "tumour_share": float(tumour[i] / pixels[i]) if pixels[i] else None,
        }
        for i in range(n_bins)
    ]


def expected_calibration_error(counts: np.ndarray, n_bins: int = 15) -> float | None:
    """Mean distance of probability and share of tumour over the bins, weighted by their px.

    Guo et al. 2017, equation 3, here for the probability of tumour, where the paper has that of
    whichever class is predicted: 0.1 that is right 1 time in 10 is calibrated in both. In [0, 1];
    None without px.
    """
    filled = [row for row in reliability_table(counts, n_bins) if row["pixels"]]
    off = sum(r["pixels"] * abs(r["tumour_share"] - r["probability"]) for r in filled)
    return off / sum(r["pixels"] for r in filled) if filled else None


def brier(counts: np.ndarray) -> float | None:
    """Mean squared distance of probability and truth (Brier 1950, of one class); None without px.

    In [0, 1]: a probability of 0.5 everywhere gives 0.25.
    """
    squares = np.stack([_PROBABILITY**2, (1 - _PROBABILITY) ** 2], axis=1)
    return _mean(squares, counts)


def negative_log_likelihood(counts: np.ndarray, temperature: float = 1.0) -> float | None:
    """Mean of -log(probability of what is true), in nats; None without px.

    Probabilities are clipped to half a step of the heatmap's code, [1/508, 1 - 1/508], before
    their logits are divided by `temperature`.
    """
    scaled = _LOGIT / temperature
    return _mean(np.logaddexp(0, np.stack([scaled, -scaled], axis=1)), counts)


def fit_temperature(counts: np.ndarray) -> float | None:
    """The temperature of the least negative log-likelihood (Guo et al. 2017, section 4.2).

    `counts` are those of `count_codes`, of slides that no network was trained on. It is from 0.05
    to 20, above 1 where the network is too sure; None where the counts hold no tumour or nothing
    else: any one class is best predicted by certainty.
    """
    if not counts.sum(axis=0).all():
        return None
    found = minimize_scalar(
        lambda log_t: negative_log_likelihood(counts, np.exp(log_t)),
        bounds=np.log(_TEMPERATURES),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(np.exp(found.x))


def best_threshold(counts: np.ndarray) -> float | None:
    """The threshold of the greatest Dice of tumour over all px, by the counts of `count_codes`.

    It is midway between two codes, (k - 1/2) / 254 for k from 1 to 254: rounding decides nothing.
    Of equally good ones it is the nearest to 0.5, the lower where two are. None without tumour.
    """
    n_tumour = counts[:, 1].sum()
    if not n_tumour:
        return None
    other, tumour = np.cumsum(counts[::-1], axis=0)[::-1][1:].T  # px from each code on
    dice = 2 * tumour / (n_tumour + tumour + other)
    thresholds = (np.arange(1, _STEPS + 1) - 0.5) / _STEPS
    best = np.flatnonzero(dice == dice.max())
    # Compared in whole half steps: 0.5 lies between two of them, equally far from both.
    return float(thresholds[best[np.argmin(np.abs(2 * best + 1 - _STEPS))]])


def _mean(losses: np.ndarray, counts: np.ndarray) -> float | None:
    n = counts.sum()
    return float((losses * counts).sum() / n) if n else None
