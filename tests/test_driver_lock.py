"""One driver a folder."""

import json
import os
import subprocess
import sys
import time

import pytest

from microtome.driver_lock import DriverLock
from microtome.errors import InputError


def test_a_second_driver_is_refused_while_the_first_lives(tmp_path):
    """The message names the process."""
    path = tmp_path / "lock.json"
    DriverLock(path)
    with pytest.raises(InputError, match=f"process {os.getpid()} runs this folder's workflow"):
        DriverLock(path)


def test_a_lock_given_back_is_free(tmp_path):
    """The next driver takes it."""
    path = tmp_path / "lock.json"
    DriverLock(path).release()
    DriverLock(path)


def test_a_killed_driver_holds_nothing(tmp_path):
    """Its lock is taken over at once."""
    path = tmp_path / "lock.json"
    lines = (
        "import os, signal, sys; from pathlib import Path;"
        "from microtome.driver_lock import DriverLock;"
        "DriverLock(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", lines, str(path)], env=env, check=False)
    dead = json.loads(path.read_text())["pid"]
    DriverLock(path)
    assert json.loads(path.read_text())["pid"] != dead


def test_a_process_number_used_again_is_not_the_driver(tmp_path):
    """Same number, begun at another time."""
    path = tmp_path / "lock.json"
    DriverLock(path)
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "began": held["began"] - 100}))
    DriverLock(path)


def test_a_driver_elsewhere_is_dead_when_it_has_been_quiet(tmp_path):
    """Five minutes without a sign; a fresh sign keeps others out."""
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 1, "began": 1.0}))
    for quiet_s in (0, 280):
        os.utime(path, (time.time() - quiet_s, time.time() - quiet_s))
        with pytest.raises(InputError, match="on elsewhere"):
            DriverLock(path)
    long_ago = time.time() - 301
    os.utime(path, (long_ago, long_ago))
    DriverLock(path)


def test_a_sign_of_life_is_seen(tmp_path):
    """Also where somebody removed the file."""
    path = tmp_path / "lock.json"
    lock = DriverLock(path)
    os.utime(path, (1, 1))
    lock.refresh()
    assert time.time() - path.stat().st_mtime < 60
    path.unlink()
    lock.refresh()
    assert json.loads(path.read_text())["pid"] == os.getpid()


def test_half_a_lock_is_none(tmp_path):
    """Its writer was killed."""
    path = tmp_path / "lock.json"
    path.write_text('{"host": ')
    DriverLock(path)


def test_a_driver_that_was_taken_for_dead_goes_no_further(tmp_path):
    """Another one has the folder: it keeps its lock."""
    path = tmp_path / "lock.json"
    lock = DriverLock(path)
    other = {"host": "elsewhere", "pid": 1, "began": 1.0}
    path.write_text(json.dumps(other))
    with pytest.raises(InputError, match="process 1 on elsewhere has taken this folder over"):
        lock.refresh()
    lock.release()
    assert json.loads(path.read_text()) == other
