"""Files kept open, so many and no more."""

import os
import resource
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakSet

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Files a process need not exceed: with far more, whoever closes "all" of them waits for it.
_ENOUGH = 65536


class Handle(Generic[V]):
    """Something open. It closes when the last one to hold it lets go, not under a reader's hands.

    Attributes
    ----------
    value : object
        What was opened.
    """

    def __init__(self, value: V, close: Callable[[V], None]) -> None:
        self.value = value
        self._close = close

    def __del__(self) -> None:
        self._close(self.value)


class Handles(Generic[K, V]):
    """Opens by key, and keeps the most recently used ones open.

    For any number of threads. After a fork the child opens its own; pickled, it travels closed.

    Parameters
    ----------
    open_ : callable
        Opens what a key names.
    close : callable
        Closes it.
    limit : callable
        How many to keep open; asked once, when the first is opened.
    """

    def __init__(
        self, open_: Callable[[K], V], close: Callable[[V], None], limit: Callable[[], int]
    ) -> None:
        self._open, self._close, self._limit = open_, close, limit
        self._forget()
        _ALL.add(self)

    def __reduce__(self) -> tuple:
        return Handles, (self._open, self._close, self._limit)

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, key: K) -> Handle[V]:
        with self._lock:
            handle = self._kept.get(key)
            if handle is not None:
                self._kept.move_to_end(key)
                return handle
        # Not under the lock: on a cluster's file system opening is slow, and others can go on.
        opened = Handle(self._open(key), self._close)
        with self._lock:
            self._most = self._most or max(1, self._limit())
            handle = self._kept.setdefault(key, opened)
            self._kept.move_to_end(key)
            oldest = self._kept.popitem(last=False) if len(self._kept) > self._most else None
        del oldest  # closes, where nobody reads from it just now
        return handle

    def _forget(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[K, Handle[V]] = OrderedDict()
        self._most = 0


_ALL: WeakSet[Handles] = WeakSet()


def _after_fork() -> None:
    # A thread of the parent may have held a lock: nobody is left here to release it.
    for handles in list(_ALL):
        handles._forget()


os.register_at_fork(after_in_child=_after_fork)


def descriptor_limit() -> int:
    """Half of the files this process may have open, once it may have as many as it can get."""
    soft, hard = (
        _ENOUGH if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    wanted = min(hard, _ENOUGH)
    if soft < wanted:
        with suppress(OSError, ValueError):  # where the kernel allows less than it says
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
            soft = wanted
    return soft // 2
