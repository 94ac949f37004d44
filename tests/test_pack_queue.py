"""Packs from submission to their end, on a SLURM that is played."""

import pytest

from microtome.errors import InputError
from microtome.pack_events import PackEvents, is_given_up
from microtome.pack_queue import PackQueue
from microtome.packing import Member, PackSize, Step, full_packs
from microtome.slurm_commands import QueuedJob, SilentError


class Played:
    """SLURM, a clock and the run's log, all in the test's hands."""

    def __init__(self):
        self.now, self.silent, self.refuses = 1000.0, False, ""
        self.jobs, self.forgotten, self.told, self.folders = {}, {}, [], []

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
            raise SilentError("Unable to contact slurm controller")

    def queue(self):
        """What squeue says."""
        self.answer()
        return dict(self.jobs)

    def end_of(self, slurm_id):
        """What scontrol and sacct say of a job that squeue no longer has."""
        self.answer()
        return self.forgotten.get(slurm_id)

    def ends(self, slurm_id, state):
        """Let a job end."""
        old = self.jobs[slurm_id]
        self.jobs[slurm_id] = QueuedJob(slurm_id, old.name, state, "None", "cpu1")

    def events(self, number=-1):
        """The events of a pack, to write some."""
        return PackEvents(self.folders[number])

    def begun(self, *keys, number=-1):
        """A pack that runs, and these jobs of it."""
        events = self.events(number)
        events.add("pack_started", node="cpu1")
        for key in keys:
            events.add("job_started", key=key)
        return events

    def names(self):
        """Events of the run's log so far."""
        return [event for event, _ in self.told]


@pytest.fixture
def played(monkeypatch):
    """A SLURM that the test plays."""
    slurm = Played()
    monkeypatch.setattr("microtome.pack_queue.queue", slurm.queue)
    monkeypatch.setattr("microtome.pack_queue.end_of", slurm.end_of)
    monkeypatch.setattr("microtome.pack_queue.time.time", lambda: slurm.now)
    return slurm


@pytest.fixture
def packs(played, tmp_path):
    """A queue of packs of up to 60 minutes on one core."""
    return make_queue(played, tmp_path)


def make_queue(played, folder, **changed):
    """The same with other settings."""
    settings = {"most_jobs": 10, "hold_s": 30, "grace_s": 20}
    return PackQueue(
        folder=folder / "packs",
        prefix="mt_",
        size=PackSize(minutes=60, cores=1),
        submit=played.submit,
        tell=lambda event, **what: played.told.append((event, what)),
        **{**settings, **changed},
    )


def member(name, *, minutes=10, steps=None, **changed):
    """A member of one step, or of `steps` of which each needs the one before."""
    keys = steps or [name]
    before = [None, *keys]
    return Member(
        job=name,
        steps=tuple(
            Step(key, f"rule:slide={key}", number, (need,) if need else ())
            for number, (need, key) in enumerate(zip(before, keys, strict=False))
        ),
        **{
            "label": "prepare",
            "kind": ("prepare",),
            "threads": 1,
            "mem_mb": 1000,
            "runtime_min": minutes,
            **changed,
        },
    )


def submitted(packs, played, *members):
    """Put these into one pack and submit it."""
    for one in members:
        packs.add(one)
    played.now += 100
    return packs.step()


def ended(outcomes):
    """Names of the members, with what went wrong."""
    return {outcome.job: outcome.reason for outcome in outcomes}


def test_members_wait_for_others_of_their_kind(packs, played):
    """A pack goes out when it is full, or when nothing came for a while."""
    packs.add(member("a"))
    played.now += 1
    packs.step()
    assert not played.folders
    for name in "bcdefg":
        packs.add(member(name, minutes=9))
    packs.step()
    assert len(played.folders) == 1  # 5 + 10 + 5 x 9 = 60 minutes
    packs.add(member("h"))
    played.now += 29
    packs.step()
    assert len(played.folders) == 1
    played.now += 2
    packs.step()
    assert len(played.folders) == 2


def test_where_nothing_runs_nothing_is_waited_for(packs, played):
    """Nothing can follow what does not run."""
    packs.add(member("a"))
    played.now += 4
    packs.step()
    assert len(played.folders) == 1


