"""Red, green and blue of pixels at once: much faster than reducing an axis of three."""

import numpy as np


def strongest(pixels: np.ndarray) -> np.ndarray:
    """Highest of the channels, ndarray of shape (..., 3) -> (...)."""
    return np.maximum(np.maximum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])


def weakest(pixels: np.ndarray) -> np.ndarray:
    """Lowest of the channels, ndarray of shape (..., 3) -> (...)."""
    return np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2])
