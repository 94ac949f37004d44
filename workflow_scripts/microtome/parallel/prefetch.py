"""Working ahead in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Apply a function to items in threads, ahead of whoever takes the results, in order.

    Parameters
    ----------
    function : callable
        For any number of threads.
    items : iterable
        Asked for as they are needed.
    workers : int
        Threads. So many items are worked on while the last result is used, and one more may be
        ready; 0: no threads, nothing ahead.

    Yields
    ------
    object
        The results in the order of the items. What fails in a thread fails here. No thread is
        left when this ends, or is closed before its end.

    Examples
    --------
    >>> list(map_ahead(len, ["a", "bc", ""], workers=2))
    [1, 2, 0]
    """
    if not workers:
        yield from map(function, items)
        return
    items = iter(items)
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="ahead")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
