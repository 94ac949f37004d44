"""What runs in a process of its own can fail in any way, and that is one line."""

import gc
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from microtome.errors import InputError
from microtome.parallel.sandbox import run_isolated


def run(work, *, timeout_s=300, extra_mb=200, **arguments):
    """Run `work` as if it opened a slide."""
    name = "slide a: a.svs"
    return run_isolated(work, name=name, timeout_s=timeout_s, extra_mb=extra_mb, **arguments)


def test_what_was_found_comes_back():
    """The result is the function's own, with its arguments; it may be more than a pipe holds."""
    found = run(lambda *, x, y: {"sum": x + y, "levels": [[1, 2]], "text": "x" * 2**22}, x=1, y=2)
    assert found == {"sum": 3, "levels": [[1, 2]], "text": "x" * 2**22}


def fail(error: Exception) -> None:
    """Raise what is given."""
    raise error


def test_an_input_error_is_passed_on():
    """What the user did wrong is said as it was said inside."""
    with pytest.raises(InputError, match=r"^slide a: a\.svs is cut off$"):
        run(fail, error=InputError("slide a: a.svs is cut off"))


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
        (lambda: os._exit(3), "exit code 3"),
    ],
    ids=["crash", "kill", "exit"],
)
def test_a_process_that_ends(end, how):
    """One that dies, or a library ends, is named with what ended it."""
    text = rf"^slide a: a\.svs cannot be opened: it crashes its reader \({how}\)$"
    with pytest.raises(InputError, match=text):
        run(end)


def test_memory_has_a_limit():
    """More memory than allowed is refused; what is allowed is given."""
    gc.collect()  # what other tests left behind would be room for it
    text = r"^slide a: a\.svs cannot be opened: it asks for more than 200 MB of memory$"
    with pytest.raises(InputError, match=text):
        run(lambda: {"n": np.ones(2**29, np.uint8).sum()})
    assert run(lambda: {"n": int(np.ones(2**26, np.uint8).sum())}) == {"n": 2**26}


def test_too_much_time():
    """Work without an end is ended, and nothing of it goes on."""
    start = time.monotonic()
    with pytest.raises(InputError, match=r"^slide a: a\.svs cannot be opened: no end after 0\.5 s"):
        run(lambda: time.sleep(1000), timeout_s=0.5)
    assert time.monotonic() - start < 500
    assert not multiprocessing.active_children()


def test_a_fault_of_our_own_is_seen(capfd):
    """An error that is not the user's leaves its traceback, not only one line."""
    with pytest.raises(InputError, match=r"it crashes its reader \(exit code 1\)$"):
        run(fail, error=KeyError("a fault"))
    assert "KeyError: 'a fault'" in capfd.readouterr().err
