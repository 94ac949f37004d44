"""Regrouping patches that come in parts of any size."""

from collections.abc import Iterator

import numpy as np


def batches(
    parts: Iterator[tuple[np.ndarray, np.ndarray]], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Regroup (index, pixels) into batches of `size`; the last one holds what is left."""
    indices: list[np.ndarray] = []
    pixels: list[np.ndarray] = []
    n = 0
    for index, part in parts:
        indices.append(index)
        pixels.append(part)
        n += len(index)
        if n < size:
            continue
        all_indices, all_pixels = np.concatenate(indices), np.concatenate(pixels)
        whole = n - n % size
        for first in range(0, whole, size):
            yield all_indices[first : first + size], all_pixels[first : first + size]
        indices, pixels, n = [all_indices[whole:]], [all_pixels[whole:]], n - whole
    if n:
        yield np.concatenate(indices), np.concatenate(pixels)
