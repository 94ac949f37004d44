"""Processes that work together answer in order, and none that fails goes unnoticed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from microtome.errors import InputError
from microtome.parallel.process_facts import started_at
from microtome.parallel.worker_team import Answer, Claims, Team


def team_of(size: int, join: Callable[[int], Answer]) -> Team:
    """Make a team as if it read a slide."""
    return Team(join, size, about="slide a: a.svs")


def test_everyone_answers_in_the_order_of_the_questions():
    """Several questions may wait; a member remembers those before, answers to one come together."""

    def join(number):
        asked = []
        return lambda question: asked.append(question * number) or list(asked)

    with team_of(2, join) as team:
        for question in (1, 2, 255):
            team.ask(question)
        answers = [[[0], [1]], [[0, 0], [1, 2]], [[0, 0, 0], [1, 2, 255]]]
        assert [team.answers() for _ in range(3)] == answers


def test_answers_larger_than_a_pipe_holds():
    """Nobody waits for another who waits, however much there is to say."""
    with team_of(2, lambda _: lambda question: "x" * 2**20) as team:
        for question in range(20):
            team.ask(question)
        assert all(team.answers() == ["x" * 2**20] * 2 for _ in range(20))


@pytest.mark.parametrize("n_asked", [1, 5])
def test_a_fault_comes_with_its_traceback(n_asked):
    """What goes wrong in a member is told here, however much was asked meanwhile."""
    with team_of(3, lambda number: lambda _: 1 // (number - 1)) as team:
        for question in range(n_asked):
            team.ask(question)
            time.sleep(0.05)  # it has gone by then
        text = r"(?s)^slide a: a\.svs: Traceback.*ZeroDivisionError"
        with pytest.raises(RuntimeError, match=text):
            team.answers()


def test_a_fault_while_joining():
    """A member that cannot even begin says so at its first answer."""
    with team_of(1, lambda number: 1 // number) as team:
        team.ask(1)
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            team.answers()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_member_that_dies(number):
    """One that is killed, as for want of memory, is an error with the slide's name."""
    text = rf"^slide a: a\.svs: .*has ended \({number.name}\)"
    with team_of(2, lambda member: lambda _: member and os.kill(os.getpid(), number)) as team:
        team.ask(1)
        with pytest.raises(InputError, match=text):
            team.answers()


def test_a_member_that_dies_with_what_others_wait_for():
    """Nobody waits forever for a lock that went down with its holder."""
    lock = multiprocessing.get_context("fork").Lock()

    def join(member):
        def answer(_):
            if member:
                lock.acquire()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.2)
            with lock:
                return member

        return answer

    with team_of(2, join) as team:
        team.ask(1)
        with pytest.raises(InputError, match="SIGKILL"):
            team.answers()


def test_claims_are_taken_once():
    """Members take every part of each question, and none takes a part twice."""
    claims = Claims(2)
    n_parts = 500

    def join(_):
        def answer(question):
            taken = []
            while (n := claims.next(question)) < n_parts:
                taken.append(n)
            return taken

        return answer

    with team_of(3, join) as team:
        for question in (0, 1, 0):
            claims.clear(question)
            team.ask(question)
            taken = [n for answer in team.answers() for n in answer]
            assert sorted(taken) == list(range(n_parts))


def test_nobody_is_left_behind():
    """At the end, also one in the middle of its work, all are gone."""
    began = time.monotonic()
    with team_of(2, lambda _: lambda _: time.sleep(1000)) as team:
        pids = [process.pid for process, _ in team._members]
        team.ask(1)
    assert time.monotonic() - began < 500
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


ORPHANS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from microtome.parallel.worker_team import Team
team = Team(lambda number: lambda question: os.getpid(), 3, about="a")
team.ask(1)
print(*team.answers(), flush=True)
os.kill(os.getpid(), 9)
"""


def test_they_end_when_who_asks_is_killed():
    """No process is left on a node where the job was killed."""
    library = Path(sys.modules["microtome"].__file__).parents[1]
    command = [sys.executable, "-c", ORPHANS, str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 3
    deadline = time.monotonic() + 300
    while any(started_at(pid) is not None for pid in pids):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.05)
