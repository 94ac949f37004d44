"""Packs from submission to their end, on a SLURM that is played."""

import os

import pytest

from snakemake_executor_plugin_packed_slurm import pack_queue
from snakemake_executor_plugin_packed_slurm.errors import InputError
from snakemake_executor_plugin_packed_slurm.pack_events import PackEvents, is_given_up
from snakemake_executor_plugin_packed_slurm.pack_queue import PackQueue
from snakemake_executor_plugin_packed_slurm.packing import Member, PackSize, Step, fill_packs
from snakemake_executor_plugin_packed_slurm.slurm_commands import QueuedJob, SilentError

GRACE_S = 20
SILENT = SilentError("Unable to contact slurm controller")


class Played:
    """SLURM, a clock, the run's log and a queue of packs, all in the test's hands.

    Packs take up to 60 minutes on one core.
    """

    def __init__(self, folder):
        self.now, self.silent, self.refuses = 1000.0, False, ""
        self.jobs, self.told, self.folders, self.cancelled = {}, [], [], []
        self.packs = PackQueue(
            folder=folder / "packs",
            prefix="pack_",
            size=PackSize(minutes=60, cores=1),
            most_jobs=3,
            hold_s=30,
            grace_s=GRACE_S,
            submit=self.submit,
            tell=lambda event, **what: self.told.append((event, what)),
        )

    def submit(self, pack, name, folder):
        """Take a job; it runs at once."""
        if self.refuses:
            raise InputError(self.refuses)
        self.answer()
        folder.mkdir(parents=True)
        self.folders.append(folder)
        slurm_id = str(len(self.folders))
        self.jobs[slurm_id] = QueuedJob(slurm_id, name, "RUNNING", "None", "cpu1")
        return slurm_id

    def answer(self):
        """Raise where SLURM is away."""
        if self.silent:
            raise SILENT

    def queue(self):
        """What squeue says."""
        self.answer()
        return dict(self.jobs)

    def is_now(self, state, *, number=1, reason="None"):
        """Let SLURM say so of a job."""
        slurm_id = str(number)
        self.jobs[slurm_id] = QueuedJob(slurm_id, self.jobs[slurm_id].name, state, reason, "cpu1")

    def begun(self, *keys, number=-1):
        """A pack begins, and these jobs of it; the pack's events, to write more."""
        events = PackEvents(self.folders[number])
        events.add("pack_started", node="cpu1")
        for key in keys:
            events.add("job_started", key=key)
        return events

    def step(self, after_s=0):
        """Take a step some time later, and give what went wrong with each member that ended."""
        self.now += after_s
        return {outcome.job: outcome.reason for outcome in self.packs.step()}

    def submitted(self, *members):
        """Put members into one pack and submit it."""
        for one in members:
            self.packs.add(one)
        return self.step(100)

    def settled(self, state="", number=1):
        """Let a job end, wait for its last words, and give which members ended how."""
        if state:
            self.is_now(state, number=number)
        return self.step() | self.step(GRACE_S + 1)

    def last(self, event):
        """What was told last of an event."""
        return dict(self.told)[event]


@pytest.fixture
def played(monkeypatch, tmp_path):
    """A SLURM that the test plays."""
    slurm = Played(tmp_path)
    monkeypatch.setattr(pack_queue, "queue", slurm.queue)
    monkeypatch.setattr(pack_queue, "end_of", lambda slurm_id: None)
    monkeypatch.setattr(pack_queue, "cancel", slurm.cancelled.extend)
    monkeypatch.setattr(pack_queue.time, "time", lambda: slurm.now)
    return slurm


def member(name, *, steps=None, **changed):
    """A member of one step, or of `steps` of which each needs those named behind it."""
    needs = steps or {name: ()}
    given = {"kind": ("prepare",), "threads": 1, "mem_mb": 1000, "runtime_min": 10, **changed}
    return Member(
        job=name,
        steps=tuple(
            Step(key, f"rule:slide={key}", number, tuple(before))
            for number, (key, before) in enumerate(needs.items())
        ),
        label="prepare",
        **given,
    )


def long(name, **changed):
    """A member that fills a pack."""
    return member(name, runtime_min=100, **changed)


def test_members_wait_for_others_of_their_kind(played):
    """A pack goes out when it is full, or when nothing came for a while; at once if none runs."""
    played.packs.add(member("a"))
    played.step(1)
    assert not played.folders
    played.step(3)
    assert len(played.folders) == 1
    for name in "bcdefg":
        played.packs.add(member(name))
    played.step()
    assert len(played.folders) == 2  # 5 + 10 + 5 x 10 >= 60 minutes
    played.packs.add(member("h"))
    played.step(29)
    assert len(played.folders) == 2
    played.step(2)
    assert len(played.folders) == 3


