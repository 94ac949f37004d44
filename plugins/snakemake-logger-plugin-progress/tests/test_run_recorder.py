"""From Snakemake's records to events, with the reasons of failures."""

import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from run_records import NAMING, job_error, job_info, record
from snakemake_logger_plugin_progress.run_recorder import Recorder, last_error, last_line
from snakemake_logger_plugin_progress.stages import Stages

LOG = "2026-11-21 10:00:00 INFO reading\n2026-11-21 10:00:01 ERROR slide a: it is cut off\n"
TRACE = "2026-11-21 10:00:02 CRITICAL the program failed\nTraceback\n  x\nKeyError: 'q'\n\n"
STRANGE = "2026-11-21 10:00:00 ERROR \x1b[31m\udcff" + "y" * 5000 + "\n"


@pytest.mark.parametrize(
    ("text", "reason", "last"),
    [
        pytest.param(LOG, "slide a: it is cut off", LOG.splitlines()[1], id="message alone"),
        pytest.param(LOG + TRACE, "the program failed: KeyError: 'q'", "KeyError: 'q'", id="trace"),
        pytest.param(LOG.splitlines()[0] + "\nError: 3\n", "", "Error: 3", id="no error"),
        pytest.param(STRANGE + "z" * 200000, "", "z" * 300 + "...", id="too far back"),
        pytest.param(STRANGE, "[31m\ufffd" + "y" * 295 + "...", None, id="long and strange"),
    ],
)
def test_the_reason_is_the_last_error_of_the_log(tmp_path, text, reason, last):
    """In one line of what a terminal can show; where there is none the last line is quoted."""
    path = tmp_path / "a.log"
    path.write_text(text, errors="surrogateescape")
    logs = [str(tmp_path / "none"), str(tmp_path), str(path)]
    assert last_error(logs, since_s=0) == reason
    assert last is None or last_line(logs, since_s=0) == last
    assert last_error(logs[:2], since_s=0) == last_line(logs[:2], since_s=0) == ""
    os.utime(path, (1000, 1000))  # one that was written before the job was sent is of another try
    assert [last_error(logs, since_s=since_s) for since_s in (1005, 1500)] == [reason, ""]


class Recorded(Recorder):
    """A recorder that keeps what it tells."""

    def __init__(self):
        self.told = []
        super().__init__(lambda event, *, t, **what: self.told.append({"event": event, **what}))
        self.stages = Stages(**NAMING)

    def names(self):
        """Names of the events."""
        return [event["event"] for event in self.told]

    def fails(self, *numbers, **what):
        """Let jobs fail, and give the last event of each failure."""
        for number in numbers:
            self.record(job_error(number, **what))
        failed = [event for event in self.told if event["event"] == "job_failed"]
        return failed[-len(numbers) :]

    def sends(self, *numbers, **what):
        """Send jobs."""
        for number in numbers:
            self.record(job_info(number, **what))


@pytest.fixture
def recorder(monkeypatch, tmp_path):
    """A recorder of a workflow whose jobs are tried twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("snakemake_logger_plugin_progress.run_recorder._retries", lambda rule: 1)
    return Recorded()


def test_a_job_that_is_sent(recorder):
    """All that status and report need of it is told, but for what is not known yet and targets."""
    recorder.sends(1, output=[])
    recorder.record(record("job_finished", job_id=1))
    recorder.sends(7, benchmark="b.tsv")
    assert recorder.told == [
        {
            "event": "job_submitted",
            "job": 7,
            "rule": "score_slide",
            "wildcards": {"slide": "a", "model": "m"},
            "log": ["7.log"],
            "benchmark": "b.tsv",
            "attempt": 1,
            "threads": 4,
            "mem_mb": 100,
            "runtime_min": 30,
            "gpu": 1,
            "group": None,
        }
    ]
    recorder.sends(8, resources={"mem_mb": "<TBD>"})
    assert (recorder.told[1]["mem_mb"], recorder.told[1]["gpu"]) == (None, 0)


def test_jobs_on_this_machine_begin_at_once(recorder):
    """With cores of its own, or for a local rule on a cluster, a job that is sent runs."""
    recorder.sends(1)
    recorder.sends(2, local=True)
    recorder.record(record("resources_info", cores=4))
    recorder.sends(3)
    sent, begun = "job_submitted", "job_started"
    assert recorder.names() == [sent, sent, begun, sent, begun]
    assert recorder.told[2]["job"] == 2


def test_what_another_plugin_tells_is_told_on(recorder):
    """As it is, with its own time where it has one."""
    times = []
    recorder._tell = lambda event, **what: times.append((event, what))
    recorder.record(record("pack_ended", told={"t": 5.0, "pack": "p"}))
    recorder.record(record("slurm_back", told={}))
    assert times[0] == ("pack_ended", {"t": 5.0, "pack": "p"})
    assert times[1][1]["t"] > 1.7e9


def test_a_failure_is_tried_again_once(recorder):
    """The second try has its number; after it the job is given up."""
    for _ in range(2):
        recorder.sends(1)
        recorder.fails(1, rule_msg="killed")
    first, failed, retried, second, given_up = recorder.told
    assert recorder.names() == [
        *("job_submitted", "job_failed", "job_retried"),
        *("job_submitted", "job_failed"),
    ]
    assert (failed["again"], given_up["again"]) == (True, False)
    assert (first["attempt"], retried["attempt"], second["attempt"]) == (1, 2, 2)
    assert failed["reason"] == "killed"


def test_reasons_in_their_order(recorder):
    """The log's error comes first, then what SLURM says, then what was last written; if anew."""
    recorder.sends(1, 2, 3, 4)
    Path("1.log").write_text(LOG)
    Path("2.log").write_text("2026-11-21 10:00:00 INFO tile 7\n")
    Path("3.log").write_text("2026-11-21 10:00:00 INFO tile 8\n")
    for number in (1, 2):
        told = {"job": number, "reason": "job 9: TIMEOUT"}
        recorder.record(record("member_failed", told=told))
    failed = recorder.fails(1, rule_msg="job 9: TIMEOUT. ") + recorder.fails(2, 3, 4)
    silent = "it ended without a word in its log"
    assert [event["reason"] for event in failed] == [
        "slide a: it is cut off",
        "job 9: TIMEOUT",
        "2026-11-21 10:00:00 INFO tile 8",
        silent,
    ]
    Path("2.log").unlink()
    recorder.sends(2)
    [again] = recorder.fails(2)
    assert again["reason"] == silent


