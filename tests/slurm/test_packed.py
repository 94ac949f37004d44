"""The executor on a cluster where things go wrong: toy jobs that note when they begin and end."""

import time
from pathlib import Path

import pytest

from .runs import Run, until

# Each job notes its begin and its end, with the SLURM job and the node it is in.
NOTE = "echo $(date +%s.%N) @ {rule}-{wildcards.n} $SLURM_JOB_ID $SLURMD_NODENAME >> notes.txt"
WORK = f"""
rule all:
    input: expand("out/{{n}}", n=range(<n>))
rule work:
    output: "out/{{n}}"
    resources: mem_mb=<memory>, runtime=1<gpu>
    shell: "{NOTE.replace("@", "begin")}; <command>; {NOTE.replace("@", "end")}; touch {{output}}"
"""
SITE = "--packed-slurm-pack-cores=2"


def write_workflow(
    folder: Path, command: str, *, n: int, mem_mb: object = 100, gpu: str = ""
) -> Path:
    """Write a workflow of `n` jobs that do `command`."""
    text = WORK.replace("<n>", str(n)).replace("<command>", command)
    text = text.replace("<memory>", str(mem_mb)).replace("<gpu>", gpu)
    (folder / "Snakefile").write_text(text)
    return folder / "Snakefile"


@pytest.fixture
def make_run(cluster, tmp_path):
    """Give a function that writes a toy workflow; whatever still runs at the end is ended."""
    runs = []

    def make(
        command: str, *, n: int = 4, mem_mb: object = 100, gpu: str = "", more: tuple = ()
    ) -> Run:
        snakefile = write_workflow(tmp_path, command, n=n, mem_mb=mem_mb, gpu=gpu)
        runs.append(Run(cluster, tmp_path, snakefile, (SITE, *more)))
        return runs[-1]

    yield make
    for run in runs:
        if run.driver is not None and run.driver.poll() is None:
            run.kill()
        left = [job["id"] for job in run.queued()]
        if left:
            cluster.run("scancel", *left)


def notes(run: Run) -> list[tuple[float, str, str, str, str]]:
    """What the jobs noted: time, begin or end, job, SLURM job, node."""
    path = run.folder / "notes.txt"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(float(row[0]), *row[1:]) for row in rows]


def times(run: Run, what: str) -> dict[str, int]:
    """How often each job began, or ended."""
    found = [row[2] for row in notes(run) if row[1] == what]
    return {name: found.count(name) for name in sorted(set(found))}


def slurm_job(run: Run) -> str:
    """The first SLURM job of a run, once a member of it has begun."""
    until(lambda: times(run, "begin"), "a job that begins")
    return run.events("pack_submitted")[0]["slurm_id"]


def once(n: int = 4) -> dict[str, int]:
    """Every job once."""
    return {f"work-{number}": 1 for number in range(n)}


def outputs(run: Run) -> list[str]:
    """What is there at the end."""
    return sorted(path.name for path in (run.folder / "out").iterdir())


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


def test_over_memory_is_tried_again_with_more(make_run, fault):
    """700 MB are given at first, 900 MB are taken, 1000 MB are given then."""
    hog = "python3 -c 'import time; x = bytearray(800 * 10**6); time.sleep(6)'"
    run = make_run(hog, n=1, mem_mb="lambda wildcards, attempt: 300 * attempt")
    assert run.run() == 0, run.said()
    [failed] = run.events("member_failed")
    assert [event["mem_mb"] for event in run.events("pack_submitted")] == [700, 1000]
    assert times(run, "end")["work-0"] == 1
    begun = run.events("member_started")[0]["t"]
    fault("job over its memory", failed["t"] - begun, "tried again with more", "the killed try")


def test_a_lost_node_loses_what_ran_there(make_run, fault):
    """SLURM begins the job again elsewhere; what had ended is not done again."""
    run = make_run("sleep $((4 * {wildcards.n}))", n=4, more=("--packed-slurm-pack-cores=1",))
    run.start()
    until(lambda: len(times(run, "end")) >= 2, "two jobs that end")
    node = notes(run)[0][4]
    ended = times(run, "end")
    noticed = run.survive_loss(node)
    begun = times(run, "begin")
    assert {name: begun[name] for name in ended} == ended
    assert outputs(run) == ["0", "1", "2", "3"]
    assert run.events("job_failed") == []
    fault("node lost (kill -9 of all it runs)", noticed, "begun again on another node", "the step")


def test_scancel_by_hand_is_no_end(make_run, cluster, fault):
    """What ran counts as failed and is tried again, what waited is packed again."""
    run = make_run("sleep 5", n=3, more=("--packed-slurm-pack-cores=1",))
    run.start()
    job = slurm_job(run)
    cancelled = time.time()
    cluster.run("scancel", job)
    assert run.finish() == 0, run.said()
    assert times(run, "end") == once(3)
    noticed = run.events("member_failed", "members_requeued")[0]["t"] - cancelled
    assert len(run.events("member_failed")) == 1
    fault("scancel by hand", noticed, "tried again", "the steps that ran")