def test_each_member_ends_as_its_pack_tells(played):
    """At once, long before the pack itself ends."""
    played.submitted(member("a"), member("b"), member("c"))
    events = played.begun("a", "b")
    events.add("job_finished", key="a")
    assert played.step() == {"a": ""}
    events.add("job_failed", key="b")
    assert played.step() == {"b": "job 1 on cpu1: it failed"}
    events.add("job_started", key="c")
    events.add("job_finished", key="c")
    events.add("pack_ended", ok=False)
    assert played.step() == {"c": ""}
    assert played.packs.slurm_ids() == []
    assert played.last("pack_ended")["state"] == "FAILED"  # as SLURM will say of it too


def test_the_steps_of_a_slide_end_together(played):
    """Well after the last one; badly when no step is left that runs or can still run."""
    chains = (member(name, steps={f"{name}1": (), f"{name}2": [f"{name}1"]}) for name in "ab")
    fork = member("c", steps={"c1": (), "c2": ["c1"], "c3": ["c1"]})
    played.submitted(*chains, fork)
    events = played.begun("a1", "b1", "c1")
    for key in ("a1", "c1"):
        events.add("job_finished", key=key)
    assert played.step() == {}
    events.add("job_failed", key="b1")
    events.add("job_failed", key="c2")
    assert list(played.step()) == ["b"]
    for key in ("a2", "c3"):
        events.add("job_finished", key=key)
    found = played.step()
    assert (found["a"], bool(found["c"])) == ("", True)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "its time was up"),
        ("OUT_OF_MEMORY", "more memory than it asked for"),
        ("CANCELLED", "cancelled"),
        ("FAILED", "FAILED"),
    ],
)
def test_what_ran_when_a_job_died_failed_and_the_rest_runs_again(played, state, words):
    """The first counts as a try, with more memory and time; the others lost nothing."""
    played.submitted(member("a"), member("b"), member("c"))
    events = played.begun("a", "b")
    events.add("job_finished", key="a")
    events.add("pack_stopped", peak_mb=700, cpu_s=12.5)
    found = played.settled(state)
    assert found.pop("a") == ""
    assert list(found) == ["b"]
    assert found["b"].endswith(words)
    assert played.last("pack_ended") | {"peak_mb": 700, "cpu_s": 12.5} == played.last("pack_ended")
    played.step(40)
    assert len(played.folders) == 2
    played.begun("c").add("job_finished", key="c")
    assert played.step() == {"c": ""}


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "gone"])
def test_a_lost_node_is_nobodys_fault(played, state):
    """All that had not finished runs again, no try is counted; that pack is not begun again."""
    played.submitted(member("a"), member("b"))
    played.begun("a").add("job_finished", key="a")
    played.jobs.clear() if state == "gone" else played.is_now(state)
    assert played.step() == {"a": ""}
    assert not is_given_up(played.folders[0])
    assert played.step(200 if state == "gone" else GRACE_S + 1) == {}
    assert is_given_up(played.folders[0])
    played.step(100)
    played.begun("b").add("job_finished", key="b")
    assert played.step() == {"b": ""}


def test_a_job_that_slurm_does_not_name_runs_on_while_it_tells(played):
    """Begun again it would run twice; when it has been quiet for long it is ended for sure."""
    played.submitted(member("a"))
    events = played.begun("a")
    played.jobs.clear()
    for _ in range(10):
        events.add("alive")
        assert played.step(60) == {}
    assert len(played.folders) == 1
    played.step(200)
    assert played.cancelled == ["1"]
    played.step(100)
    assert len(played.folders) == 2


def test_a_job_that_the_queue_leaves_out_is_asked_for_by_its_number(played, monkeypatch):
    """SLURM says that it runs: it has not ended, however quiet it is."""
    played.submitted(member("a"))
    played.begun("a")
    [there] = played.jobs.values()
    played.jobs.clear()
    monkeypatch.setattr(pack_queue, "end_of", lambda slurm_id: there)
    for _ in range(10):
        assert played.step(100) == {}
    assert len(played.folders) == 1


def test_a_job_script_that_cannot_start_counts_as_a_try(played):
    """Else it would be submitted for ever."""
    played.submitted(member("a"), member("b"))
    assert sorted(played.settled("FAILED")) == ["a", "b"]


