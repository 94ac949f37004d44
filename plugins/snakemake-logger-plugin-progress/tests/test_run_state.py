"""What the events of a run add up to."""

import pytest

from run_records import SCORE, STARTED, submitted
from snakemake_logger_plugin_progress.run_state import RunState


def test_a_retry_that_works():
    """A job that failed and was done at last counts as done, with one failure."""
    state = RunState([STARTED, submitted(1)])
    for t, name in enumerate(("job_started", "job_failed", "job_retried")):
        state.apply({"t": t, "event": name, "job": 1, "reason": "x"})
    assert dict(+state.counts[SCORE]) == {"waiting": 1}
    state.apply(submitted(1, 5.0))
    state.apply({"t": 6, "event": "job_started", "job": 1})
    state.apply({"t": 9, "event": "job_finished", "job": 1})
    assert dict(+state.counts[SCORE]) == {"done": 1}
    assert state.jobs[1].failures == [(1, "x")]
    tries = [(one.started_s, one.ended_s, one.failed) for one in state.jobs[1].tries]
    assert tries == [(0, 1, True), (6, 9, False)]


def test_word_that_comes_late():
    """A begin after the end, as of a group begun again, takes no time; sent twice is one try."""
    state = RunState([STARTED, submitted(1), submitted(1, 2.0)])
    state.apply({"t": 3, "event": "pack_submitted", "pack": "p"})
    assert [one.submitted_s for one in state.jobs[1].tries] == [2]
    state.apply({"t": 5, "event": "job_finished", "job": 1})
    state.apply({"t": 4, "event": "member_started", "pack": "p", "job": 1})
    assert dict(+state.counts[SCORE]) == {"done": 1}
    assert state.finishes[SCORE] == [(5, 0)]


def test_members_of_packs_are_known_by_number():
    """One, or several of them."""
    state = RunState([submitted(1), submitted(2, wildcards={"model": "m", "slide": "b"})])
    state.apply({"t": 1, "event": "pack_submitted", "pack": "p", "slurm_id": "7", "jobs": [1, 2]})
    state.apply({"t": 2, "event": "pack_started", "pack": "p", "node": "n"})
    state.apply({"t": 3, "event": "member_started", "pack": "p", "job": 2})
    assert state.jobs[2].state == "running"
    assert state.jobs[1].state == "waiting"
    state.apply({"t": 5, "event": "members_requeued", "pack": "p", "jobs": [2]})
    assert state.jobs[2].state == "waiting"
    assert state.packs["p"].n_requeued == 1
    state.apply({"t": 6, "event": "member_started", "pack": "q", "job": 1})
    state.apply({"t": 8, "event": "member_finished", "pack": "q", "job": 1})
    state.apply({"t": 11, "event": "job_finished", "job": 1})
    assert (state.jobs[1].tries[0].ended_s, state.jobs[1].tries[0].pack) == (8, "q")


HALF = ("job_finished", "job_submitted", "pack_started", "slurm_back", "planned", "run_started")


@pytest.mark.parametrize(
    "event",
    [
        *({"event": name} for name in HALF),
        {"event": "something_new", "x": 1},
        {"event": "job_finished", "job": 99},
        {"event": "job_failed", "jobs": [99, None]},
        {"event": "member_started"},
        {"event": "run_started", "stages": {"stages": 3, "new": []}},
        {"event": "pack_ended", "pack": "q"},
    ],
)
def test_unknown_and_half_events_change_nothing(event):
    """A reader of today understands the log of tomorrow as far as it can."""
    state = RunState([STARTED, submitted(1)])
    state.apply({"t": 1, **event})
    assert dict(+state.counts[SCORE]) == {"waiting": 1}
