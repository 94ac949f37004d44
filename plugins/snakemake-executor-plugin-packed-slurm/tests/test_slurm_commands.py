"""What SLURM's commands say, and that silence is not taken for an answer."""

import json
import os
import subprocess
import sys
from itertools import chain
from unittest.mock import Mock

import pytest

import snakemake_executor_plugin_packed_slurm.slurm_commands as slurm
from snakemake_executor_plugin_packed_slurm.errors import InputError
from snakemake_executor_plugin_packed_slurm.slurm_commands import (
    QueuedJob,
    SilentError,
    cancel,
    end_of,
    queue,
    submit,
    time_limits,
)

UNREACHABLE = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
INVALID = "slurm_load_jobs error: Invalid job id specified"
# Notes how it was called, and says what the test wants it to say.
STAND_IN = f"""#!{sys.executable} -IS
import json, os, pathlib, sys, time
me = pathlib.Path(sys.argv[0])
with me.with_suffix(".calls").open("a") as file:
    file.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
answer = json.loads(me.with_suffix(".json").read_text())
time.sleep(answer["wait_s"])
sys.stdout.buffer.write(answer["out"].encode("latin-1"))
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""


class Commands:
    """Stand-ins of SLURM's commands, the only commands there are."""

    def __init__(self, folder):
        self.folder = folder

    def says(self, name, out="", *, err="", code=0, wait_s=0.0):
        """Have a command answer so from now on."""
        answer = {"out": out, "err": err, "code": code, "wait_s": wait_s}
        (self.folder / name).with_suffix(".json").write_text(json.dumps(answer))
        (self.folder / name).write_text(STAND_IN)
        (self.folder / name).chmod(0o755)

    def calls(self, name):
        """How a command was called: its arguments and environment, each time."""
        path = (self.folder / name).with_suffix(".calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A PATH with nothing in it but what the test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return Commands(tmp_path)


@pytest.mark.parametrize("said", ["4711;cluster2\n", "Charged to project 12\n4711\n\n"])
def test_a_submission_gives_the_number_of_the_job(commands, tmp_path, said):
    """Whatever else sbatch, or what is called so, has to say."""
    commands.says("sbatch", said)
    assert submit(tmp_path / "a job.sh", ["--mem=10", "--comment=a b $c"]) == "4711"
    [[arguments, _]] = commands.calls("sbatch")
    assert arguments == ["--parsable", "--mem=10", "--comment=a b $c", str(tmp_path / "a job.sh")]


FAILED = "Batch job submission failed: "
POLICY = (
    f"{FAILED}Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        *((said, 0, "^sbatch named no job") for said in ("", "Charged to project 12")),
        (f"{FAILED}Unable to contact slurm controller (connect failure)", 1, None),
        (f"{FAILED}Socket timed out on send/recv operation", 1, None),
        (f"{FAILED}Zero Bytes were transmitted or received", 1, None),
        (f"{FAILED}Resource temporarily unavailable", 1, None),
        (f"QOSMaxSubmitJobPerUserLimit\nsbatch: error: {POLICY}", 1, None),
        ("slurm_persist_conn_open: Connection refused", 1, None),
        ("munge: Invalid authentication credential", 1, None),
        ("Transport endpoint is not connected", 1, None),
    ],
)
def test_a_submission_without_answer_may_be_tried_again(commands, tmp_path, said, code, expected):
    """One that names no job may have come through; a refusal that passes is no refusal."""
    commands.says("sbatch", said * (not code), err=f"sbatch: error: {said}\n" * code, code=code)
    with pytest.raises(SilentError, match=expected):
        submit(tmp_path / "job.sh", [])


@pytest.mark.parametrize(
    "said",
    [
        "invalid partition specified: gpus",
        f"QOSMaxWallDurationPerJobLimit\nsbatch: error: {POLICY}",
        f"{FAILED}Requested node configuration is not available",
    ],
)
def test_a_refusal_for_good_is_told_in_one_line(commands, tmp_path, said):
    """It would be refused again."""
    commands.says("sbatch", err=f"sbatch: error: {said}\n", code=1)
    with pytest.raises(InputError, match=r"^SLURM refuses a job: sbatch: error: .*$"):
        submit(tmp_path / "job.sh", [])


def test_the_queue_has_all_jobs_of_the_user(commands):
    """Those of arrays, of odd names, that wait or have ended, and no line that is none."""
    commands.says(
        "squeue",
        "12|pack_1 a|RUNNING|None|node1\n"
        "13_[1-9]|caf\xe9|PENDING|(Resources)|\n"
        "a line of a login script\n"
        "14|pack_2|TIMEOUT|TimeLimit|node[2-3]\n",
    )
    assert queue() == {
        "12": QueuedJob("12", "pack_1 a", "RUNNING", "None", "node1"),
        "13_[1-9]": QueuedJob("13_[1-9]", "caf\ufffd", "PENDING", "(Resources)", ""),
        "14": QueuedJob("14", "pack_2", "TIMEOUT", "TimeLimit", "node[2-3]"),
    }
    [[arguments, _]] = commands.calls("squeue")
    assert {"--me", "--noheader", "--states=all"} <= {*arguments}
    commands.says("squeue")
    assert queue() == {}


ASKED = {
    "squeue": queue,
    "scontrol": lambda: end_of("1"),
    "scancel": lambda: cancel(["1"]),
    "sinfo": time_limits,
}


