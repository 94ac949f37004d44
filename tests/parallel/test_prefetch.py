"""Working ahead in threads: in order, not too far, and nothing is left behind."""

import threading
import time

import pytest

from microtome.parallel.prefetch import map_ahead


def of_ours() -> list[str]:
    """Names of the threads that work ahead."""
    return [t.name for t in threading.enumerate() if t.name.startswith("ahead")]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_in_order(workers):
    """Results come in the order of the items, however long each takes."""

    def slow(i: int) -> int:
        time.sleep(0.003 * (i % 3))
        return i * i

    assert list(map_ahead(slow, range(20), workers=workers)) == [i * i for i in range(20)]
    assert list(map_ahead(slow, [], workers=workers)) == []
    assert not of_ours()


@pytest.mark.parametrize("workers", [1, 3])
def test_not_too_far_ahead(workers):
    """While a result is used, the next are made: as many as there are threads, and one more."""
    made = []
    results = map_ahead(made.append, range(100), workers=workers)
    for taken in range(1, 6):
        next(results)
        deadline = time.monotonic() + 300
        while len(made) < taken + workers + 1 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(made) == taken + workers + 1
    results.close()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_errors_come_at_their_place(workers):
    """What fails in a thread fails where its result is asked for, and ends the threads."""
    results = map_ahead(lambda i: 10 // (3 - i), range(9), workers=workers)
    assert [next(results) for _ in range(3)] == [3, 5, 10]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert not of_ours()


def test_a_consumer_that_stops_early():
    """A loop that is left leaves no thread, and what has not begun is not done."""
    made = []
    for result in map_ahead(lambda i: made.append(i) or i, range(1000), workers=3):
        if result == 4:
            break
    assert not of_ours()
    assert len(made) < 20
