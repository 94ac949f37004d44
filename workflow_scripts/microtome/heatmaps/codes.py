"""Heatmap px as one byte: 0 where nothing was scored, else 1 + 254 * probability, rounded.

What is below one half stays below it, so that the more likely class of a px is that of its code.
"""

import numpy as np
from scipy.special import expit, logit

NO_DATA = 0
_STEPS = 254
_HALF = 127  # steps


def encode(probability: np.ndarray) -> np.ndarray:
    """Turn probabilities in [0, 1], NaN where nothing was scored, into codes, uint8.

    Examples
    --------
    >>> encode(np.array([np.nan, 0, 0.499, 0.5, 1]))
    array([  0,   1, 127, 128, 255], dtype=uint8)
    """
    known = ~np.isnan(probability)
    likely = np.where(known, probability, 0)
    steps = np.rint(likely * _STEPS)
    steps -= (steps == _HALF) & (likely < 0.5)
    return np.where(known, steps + 1, NO_DATA).astype(np.uint8)


def decode(pixels: np.ndarray) -> np.ndarray:
    """Turn codes, uint8, into probabilities, float32, to 1/508; NaN where nothing was scored.

    Just below one half they are right to 1/254.

    Examples
    --------
    >>> decode(np.array([0, 1, 128, 255], np.uint8))
    array([nan, 0. , 0.5, 1. ], dtype=float32)
    """
    return np.where(pixels == NO_DATA, np.float32(np.nan), (pixels.astype(np.float32) - 1) / _STEPS)


def apply_temperature(probability: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of probabilities by a temperature above 0; the dtype stays.

    From a temperature of 1 on probabilities move towards 0.5. NaN stays NaN, and so do 0 and 1.

    Examples
    --------
    >>> apply_temperature(np.array([0.1, 0.5, 0.9]), 2.0)
    array([0.25, 0.5 , 0.75])
    """
    probability = np.asarray(probability)
    return expit(logit(probability) / probability.dtype.type(temperature))


def is_at_least(heatmap: np.ndarray, threshold: float) -> np.ndarray:
    """Find the px of a heatmap, in codes, with a probability of `threshold` or more.

    False where nothing was scored, whatever the threshold. It is compared with what a code stands
    for, as segmentation does: 0.5 is code 128 and on; 0.9 lies between the codes 229 (0.898) and
    230 (0.902), so rounding decides nothing there.
    """
    return (decode(np.arange(256, dtype=np.uint8)) >= float(threshold))[heatmap]