def test_each_member_ends_as_its_pack_tells(packs, played):
    """At once, long before the pack itself ends."""
    submitted(packs, played, member("a"), member("b"), member("c"))
    events = played.begun("a", "b")
    events.add("job_finished", key="a")
    assert ended(packs.step()) == {"a": ""}
    events.add("job_failed", key="b")
    assert ended(packs.step()) == {"b": "job 1 on cpu1: it failed"}
    events.add("job_started", key="c")
    events.add("job_finished", key="c")
    events.add("pack_ended", ok=False)
    assert ended(packs.step()) == {"c": ""}
    assert packs.slurm_ids() == []


def test_the_steps_of_a_slide_end_together(packs, played):
    """Well after the last one; badly when no step is left that can still run."""
    submitted(packs, played, member("a", steps=["a1", "a2"]), member("b", steps=["b1", "b2"]))
    events = played.begun("a1", "b1")
    events.add("job_finished", key="a1")
    assert packs.step() == []
    events.add("job_failed", key="b1")
    assert list(ended(packs.step())) == ["b"]
    events.add("job_finished", key="a2")
    assert ended(packs.step()) == {"a": ""}


def test_a_failed_step_waits_for_those_beside_it(packs, played):
    """Else the slide would be begun again while a step of it still runs."""
    steps = (Step("s", "", 0), Step("x", "", 1, ("s",)), Step("y", "", 2, ("s",)))
    one = member("a")
    submitted(packs, played, Member(**{**vars(one), "steps": steps}))
    events = played.begun("s")
    events.add("job_finished", key="s")
    events.add("job_failed", key="x")
    assert packs.step() == []
    events.add("job_finished", key="y")
    assert list(ended(packs.step())) == ["a"]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "its time was up"),
        ("OUT_OF_MEMORY", "more memory than it asked for"),
        ("CANCELLED", "cancelled"),
        ("FAILED", "FAILED"),
    ],
)
def test_what_ran_when_a_job_died_failed_and_the_rest_runs_again(packs, played, state, words):
    """The first counts as a try, with more memory and time; the others lost nothing."""
    submitted(packs, played, member("a"), member("b"), member("c"))
    played.begun("a", "b").add("job_finished", key="a")
    played.ends("1", state)
    assert ended(packs.step()) == {"a": ""}
    played.now += 21
    [outcome] = packs.step()
    assert outcome.job == "b"
    assert outcome.reason.endswith(words)
    played.now += 40
    packs.step()
    assert len(played.folders) == 2
    played.begun("c").add("job_finished", key="c")
    assert ended(packs.step()) == {"c": ""}


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL"])
def test_a_lost_node_is_nobodys_fault(packs, played, state):
    """All that had not finished runs again, and no try is counted."""
    submitted(packs, played, member("a"), member("b"))
    played.begun("a").add("job_finished", key="a")
    played.ends("1", state)
    packs.step()
    played.now += 21
    assert packs.step() == []
    played.now += 40
    packs.step()
    played.begun("b").add("job_finished", key="b")
    assert ended(packs.step()) == {"b": ""}


def test_a_member_that_loses_every_node_fails_in_the_end(packs, played):
    """It may be what brings the nodes down: five times, then it counts."""
    submitted(packs, played, member("a"))
    for number in range(1, 7):
        played.begun("a")
        played.ends(str(number), "NODE_FAIL")
        packs.step()
        played.now += 21
        outcomes = packs.step()
        assert bool(outcomes) == (number == 6)
        played.now += 100
        packs.step()
    assert "the node was lost" in outcomes[0].reason


def test_training_goes_on_from_its_checkpoint_as_often_as_its_time_is_up(packs, played, tmp_path):
    """As long as each job got further; one that wrote none has failed."""
    checkpoint = tmp_path / "checkpoint"
    submitted(packs, played, member("a", checkpoint=str(checkpoint)))
    for number in range(1, 9):
        played.begun("a")
        played.now = checkpoint.stat().st_mtime - 1 if checkpoint.exists() else played.now
        checkpoint.write_text("")
        played.now = checkpoint.stat().st_mtime + 1
        played.ends(str(number), "TIMEOUT")
        packs.step()
        played.now += 21
        assert packs.step() == [], number
        checkpoint.touch()
        played.now = checkpoint.stat().st_mtime - 50
        packs._last_added = played.now - 100
        packs.step()
        assert len(played.folders) == number + 1
    played.begun("a")
    played.now += 10_000
    packs._running[0].submitted = played.now
    played.ends("9", "TIMEOUT")
    packs.step()
    played.now += 21
    assert list(ended(packs.step())) == ["a"]


