"""Working ahead in threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(function: Callable[[T], R], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Apply a function to items in threads, ahead of whoever takes the results, in order.

    Items are asked for as they are needed: as many as there are `workers`, threads, are worked on
    while the last result is used, and one more may be ready; with 0 there are no threads, and
    nothing is done ahead. What fails in a thread fails where its result is asked for. No thread is
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