def test_a_group_is_tried_again_as_its_most_patient_rule(recorder, monkeypatch):
    """Snakemake tries a group as often as any of its rules asks for."""
    monkeypatch.setattr(
        "snakemake_logger_plugin_progress.run_recorder._retries", {"a": 0, "b": 1}.get
    )
    dag = SimpleNamespace(get_job_group=lambda job: SimpleNamespace(jobid="uuid"))
    jobs = [
        SimpleNamespace(rule=SimpleNamespace(name=rule), jobid=number, dag=dag)
        for number, rule in enumerate("ab")
    ]
    recorder.record(record("group_info", group_id="maps", jobs=jobs))
    recorder.sends(0, rule_name="a")
    recorder.fails(0)
    assert recorder.told[0]["group"] == "uuid"
    assert recorder.names() == ["job_submitted", "job_failed", "job_retried"]


def test_of_a_group_the_one_to_blame_is_named(recorder):
    """The member with an error in its log, else the one that wrote last; the rest fell with it."""

    def blamed():
        group = [{"jobid": n, "log": [f"{n}.log"]} for n in (1, 2, 3)]
        recorder.record(record("group_error", job_error_info=group))
        failed = recorder.fails(1, 2, 3)
        assert [event["with_group"] for event in failed] == [True, False, True]
        return failed[1]["reason"]

    recorder.sends(1, 2, 3)
    Path("1.log").write_text("done\n")
    Path("2.log").write_text(LOG)
    assert blamed() == "slide a: it is cut off"
    recorder.sends(1, 2, 3)
    Path("2.log").write_text("at work\n")
    os.utime("1.log", (1, 1))
    for number in (1, 2, 3):
        told = {"job": number, "reason": "job 9: NODE_FAIL"}
        recorder.record(record("member_failed", told=told))
    assert blamed() == "job 9: NODE_FAIL"


def test_a_missing_output_is_a_failure(recorder):
    """Snakemake has no record for it but a text, which is told in shorter words, once."""
    recorder.sends(18)
    text = (
        "MissingOutputException in rule tumour_burden in file Snakefile, line 24:\n"
        "Job 18  completed successfully, but some output files are missing. Missing files:\n"
        "o/a.map (missing locally, parent dir contents: b.map)"
    )
    for _ in range(2):
        recorder.record(record("error", msg=text, exception="MissingOutputException"))
    assert recorder.names() == ["job_submitted", "job_failed", "job_retried"]
    assert recorder.told[1]["reason"] == "it ended well, but an output is missing: o/a.map"


def test_the_run_ends_well_when_all_is_done(recorder):
    """Only a run that did all of its jobs is told to have ended well; no run has no end."""
    recorder.end(1.0)
    assert recorder.told == []
    for done in (1, 3):
        recorder.record(record("run_info"))
        recorder.record(record("progress", done=done, total=3))
        for _ in range(2):
            recorder.end(1.0)
        assert recorder.told[-1] == {"event": "run_ended", "ok": done == 3}
    assert recorder.names().count("run_ended") == 2


def planned(rule, model=""):
    """As much of a job of Snakemake's as is looked at."""
    job = Mock(wildcards_dict={"model": model} if model else {}, is_norun=rule == "all")
    job.rule.name = rule
    return job


class Dag(list):
    """As much of Snakemake's graph as is looked at: its jobs, all of which are to run."""

    finished_jobs = ()

    def needrun_jobs(self):
        """All of them."""
        return self


def test_a_plan_that_grew_is_told_anew(recorder, monkeypatch):
    """After a checkpoint there are more jobs; the same number is not told twice."""
    flow = SimpleNamespace(dag=Dag([planned("cohort"), planned("all")]))
    monkeypatch.setattr("snakemake_logger_plugin_progress.run_recorder._workflow", lambda: flow)
    recorder.record(record("run_info"))
    assert recorder.told[0]["stages"]["about"] == "slide"
    recorder.plan(1.0)
    flow.dag += [planned("tumour_burden", model) for model in "aab"]
    recorder.plan(2.0)
    of_models = {"tumour_burden": {"a": 2, "b": 1}}
    assert recorder.told[1:] == [
        {"event": "planned", "jobs": {"cohort": 1}, "apart": {}},
        {"event": "planned", "jobs": {"cohort": 1, "tumour_burden": 3}, "apart": of_models},
    ]
