"""Running what may crash, hang or eat all memory in a process of its own."""

import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from microtome.errors import InputError
from microtome.parallel.process_facts import describe_end


def run_isolated(
    work: Callable[..., dict], *, name: str, timeout_s: float, extra_mb: int, **arguments: object
) -> dict:
    """Run `work(**arguments)`, which gives what JSON can hold, in a child process with limits.

    The libraries that parse slides are written in C, and a broken file can make them crash or
    loop, which no exception tells.

    It is killed after `timeout_s` seconds, and may take `extra_mb` of memory beyond what is in use
    now. `name` is what it is about, such as ``slide a: a.svs``, for messages. InputError says what
    `work` raised, or that it crashed, or went over a limit.

    Examples
    --------
    >>> run_isolated(lambda x: {"twice": 2 * x}, name="a.svs", timeout_s=60, extra_mb=100, x=4)
    {'twice': 8}
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    task = (sender, work, arguments, name, extra_mb)
    child = context.Process(target=_child, args=task, daemon=True)
    child.start()
    sender.close()
    try:
        if not receiver.poll(timeout_s):
            raise InputError(f"{name} cannot be opened: no end after {timeout_s:g} s")
        found, error = receiver.recv()
    except EOFError:
        child.join()
        why = describe_end(child.exitcode)
        raise InputError(f"{name} cannot be opened: it crashes its reader ({why})") from None
    finally:
        child.kill()
        child.join()
        receiver.close()
    if error:
        raise InputError(error)
    return found


def _child(
    sender: Connection, work: Callable[..., dict], arguments: dict, name: str, extra_mb: int
) -> None:
    pages_in_use = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages_in_use * os.sysconf("SC_PAGE_SIZE") + extra_mb * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answer = work(**arguments), ""
    except InputError as error:
        answer = None, str(error)
    except MemoryError:
        answer = None, f"{name} cannot be opened: it asks for more than {extra_mb} MB of memory"
    sender.send(answer)
