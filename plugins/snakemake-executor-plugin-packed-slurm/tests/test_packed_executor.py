"""Whole runs through the executor, on a SLURM whose commands are stand-ins on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

# Each command notes how it was called. A job runs at once, in a process group of its own.
STAND_IN = f"""#!{sys.executable} -IS
import json, os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(os.environ["STAND_IN"])
me, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with (folder / "calls.jsonl").open("a") as file:
    file.write(json.dumps([me, words]) + "\\n")
refusal = folder / ("refuses_" + me)
if refusal.exists():
    sys.exit(refusal.read_text())
jobs = sorted(folder.glob("*.job"))
if me == "sbatch":
    options = dict(word[2:].split("=", 1) for word in words if "=" in word)
    number = str(len(jobs) + 1)
    process = subprocess.Popen(
        ["bash", "-c", 'trap : TERM; bash "$1" > "$2" 2>&1; echo $? > "$3"', "job", words[-1],
         os.path.join(options["chdir"], options["output"]), str(folder / (number + ".rc"))],
        cwd=options["chdir"], start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={{**os.environ, "SLURM_JOB_ID": number, "SLURMD_NODENAME": "node7"}},
    )
    job = {{"name": options["job-name"], "pid": process.pid}}
    (folder / (number + ".job")).write_text(json.dumps(job))
    if (folder / "waits_sbatch").exists():
        time.sleep(3)
    print(number)
elif me == "squeue":
    for path in jobs:
        job, rc, state = json.loads(path.read_text()), path.with_suffix(".rc"), "RUNNING"
        if rc.exists():
            state = "COMPLETED" if rc.read_text() == "0\\n" else "FAILED"
        if path.with_suffix(".cancelled").exists():
            state = "CANCELLED" if rc.exists() else "COMPLETING"
        print(path.stem, job["name"], state, "None", "node7", sep="|")
elif me == "sinfo":
    print("cpu*|1-00:00:00\\ncards|02:00:00")
elif me == "scancel":
    for number in words:
        if number.isdigit():
            (folder / (number + ".cancelled")).touch()
            os.killpg(json.loads((folder / (number + ".job")).read_text())["pid"], signal.SIGTERM)
