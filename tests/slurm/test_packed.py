"""The executor on a cluster where nothing is lost: what it packs, and what it says."""

from .runs import until
from .toys import HELD, let_end, notes, once, outputs, slurm_job, times


def test_short_jobs_share_one_slurm_job(make_run):
    """Forty steps, one job in the queue, all outputs there."""
    run = make_run("sleep 0.1", n=40)
    assert run.run() == 0, run.said()
    assert times(run, "end") == once(40)
    assert len(run.events("pack_submitted")) == 1
    assert run.queued() == []


def test_one_failing_member_fails_alone(make_run):
    """The rest of its pack is done; it is tried again, twice, and its failure is told."""
    run = make_run("test {wildcards.n} != 2")
    assert run.run() == 1
    assert outputs(run) == ["0", "1", "3"]
    assert times(run, "begin") == once() | {"work-2": 3}
    assert times(run, "end") == {name: n for name, n in once().items() if name != "work-2"}


def test_a_job_on_a_gpu_goes_to_a_node_that_has_one(make_run):
    """With the card asked for; others do not."""
    run = make_run("echo $CUDA_VISIBLE_DEVICES > card-{wildcards.n}", n=2, gpu=", gpu=1")
    assert run.run() == 0, run.said()
    assert {row[4] for row in notes(run)} <= {"gpu1", "gpu2"}
    assert [(run.folder / f"card-{n}").read_text() for n in range(2)] == ["0\n", "0\n"]


def test_two_drivers_do_not_share_a_folder(make_run):
    """The second says who is there, and the first goes on."""
    run = make_run(HELD, n=1)
    first = run.start()
    slurm_job(run)
    assert run.run() == 1
    assert f"process {first.pid} runs this folder's workflow already" in run.said()
    run.driver = first
    let_end(run, 1)
    assert run.finish() == 0, run.said()


def test_an_interrupted_driver_cancels_its_jobs(make_run):
    """Ctrl-C: nothing goes on in the queue."""
    run = make_run(HELD, n=2)
    driver = run.start()
    slurm_job(run)
    driver.send_signal(2)
    assert run.finish() == 1
    until(lambda: not run.queued(), "an empty queue")


def test_a_partition_that_is_not_there_ends_the_run_with_one_line(make_run):
    """Every job would be refused alike."""
    run = make_run("true", "--packed-slurm-partition=nowhere", n=2)
    assert run.run() == 1
    assert "SLURM refuses a job: sbatch: error: invalid partition specified: nowhere" in run.said()
    assert "(see the profile's packed-slurm-" in run.said()
    assert "Traceback" not in run.said()
