"""The Snakemake of a pack, on a node that is this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from snakemake_executor_plugin_packed_slurm.pack_events import EVENTS, give_up

LONG_S = 300  # never reached where all is well
# Watches itself and a process below it, which holds 300 MB and has taken a second of CPU.
WATCH = """import psutil, subprocess, sys, time
from pathlib import Path
from snakemake_executor_plugin_packed_slurm import pack_runner
hog = "import time; x = b'x' * 300_000_000\\nwhile time.process_time() < 1: pass\\ntime.sleep(1000)"
pack_runner._SAMPLED_EVERY_S = 0.05
own_mb = psutil.Process().memory_info().rss / 1e6
usage = pack_runner.Usage(Path(sys.argv[1]))
with subprocess.Popen([sys.executable, "-c", hog]) as process:
    below = psutil.Process(process.pid)
    while usage.peak_mb < own_mb + 290 or below.cpu_times().user + below.cpu_times().system < 0.9:
        time.sleep(0.05)
    process.kill()
usage.stop()
print(usage.peak_mb - own_mb, usage.cpu_s)"""
# What each job does is in do/NAME, so that the second time it may be something else.
SNAKEFILE = """
rule first:
    output: "out/{n}.first"
    shell:
        "echo {wildcards.n} ${{PACKED_SLURM_WORKER:-}} >> begun.txt;"
        " . do/{wildcards.n}; touch {output}"
rule second:
    input: "out/{n}.first"
    output: "out/{n}.second"
    shell: "test {wildcards.n} != halfway; touch {output}"
"""


NODE = {"node": "node7", "slurm_id": "4711"}


@dataclass
class Node:
    """A folder of a workflow with one pack in it."""

    folder: Path

    @property
    def pack(self):
        """The pack's folder."""
        return self.folder / "a pack"

    def plan(self, *members, share_worker=False, cores=2, **does):
        """Write the pack: names of members, `x+` for one of two steps, and what each does."""
        (self.folder / "do").mkdir(parents=True, exist_ok=True)
        (self.folder / "Snakefile").write_text(SNAKEFILE)
        jobs = []
        for member in members:
            name = member.rstrip("+")
            steps = ("first", "second") if member.endswith("+") else ("first",)
            jobs.append([{"key": f"{s}:n={name}", "target": f"{s}:n={name}"} for s in steps])
            self.does(name, does.get(name, "true"))
        arguments = [
            *("--snakefile", str(self.folder / "Snakefile"), "--cores", str(cores), "--force"),
            *("--allowed-rules", "first", "second", "--nolock", "--ignore-incomplete"),
            *("--keep-going", "--mode", "remote", "--retries", "0"),
        ]
        self.pack.mkdir(exist_ok=True)
        content = {"members": jobs, "arguments": arguments, "share_worker": share_worker}
        (self.pack / "pack.json").write_text(json.dumps(content))

    def does(self, name, line):
        """What a job does from now on."""
        (self.folder / "do" / name).write_text(line)

    def start(self):
        """Begin the pack, as SLURM would: all that it starts can be signalled together."""
        env = {
            **{name: value for name, value in os.environ.items() if name != "PACKED_SLURM_WORKER"},
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SLURMD_NODENAME": NODE["node"],
            "SLURM_JOB_ID": NODE["slurm_id"],
        }
        with (self.folder / "said.txt").open("a") as said:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "snakemake_executor_plugin_packed_slurm.pack_runner",
                    str(self.pack),
                ],
                cwd=self.folder,
                env=env,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def run(self):
        """Run it to its end, and give its exit status."""
        return self.start().wait(LONG_S)

    def events(self, *names):
        """What it told."""
        lines = [json.loads(line) for line in (self.pack / EVENTS).read_text().splitlines()]
        return [event for event in lines if not names or event["event"] in names]

    def told(self, name):
        """Names of the jobs of which it told this, sorted."""
        return sorted(event["key"] for event in self.events(name))

    def begun(self):
        """Names of the jobs that began, each time."""
        path = self.folder / "begun.txt"
        return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for(self, path):
        """Wait for a file that a job writes, and give what is in it."""
        end = time.monotonic() + LONG_S
        while not (self.folder / path).exists() or not (self.folder / path).read_text():
            assert time.monotonic() < end, (self.folder / "said.txt").read_text()
            time.sleep(0.05)
        return (self.folder / path).read_text()


@pytest.fixture
def node(tmp_path):
    """A folder whose name needs quotes."""
    folder = tmp_path / 'it\'s $HOME & a "folder"'
    folder.mkdir()
    return Node(folder)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A pack that has run to its end, some of it badly."""
    node = Node(tmp_path_factory.mktemp("node"))
    node.plan("fine", "bad", "both+", "halfway+", "bad2+", bad="false", bad2="exit 3")
    return node, node.run()


def test_each_job_is_told_as_it_ended(ended):
    """Those that went well, those that failed; what waited for one that failed never began."""
    node, status = ended
    assert status == 1
    fine = ["first:n=both", "first:n=fine", "first:n=halfway", "second:n=both"]
    bad = ["first:n=bad", "first:n=bad2", "second:n=halfway"]
    assert node.told("job_finished") == fine
    assert node.told("job_failed") == bad
    assert node.told("job_started") == sorted(fine + bad)
    made = sorted(path.name for path in (node.folder / "out").iterdir())
    assert made == ["both.first", "both.second", "fine.first", "halfway.first"]


def test_what_is_told_has_a_begin_and_an_end(ended):
    """Where it runs, what it took, and in between each job's begin before its end."""
    node, _ = ended
    events = node.events()
    first, last = events[0], events[-1]
    assert first == {"t": first["t"], **NODE, "event": "pack_started"}
    assert last["event"] == "pack_ended"
    assert last["ok"] is False
    assert last["peak_mb"] > 30
    assert last["cpu_s"] > 0
    assert len(node.events("pack_started", "pack_ended")) == 2
    times = [event["t"] for event in events]
    assert times == sorted(times)
    for key in node.told("job_finished") + node.told("job_failed"):
        first = next(event for event in events if event.get("key") == key)
        assert first["event"] == "job_started"