def test_the_controller_may_be_away_for_a_minute(make_run, cluster, fault):
    """Jobs go on, their ends are seen, new ones wait for it to be back."""
    lines = "sleep 15"
    run = make_run(lines, n=4, more=("--packed-slurm-pack-cores=1", "--packed-slurm-max-jobs=1"))
    run.start()
    slurm_job(run)
    stopped = time.time()
    cluster.stop_controller()
    try:
        silent = until(lambda: run.events("slurm_silent"), "the silence told")[0]
        time.sleep(max(0, 60 - (time.time() - stopped)))
    finally:
        cluster.start_controller()
    assert run.finish() == 0, run.said()
    assert times(run, "begin") == times(run, "end") == once()
    [back] = run.events("slurm_back")
    assert back["silent_s"] >= 30
    fault("controller away for a minute", silent["t"] - stopped, "waited; jobs went on", "nothing")


def test_a_preempted_job_comes_back(make_run, cluster, fault):
    """A job of a partition that goes first takes its node; later it goes on where it was."""
    more = ("--packed-slurm-gpu-partition=gpu_low", "--packed-slurm-pack-cores=1")
    run = make_run("sleep $((3 + 3 * {wildcards.n}))", n=3, gpu=", gpu=1", more=more)
    run.start()
    slurm_job(run)
    until(lambda: times(run, "end"), "a job that ends")
    ended = times(run, "end")
    took = time.time()
    other = cluster.submit("sleep 8", "--partition=gpu", "--nodes=2", "--exclusive")
    until(lambda: len(run.events("pack_started")) == 2, "the job begun again")
    again = run.events("pack_started")[1]["t"] - took
    assert run.finish() == 0, run.said()
    assert cluster.states()[other] == "COMPLETED"
    begun = times(run, "begin")
    assert {name: begun[name] for name in ended} == ended
    assert outputs(run) == ["0", "1", "2"]
    assert run.events("job_failed") == []
    fault("preempted by another job", again, "begun again by SLURM", "the step that ran")


def test_a_killed_driver_leaves_nothing_that_writes(make_run, fault):
    """Begun again it ends the jobs it finds, and no two jobs ever write one output."""
    run = make_run("sleep 6", n=4)
    run.start()
    job = slurm_job(run)
    run.kill()
    assert [one["id"] for one in run.queued()] == [job]
    begun = time.time()
    assert run.run() == 0, run.said()
    [cancelled] = run.events("leftovers_cancelled")
    assert cancelled["slurm_ids"] == [job]
    assert "Cancelling 1 jobs that an earlier run left." in run.said()
    assert outputs(run) == ["0", "1", "2", "3"]
    first_again = min(row[0] for row in notes(run) if row[3] != job)
    assert all(row[0] <= cancelled["t"] for row in notes(run) if row[3] == job)
    assert first_again > cancelled["t"]
    assert max(times(run, "end").values()) == 1
    fault("driver killed with -9", cancelled["t"] - begun, "leftovers cancelled", "steps that ran")


def test_two_drivers_do_not_share_a_folder(make_run):
    """The second says who is there, and the first goes on."""
    run = make_run("sleep 4", n=1)
    first = run.start()
    slurm_job(run)
    assert run.run() == 1
    assert f"process {first.pid} runs this folder's workflow already" in run.said()
    run.driver = first
    assert run.finish() == 0, run.said()


def test_an_interrupted_driver_cancels_its_jobs(make_run):
    """Ctrl-C: nothing goes on in the queue."""
    run = make_run("sleep 60", n=2)
    driver = run.start()
    slurm_job(run)
    driver.send_signal(2)
    assert run.finish() == 1
    until(lambda: not run.queued(), "an empty queue")


def test_a_partition_that_is_not_there_ends_the_run_with_one_line(make_run):
    """Every job would be refused alike."""
    run = make_run("true", n=2, more=("--packed-slurm-partition=nowhere",))
    assert run.run() == 1
    assert "SLURM refuses a job: sbatch: error: invalid partition specified: nowhere" in run.said()
    assert "profiles/slurm/config.yaml" in run.said()
    assert "Traceback" not in run.said()


def test_an_accounting_cluster_is_the_same(accounting_cluster, tmp_path):
    """With sacct there, a cancelled job is known and tried again."""
    run = Run(accounting_cluster, tmp_path, write_workflow(tmp_path, "sleep 4", n=2), (SITE,))
    run.start()
    accounting_cluster.run("scancel", slurm_job(run))
    assert run.finish() == 0, run.said()
    assert outputs(run) == ["0", "1"]
    assert Path(run.folder / "logs" / "slurm").exists()