def test_a_member_that_loses_every_node_fails_in_the_end(played):
    """It may be what brings the nodes down: five times, then it counts."""
    played.submitted(member("a"))
    for number in range(1, 6):
        played.begun("a")
        assert played.settled("NODE_FAIL", number) == {}
        played.step(100)
    played.begun("a")
    assert "the node was lost" in played.settled("NODE_FAIL", 6)["a"]


def test_training_goes_on_from_its_checkpoint_as_often_as_its_time_is_up(played, tmp_path):
    """As long as each job got further; one that wrote none has failed."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.touch()
    played.submitted(member("a", checkpoint=str(checkpoint)))
    for number in range(1, 9):
        played.begun("a")
        played.now += 50
        os.utime(checkpoint, (played.now, played.now))
        assert played.settled("TIMEOUT", number) == {}
        played.step(100)
        assert len(played.folders) == number + 1
    played.begun("a")
    assert list(played.settled("TIMEOUT", 9)) == ["a"]


def test_a_job_that_slurm_begins_again_goes_on(played):
    """After a lost node or preemption it has the same number; what had begun has not ended."""
    played.submitted(member("a"), member("b"))
    played.begun("a").add("job_finished", key="a")
    played.step()
    played.is_now("PENDING")
    assert played.step(500) == {}
    events = played.begun("b")
    events.add("job_finished", key="b")
    events.add("pack_ended", ok=True)
    assert played.step() == {"b": ""}
    assert len(played.folders) == 1


def test_while_slurm_is_silent_nothing_is_concluded(played):
    """What nodes tell is read; the outage is told once, and its end."""
    played.submitted(member("a"), member("b"))
    events = played.begun("a")
    played.silent = True
    for _ in range(5):
        assert played.step(100) == {}
    events.add("job_finished", key="a")
    assert played.step() == {"a": ""}
    played.submitted(member("c"))
    played.silent = False
    for _ in range(2):
        assert played.step() == {}
    names = [event for event, _ in played.told]
    assert [names.count(name) for name in ("slurm_silent", "slurm_back")] == [1, 1]
    assert len(played.folders) == 2  # what came meanwhile went out


def test_a_submission_without_answer_is_not_repeated_if_it_came_through(played):
    """The job is found by its name."""
    tries = []

    def lose_answer(pack, name, folder):
        tries.append(name)
        played.submit(pack, name, folder)
        raise SILENT

    played.packs._submit = lose_answer
    played.submitted(member("a"))
    played.step()
    assert len(tries) == 1
    assert played.packs.slurm_ids() == ["1"]


def test_events_may_come_later_than_the_end(played, monkeypatch):
    """They are waited for, as file systems are slow; the last look is after SLURM's answer."""
    played.submitted(member("a"), member("b"))
    events = played.begun("a", "b")
    played.is_now("COMPLETED")
    played.step()
    assert played.step(GRACE_S - 1) == {}
    events.add("job_finished", key="a")
    assert played.step() == {"a": ""}

    def answer_late():
        events.add("job_finished", key="b")
        return played.queue()

    monkeypatch.setattr(pack_queue, "queue", answer_late)
    assert played.step(2) == {"b": ""}


@pytest.mark.parametrize("says", ["SLURM", "its node"])
def test_a_job_that_seemed_over_has_all_its_time_again(played, says):
    """SLURM may call a job lost before it queues it again, or after its node says that it began."""
    played.submitted(member("a"))
    played.begun("a")
    played.is_now("NODE_FAIL")
    played.step()
    played.is_now("PENDING") if says == "SLURM" else played.begun("a")
    played.step(GRACE_S - 5)
    played.is_now("TIMEOUT")
    assert played.step() == played.step(GRACE_S - 1) == {}
    assert list(played.step(2)) == ["a"]


def test_a_job_that_slurm_refuses_ends_the_run_if_it_is_the_first(played):
    """All would be refused alike; a later one, such as a try with more memory, fails alone."""
    played.refuses = "SLURM refuses a job: Requested node configuration is not available"
    with pytest.raises(InputError, match="SLURM refuses a job: Requested node"):
        played.submitted(long("a"))
    played.refuses = ""
    played.step()
    played.refuses = "SLURM refuses a job: Requested node configuration is not available"
    assert played.submitted(long("b", mem_mb=900_000)) == {"b": played.refuses}
    played.begun("a").add("job_finished", key="a")
    assert played.step() == {"a": ""}


def test_a_job_that_its_node_could_not_start_runs_elsewhere(played):
    """SLURM would hold it until somebody comes."""
    played.submitted(member("a"))
    played.is_now("PENDING", reason="launch_failed_requeued_held")
    played.step()
    assert played.cancelled == ["1"]
    assert played.settled("CANCELLED") == {}
    played.step(100)
    assert len(played.folders) == 2