def test_a_job_that_slurm_begins_again_goes_on(packs, played):
    """After a lost node or preemption it has the same number; what had begun has not ended."""
    submitted(packs, played, member("a"), member("b"))
    played.begun("a").add("job_finished", key="a")
    packs.step()
    played.ends("1", "PENDING")
    played.now += 500
    assert packs.step() == []
    events = played.begun("b")
    events.add("job_finished", key="b")
    events.add("pack_ended", ok=True)
    assert ended(packs.step()) == {"b": ""}
    assert len(played.folders) == 1


def test_while_slurm_is_silent_nothing_is_concluded(packs, played):
    """What nodes tell is read; the outage is told once, and its end."""
    submitted(packs, played, member("a"), member("b"))
    events = played.begun("a")
    packs.step()
    played.silent = True
    for _ in range(5):
        played.now += 100
        assert packs.step() == []
    events.add("job_finished", key="a")
    assert ended(packs.step()) == {"a": ""}
    packs.add(member("c"))
    played.now += 100
    packs.step()
    played.silent = False
    assert packs.step() == []
    assert packs.step() == []
    assert played.names().count("slurm_silent") == 1
    assert played.names().count("slurm_back") == 1
    assert len(played.folders) == 2  # what came meanwhile went out


def test_a_submission_without_answer_is_not_repeated_if_it_came_through(packs, played, monkeypatch):
    """The job is found by its name."""
    packs.add(member("a"))
    played.now += 100
    submit = played.submit
    tries = []

    def lost_answer(pack, name, folder):
        tries.append(name)
        submit(pack, name, folder)
        raise SilentError("Socket timed out")

    packs._submit = lost_answer
    packs.step()
    packs.step()
    assert len(tries) == 1
    assert packs.slurm_ids() == ["1"]


def test_a_job_that_slurm_forgot_is_asked_for(packs, played):
    """Squeue no longer has it, scontrol or sacct does."""
    submitted(packs, played, member("a"))
    played.begun("a")
    played.forgotten["1"] = QueuedJob("1", "x", "TIMEOUT", "TimeLimit", "cpu1")
    del played.jobs["1"]
    packs.step()
    played.now += 21
    [outcome] = packs.step()
    assert "its time was up (TimeLimit)" in outcome.reason


def test_a_job_of_which_nobody_knows_runs_again(packs, played):
    """The controller lost its memory: no try is counted."""
    submitted(packs, played, member("a"))
    played.begun("a")
    del played.jobs["1"]
    packs.step()
    played.now += 21
    assert packs.step() == []
    played.now += 100
    packs.step()
    assert len(played.folders) == 2


def test_events_may_come_later_than_the_end(packs, played):
    """On a network file system: for a while the last words are waited for."""
    submitted(packs, played, member("a"))
    events = played.begun("a")
    played.ends("1", "COMPLETED")
    packs.step()
    played.now += 19
    assert packs.step() == []
    events.add("job_finished", key="a")
    events.add("pack_ended", ok=True)
    assert ended(packs.step()) == {"a": ""}


def test_events_that_come_while_slurm_is_asked_count(packs, played, monkeypatch):
    """The very last look at them is after its answer."""
    submitted(packs, played, member("a"))
    events = played.begun("a")
    played.ends("1", "COMPLETED")
    packs.step()
    played.now += 21

    def late():
        events.add("job_finished", key="a")
        return played.queue()

    monkeypatch.setattr("microtome.pack_queue.queue", late)
    assert ended(packs.step()) == {"a": ""}


def test_a_job_that_seemed_over_has_all_its_time_again(packs, played):
    """SLURM may call a job lost for a moment before it puts it back into the queue."""
    submitted(packs, played, member("a"))
    played.begun("a")
    played.ends("1", "NODE_FAIL")
    packs.step()
    played.ends("1", "PENDING")
    packs.step()
    played.now += 500
    played.ends("1", "TIMEOUT")
    packs.step()
    played.now += 19
    assert packs.step() == []
    played.now += 2
    assert list(ended(packs.step())) == ["a"]


def test_a_member_that_its_pack_never_ran_failed(packs, played):
    """Its Snakemake ended without a word of it: the output says why."""
    submitted(packs, played, member("a"))
    played.begun().add("pack_ended", ok=False)
    [outcome] = packs.step()
    assert "not run, see its output" in outcome.reason


