"""What SLURM's commands say, and that silence is not taken for an answer."""

import json
import os
import sys
from itertools import chain

import pytest

import microtome.slurm_commands as slurm
from microtome.errors import InputError
from microtome.slurm_commands import (
    ENDED,
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


@pytest.mark.parametrize("said", ["4711\n", "4711;cluster2\n"])
def test_a_submission_gives_the_number_of_the_job(commands, tmp_path, said):
    """Also where several clusters are there, and sbatch names the one it took."""
    commands.says("sbatch", said)
    assert submit(tmp_path / "a job.sh", ["--mem=10", "--comment=a b $c"]) == "4711"
    [[arguments, _]] = commands.calls("sbatch")
    assert arguments == ["--parsable", "--mem=10", "--comment=a b $c", str(tmp_path / "a job.sh")]


@pytest.mark.parametrize(
    "said",
    [
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Zero Bytes were transmitted or received",
        "Batch job submission failed: Resource temporarily unavailable",
        "QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates"
        " accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "Slurm temporarily unable to accept job, sleeping and retrying",
        "slurm_persist_conn_open: Connection refused",
        "munge: Invalid authentication credential",
        "Transport endpoint is not connected",
    ],
)
def test_a_refusal_that_passes_is_no_refusal(commands, tmp_path, said):
    """Later the same job may be taken."""
    commands.says("sbatch", err=f"sbatch: error: {said}\n", code=1)
    with pytest.raises(SilentError):
        submit(tmp_path / "job.sh", [])


@pytest.mark.parametrize(
    "said",
    [
        "invalid partition specified: gpus",
        "QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates"
        " accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "Batch job submission failed: Requested node configuration is not available",
    ],
)
def test_a_refusal_for_good_is_told_in_one_line(commands, tmp_path, said):
    """It would be refused again."""
    commands.says("sbatch", err=f"sbatch: error: {said}\n", code=1)
    with pytest.raises(InputError, match=r"^SLURM refuses a job: sbatch: error: ") as refused:
        submit(tmp_path / "job.sh", [])
    assert "\n" not in str(refused.value)


def test_the_queue_has_all_jobs_of_the_user(commands):
    """Those of arrays, those that wait or have ended, and no line that is none."""
    commands.says(
        "squeue",
        "12|mt_1 a|RUNNING|None|node1\n"
        "13_[1-9]|array|PENDING|(Resources)|\n"
        "a line of a login script\n"
        "14|mt_2|TIMEOUT|TimeLimit|node[2-3]\n",
    )
    assert queue() == {
        "12": QueuedJob("12", "mt_1 a", "RUNNING", "None", "node1"),
        "13_[1-9]": QueuedJob("13_[1-9]", "array", "PENDING", "(Resources)", ""),
        "14": QueuedJob("14", "mt_2", "TIMEOUT", "TimeLimit", "node[2-3]"),
    }
    [[arguments, _]] = commands.calls("squeue")
    assert "--me" in arguments
    assert "--noheader" in arguments
    assert "--states=all" in arguments


def test_an_empty_queue_is_an_answer_and_a_failing_command_is_none(commands):
    """No job at all, against nothing known."""
    commands.says("squeue", "")
    assert queue() == {}
    commands.says("squeue", "", err=UNREACHABLE, code=1)
    with pytest.raises(SilentError, match="Unable to contact"):
        queue()


@pytest.mark.parametrize("ask", [queue, lambda: end_of("1"), lambda: cancel(["1"])])
def test_a_command_that_hangs_is_silent(commands, monkeypatch, ask):
    """It is ended after a while, and nothing is concluded."""
    for name in ("squeue", "scontrol", "sacct", "scancel"):
        commands.says(name, wait_s=20)
    monkeypatch.setattr(slurm, "_TIMEOUT_S", 0.3)
    with pytest.raises(SilentError, match=r"no answer in 0\.3 s"):
        ask()


@pytest.mark.parametrize("ask", [queue, lambda: end_of("1"), lambda: cancel(["1"])])
def test_a_machine_without_slurm_is_told(commands, ask):
    """In one line, with what to do."""
    with pytest.raises(InputError, match="is this a login node of a SLURM cluster"):
        ask()


def test_how_a_job_ended_is_asked_of_the_controller_first(commands):
    """It knows for some minutes; accounting is not asked then."""
    commands.says(
        "scontrol",
        "JobId=7 JobName=mt_7 UserId=me(1) JobState=OUT_OF_MEMORY Reason=OutOfMemory"
        " NodeList=n[1-2] BatchHost=n1 Command=/a b/job.sh\n",
    )
    commands.says("sacct", "7|mt_7|COMPLETED|None|n1\n")
    assert end_of("7") == QueuedJob("7", "mt_7", "OUT_OF_MEMORY", "OutOfMemory", "n1")
    assert commands.calls("scontrol")[0][0][-1] == "7"
    assert not commands.calls("sacct")


def test_accounting_knows_what_the_controller_forgot(commands):
    """The last row counts; a cancelled job's state names who did it."""
    commands.says("scontrol", err=INVALID, code=1)
    commands.says("sacct", "7|mt_7|NODE_FAIL|None|n1\n7|mt_7|CANCELLED by 1000|None|n2\n")
    assert end_of("7") == QueuedJob("7", "mt_7", "CANCELLED", "None", "n2")
    [[arguments, _]] = commands.calls("sacct")
    assert arguments[-2:] == ["--jobs", "7"]
    assert "--allocations" in arguments


@pytest.mark.parametrize(
    ("out", "code"), [("", 0), ("", 1), ("7|mt_7|FAILED\n", 0), ("7|a|FAILED|None|n1\n", 1)]
)
def test_where_nobody_remembers_a_job_there_is_none(commands, out, code):
    """No accounting, no such row, or half a row."""
    commands.says("scontrol", err=INVALID, code=1)
    commands.says("sacct", out, code=code)
    assert end_of("7") is None


def test_a_controller_that_is_away_remembers_all_the_same(commands):
    """What accounting says may be old: the controller is waited for."""
    commands.says("scontrol", err=UNREACHABLE, code=1)
    commands.says("sacct", "7|mt_7|FAILED|None|n1\n")
    with pytest.raises(SilentError):
        end_of("7")


def test_partitions_say_how_long_a_job_may_run(commands):
    """Days, hours and minutes in minutes; that of the default one also without its name."""
    commands.says(
        "sinfo",
        "cpu*|2-03:04:00\ncpu*|2-03:04:00\ngpu|12:00:00\ndebug|30:00\nlong|infinite\nodd\n",
    )
    assert time_limits() == {"cpu": 3064, "": 3064, "gpu": 720, "debug": 30}
    commands.says("sinfo", "cpu*|30:00\n", err=UNREACHABLE, code=1)
    with pytest.raises(SilentError, match="Unable to contact"):
        time_limits()


def test_jobs_are_cancelled_a_few_hundred_at_a_time(commands):
    """A command line has an end; no jobs are no call."""
    commands.says("scancel")
    cancel([])
    assert not commands.calls("scancel")
    cancel([str(number) for number in range(1100)])
    said = [[word for word in call if word.isdigit()] for call, _ in commands.calls("scancel")]
    assert [len(ids) for ids in said] == [500, 500, 100]
    assert list(chain.from_iterable(said)) == [str(number) for number in range(1100)]


def test_a_job_that_has_ended_cannot_be_cancelled_and_need_not(commands):
    """Unlike one that SLURM could not be asked to cancel."""
    commands.says("scancel", err="scancel: error: Invalid job id 7", code=1)
    cancel(["7"])
    commands.says("scancel", err=UNREACHABLE, code=1)
    with pytest.raises(SilentError):
        cancel(["7"])


def test_settings_of_the_job_around_do_not_reach_slurm(commands, monkeypatch):
    """Where the driver itself runs in a job; where SLURM is configured is kept."""
    for name in ("SLURM_JOB_ID", "SLURM_MEM_PER_CPU", "SBATCH_PARTITION", "SQUEUE_FORMAT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/etc/own.conf")
    monkeypatch.setenv("OTHER", "x")
    commands.says("squeue")
    queue()
    [[_, environment]] = commands.calls("squeue")
    assert environment["SLURM_CONF"] == "/etc/own.conf"
    assert environment["OTHER"] == "x"
    slurms = [name for name in environment if name.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))]
    assert slurms == ["SLURM_CONF"]
    assert os.environ["SLURM_JOB_ID"] == "1"


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"])
def test_a_job_that_may_go_on_has_not_ended(state):
    """Whatever SLURM calls it."""
    assert state not in ENDED


