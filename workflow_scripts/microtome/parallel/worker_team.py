"""Processes that answer questions together, on memory that they share with this one."""

import multiprocessing
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from microtome.errors import InputError
from microtome.parallel.process_facts import describe_end

# Asked with a number below 256.
Answer = Callable[[int], Any]


class Team:
    """Processes forked from this one, which all get every question and answer one by one.

    In each of `size` processes `join` is called with its number from 0, and returns what it answers
    with. `about` is what they work on, such as ``slide a: a.svs``, for messages.

    Examples
    --------
    >>> with Team(lambda number: lambda question: question * number, 3, about="a.svs") as team:
    ...     team.ask(5)
    ...     team.answers()
    [0, 5, 10]
    """

    def __init__(self, join: Callable[[int], Answer], size: int, *, about: str) -> None:
        self._about = about
        self._members: list[tuple[multiprocessing.Process, Connection]] = []
        context = multiprocessing.get_context("fork")
        for number in range(size):
            ours, theirs = context.Pipe()
            # A copy of our ends would keep them from noticing that we are gone.
            others = [ours, *(connection for _, connection in self._members)]
            work = (join, number, theirs, others)
            process = context.Process(target=_work, args=work, daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, _ in self._members:
            process.kill()
        for process, connection in self._members:
            process.join()
            connection.close()

    def ask(self, question: int) -> None:
        """Put a question to all; they may be asked several before they have answered."""
        for _, connection in self._members:
            with suppress(OSError):  # of one that has ended; what it said last comes as its answer
                connection.send_bytes(bytes([question]))

    def answers(self) -> list:
        """Wait for what each process answers to the oldest question.

        InputError if one of them was killed; RuntimeError, with its traceback, if one failed.
        """
        found = []
        for process, connection in self._members:
            self._await(connection)
            found.append(self._receive(process, connection))
        return found

    def _await(self, connection: Connection) -> None:
        """Wait for an answer, or raise what a member says or dies of meanwhile.

        One that was killed may hold what the other waits for.
        """
        sentinels = [process.sentinel for process, _ in self._members]
        ready = wait([connection, *sentinels])
        if connection in ready:
            return
        for process, last_words in self._members:
            if process.sentinel in ready:
                process.join()
                while True:
                    self._receive(process, last_words)

    def _receive(self, process: multiprocessing.Process, connection: Connection) -> Any:
        try:
            answer, failure = connection.recv()
        except (EOFError, OSError):
            process.join()
            how = describe_end(process.exitcode)
            raise InputError(
                f"{self._about}: a process that reads it has ended ({how}); it may have had too"
                " little memory, or the file crashes its reader"
            ) from None
        if failure:
            raise RuntimeError(f"{self._about}: {failure}")
        return answer


class Claims:
    """Counters in shared memory, made before a team, whose members share out a question by them."""

    def __init__(self, n: int) -> None:
        context = multiprocessing.get_context("fork")
        self._lock = context.Lock()
        self._taken = context.RawArray("q", n)

    def clear(self, which: int) -> None:
        """Begin a counter at 0 again, before anyone is asked."""
        self._taken[which] = 0

    def next(self, which: int) -> int:
        """Take the next number of a counter: nobody else gets it."""
        with self._lock:
            taken = self._taken[which]
            self._taken[which] = taken + 1
        return taken


def _work(
    join: Callable[[int], Answer], number: int, connection: Connection, others: list[Connection]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted, and ends us
    for other in others:
        other.close()
    try:
        answer = join(number)
        while True:
            (question,) = connection.recv_bytes()
            connection.send((answer(question), ""))
    except (EOFError, BrokenPipeError):
        return
    except Exception:  # whatever it is, it is told where it can be seen
        connection.send((None, traceback.format_exc()))