def test_a_job_script_that_cannot_start_counts_as_a_try(packs, played):
    """Else it would be submitted for ever."""
    submitted(packs, played, member("a"), member("b"))
    played.ends("1", "FAILED")
    packs.step()
    played.now += 21
    assert sorted(ended(packs.step())) == ["a", "b"]


def test_a_job_that_slurm_refuses_ends_the_run(packs, played):
    """Every job would be refused alike."""
    played.refuses = "SLURM refuses a job: invalid partition specified: gpus"
    packs.add(member("a"))
    played.now += 100
    with pytest.raises(InputError, match="invalid partition"):
        packs.step()


def test_a_job_that_its_node_could_not_start_runs_elsewhere(packs, played, monkeypatch):
    """SLURM would hold it until somebody comes."""
    cancelled = []
    monkeypatch.setattr("microtome.pack_queue.cancel", cancelled.extend)
    submitted(packs, played, member("a"))
    old = played.jobs["1"]
    reason = "launch_failed_requeued_held"
    played.jobs["1"] = QueuedJob("1", old.name, "PENDING", reason, "")
    packs.step()
    assert cancelled == ["1"]
    played.ends("1", "CANCELLED")
    played.now += 21
    assert packs.step() == []
    played.now += 100
    packs.step()
    assert len(played.folders) == 2


def test_a_job_that_will_wait_for_ever_ends_the_run(packs, played):
    """It asks for what its partition never gives."""
    submitted(packs, played, member("a"))
    old = played.jobs["1"]
    played.jobs["1"] = QueuedJob("1", old.name, "PENDING", "Priority", "")
    packs.step()
    played.jobs["1"] = QueuedJob("1", old.name, "PENDING", "PartitionTimeLimit", "")
    with pytest.raises(InputError, match=r"never run job 1: PartitionTimeLimit .*15 min, 1400 MB"):
        packs.step()


def test_no_more_jobs_than_allowed_are_in_the_queue(played, tmp_path):
    """The next goes out when one has ended."""
    packs = make_queue(played, tmp_path, most_jobs=2)
    for name in "abc":
        packs.add(member(name, minutes=100))
    packs.step()
    assert len(played.folders) == 2
    played.begun("a", number=0).add("pack_ended", ok=True)
    packs.step()
    packs.step()
    assert len(played.folders) == 3


def test_the_log_says_what_a_job_asked_for_and_took(packs, played):
    """From both sides of its life."""
    submitted(packs, played, member("a"), member("b"))
    played.now += 40  # in the queue
    events = played.begun("a", "b")
    events.add("job_finished", key="a")
    events.add("job_finished", key="b")
    played.now += 60
    events.add("pack_ended", ok=True, peak_mb=812, cpu_s=31.5)
    packs.step()
    told = dict(played.told)
    assert told["pack_submitted"]["runtime_min"] == 25
    assert told["pack_submitted"]["mem_mb"] == 1400
    assert told["pack_submitted"]["slurm_id"] == "1"
    assert told["pack_ended"]["peak_mb"] == 812
    assert told["pack_ended"]["elapsed_s"] == 60
    assert told["pack_ended"]["node"] == "cpu1"
    assert told["pack_ended"]["state"] == "COMPLETED"


def test_a_pack_of_which_a_member_failed_has_failed(packs, played):
    """As SLURM will say of it too."""
    submitted(packs, played, member("a"))
    events = played.begun("a")
    events.add("job_failed", key="a")
    events.add("pack_ended", ok=False)
    packs.step()
    assert dict(played.told)["pack_ended"]["state"] == "FAILED"


def test_what_ran_in_an_earlier_life_of_a_job_did_not_run_in_its_last(packs, played):
    """Only what ran when its time was up is to blame."""
    submitted(packs, played, member("a"), member("b"))
    played.begun("a", "b")
    played.begun("a")
    played.ends("1", "TIMEOUT")
    packs.step()
    played.now += 21
    assert list(ended(packs.step())) == ["a"]
    assert dict(played.told)["members_requeued"]["reason"].endswith("it had not begun")


def test_a_job_that_begins_again_is_not_over(packs, played):
    """Its event may be there before SLURM says so."""
    submitted(packs, played, member("a"))
    played.begun("a")
    played.ends("1", "NODE_FAIL")
    packs.step()
    played.now += 15
    played.begun("a")
    played.now += 10
    packs.step()
    assert packs.slurm_ids() == ["1"]


