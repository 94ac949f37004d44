"""The executor on a cluster where things go wrong: each fault meets a job in its midst."""

import time

from .runs import until
from .toys import HELD, ONE_CORE, let_end, notes, once, outputs, slurm_job, times


def test_the_controller_may_be_away_for_a_minute(make_run, cluster, fault):
    """Jobs go on, their ends are seen, new ones wait for it to be back."""
    # Two jobs in each SLURM job, one SLURM job at a time.
    two = ("--packed-slurm-pack-minutes=7", "--packed-slurm-max-jobs=1")
    run = make_run(HELD, ONE_CORE, *two)
    run.start()
    slurm_job(run)
    stopped = time.time()
    cluster.stop_controller()
    try:
        silent = until(lambda: run.events("slurm_silent"), "the silence told")[0]
        let_end(run, 4)
        until(lambda: len(run.events("member_finished")) == 2, "two ends that are seen")
        time.sleep(max(0, 60 - (time.time() - stopped)))
        assert len(run.events("pack_submitted")) == 1
    finally:
        cluster.start_controller()
    assert run.finish() == 0, run.said()
    assert times(run, "begin") == times(run, "end") == once()
    assert len(run.events("pack_submitted")) == 2
    [back] = run.events("slurm_back")
    assert back["silent_s"] >= 30
    fault("controller away for a minute", silent["t"] - stopped, "waited; jobs went on", "nothing")


def test_a_lost_node_loses_what_ran_there(make_run, fault):
    """SLURM begins the job again elsewhere; what had ended is not done again."""
    run = make_run(HELD, ONE_CORE)
    run.start()
    let_end(run, 2)
    until(lambda: len(times(run, "end")) == 2 and len(times(run, "begin")) == 3, "a third job")
    ended = times(run, "end")
    noticed = run.lose(notes(run)[0][4])
    let_end(run, 4)
    assert run.finish() == 0, run.said()
    begun = times(run, "begin")
    assert {name: begun[name] for name in ended} == ended
    assert sorted(begun.values()) == [1, 1, 1, 2]
    assert outputs(run) == ["0", "1", "2", "3"]
    assert run.events("job_failed") == []
    fault("node lost (kill -9 of all it runs)", noticed, "begun again on another node", "the step")


def test_over_memory_is_tried_again_with_more(make_run, fault):
    """700 MB are given at first, 900 MB are taken, 1000 MB are given then."""
    # Seconds enough to be seen while there is too much of it, or too little.
    held_s = "600 if {resources.mem_mb} == 300 else 3"
    hog = f"python3 -c 'import time; x = bytearray(800 * 10**6); time.sleep({held_s})'"
    run = make_run(hog, n=1, mem_mb="lambda wildcards, attempt: 300 * attempt")
    assert run.run() == 0, run.said()
    [failed] = run.events("member_failed")
    assert [event["mem_mb"] for event in run.events("pack_submitted")] == [700, 1000]
    assert times(run, "end")["work-0"] == 1
    begun = run.events("member_started")[0]["t"]
    fault("job over its memory", failed["t"] - begun, "tried again with more", "the killed try")


def test_scancel_by_hand_is_no_end(make_run, cluster, fault):
    """What ran counts as failed and is tried again, what waited is packed again."""
    run = make_run(HELD, ONE_CORE, n=3)
    run.start()
    job = slurm_job(run)
    cancelled = time.time()
    cluster.run("scancel", job)
    heard = ("member_failed", "members_requeued")
    noticed = until(lambda: run.events(*heard), "its end noticed")[0]["t"] - cancelled
    let_end(run, 3)
    assert run.finish() == 0, run.said()
    assert times(run, "end") == once(3)
    assert len(run.events("member_failed")) == 1
    fault("scancel by hand", noticed, "tried again", "the steps that ran")


def test_a_preempted_job_comes_back(make_run, cluster, fault):
    """A job of a partition that goes first takes its node; later it goes on where it was."""
    run = make_run(HELD, ONE_CORE, "--packed-slurm-gpu-partition=gpu_low", n=3, gpu=", gpu=1")
    run.start()
    let_end(run, 1)
    until(lambda: len(times(run, "end")) == 1 and len(times(run, "begin")) == 2, "a second job")
    ended = times(run, "end")
    took = time.time()
    other = cluster.submit("sleep 1", "--partition=gpu", "--nodes=2", "--exclusive")
    until(lambda: len(run.events("pack_started")) == 2, "the job begun again")
    again = run.events("pack_started")[1]["t"] - took
    let_end(run, 3)
    assert run.finish() == 0, run.said()
    assert cluster.states()[other] == "COMPLETED"
    begun = times(run, "begin")
    assert {name: begun[name] for name in ended} == ended
    assert sorted(begun.values()) == [1, 1, 2]
    assert outputs(run) == ["0", "1", "2"]
    assert run.events("job_failed") == []
    fault("preempted by another job", again, "begun again by SLURM", "the step that ran")


def test_a_killed_driver_leaves_nothing_that_writes(make_run, fault):
    """Begun again it ends the jobs it finds, and no two jobs ever write one output."""
    run = make_run(HELD)
    run.start()
    job = slurm_job(run)
    run.kill()
    assert [one["id"] for one in run.queued()] == [job]
    begun = time.time()
    run.start()
    [cancelled] = until(lambda: run.events("leftovers_cancelled"), "leftovers cancelled")
    let_end(run, 4)
    assert run.finish() == 0, run.said()
    assert cancelled["slurm_ids"] == [job]
    assert "Cancelling 1 jobs that an earlier run left." in run.said()
    assert outputs(run) == ["0", "1", "2", "3"]
    first_again = min(row[0] for row in notes(run) if row[3] != job)
    assert all(row[0] <= cancelled["t"] for row in notes(run) if row[3] == job)
    assert first_again > cancelled["t"]
    assert max(times(run, "end").values()) == 1
    fault("driver killed with -9", cancelled["t"] - begun, "leftovers cancelled", "steps that ran")
