"""One driver a folder."""

import errno
import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from snakemake_executor_plugin_packed_slurm.driver_lock import DriverLock
from snakemake_executor_plugin_packed_slurm.errors import InputError

ELSEWHERE = {"host": "elsewhere", "pid": 1, "began": 1.0}
DEAD = json.dumps(ELSEWHERE)


@pytest.fixture
def path(tmp_path):
    """Where the lock is to be."""
    return tmp_path / "lock.json"


def age(path: Path, quiet_s: float) -> None:
    """Let a lock's last sign of life be some time ago."""
    os.utime(path, (time.time() - quiet_s,) * 2)


def refuse_link(*_):
    """As a file system without links does."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_a_second_driver_waits_for_the_first(path, has_links, monkeypatch):
    """While that lives the message names its process; a lock given back is free."""
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    first = DriverLock(path)
    with pytest.raises(InputError, match=f"process {os.getpid()} runs this folder's workflow"):
        DriverLock(path)
    first.release()
    DriverLock(path)


def test_a_lock_of_nobody_is_taken(path):
    """One whose process number was used again, and one of which half was written."""
    DriverLock(path)
    held = json.loads(path.read_text())
    for text in (json.dumps({**held, "began": held["began"] - 100}), '{"host": ', "[1]"):
        path.write_text(text)
        DriverLock(path)
        assert json.loads(path.read_text()) == held


def test_a_driver_elsewhere_is_dead_when_it_has_been_quiet(path):
    """Five minutes without a sign; a fresh sign keeps others out."""
    path.write_text(DEAD)
    for quiet_s in (-1000, 0):
        age(path, quiet_s)
        with pytest.raises(InputError, match="on elsewhere"):
            DriverLock(path)
    age(path, 301)
    DriverLock(path)


def test_signs_of_life_come_by_themselves(path):
    """However busy the driver is, and where somebody removed the file."""
    lock = DriverLock(path, every_s=0.01)

    def wait_for(sign):
        end = time.monotonic() + 300
        while not sign():
            assert time.monotonic() < end
            time.sleep(0.01)

    os.utime(path, (1, 1))
    wait_for(lambda: path.stat().st_mtime > 1e9)
    path.unlink()
    wait_for(path.exists)
    lock.require_held()
    lock.release()
    assert not path.exists()


def test_a_driver_that_was_taken_for_dead_goes_no_further(path):
    """Another one has the folder: it keeps its lock."""
    lock = DriverLock(path)
    path.write_text(DEAD)
    with pytest.raises(InputError, match="process 1 on elsewhere has taken this folder over"):
        lock.require_held()
    lock.release()
    assert json.loads(path.read_text()) == ELSEWHERE


def take_turns(folder, n_rounds, start, results):
    """Try to get each of many locks at the moment when another process does."""
    for number in range(n_rounds):
        start.wait(300)
        try:
            DriverLock(folder / f"{number}.json")
            results.put((number, "held"))
        except Exception as error:  # whatever it is, the other process waits for this one
            results.put((number, type(error).__name__))


@pytest.mark.parametrize("is_left", [False, True], ids=["a new lock", "a dead driver's lock"])
def test_of_two_drivers_that_begin_together_one_has_the_folder(tmp_path, is_left):
    """The other one is refused, and nothing but the lock is left."""
    n_rounds = 200
    names = [f"{number}.json" for number in range(n_rounds)]
    for name in names if is_left else ():
        (tmp_path / name).write_text(DEAD)
        age(tmp_path / name, 1000)
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(2), context.Queue()
    given = (tmp_path, n_rounds, start, results)
    drivers = [context.Process(target=take_turns, args=given) for _ in range(2)]
    for driver in drivers:
        driver.start()
    found = sorted(results.get(timeout=300) for _ in range(2 * n_rounds))
    for driver in drivers:
        driver.join(300)
    expected = [(number, end) for number in range(n_rounds) for end in ("InputError", "held")]
    assert found == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