def test_memory_and_time_are_those_of_all_that_ran(tmp_path):
    """A process below takes 300 MB and a second of CPU."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", WATCH, str(tmp_path)]
    told = subprocess.run(command, env=env, capture_output=True, check=True, timeout=LONG_S)
    more_mb, cpu_s = map(float, told.stdout.split())
    assert 290 <= more_mb < 500
    assert 0.9 < cpu_s < 60


def test_a_pack_that_has_ended_does_nothing_when_it_is_begun_again(ended):
    """Neither what is done nor what the driver knows to have failed."""
    node, _ = ended
    begun = node.begun()
    assert node.run() == 0
    assert node.begun() == begun
    assert [event["event"] for event in node.events()[-2:]] == ["pack_started", "pack_ended"]
    assert node.events()[-1]["ok"] is True


@pytest.mark.parametrize("reaches_all", [False, True], ids=["the runner", "all processes"])
def test_a_pack_that_is_stopped_tells_of_no_failure(node, reaches_all):
    """What ran is ended, did not fail by itself, and is done again the next time; no more begins.

    SLURM signals all processes of a job, a script may be signalled alone.
    """
    slow = "test -e again || { echo $$ > pid; sleep 1000; }"
    node.plan("a", "b", a=slow, b=slow, cores=1)
    process = node.start()
    pid = int(node.wait_for("pid"))
    (os.killpg if reaches_all else os.kill)(process.pid, signal.SIGTERM)
    assert process.wait(LONG_S) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    [cut_off] = node.begun()
    told = ["pack_started", "job_started", "pack_stopped"]
    assert [event["event"] for event in node.events()] == told
    assert node.events()[-1]["peak_mb"] > 30
    (node.folder / "again").touch()
    assert node.run() == 0
    assert node.told("job_finished") == ["first:n=a", "first:n=b"]
    assert [node.begun().count(name) for name in "ab"] == [1 + (n == cut_off) for n in "ab"]


def test_a_pack_that_lost_its_node_goes_on_where_it_was(node):
    """Steps that had ended are left out, that which ran is done again, in a pack of slides too."""
    node.plan("a+", "b+")
    told = [
        {"event": "pack_started", "node": "node1"},
        {"event": "job_started", "key": "first:n=a"},
        {"event": "job_finished", "key": "first:n=a"},
        {"event": "job_started", "key": "first:n=b"},
    ]
    lines = "".join(json.dumps({"t": 1, **event}) + "\n" for event in told)
    (node.pack / EVENTS).write_text(lines + '{"t": 1, "event": "job_fini')
    (node.folder / "out").mkdir()
    (node.folder / "out" / "a.first").touch()
    assert node.run() == 0
    assert (node.folder / "begun.txt").read_text() == "b\n"  # of no worker
    text = (node.pack / EVENTS).read_text()
    events = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    assert [event["event"] for event in events].count("pack_started") == 2
    done = [event["key"] for event in events if event["event"] == "job_finished"]
    assert sorted(done) == ["first:n=a", "first:n=b", "second:n=a", "second:n=b"]


def test_jobs_on_a_gpu_share_a_worker_that_ends_with_the_pack(node):
    """They are told its folder, in which is whose it is; nothing of it is left behind."""
    node.plan("a", "b", share_worker=True, a='cat "$PACKED_SLURM_WORKER"/runner_pid > pid')
    process = node.start()
    assert process.wait(LONG_S) == 0
    lines = (node.folder / "begun.txt").read_text().splitlines()
    [worker] = {line.split()[1] for line in lines}
    assert not Path(worker).exists()
    assert (node.folder / "pid").read_text() == str(process.pid)


@pytest.mark.parametrize("fault", ["the workflow cannot be read", "an input never comes"])
def test_a_pack_in_which_nothing_could_run_ends_badly(node, fault):
    """No job is told of; where inputs are missing Snakemake itself says that all is well."""
    node.plan("a")
    if fault == "an input never comes":
        content = json.loads((node.pack / "pack.json").read_text())
        (node.folder / "inputs.txt").write_text("nowhere.svs\n")
        content["arguments"] += ["--wait-for-files-file", "inputs.txt", "--latency-wait", "0"]
        (node.pack / "pack.json").write_text(json.dumps(content))
    else:
        (node.folder / "Snakefile").write_text("rule first: nonsense")
    assert node.run() == 1
    assert node.begun() == []
    assert [event["event"] for event in node.events()] == ["pack_started", "pack_ended"]
    assert node.events()[-1]["ok"] is False


def test_a_pack_that_is_given_up_while_it_runs_ends(node):
    """Others do its work by now."""
    node.plan("a", a="echo $$ > pid; sleep 1000")
    process = node.start()
    pid = int(node.wait_for("pid"))
    give_up(node.pack)
    assert process.wait(LONG_S) == 128 + signal.SIGTERM
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert node.told("job_failed") == []


def test_a_pack_that_was_given_up_does_nothing(node):
    """Others do its work by now."""
    node.plan("a")
    give_up(node.pack)
    assert node.run() == 0
    assert node.begun() == []
