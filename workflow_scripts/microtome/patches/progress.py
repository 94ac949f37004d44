"""How far the work on a slide's patches is, in the log."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

from microtome.logs import log

_EVERY = 1000

Part = TypeVar("Part")


def log_progress(
    parts: Iterable[tuple[np.ndarray, Part]], n_patches: int, done: str, *, sum_up: bool = True
) -> Iterator[tuple[np.ndarray, Part]]:
    """Pass on parts of a slide's patches, and log every 1000 patches how many are `done`: "scored".

    Each part, (index, what they are), is done when the next one is asked for. If `sum_up` is set,
    the log says at the end how many were done; all others are unreadable.

    Examples
    --------
    >>> list(log_progress([(np.arange(2), "scores"), (np.array([3]), "more")], 4, "scored"))
    [(array([0, 1]), 'scores'), (array([3]), 'more')]
    """
    n_done = 0
    for index, part in parts:
        yield index, part
        before, n_done = n_done, n_done + len(index)
        if before // _EVERY != n_done // _EVERY:
            log.info("%d of %d patches %s", n_done, n_patches, done)
    if sum_up:
        log.info("%d patches %s, %d unreadable", n_done, done, n_patches - n_done)
