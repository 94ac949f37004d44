"""The peak signal-to-noise ratio of copies of images."""

import math


def psnr_db(mean_squared_error: float) -> float | None:
    """Peak signal-to-noise ratio in dB of an error of values in [0, 1]; None where there is none.

    Examples
    --------
    >>> psnr_db(0.01)
    20.0
    """
    return -10 * math.log10(mean_squared_error) if mean_squared_error else None
