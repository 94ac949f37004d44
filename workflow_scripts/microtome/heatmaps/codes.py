"""The code of a heatmap px: 0 where nothing was scored, else 1 + 254 * probability."""

import numpy as np
from scipy.special import expit, logit

from microtome.rasters.bands import ReadRows

# A heatmap pixel holds 0 where nothing was scored, else 1 + 254 * probability, rounded.
NO_DATA = 0
_STEPS = 254


def encode(probability: np.ndarray) -> np.ndarray:
    """Probabilities in [0, 1], NaN where unknown -> uint8, 0 where unknown."""
    known = ~np.isnan(probability)
    return np.where(known, np.rint(np.where(known, probability, 0) * _STEPS) + 1, NO_DATA).astype(
        np.uint8
    )


def decode(pixels: np.ndarray) -> np.ndarray:
    """The inverse of `encode`, to 1/508: uint8 -> float32, NaN where nothing was scored."""
    return np.where(pixels == NO_DATA, np.float32(np.nan), (pixels.astype(np.float32) - 1) / _STEPS)


def decoded(rows: ReadRows) -> ReadRows:
    """The probabilities that the rows of a heatmap stand for."""
    return lambda first, n: decode(rows(first, n))


def with_temperature(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of probabilities by a temperature.

    Parameters
    ----------
    probability : ndarray, float
        In [0, 1]; NaN stays NaN, 0 and 1 stay what they are.
    temperature : float
        Above 0; from 1 on probabilities move towards 0.5.

    Returns
    -------
    ndarray
        Of the same shape and dtype.
    """
    probability = np.asarray(probability)
    return expit(logit(probability) / probability.dtype.type(temperature))


def at_least(heatmap: np.ndarray, threshold: float) -> np.ndarray:
    """Find the px of a probability of `threshold` or more.

    Parameters
    ----------
    heatmap : ndarray, uint8
        0 where nothing was scored, else 1 + 254 * probability, see
        `microtome.heatmaps.codes.encode`.
    threshold : float
        Compared with what a code stands for, as segmentation does: 0.5 is code 128 and on; 0.9
        lies between the codes 229 (0.898) and 230 (0.902), so rounding decides nothing there.

    Returns
    -------
    ndarray, bool
        Of the same shape; False where nothing was scored, whatever the threshold.
    """
    return (decode(np.arange(256, dtype=np.uint8)) >= float(threshold))[heatmap]
