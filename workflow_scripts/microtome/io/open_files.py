"""A limited number of files kept open."""

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

# More files are not needed, and programs that close all possible file numbers would take long.
_ENOUGH = 65536


class Handle(Generic[V]):
    """Something open, its `value`; closed when nobody holds a reference to the handle any more."""

    def __init__(self, value: V, close: Callable[[V], None]) -> None:
        self.value = value
        self._close = close

    def __del__(self) -> None:
        self._close(self.value)


class Handles(Generic[K, V]):
    """Opens by key, and keeps the most recently used ones open.

    Safe to use from several threads. After a fork the child opens files anew; a pickled copy has
    no open files. `open_` opens what a key names and `close` closes it; `limit`, called when the
    first is opened, returns how many to keep open.

    Examples
    --------
    >>> opened = Handles(str.upper, lambda value: print("close", value), lambda: 1)
    >>> opened["a"].value, opened["b"].value
    close A
    ('A', 'B')
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
        # Without the lock: opening is slow on a cluster's file system, and others can go on.
        opened = Handle(self._open(key), self._close)
        with self._lock:
            self._most = self._most or max(1, self._limit())
            handle = self._kept.setdefault(key, opened)
            self._kept.move_to_end(key)
            oldest = self._kept.popitem(last=False) if len(self._kept) > self._most else None
        del oldest  # is closed unless another thread still holds it
        return handle

    def _forget(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[K, Handle[V]] = OrderedDict()
        self._most = 0


_ALL: WeakSet[Handles] = WeakSet()


def _after_fork() -> None:
    # A thread of the parent may have held a lock, which nobody releases in the child.
    for handles in list(_ALL):
        handles._forget()


os.register_at_fork(after_in_child=_after_fork)


def raise_file_limit() -> int:
    """Raise this process's limit of open files as far as possible, and return half of it."""
    soft, hard = (
        _ENOUGH if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    wanted = min(hard, _ENOUGH)
    if soft < wanted:
        with suppress(OSError, ValueError):  # the kernel may allow less than it says
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            )
            soft = wanted
    return soft // 2
