"""The run log keeps whole lines whatever happens, and is read however it ended."""

import errno
import json
import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome import run_log as module
from microtome.run_log import RunLog, read_events, run_log, run_logs


def test_an_event_is_a_line_of_json(tmp_path):
    """Each event has its time, its name and what was told, in the order of telling."""
    log = RunLog(tmp_path)
    log.write("job_started", t=12.5, job=3)
    log.write("job_finished", job=3)
    first, second = log.path.read_text().splitlines()
    assert json.loads(first) == {"t": 12.5, "event": "job_started", "job": 3}
    assert json.loads(second)["t"] > 1.7e9


def test_the_name_has_time_and_process(tmp_path):
    """Files sort by time, and say which process wrote them."""
    log = RunLog(tmp_path / "logs" / "runs")
    log.write("a")
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z_{os.getpid()}\.jsonl", log.path.name)


def test_no_event_no_file(tmp_path, monkeypatch):
    """The file is made at the first event, in the working folder of then, and stays there."""
    monkeypatch.chdir(tmp_path)
    log = RunLog()
    assert log.path is None
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    log.write("a")
    monkeypatch.chdir(tmp_path)
    log.write("b")
    assert log.path.parent == tmp_path / "work" / "logs" / "runs"
    assert [event["event"] for event in read_events(log.path)] == ["a", "b"]


def test_lines_of_threads_are_whole(tmp_path):
    """Events told by several threads at once do not run into each other."""
    log = RunLog(tmp_path)

    def tell(number):
        for i in range(200):
            log.write("x", thread=number, i=i, text="y" * 500)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = list(read_events(log.path))
    assert len(events) == 1200
    for number in range(6):
        assert [e["i"] for e in events if e["thread"] == number] == list(range(200))


def test_what_json_cannot_hold_is_text(tmp_path):
    """A path in an event is written as its text."""
    log = RunLog(tmp_path)
    log.write("a", path=tmp_path)
    assert next(read_events(log.path))["path"] == str(tmp_path)


def test_a_full_disk_is_one_warning(tmp_path, monkeypatch, caplog):
    """Nothing is raised, it is said once, and events are kept again when there is room."""
    log = RunLog(tmp_path)
    log.write("before")
    real = os.write

    def full(file, data):
        real(file, data[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "write", full)
    log.write("lost")
    log.write("lost too")
    monkeypatch.setattr(module.os, "write", real)
    log.write("after")
    log.write("later")
    assert [e["event"] for e in read_events(log.path)] == ["before", "after", "later"]
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text


def test_a_write_that_was_cut_short(tmp_path, monkeypatch):
    """Half a line that was written without an error does not swallow the next."""
    log = RunLog(tmp_path)
    real = os.write
    monkeypatch.setattr(module.os, "write", lambda file, data: real(file, data[:9]))
    log.write("half")
    monkeypatch.setattr(module.os, "write", real)
    log.write("whole")
    assert [e["event"] for e in read_events(log.path)] == ["whole"]


def test_a_folder_that_cannot_be_made(tmp_path, caplog):
    """A file where the folder should be is no reason to end a run."""
    (tmp_path / "logs").write_text("")
    log = RunLog(tmp_path / "logs" / "runs")
    log.write("a")
    assert "The run log cannot be written" in caplog.text


def test_followers_hear_of_every_event(tmp_path):
    """Who follows gets events as they are, and may tell further ones itself."""
    log, heard = RunLog(tmp_path), []

    def follower(event):
        heard.append(event["event"])
        if event["event"] == "a":
            log.write("b", t=1)

    log.follow(follower)
    log.write("a", t=1)
    assert heard == ["a", "b"]
    assert [e["event"] for e in read_events(log.path)] == ["a", "b"]


def test_one_log_a_process():
    """The executor and the progress display write to the same one."""
    assert run_log() is run_log()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[1]",
        "null",
        '"event"',
        '{"event":"x"}',
        '{"t":1}',
        '{"t":"1","event":"x"}',
        "\x00",
    ],
)
def test_what_is_no_event_is_passed_over(tmp_path, line):
    """A broken or foreign line in the middle costs that line only."""
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"t":1,"event":"a"}}\n{line}\n{{"t":2,"event":"b","new":[1]}}\n')
    assert [event["event"] for event in read_events(path)] == ["a", "b"]


@given(
    names=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6),
    cut=st.integers(min_value=0, max_value=400),
)
def test_a_log_cut_anywhere_gives_its_beginning(tmp_path_factory, names, cut):
    """Whatever the byte at which a run was killed, all whole events before it are read."""
    log = RunLog(tmp_path_factory.mktemp("runs"))
    for i, name in enumerate(names):
        log.write(name, t=i)
    data = log.path.read_bytes()
    log.path.write_bytes(data[:cut])
    found = [event["event"] for event in read_events(log.path)]
    n_whole = data[:cut].count(b"\n")
    assert found == names[: len(found)]
    assert n_whole <= len(found) <= n_whole + 1  # the last may lack its line end only


def test_logs_are_listed_by_age(tmp_path):
    """The oldest is first; other files are none; a missing folder has none."""
    for name in ("20260102T000000Z_9.jsonl", "20251231T235959Z_10.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    names = [path.name for path in run_logs(tmp_path)]
    assert names == ["20251231T235959Z_10.jsonl", "20260102T000000Z_9.jsonl"]
    assert run_logs(tmp_path / "none") == []