"""
PLUGINS = Path(__file__).resolve().parents[2]
QUICK = (
    *("--executor=packed-slurm", "--scheduler=first-fit", "--logger=progress", "--nolock"),
    *("--jobs=1000", "--local-cores=2", "--retries=2", "--keep-going", "--rerun-incomplete"),
    "--packed-slurm-partition=cpu",
    "--packed-slurm-poll-seconds=1",
    "--packed-slurm-hold-seconds=1",
    "--latency-wait=5",
    "--rerun-triggers=mtime",
)


@dataclass
class Run:
    """A workflow's folder, and the stand-ins' folder beside it."""

    folder: Path
    driver: subprocess.Popen | None = field(default=None, init=False)

    def __post_init__(self):
        self.folder.mkdir()
        (self.slurm / "bin").mkdir(parents=True)
        # Nothing of what lies beside the plugins is there for them.
        (self.slurm / "microtome.py").write_text("raise ImportError('the plugins stand alone')")
        for name in ("sbatch", "squeue", "scontrol", "sacct", "scancel", "sinfo"):
            (self.slurm / "bin" / name).write_text(STAND_IN)
            (self.slurm / "bin" / name).chmod(0o755)

    @property
    def slurm(self):
        """What the stand-ins write."""
        return self.folder.parent / "slurm"

    @property
    def env(self):
        """Environment of a driver."""
        return {
            **os.environ,
            "PATH": f"{self.slurm / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, [self.slurm, *PLUGINS.iterdir()])),
            "STAND_IN": str(self.slurm),
        }

    def start(self, workflow, *arguments):
        """Begin a run."""
        (self.folder / "Snakefile").write_text(workflow)
        with (self.slurm / "driver.txt").open("a") as said:
            self.driver = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *QUICK, *arguments],
                cwd=self.folder,
                env=self.env,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self

    def plain(self, *arguments):
        """Run a plain Snakemake in the folder."""
        command = [sys.executable, "-m", "snakemake", "--cores=1", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )

    def finish(self):
        """Wait for the end, and give the exit status; nothing is left behind."""
        try:
            return self.driver.wait(300)
        finally:
            self.end_all()

    def end_all(self):
        """Leave nothing behind that runs."""
        for pid in [self.driver.pid, *(job["pid"] for job in self.jobs() if job["pid"])]:
            try:
                os.killpg(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def jobs(self):
        """The jobs that sbatch was given."""
        return [json.loads(path.read_text()) for path in sorted(self.slurm.glob("*.job"))]

    def said(self):
        """What the driver printed."""
        return (self.slurm / "driver.txt").read_text()

    def calls(self, name):
        """Words of each call of a command."""
        path = self.slurm / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words for me, words in map(json.loads, lines) if me == name]

    def submitted(self):
        """What each pack asked sbatch for, by its label; the last where there are several."""
        found = {}
        for words in self.calls("sbatch"):
            options = dict(word[2:].split("=", 1) for word in words if "=" in word)
            options["flags"] = [word for word in words if "=" not in word]
            found[options["job-name"].split("_", 4)[-1]] = options
        return found

    def events(self, *names):
        """Events of the run's log."""
        lines = [
            json.loads(line)
            for path in sorted((self.folder / "logs" / "runs").glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return [event for event in lines if event["event"] in names]

    def until(self, there, what):
        """Wait for something, and give it."""
        end = time.monotonic() + 300
        while not (found := there()):
            assert time.monotonic() < end, f"no {what}:\n{self.said()}"
            time.sleep(0.1)
        return found

    def lines(self, name):
        """Lines of a file of the workflow, sorted."""
        path = self.folder / name
        return sorted(path.read_text().splitlines()) if path.exists() else []


WORKFLOW = """
SLIDES = ["one", "a b=c", "it's $HOME"]
rule all:
    input: "table.txt"
rule table:
    input: expand("out/{n}.scored", n=SLIDES), "out/one.flaky", expand("out/{n}.side", n=SLIDES),
        "out/one.nuclei.outlined"
    output: "table.txt"
    localrule: True
    shell: "echo table ${{SLURM_JOB_ID:-driver}} >> notes.txt; touch {output:q}"
rule first:
    output: "out/{n}.first"
    group: "prepare"
    resources: mem_mb=300, runtime=7
    shell: "echo first ${{SLURM_JOB_ID:-driver}} >> notes.txt; touch {output:q}"
rule second:
    input: "out/{n}.first"
    output: "out/{n}.second"
    group: "prepare"
    resources: mem_mb=500, runtime=9
    shell: "echo second ${{SLURM_JOB_ID:-driver}} >> notes.txt; touch {output:q}"
rule side:
    input: "out/{n}.first"
    output: "out/{n}.side"
    group: "prepare"
    resources: mem_mb=200, runtime=1
    shell: "touch {output:q}"
rule score:
    input: "out/{n}.second"
    output: "out/{n}.scored"
    threads: 2
    resources: mem_mb=1000, runtime=30, gpu=1
    shell: 'echo "score $PRELUDE {threads}" >> notes.txt; touch {output:q}'
rule find:
    output: "out/{n}.{kind}.found"
    group: "cells"
    resources: mem_mb=300, runtime=2, gpu=1
    shell: "touch {output:q}"
rule outline:
    input: "out/{n}.{kind}.found"
    output: "out/{n}.{kind}.outlined"
    group: "cells"
    resources: mem_mb=300, runtime=1
    shell: "touch {output:q}"
rule flaky:
    output: "out/{n}.flaky"
    resources: mem_mb=lambda wildcards, attempt: 300 * attempt, runtime=5
    shell: "echo flaky {resources.mem_mb} >> notes.txt; test {resources.mem_mb} = 600;"
        "touch {output:q}"
"""
SITE = (
    "--packed-slurm-account=my project",
    "--packed-slurm-qos=high",
    "--packed-slurm-extra=--constraint='a b' --mail-type=END",
    "--packed-slurm-prelude=export PRELUDE='a  b'",
    "--packed-slurm-gpu-partition=cards",
    "--packed-slurm-card=h100",
    "--packed-slurm-pack-by=kind",
)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run with all kinds of jobs, in a folder whose name needs quotes, and its exit status."""
    run = Run(tmp_path_factory.mktemp("run") / "it's $HOME & ünï (100%)")
    return run, run.start(WORKFLOW, *SITE).finish()


def test_every_job_runs_once_and_where_it_should(ended):
    """Steps of slides in one job, slides on a GPU in one, a table where the driver is."""
    run, status = ended
    assert status == 0, run.said()
    assert (run.folder / "table.txt").exists()
    assert len(run.calls("sbatch")) == 5
    [prepare] = [one for one in run.events("pack_submitted") if one["kind"] == "prepare"]
    steps = [f"{rule} {prepare['slurm_id']}" for rule in ("first", "second")]
    assert run.lines("notes.txt") == sorted(
        ["table driver", "flaky 300", "flaky 600", *3 * steps, *3 * ["score a  b 2"]]
    )


def test_a_pack_asks_for_what_its_jobs_need(ended):
    """Steps of a slide follow one another; three slides side by side; on a card one by one."""
    run, _ = ended
    asked = run.submitted()
    prepare, score = asked["prepare"], asked["score"]
    assert prepare["cpus-per-task"] == "3"
    assert prepare["mem"] == str(3 * 500 + 400)
    assert prepare["time"] == str(5 + 17 + -(-2 * 17 // 3))
    assert prepare["partition"] == "cpu"
    assert "gres" not in prepare
    assert score["cpus-per-task"] == "2"
    assert score["mem"] == str(1000 + 400)
    assert score["time"] == str(5 + 3 * 30)
    assert score["partition"] == "cards"
    assert score["gres"] == "gpu:h100:1"


def test_a_group_with_a_step_on_a_gpu_asks_for_one(ended):
    """Its other steps run there too; jobs on a GPU share a pack if they agree in a wildcard."""
    run, _ = ended
    asked = run.submitted()["cells-nuclei"]
    assert (asked["partition"], asked["gres"], asked["time"]) == ("cards", "gpu:h100:1", "8")


def test_what_a_site_sets_reaches_sbatch_as_it_is(ended):
    """Account, quality of service and further options of each job, after those of the pack."""
    run, _ = ended
    for asked in run.submitted().values():
        assert asked["account"] == "my project"
        assert asked["qos"] == "high"
        assert asked["constraint"] == "a b"
        assert asked["mail-type"] == "END"
        assert "--requeue" in asked["flags"]
        assert asked["chdir"] == str(run.folder)
        assert asked["open-mode"] == "append"
        # sbatch takes a % for a pattern.
        assert asked["output"].startswith("logs/slurm/")


def test_a_failed_job_is_tried_again_with_more(ended):
    """The second try knows that it is one, in the job as for SLURM."""
    run, _ = ended
    packs = [event for event in run.events("pack_submitted") if event["kind"] == "flaky"]
    assert [pack["mem_mb"] for pack in packs] == [300 + 400, 600 + 400]
    [failed] = run.events("member_failed")
    assert failed["reason"].endswith("on node7: it failed")
    assert failed["job"] in packs[0]["jobs"]
    assert len(run.events("job_retried")) == 1


def test_the_log_has_the_life_of_each_pack(ended):
    """From its submission to its end, with what it took."""
    run, _ = ended
    ended_packs = {event["pack"]: event for event in run.events("pack_ended")}
    submitted = [event["pack"] for event in run.events("pack_submitted")]
    assert sorted(event["pack"] for event in run.events("pack_started")) == sorted(submitted)
    # The last one may still be ending when the run is over.
    assert set(submitted[:-1]) <= set(ended_packs)
    assert all(event["peak_mb"] > 30 for event in ended_packs.values())
    finished = [event["pack"] for event in run.events("member_finished")]
    # What was ready at once shared a pack; which others met in one is a matter of time.
    assert len(finished) == 15
    assert max(map(finished.count, finished)) == 9


def test_an_ended_run_leaves_the_folder_free(ended):
    """The next driver need not wait."""
    run, _ = ended
    assert not (run.folder / ".snakemake" / "packed-slurm.json").exists()
    assert run.calls("scancel") == []


SLOW = """
rule all:
    input: expand("out/{n}", n=range(2))
rule slow:
    output: "out/{n}"
    resources: mem_mb=100, runtime=1
    shell: "echo {wildcards.n} $$ >> begun.txt; sleep 1000; touch {output}"
"""


@pytest.fixture
def run(tmp_path):
    """A run that is ended with the test, whatever happens."""
    run = Run(tmp_path / "run")
    yield run
    if run.driver is not None:
        run.end_all()


def has_ended(line):
    """Whether the process that a job noted is gone."""
    pid = int(line.split()[1])
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_an_interrupted_driver_cancels_its_jobs(run):
    """And gives the folder free."""
    run.start(SLOW)
    begun = run.until(lambda: run.lines("begun.txt"), "job that begins")
    run.driver.send_signal(signal.SIGINT)
    assert run.driver.wait(300) == 1
    assert {words[-1] for words in run.calls("scancel")} == {"1"}
    run.until(lambda: has_ended(begun[0]), "end of the jobs")
    assert not (run.folder / ".snakemake" / "packed-slurm.json").exists()


def test_a_plain_snakemake_is_refused_while_packs_are_under_way(run):
    """It would write the same files; the jobs go on."""
    run.start(SLOW)
    run.until(lambda: len(run.lines("begun.txt")) == 2, "jobs that begin")
    refused = run.plain()
    assert refused.returncode == 1
    assert "Directory cannot be locked" in refused.stderr
    assert len(run.lines("begun.txt")) == 2


def test_jobs_that_a_killed_driver_left_are_ended_before_any_begin(run):
    """Nothing else of this user is."""
    (run.slurm / "7.job").write_text(json.dumps({"name": "pack_other_1", "pid": 0}))
    run.start(SLOW)
    run.until(lambda: len(run.lines("begun.txt")) == 2, "job that begins")
    left = run.lines("begun.txt")
    run.driver.kill()
    run.driver.wait()
    run.start(SLOW)
    run.until(lambda: len(run.lines("begun.txt")) == 4, "job that begins again")
    [cancelled] = run.events("leftovers_cancelled")
    assert cancelled["slurm_ids"] == ["2"]
    assert all(has_ended(line) for line in left)
    assert [words[-1] for words in run.calls("scancel")] == ["2"]


def test_a_refused_job_ends_the_run_with_one_line(run):
    """What SLURM said, and where to change it."""
    (run.slurm / "refuses_sbatch").write_text("sbatch: error: invalid account")
    assert run.start(SLOW).finish() == 1
    assert "SLURM refuses a job: sbatch: error: invalid account (see the profile" in run.said()
    assert "Traceback" not in run.said()
    assert len(run.calls("sbatch")) == 1


def test_a_job_that_is_being_submitted_when_the_driver_is_interrupted_is_cancelled_too(run):
    """The answer of sbatch comes some seconds later."""
    (run.slurm / "waits_sbatch").touch()
    run.start(SLOW)
    run.until(run.jobs, "job that is submitted")
    run.driver.send_signal(signal.SIGINT)
    assert run.driver.wait(300) == 1
    assert [words[-1] for words in run.calls("scancel")] == ["1"]


def test_any_name_of_a_folder_will_do(tmp_path):
    """Both kinds of quotes, a backslash, a sign that cannot be seen."""
    run = Run(tmp_path / 'it\'s a "run" \\n\u00a0%j')
    run.start(SLOW.replace("sleep 1000", "true"))
    assert run.finish() == 0, run.said()
