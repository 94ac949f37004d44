"""What a pack tells while it runs."""

import json

from snakemake_executor_plugin_packed_slurm.pack_events import (
    EVENTS,
    EventReader,
    PackEvents,
    job_key,
)


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    """The half that is there waits for the other."""
    line = json.dumps({"t": 1, "event": "job_finished", "key": "a"})
    (tmp_path / EVENTS).write_text(line[:10])
    reader = EventReader(tmp_path)
    assert reader.new() == []
    (tmp_path / EVENTS).write_text(f"{line}\n")
    assert [event["key"] for event in reader.new()] == ["a"]


def test_a_line_that_is_no_event_is_passed_over(tmp_path):
    """Whatever a full disk has left, or a lost node; the job that begins again goes on below."""
    lines = ("[1]", '"x"', "\0\0{", '{"key": "a"}', '{"event": "job_started", "key": "b"}')
    (tmp_path / EVENTS).write_text("\n".join([*lines, '{"event": "job_fin']))
    PackEvents(tmp_path).add("pack_started", node="n")
    names = [event["event"] for event in EventReader(tmp_path).new()]
    assert names == ["job_started", "pack_started"]


def test_names_of_jobs_do_not_depend_on_the_order_of_wildcards():
    """Driver and node may have them in another order."""
    assert job_key("r", {"slide": "a", "model": "m"}) == job_key("r", {"model": "m", "slide": "a"})
    assert job_key("r", {"slide": "a"}) != job_key("r", {"slide": "b"})
