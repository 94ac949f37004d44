"""Regrouping patches that come in parts of any size."""

from collections.abc import Iterable, Iterator

import numpy as np


def regroup(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Regroup (index, pixels) into batches of `size`; the last one holds what is left.

    Parts are copied before the next is asked for, so they may lie in one place that is used again;
    a batch is the receiver's own.
    """
    n = 0
    for part_index, part in parts:
        first = 0
        while first < len(part_index):
            if not n:
                index = np.empty(size, part_index.dtype)
                pixels = np.empty((size, *part.shape[1:]), part.dtype)
            taken = min(size - n, len(part_index) - first)
            index[n : n + taken] = part_index[first : first + taken]
            pixels[n : n + taken] = part[first : first + taken]
            n += taken
            first += taken
            if n == size:
                yield index, pixels
                n = 0
    if n:
        yield index[:n], pixels[:n]