def test_a_member_that_comes_while_packs_are_made_is_kept(packs, played, monkeypatch):
    """Snakemake adds them from another thread, at any moment."""
    once = []

    def slowly(members, size):
        made = full_packs(members, size)
        if not once:
            once.append(packs.add(member("late")))
        return made

    monkeypatch.setattr("microtome.pack_queue.full_packs", slowly)
    packs.add(member("a", minutes=60))
    packs.step()
    played.now += 100
    packs.step()
    played.begun("late").add("job_finished", key="late")
    assert ended(packs.step()) == {"late": ""}


def test_what_is_known_is_told_where_slurm_falls_silent_just_then(played, tmp_path, monkeypatch):
    """Of the first pack it says how it ended, of the second it says nothing."""
    packs = make_queue(played, tmp_path)
    submitted(packs, played, member("a", minutes=100), member("b", minutes=100))
    for number in (0, 1):
        played.begun("ab"[number], number=number)
    end_of = {"1": QueuedJob("1", "x", "TIMEOUT", "None", "cpu1")}
    played.jobs.clear()

    def half(slurm_id):
        if slurm_id not in end_of:
            raise SilentError("Unable to contact slurm controller")
        return end_of[slurm_id]

    monkeypatch.setattr("microtome.pack_queue.end_of", half)
    packs.step()
    played.now += 21
    assert list(ended(packs.step())) == ["a"]
    end_of["2"] = end_of["1"]
    assert list(ended(packs.step())) == ["b"]


def test_where_no_further_job_is_taken_those_that_run_are_looked_after(packs, played):
    """A limit of jobs that is full is as silence, for new ones only."""
    submitted(packs, played, member("a", minutes=100))
    played.begun("a")
    packs.add(member("b", minutes=100))

    def full(*_):
        raise SilentError("QOSMaxSubmitJobPerUserLimit")

    packs._submit = full
    packs.step()
    played.ends("1", "TIMEOUT")
    packs.step()
    played.now += 21
    assert list(ended(packs.step())) == ["a"]


def test_a_later_job_that_slurm_refuses_fails_alone(packs, played):
    """Such as a third try that asks for more memory than any node has."""
    submitted(packs, played, member("a", minutes=100))
    played.refuses = "SLURM refuses a job: Requested node configuration is not available"
    packs.add(member("b", minutes=100, mem_mb=900_000))
    assert ended(packs.step()) == {"b": played.refuses}
    played.begun("a").add("job_finished", key="a")
    assert ended(packs.step()) == {"a": ""}


def test_a_pack_that_is_no_longer_waited_for_is_not_begun_again(packs, played):
    """Its members run elsewhere by then; as long as it is waited for, it may be."""
    submitted(packs, played, member("a"))
    played.begun("a")
    played.ends("1", "NODE_FAIL")
    packs.step()
    assert not is_given_up(played.folders[0])
    played.now += 21
    packs.step()
    assert is_given_up(played.folders[0])


def test_a_pack_that_was_stopped_tells_what_it_took(packs, played):
    """One whose time was up shows how much memory it had by then."""
    submitted(packs, played, member("a"))
    played.begun("a").add("pack_stopped", peak_mb=700, cpu_s=12.5)
    played.ends("1", "TIMEOUT")
    packs.step()
    played.now += 21
    packs.step()
    told = dict(played.told)["pack_ended"]
    assert (told["peak_mb"], told["cpu_s"]) == (700, 12.5)


def test_a_queue_that_is_stopped_submits_nothing(packs, played):
    """What is cancelled must not be followed by more."""
    packs.add(member("a", minutes=100))
    packs.stop()
    packs.step()
    assert packs.slurm_ids() == []


def test_a_pack_in_which_nothing_could_run_is_taken_apart(packs, played):
    """One slide's missing file keeps all from running: each is tried alone, and only that fails."""
    submitted(packs, played, member("a"), member("b"))
    played.begun().add("pack_ended", ok=False)
    assert packs.step() == []
    played.now += 100
    packs.step()
    assert len(played.folders) == 3
    played.begun("a", number=1).add("job_finished", key="a")
    played.begun(number=2).add("pack_ended", ok=False)
    found = ended(packs.step())
    assert found["a"] == ""
    assert "not run, see its output" in found["b"]
