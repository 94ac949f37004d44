"""The run log keeps whole lines whatever happens, and is read however it ended."""

import errno
import json
import os
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snakemake_logger_plugin_progress.run_log import RunLog, read_events, run_logs


def test_an_event_is_a_line_of_json(tmp_path):
    """With its time, its name and what was told, in a file of this time and process."""
    log = RunLog(tmp_path / "logs" / "runs")
    log.write("job_started", t=12.5, job=3)
    log.write("job_finished", path=tmp_path)
    first, second = map(json.loads, log.path.read_text().splitlines())
    assert first == {"t": 12.5, "event": "job_started", "job": 3}
    assert second["t"] > 1.7e9
    assert second["path"] == str(tmp_path)  # what JSON cannot hold is text
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z_{os.getpid()}\.jsonl", log.path.name)


def test_no_event_no_file(tmp_path, monkeypatch, caplog):
    """It is made at the first event, in the working folder of then; where it cannot be is said."""
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
    RunLog(log.path / "runs").write("a")
    assert "The run log cannot be written" in caplog.text


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


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), None])
def test_what_could_not_be_written_swallows_no_other_event(tmp_path, monkeypatch, caplog, error):
    """A full disk raises nothing and is said once; half a line may be written without an error."""
    log = RunLog(tmp_path)
    log.write("before")
    write = os.write

    def write_half(file, data):
        n_written = write(file, data[:7])
        if error:
            raise error
        return n_written

    monkeypatch.setattr("snakemake_logger_plugin_progress.run_log.os.write", write_half)
    log.write("lost")
    log.write("lost too")
    monkeypatch.setattr("snakemake_logger_plugin_progress.run_log.os.write", write)
    log.write("after")
    log.write("later")
    assert [e["event"] for e in read_events(log.path)] == ["before", "after", "later"]
    assert [r.levelname for r in caplog.records] == (["WARNING"] if error else [])
    assert ("No space left" in caplog.text) is bool(error)


NO_EVENTS = ("", "{", "[1]", "null", '"event"', "\x00")
HALF_EVENTS = ('{"event":"x"}', '{"t":1}', '{"t":"1","event":"x"}')


@pytest.mark.parametrize("line", [*NO_EVENTS, *HALF_EVENTS])
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
