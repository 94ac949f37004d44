"""Batches of one size from patches that come in parts of any size."""

from collections.abc import Iterable, Iterator

import numpy as np


def regroup(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Regroup (index, pixels) into batches of `size`; the last one may be smaller.

    Parts are copied before the next one is asked for, so the parts may share one buffer. Batches
    do not share memory.

    Examples
    --------
    >>> parts = [(np.arange(3), np.zeros((3, 2, 2, 3))), (np.arange(3, 5), np.ones((2, 2, 2, 3)))]
    >>> [index.tolist() for index, pixels in regroup(parts, 2)]
    [[0, 1], [2, 3], [4]]
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