@pytest.mark.parametrize(("name", "ask"), ASKED.items(), ids=ASKED)
def test_a_command_that_fails_or_hangs_is_silent(commands, monkeypatch, name, ask):
    """Nothing is concluded, whatever accounting says; one that hangs is ended after a while."""
    commands.says("sacct", "1|pack_1|FAILED|None|n1\n")
    commands.says(name, "cpu*|30:00\n", err=UNREACHABLE, code=1)
    with pytest.raises(SilentError, match="Unable to contact"):
        ask()
    commands.says(name, wait_s=1000)
    monkeypatch.setattr(slurm, "_TIMEOUT_S", 0.3)
    with pytest.raises(SilentError, match=r"no answer in 0\.3 s"):
        ask()


@pytest.mark.parametrize(("name", "ask"), ASKED.items(), ids=ASKED)
def test_a_command_that_cannot_begin(commands, monkeypatch, name, ask):
    """No SLURM here is told with what to do; a machine that is out of processes is silent."""
    with pytest.raises(InputError, match=f"{name}: .* is this a login node of a SLURM cluster"):
        ask()
    full = BlockingIOError(11, "Resource temporarily unavailable")
    monkeypatch.setattr(slurm.subprocess, "run", Mock(side_effect=full))
    with pytest.raises(SilentError, match="temporarily"):
        ask()


def test_how_a_job_ended_is_asked_of_the_controller_first(commands):
    """It knows for some minutes, when accounting is not asked; a comment is no field."""
    commands.says(
        "scontrol",
        "JobId=7 JobName=pack_7 UserId=me(1) JobState=OUT_OF_MEMORY Reason=OutOfMemory"
        " NodeList=n[1-2] BatchHost=n1 Command=/a b/job.sh Comment=see JobState=RUNNING\n",
    )
    commands.says("sacct", "7|pack_7|COMPLETED|None|n1\n")
    assert end_of("7") == QueuedJob("7", "pack_7", "OUT_OF_MEMORY", "OutOfMemory", "n1")
    assert commands.calls("scontrol")[0][0][-1] == "7"
    assert not commands.calls("sacct")


@pytest.mark.parametrize(
    ("out", "code", "expected"),
    [
        pytest.param(
            "7|pack_7|NODE_FAIL|None|n1\n7|pack_7|CANCELLED by 1000|None|n2\n",
            0,
            QueuedJob("7", "pack_7", "CANCELLED", "None", "n2"),
            id="the last row counts, without who cancelled",
        ),
        pytest.param("", 0, None, id="no such row"),
        pytest.param("7|pack_7|FAILED\n", 0, None, id="half a row"),
        pytest.param("7|a|FAILED|None|n1\n", 1, None, id="no accounting"),
    ],
)
def test_accounting_may_know_what_the_controller_forgot(commands, out, code, expected):
    """Where nobody remembers a job there is none."""
    commands.says("scontrol", err=INVALID, code=1)
    commands.says("sacct", out, code=code)
    assert end_of("7") == expected
    [[arguments, _]] = commands.calls("sacct")
    assert arguments[-2:] == ["--jobs", "7"]
    assert "--allocations" in arguments


def test_a_cluster_without_accounting_remembers_no_job_for_long(commands, monkeypatch):
    """No sacct at all, or one that waits for its database."""
    commands.says("scontrol", err=INVALID, code=1)
    assert end_of("7") is None
    run = subprocess.run

    def hang(command, **settings):
        if command[0] == "sacct":
            raise subprocess.TimeoutExpired(command, 60)
        return run(command, **settings)

    monkeypatch.setattr(slurm.subprocess, "run", hang)
    assert end_of("7") is None


def test_partitions_say_how_long_a_job_may_run(commands):
    """Days, hours and minutes in minutes; that of the default one also without its name."""
    commands.says(
        "sinfo",
        "cpu*|2-03:04:00\ncpu*|2-03:04:00\ngpu|12:00:00\ndebug|30:00\nlong|infinite\nodd\n",
    )
    assert time_limits() == {"cpu": 3064, "": 3064, "gpu": 720, "debug": 30}


def test_jobs_are_cancelled_a_few_hundred_at_a_time(commands):
    """A command line has an end; no jobs are no call; one that has ended already is no error."""
    commands.says("scancel", err="scancel: error: Invalid job id 7", code=1)
    cancel([])
    assert not commands.calls("scancel")
    cancel([str(number) for number in range(1100)])
    said = [[word for word in call if word.isdigit()] for call, _ in commands.calls("scancel")]
    assert [len(ids) for ids in said] == [500, 500, 100]
    assert list(chain.from_iterable(said)) == [str(number) for number in range(1100)]


def test_settings_of_the_job_around_do_not_reach_slurm(commands, monkeypatch):
    """Where the driver itself runs in a job; where SLURM is configured is kept."""
    names = ("SLURM_JOB_ID", "SBATCH_PARTITION", "SQUEUE_FORMAT", "SLURM_CONF", "OTHER")
    for name in names:
        monkeypatch.setenv(name, "1")
    commands.says("squeue")
    queue()
    [[_, environment]] = commands.calls("squeue")
    assert environment.keys() & {*names} == {"SLURM_CONF", "OTHER"}
    assert os.environ["SLURM_JOB_ID"] == "1"