@pytest.mark.parametrize(
    "state",
    [
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    ],
)
def test_a_job_that_is_over_has_ended(state):
    """However it ended."""
    assert state in ENDED


def test_a_cluster_without_accounting_remembers_no_job_for_long(commands, monkeypatch):
    """No sacct at all, or one that waits for its database."""
    commands.says("scontrol", err=INVALID, code=1)
    assert end_of("7") is None
    commands.says("sacct", wait_s=20)
    monkeypatch.setattr(slurm, "_TIMEOUT_S", 0.3)
    assert end_of("7") is None


@pytest.mark.parametrize("said", ["", "Welcome to the cluster", "Charged to project 12"])
def test_a_submission_that_names_no_job_has_no_answer(commands, tmp_path, said):
    """It may have come through: it is looked for by its name."""
    commands.says("sbatch", said)
    with pytest.raises(SilentError, match="named no job"):
        submit(tmp_path / "job.sh", [])


def test_a_wrapper_of_sbatch_may_say_more(commands, tmp_path):
    """The number is the last line."""
    commands.says("sbatch", "Charged to project 12\n4711;cluster\n\n")
    assert submit(tmp_path / "job.sh", []) == "4711"


def test_names_of_other_jobs_may_be_anything(commands):
    """Also bytes that are no text."""
    commands.says("squeue", "1|caf\xe9|RUNNING|None|n1\n2|mt_2|RUNNING|None|n1\n")
    assert queue()["2"].name == "mt_2"


def test_a_comment_is_no_field(commands):
    """Nor is a path: the first of a name counts."""
    commands.says("scontrol", "JobId=7 JobState=TIMEOUT Reason=None Comment=see JobState=RUNNING\n")
    assert end_of("7").state == "TIMEOUT"


def test_a_machine_that_is_out_of_processes_is_as_silent(commands, monkeypatch):
    """It may have some again in a moment."""

    def no_more(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(slurm.subprocess, "run", no_more)
    with pytest.raises(SilentError, match="temporarily"):
        queue()