def test_a_job_that_will_wait_for_ever_ends_the_run(played):
    """It asks for what its partition never gives."""
    played.submitted(member("a"))
    played.is_now("PENDING", reason="Priority")
    played.step()
    played.is_now("PENDING", reason="PartitionTimeLimit")
    with pytest.raises(InputError, match=r"never run job 1: PartitionTimeLimit .*15 min, 1400 MB"):
        played.step()


def test_no_more_jobs_than_allowed_are_in_the_queue(played):
    """The next goes out when one has ended, unless the queue was stopped."""
    played.submitted(*map(long, "abcde"))
    assert len(played.folders) == 3
    played.begun("a", number=0).add("pack_ended", ok=True)
    played.step()
    assert len(played.folders) == 4
    played.packs.stop()
    played.begun("b", number=1).add("pack_ended", ok=True)
    played.step()
    assert played.packs.slurm_ids() == ["3", "4"]


def test_the_log_says_what_a_job_asked_for_and_took(played):
    """From both sides of its life; the time in the queue does not count."""
    played.submitted(member("a"), member("b"))
    played.now += 40
    events = played.begun("a", "b")
    events.add("job_finished", key="a")
    events.add("job_finished", key="b")
    played.now += 60
    events.add("pack_ended", ok=True, peak_mb=812, cpu_s=31.5)
    played.step()
    asked, took = played.last("pack_submitted"), played.last("pack_ended")
    assert asked | {"runtime_min": 25, "mem_mb": 1400, "slurm_id": "1"} == asked
    assert took | {"peak_mb": 812, "elapsed_s": 60, "node": "cpu1", "state": "COMPLETED"} == took


def test_what_ran_in_an_earlier_life_of_a_job_did_not_run_in_its_last(played):
    """Only what ran when its time was up is to blame."""
    played.submitted(member("a"), member("b"))
    played.begun("a", "b")
    played.begun("a")
    assert list(played.settled("TIMEOUT")) == ["a"]
    assert played.last("members_requeued")["reason"].endswith("it had not begun")


def test_a_member_that_comes_while_packs_are_made_is_kept(played, monkeypatch):
    """Snakemake adds them from another thread, at any moment."""
    late = [member("late")]

    def add_meanwhile(members, size):
        made = fill_packs(members, size)
        while late:
            played.packs.add(late.pop())
        return made

    monkeypatch.setattr(pack_queue, "fill_packs", add_meanwhile)
    played.packs.add(long("a"))
    played.step()
    played.step(100)
    played.begun("late").add("job_finished", key="late")
    assert played.step() == {"late": ""}


def test_what_is_known_is_told_where_slurm_falls_silent_just_then(played, monkeypatch):
    """How a job ended that the queue forgot is asked: of the first it is said, then nothing."""
    played.submitted(long("a"), long("b"))
    for number in (0, 1):
        played.begun("ab"[number], number=number)
    end_of = {"1": QueuedJob("1", "x", "TIMEOUT", "TimeLimit", "cpu1")}
    played.jobs.clear()

    def answer_half(slurm_id):
        if slurm_id not in end_of:
            raise SILENT
        return end_of[slurm_id]

    monkeypatch.setattr(pack_queue, "end_of", answer_half)
    found = played.settled()
    assert list(found) == ["a"]
    assert found["a"].endswith("its time was up (TimeLimit)")
    end_of["2"] = end_of["1"]
    assert list(played.step()) == ["b"]


def test_where_no_further_job_is_taken_those_that_run_are_looked_after(played):
    """A limit of jobs that is full is as silence, for new ones only."""
    played.submitted(long("a"))
    played.begun("a")

    def refuse(*_):
        raise SilentError("QOSMaxSubmitJobPerUserLimit")

    played.packs._submit = refuse
    played.submitted(long("b"))
    assert list(played.settled("TIMEOUT")) == ["a"]


def test_a_pack_in_which_nothing_could_run_is_taken_apart(played):
    """One slide's missing file keeps all from running: each is tried alone, and only that fails."""
    played.submitted(member("a"), member("b"))
    played.begun().add("pack_ended", ok=False)
    assert played.step() == {}
    played.step(100)
    assert len(played.folders) == 3
    played.begun("a", number=1).add("job_finished", key="a")
    played.begun(number=2).add("pack_ended", ok=False)
    found = played.step()
    assert found["a"] == ""
    assert "not run, see its output" in found["b"]
