"""`make status` says how the newest run stands, from its run log alone."""

import os
import platform
import subprocess
import time

from run_records import NAMING
from simulated_runs import run_command, write_run_log
from snakemake_logger_plugin_progress.run_state import RunState
from snakemake_logger_plugin_progress.run_status import is_alive, run_status

NOW = 1_790_003_600.0
BEGUN = NOW - 3600


def write_log(folder, *events, name="20260921T132640Z_9.jsonl"):
    """Write a run log of (seconds after the begin, event, what)."""
    told = [{"t": BEGUN + t, "event": event, **what} for t, event, what in events]
    return write_run_log(folder, name, told)


def started(**what):
    """The first event of a run, of a driver on another machine."""
    given = {"host": "login1", "pid": 77, "command": "snakemake --profile p", **what}
    return 0, "run_started", {**given, "stages": NAMING}


def job(number):
    """An event of a job sent."""
    wildcards = {"slide": f"s{number}", "model": "m"}
    given = {"job": number, "rule": "score_slide", "wildcards": wildcards, "log": [f"{number}.log"]}
    return 1, "job_submitted", given


EVENTS = (
    started(),
    (0, "planned", {"jobs": {"score_slide": 5}, "apart": {"score_slide": {"m": 5}}}),
    *(job(number) for number in range(4)),
    *((2, "job_started", {"job": number}) for number in range(3)),
    (60, "job_finished", {"job": 0}),
    (70, "job_failed", {"job": 1, "log": ["1.log"], "reason": "slide s1: it is cut off"}),
)


def test_a_run_under_way(tmp_path):
    """Counts a stage, the driver, and each failure with its reason and log."""
    write_log(tmp_path, *EVENTS, (3590, "alive", {}))
    lines = run_status(tmp_path, now=NOW)
    assert lines[0].endswith(": under way for 1 h 00 min, process 77 on login1")
    assert lines[1:] == [
        "  snakemake --profile p",
        "",
        "stage    done  running  waiting  failed",
        "score m     1        1        2       1",
        "all         1        1        2       1",
        "",
        "Failed, each with its log:",
        "  score_slide m, slide s1: it is cut off",
        "    1.log",
    ]


def test_a_run_that_was_killed(tmp_path):
    """Its driver is silent: that is said, what to do, and nothing is running any more."""
    write_log(tmp_path, *EVENTS)
    lines = run_status(tmp_path, now=NOW)
    assert lines[0].endswith(
        ": was killed: process 77 on login1 is gone, its last word came 59 min ago"
    )
    assert lines[1:3] == [
        "To go on where it stopped, give the same command again:",
        "  snakemake --profile p",
    ]
    assert "score m     1        0        3       1" in lines


def test_a_run_that_ended(tmp_path):
    """Whether well or not, and how long it took; one that ended well asks for nothing."""
    write_log(tmp_path, *EVENTS, (120, "run_ended", {"ok": False}))
    lines = run_status(tmp_path, now=NOW)
    assert lines[0].endswith(": ended with something left to do after 2 min")
    assert lines[1].startswith("To go on where it stopped")
    write_log(tmp_path, started(), job(1), (9, "run_ended", {"ok": True}))
    lines = run_status(tmp_path, now=NOW)
    assert lines[0].endswith(": ended well after 9 s")
    assert lines[1] == "  snakemake --profile p"


def test_the_cluster(tmp_path):
    """SLURM jobs as the log knows them, those that ended badly, and SLURM's silence."""
    packs = [(5, "pack_submitted", {"pack": p, "slurm_id": f"1{p}", "kind": "k"}) for p in "123"]
    packs += [(6, "pack_started", {"pack": p, "node": f"gpu{p}"}) for p in "12"]
    packs += [(9, "pack_ended", {"pack": "2", "state": "TIMEOUT", "node": "gpu2"})]
    silent = (3500, "slurm_silent", {"since": BEGUN + 3500})

    def slurm_lines(*events):
        write_log(tmp_path, *EVENTS, *events)
        lines = run_status(tmp_path, now=NOW)
        place = next((i for i, line in enumerate(lines) if line.startswith("SLURM")), len(lines))
        return lines[place:][:4]

    assert slurm_lines(*packs, (3500, "alive", {})) == [
        "SLURM jobs: 1 running, 1 in the queue",
        "1 SLURM job ended badly, the last of them:",
        "  SLURM job 12 on gpu2, k: TIMEOUT",
        "",
    ]
    assert slurm_lines(silent)[0].startswith(
        "SLURM jobs: 0 running, 0 in the queue, no answer since "
    )
    assert slurm_lines(silent, (3501, "slurm_back", {})) == []


def test_the_newest_run_counts(tmp_path):
    """An earlier run is not mixed in; one that was killed at once has told nothing."""
    write_log(tmp_path, *EVENTS)
    write_log(tmp_path, started(pid=78), job(1), name="20260922T132640Z_1.jsonl")
    lines = run_status(tmp_path, now=NOW)
    assert "process 78" in lines[0]
    assert lines[-1] == "all         0        0        1       0"
    write_log(tmp_path, name="20260923T132640Z_1.jsonl")
    assert run_status(tmp_path, now=NOW)[0] == "The newest run has told nothing yet."


def state(pid, host="", t=0.0):
    """A run that began at `t` by a process."""
    what = {"host": host or platform.node(), "pid": pid}
    return RunState([{"t": t, "event": "run_started", **what}])


def test_a_driver_on_this_machine_is_looked_for():
    """A process is alive, unless it ended or is younger than the run; elsewhere if it spoke."""
    now = time.time()
    assert is_alive(state(os.getpid(), t=now), now)
    with subprocess.Popen(["sleep", "1000"]) as process:
        assert is_alive(state(process.pid, t=time.time()), time.time())
        assert not is_alive(state(process.pid, t=now - 1e6), now)
        process.kill()
    assert not is_alive(state(process.pid, t=now), now)
    ages = (290, 310)  # five minutes without its minutely word, and it is taken for gone
    assert [is_alive(state(1, "elsewhere", t=100), 100 + age) for age in ages] == [True, False]


def test_the_command(tmp_path):
    """It prints the lines; without a run it ends with one, which says what to do."""
    done = run_command(tmp_path, "status", "--directory", str(tmp_path))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "logs/runs: no run yet; start one with snakemake" in done.stderr
    write_log(tmp_path, *EVENTS)
    done = run_command(tmp_path, "status", "--directory", str(tmp_path))
    assert done.returncode == 0
    assert "it is cut off" in done.stdout
