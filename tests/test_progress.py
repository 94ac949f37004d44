"""What a person sees of a run, from Snakemake's records to lines and a block."""

import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from conftest import REPOSITORY
from microtome.progress import Progress, progress_block
from microtome.run_log import RunLog, read_events, run_logs
from microtome.run_recorder import Recorder, last_error, last_line
from microtome.run_stages import STAGES, job_name, stage_name, stage_of
from microtome.run_state import RunState
from microtome.run_texts import (
    duration_text,
    rate_per_s,
    rate_text,
    share_text,
    stage_line,
    stage_rate,
    summary_lines,
)

SCORE = ("score", "histocae1")
JOB = {"rule": "score_slide", "wildcards": {"slide": "a", "model": "histocae1"}, "log": ["a.log"]}


def submitted(number, t=0.0, **what):
    """An event of a job sent."""
    return {"t": t, "event": "job_submitted", "job": number, **JOB, **what}


# Rates and words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45.4, "45 s"),
        (59.6, "1 min"),
        (61, "1 min"),
        (3540, "59 min"),
        (3599, "1 h 00 min"),
        (19680, "5 h 28 min"),
        (3600 * 47, "47 h 00 min"),
        (3600 * 51, "2 d 3 h"),
        (-3, "0 s"),
    ],
)
def test_durations_have_two_units(seconds, text):
    """A length of time is said in its two largest units."""
    assert duration_text(seconds) == text


def test_rates_and_shares_in_words():
    """Slow stages count by the hour; 999 of 1000 is not 100 %; of nothing all is done."""
    rates = [rate_text(n / 3600) for n in (126, 15000, 12)]
    assert rates == ["2.1/min", "250/min", "12.0/h"]
    shares = [share_text(*counts) for counts in ((999, 1000), (1000, 1000), (0, 0))]
    assert shares == ["99 %", "100 %", "100 %"]


IN_A_MINUTE = [(float(t), 1.0) for t in range(60)]
EVERY_30_S = [(2700.0 + 30 * i, 1.0) for i in range(1, 31)]
BATCHES_OF_40 = [(3600.0 * hour, 3600.0) for hour in (1, 2, 3, 4) for _ in range(40)]


@pytest.mark.parametrize(
    ("finishes", "now", "expected"),
    [
        pytest.param([*IN_A_MINUTE, *EVERY_30_S], 3600, 30 / 900, id="an hour ago does not count"),
        pytest.param([(1200.0, 1200.0)] * 40, 1200, 40 / 1200, id="before the first end counts"),
        pytest.param(BATCHES_OF_40, 4 * 3600 + 60, 40 / 3600, id="batches of long jobs"),
        pytest.param([(10.0, 1.0)] * 3, 60, 3 / 60, id="just enough"),
        pytest.param([(100.0, 1.0)] * 2, 200, None, id="too few"),
        pytest.param([(10.0, 1.0)] * 20, 59, None, id="too early"),
    ],
)
def test_the_rate_is_that_of_the_last_quarter_of_an_hour(finishes, now, expected):
    """Of long jobs it is that of a longer time; too little tells nothing."""
    found = rate_per_s(finishes, first_start_s=0, now=now)
    assert found == (expected and pytest.approx(expected, rel=0.01))


def test_a_stage_has_its_time_left():
    """30 done in 15 minutes, 10 running and 50 waiting: 2 a minute, half an hour."""
    state = RunState([{"t": 0, "event": "planned", "jobs": {"tumour_burden": 90}}])
    for number in range(40):
        state.apply({**submitted(number), "rule": "tumour_burden", "wildcards": {}})
        state.apply({"t": 0, "event": "job_started", "job": number})
        if number < 30:
            state.apply({"t": 30 * (number + 1), "event": "job_finished", "job": number})
    assert stage_rate(state, ("maps", ""), 900) == ("2.0/min", "30 min left")
    assert stage_rate(state, ("maps", ""), 20000) == ("0.0/h", "stalled")


def test_a_stage_in_one_line():
    """Name, done of all, percent, running, waiting, failed."""
    state = RunState(submitted(n) for n in range(4))
    models = {"score_slide": {"histocae1": 9}}
    state.apply({"t": 0, "event": "planned", "jobs": {"score_slide": 9}, "models": models})
    for number in range(3):
        state.apply({"t": 1, "event": "job_started", "job": number})
    state.apply({"t": 2, "event": "job_finished", "job": 0})
    state.apply({"t": 2, "event": "job_failed", "job": 1, "reason": "x"})
    line = stage_line(state, SCORE, 3, width=15)
    assert line[8:] == ("  score histocae1   1/9   11 %  running 1  waiting 6  failed 1")


# Stages


def test_rules_of_one_stage_share_a_line():
    """Small steps of a slide are one stage; each model has its own; a rule may be by itself."""
    assert stage_of("inspect_slide") == stage_of("patch_grid", "m") == ("prepare", "")
    assert stage_of("tumour_burden", "m") == ("maps", "m")
    assert stage_name(stage_of("score_slide", "histocae1")) == "score histocae1"
    assert stage_name(stage_of("some_new_rule", "m")) == "some new rule m"


def test_each_rule_of_the_workflow_has_a_stage():
    """No rule is forgotten but targets, which run nothing; no stage names a rule that is gone."""
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE))
    staged = {rule for rules in STAGES.values() for rule in rules}
    assert rules - staged <= {"score", "compression"}
    assert staged <= rules


def test_a_job_in_words():
    """Rule and model, slide, and whatever else tells it from others."""
    wildcards = {"grid": "1um", "slide": "a", "model": "m"}
    assert job_name("patch_grid", wildcards) == "patch_grid m, slide a, 1um"
    assert job_name("cohort", {}) == "cohort"


# Reasons from logs

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


def test_the_log_of_an_earlier_try_is_no_reason(tmp_path):
    """A log that was written before the job was sent tells of another try."""
    path = tmp_path / "a.log"
    path.write_text(LOG)
    os.utime(path, (1000, 1000))
    assert last_error([str(path)], since_s=1005) != ""
    assert last_error([str(path)], since_s=1500) == ""


# From records to events


def record(event, **what):
    """A record as Snakemake makes it."""
    found = logging.LogRecord("snakemake", logging.INFO, "", 0, what.pop("msg", ""), None, None)
    found.event = event
    found.__dict__.update(what)
    return found


def job_info(number, **what):
    """Snakemake's record of a job that is sent."""
    given = {
        "jobid": number,
        "rule_name": "score_slide",
        "wildcards": {"slide": "a", "model": "m"},
        "log": [f"{number}.log"],
        "benchmark": None,
        "threads": 4,
        "resources": {"mem_mb": 100, "runtime": 30, "gpu": 1, "_cores": 4},
        "local": False,
        "output": ["o"],
        "shellcmd": None,
        **what,
    }
    return record("job_info", **given)


def job_error(number, **what):
    """Snakemake's record of a job that failed."""
    return record(
        "job_error", **{"jobid": number, "log": [f"{number}.log"], "rule_msg": None, **what}
    )


class Recorded(Recorder):
    """A recorder that keeps what it tells."""

    def __init__(self):
        self.told = []
        super().__init__(lambda event, *, t, **what: self.told.append({"event": event, **what}))

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
    monkeypatch.setattr("microtome.run_recorder._retries", lambda rule: 1)
    return Recorded()


def test_a_job_that_is_sent(recorder):
    """All that status and report need of it is in the event; what is not known yet is left out."""
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


def test_targets_are_no_jobs(recorder):
    """A rule that runs nothing is not counted, nor its end."""
    recorder.sends(1, output=[])
    recorder.record(record("job_finished", job_id=1))
    assert recorder.told == []


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
    recorder.hear({"event": "member_failed", "job": 1, "reason": "job 9: TIMEOUT"})
    recorder.hear({"event": "member_failed", "jobs": [2], "reason": "job 9: TIMEOUT"})
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
    monkeypatch.setattr("microtome.run_recorder._retries", {"a": 0, "b": 1}.get)
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
    recorder.hear({"event": "member_failed", "jobs": [1, 2, 3], "reason": "job 9: NODE_FAIL"})
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


class Planned(SimpleNamespace):
    """As much of a job of Snakemake's as is looked at."""

    __hash__ = object.__hash__


class Dag(list):
    """As much of Snakemake's graph as is looked at: jobs by rule and model."""

    finished_jobs = ()

    def needrun_jobs(self):
        """All of them."""
        return [
            Planned(
                rule=SimpleNamespace(name=rule),
                wildcards_dict={"model": model} if model else {},
                is_norun=rule == "all",
            )
            for rule, model in self
        ]


def test_a_plan_that_grew_is_told_anew(recorder, monkeypatch):
    """After a checkpoint there are more jobs; the same number is not told twice."""
    flow = SimpleNamespace(dag=Dag([("cohort", ""), ("all", "")]))
    monkeypatch.setattr("microtome.run_recorder._workflow", lambda: flow)
    recorder.record(record("run_info"))
    recorder.plan(1.0)
    flow.dag += [("tumour_burden", model) for model in "aab"]
    recorder.plan(2.0)
    of_models = {"tumour_burden": {"a": 2, "b": 1}}
    assert recorder.told[1:] == [
        {"event": "planned", "jobs": {"cohort": 1}, "models": {}},
        {"event": "planned", "jobs": {"cohort": 1, "tumour_burden": 3}, "models": of_models},
    ]


# The state


def test_a_retry_that_works():
    """A job that failed and was done at last counts as done, with one failure."""
    state = RunState([submitted(1)])
    for t, name in enumerate(("job_started", "job_failed", "job_retried")):
        state.apply({"t": t, "event": name, "job": 1, "reason": "x"})
    assert dict(+state.counts[SCORE]) == {"waiting": 1}
    state.apply(submitted(1, 5.0))
    state.apply({"t": 6, "event": "job_started", "job": 1})
    state.apply({"t": 9, "event": "job_finished", "job": 1})
    assert dict(+state.counts[SCORE]) == {"done": 1}
    assert state.jobs[1].failures == [(1, "x")]
    tries = [(one.started_s, one.ended_s, one.failed) for one in state.jobs[1].tries]
    assert tries == [(0, 1, True), (6, 9, False)]


def test_word_that_comes_late():
    """A begin that is heard of after the end changes nothing; a job sent twice has one try."""
    state = RunState([submitted(1), submitted(1, 2.0)])
    assert [one.submitted_s for one in state.jobs[1].tries] == [2]
    state.apply({"t": 5, "event": "job_finished", "job": 1})
    state.apply({"t": 4, "event": "member_started", "pack": "p", "job": 1})
    assert dict(+state.counts[SCORE]) == {"done": 1}


def test_members_of_packs_are_known_by_key():
    """The executor may name a job by its number, by several numbers, or by its key."""
    state = RunState([submitted(1), submitted(2, wildcards={"model": "m", "slide": "b"})])
    state.apply({"t": 1, "event": "pack_submitted", "pack": "p", "slurm_id": "7", "jobs": [1, 2]})
    state.apply({"t": 2, "event": "pack_started", "pack": "p", "node": "n"})
    state.apply(
        {"t": 3, "event": "member_started", "pack": "p", "key": "score_slide:model=m,slide=b"}
    )
    assert state.jobs[2].state == "running"
    assert state.jobs[1].state == "waiting"
    state.apply({"t": 5, "event": "members_requeued", "pack": "p", "jobs": [2]})
    assert state.jobs[2].state == "waiting"
    assert state.packs["p"].n_requeued == 1
    state.apply({"t": 6, "event": "member_started", "pack": "q", "job": 1})
    state.apply({"t": 8, "event": "member_finished", "pack": "q", "job": 1})
    state.apply({"t": 11, "event": "job_finished", "job": 1})
    assert (state.jobs[1].tries[0].ended_s, state.jobs[1].tries[0].pack) == (8, "q")


def test_what_was_done_before_in_a_group_takes_no_time():
    """A group that begins again passes over what is done: no time is counted for it."""
    state = RunState([{"t": 0, "event": "pack_submitted", "pack": "p"}, submitted(1)])
    state.apply({"t": 50, "event": "job_finished", "job": 1})
    assert state.finishes[SCORE] == [(50, 0)]


HALF = ("job_finished", "job_submitted", "pack_started", "slurm_back", "planned", "run_started")


@pytest.mark.parametrize(
    "event",
    [
        *({"event": name} for name in HALF),
        {"event": "something_new", "x": 1},
        {"event": "job_finished", "job": 99},
        {"event": "job_failed", "jobs": [99, None]},
        {"event": "member_started", "key": "nothing"},
        {"event": "pack_ended", "pack": "q"},
    ],
)
def test_unknown_and_half_events_change_nothing(event):
    """A reader of today understands the log of tomorrow as far as it can."""
    state = RunState([submitted(1)])
    state.apply({"t": 1, **event})
    assert dict(+state.counts[SCORE]) == {"waiting": 1}


# The display


NOW = 1_790_000_000.0


class Screen:
    """A progress display that is looked at only when a test says so, and what it printed."""

    def __init__(self, folder, *, terminal=False, shows_stages=True):
        self.log, self.file = RunLog(folder), io.StringIO()
        console = Console(
            file=self.file, force_terminal=terminal, width=120, height=20, highlight=False
        )
        self.progress = Progress(
            console,
            self.log,
            interval_s=30,
            as_text=lambda record: record.getMessage(),
            shows_stages=shows_stages,
        )

    def begin(self):
        """Begin a run of three jobs."""
        self.progress.record(record("run_info"))
        for number in range(3):
            self.progress.record(job_info(number))
        self.text()

    def text(self, *, after_s=None):
        """What was printed since the last time, or at a time after the begin."""
        if after_s is not None:
            self.text()
            self.progress.tick(NOW + after_s)
        text = self.file.getvalue()
        self.file.seek(0)
        self.file.truncate()
        return text


@pytest.fixture
def make_screen(tmp_path, recorder, monkeypatch):
    """Give a function that makes a display whose clock stands still."""
    monkeypatch.setattr("microtome.progress.time.time", lambda: NOW)
    monkeypatch.setattr("microtome.progress._REDRAWN_S", 1e6)
    monkeypatch.setattr("microtome.progress._CHECKED_S", 1e6)
    screens = []

    def make(**settings):
        screens.append(Screen(tmp_path, **settings))
        return screens[-1]

    yield make
    for screen in screens:
        screen.progress.close()


def test_lines_come_at_most_every_half_minute(make_screen):
    """A stage with news has one line an interval, and without news none."""
    screen = make_screen()
    screen.begin()
    screen.log.write("member_started", job=0)
    assert screen.text(after_s=5) == ""
    line = "score m   0/3    0 %  running 1  waiting 2  failed 0"
    assert line in screen.text(after_s=31)
    screen.log.write("member_started", job=1)
    assert screen.text(after_s=45) == ""
    assert "running 2  waiting 1" in screen.text(after_s=62)
    assert screen.text(after_s=95) == ""


def test_a_failure_is_said_at_once(make_screen):
    """Rule, slide, reason, and the log in the next line; the second time it is final."""
    screen = make_screen()
    screen.begin()
    screen.progress.record(job_error(1, rule_msg="slide a: killed"))
    first, second = screen.text().splitlines()
    assert first[8:] == "  failed, will be tried again: score_slide m, slide a: killed"
    assert second.strip() == "1.log"
    screen.progress.record(job_info(1))
    screen.progress.record(job_error(1, rule_msg="killed"))
    assert "  failed: score_slide m, slide a: killed\n" in screen.text()
    screen.progress.close()
    end = screen.text()
    assert "0 of 3 jobs done in 0 s, 1 failed, 2 not done\n" in end
    assert f"Run log: {screen.log.path}" in end.replace("\n", "")
    screen.progress.close()
    assert screen.text() == ""


def test_only_trouble_is_said_while_jobs_run(make_screen):
    """Before the run all of Snakemake's words are shown, in it warnings and errors only."""
    screen = make_screen()

    def said(event, level=logging.INFO, **what):
        given = record(event, **what)
        given.levelno = level
        screen.progress.record(given)
        return screen.text()

    assert said(None, msg="Nothing to be done") == "Nothing to be done\n"
    screen.begin()
    assert said(None, msg="Select jobs to execute...") == ""
    assert said("job_started", msg="Execute 2 jobs...") == ""
    assert said(None, logging.WARNING, msg="the disk is slow") == "the disk is slow\n"
    trace = "x\nCalledProcessError in file y"
    assert said("error", logging.ERROR, msg=trace, exception="RuleException") == ""


def test_trouble_of_the_cluster_is_said(make_screen):
    """SLURM's silence, lost packs and leftovers have a line; packs that end well have none."""
    screen = make_screen()
    screen.begin()
    screen.log.write("pack_submitted", pack="p", slurm_id="12", kind="score m", jobs=[0])
    screen.log.write("pack_ended", pack="p", state="COMPLETED")
    assert screen.text() == ""
    screen.log.write("pack_submitted", pack="q", slurm_id="13", kind="score m", jobs=[1])
    screen.log.write("pack_ended", pack="q", state="NODE_FAIL", node="gpu2", reason="None")
    assert screen.text()[8:] == "  SLURM job 13 on gpu2, score m: NODE_FAIL\n"
    screen.log.write("slurm_silent", since=1)
    assert "SLURM does not answer" in screen.text()
    screen.log.write("slurm_back")
    assert "SLURM answers again" in screen.text()
    screen.log.write("leftovers_cancelled", slurm_ids=["3"])
    assert "cancelled 1 SLURM job that an earlier run had left" in screen.text()


def test_a_driver_says_that_it_is_alive(make_screen):
    """Once a minute, so that its death shows on other machines."""
    screen = make_screen()
    screen.begin()
    for after_s in (10, 61, 65, 122):
        screen.progress.tick(NOW + after_s)
    events = list(read_events(screen.log.path))
    assert [e["t"] - NOW for e in events if e["event"] == "alive"] == [61, 122]


def test_without_stages_only_trouble_is_said(make_screen):
    """`--quiet progress` leaves failures."""
    screen = make_screen(shows_stages=False)
    screen.begin()
    screen.log.write("member_started", job=0)
    assert screen.text(after_s=100) == ""
    screen.progress.record(job_error(1))
    assert "failed, will be tried again" in screen.text()


def test_the_block_shows_what_is_under_way():
    """Stages in the pipeline's order; finished ones in a line of their own; some do not fit."""
    plan = {"score_slide": 4, "cohort": 1, "inspect_slide": 2, "tumour_burden": 4}
    plan["compress_slide"] = 1
    state = RunState([{"t": 0, "event": "planned", "jobs": plan}])
    state.apply({"t": 0, "event": "pack_submitted", "pack": "p"})
    state.apply({**submitted(1), "rule": "cohort", "wildcards": {}})
    state.apply({"t": 3, "event": "job_finished", "job": 1})

    def lines(height):
        console = Console(file=io.StringIO(), width=120)
        console.print(progress_block(state, 60, height=height))
        return [line.strip() for line in console.file.getvalue().splitlines()[1:]]

    header, *stages, finished = lines(20)
    assert header == "1 of 12 jobs   8 %   1 min   SLURM jobs: 0 running, 1 in the queue"
    assert [line.split()[0] for line in stages] == ["prepare", "score", "maps", "compress"]
    assert finished == "finished: tables 1"
    _, *stages, finished, hidden = lines(6)
    assert [line.split()[0] for line in stages] == ["prepare", "score"]
    assert hidden == "and 2 stages to come"
    state.apply({**submitted(2), "rule": "tumour_burden", "wildcards": {}})
    state.apply({"t": 4, "event": "member_started", "job": 2})
    assert [line.split()[0] for line in lines(6)[1:3]] == ["prepare", "maps"]


def test_a_terminal_has_a_block_that_goes(make_screen):
    """The block is drawn, failures stand above it, and the end is a summary."""
    screen = make_screen(terminal=True)
    screen.begin()
    assert "waiting 3" in screen.text(after_s=0)
    screen.progress.record(job_error(1, rule_msg="killed"))
    assert "slide a: killed" in screen.text()
    screen.progress.close()
    assert "0 of 3 jobs done" in screen.text()


def test_a_summary_names_few_of_many():
    """Twenty failures are listed, the rest is counted; what fell with a group is, too."""
    state = RunState(submitted(n, wildcards={"slide": f"s{n}"}) for n in range(30))
    for number in range(30):
        what = {"reason": f"slide s{number}: bad", "with_group": number >= 25}
        state.apply({"t": 1, "event": "job_failed", "job": number, **what})
    lines = summary_lines(state, 10)
    assert lines[0][8:] == "  0 of 30 jobs done in 10 s, 30 failed"
    assert lines[1].strip() == "score_slide, slide s0: bad"
    assert len(lines) == 1 + 2 * 20 + 2
    assert lines[-2].strip() == "and 5 more, which `make status` lists"
    assert lines[-1].strip() == "and 5 jobs of the same groups with them"


# With Snakemake itself

SNAKEFILE = """
def after(wildcards):
    checkpoints.cohort.get()
    return expand("o/{model}/{slide}.score", model=list("mn"), slide=list("abc"))

rule all:
    input: after

checkpoint cohort:
    output: "o/cohort"
    shell: "touch {output}"

rule score_slide:
    output: "o/{model}/{slide}.score"
    log: "logs/{model}/{slide}.log"
    benchmark: "benchmarks/{model}/{slide}.tsv"
    resources: mem_mb=lambda w, attempt: 100 * attempt
    shell:
        "if [ {wildcards.slide}{resources.mem_mb} = b100 ] || [ {wildcards.slide} = c ]; then"
        " echo 2026-11-21 10:00:00 ERROR slide {wildcards.slide}: it is broken > {log}; exit 1;"
        " fi; touch {output}"
"""


def snakemake(folder, *arguments):
    """Run Snakemake with the plugin."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    scripts = str(REPOSITORY / "workflow_scripts")
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--logger", "progress", "--cores", "2", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": scripts},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a checkpoint, a retry and two failures."""
    folder = tmp_path_factory.mktemp("run")
    done = snakemake(folder, "--keep-going", "--retries", "1", "--logger-progress-interval-s", "1")
    [log] = run_logs(folder / "logs" / "runs")
    return done, list(read_events(log))


def test_snakemake_shows_stages_and_failures(run):
    """Each try's failure is said at once with its reason; the end is a summary."""
    done, _ = run
    assert done.returncode == 1
    once = ("failed, will be tried again: score_slide m, slide b", "failed: score_slide n, slide c")
    for failure in once:
        assert done.stdout.count(f"{failure}: it is broken") == 1
    assert "7 jobs: score m 3, score n 3, tables 1\n" in done.stdout
    assert re.search(r" 5 of 7 jobs done in .*, 2 failed\n", done.stdout)
    assert "Select jobs to execute" not in done.stdout


def test_snakemake_fills_the_run_log(run):
    """What is in the log adds up to what happened."""
    _, events = run
    state = RunState(events)
    assert [events[0]["event"], events[-1]["event"]] == ["run_started", "run_ended"]
    assert not state.ok
    assert state.command.endswith("--keep-going --retries 1 --logger-progress-interval-s 1")
    of_model = {"done": 2, "failed": 1}
    counts = {stage_name(stage): dict(+counts) for stage, counts in state.counts.items()}
    assert counts == {"tables": {"done": 1}, "score m": of_model, "score n": of_model}
    tries = {job.name: [one.mem_mb for one in job.tries] for job in state.jobs.values()}
    assert tries["score_slide m, slide b"] == [100, 200]
    of_c = {"model": "m", "slide": "c"}
    assert [e["attempt"] for e in events if e.get("wildcards") == of_c] == [1, 2]


def test_a_dry_run_is_snakemakes_own(tmp_path):
    """The table of jobs is printed, and no run log is made."""
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 0
    assert "This was a dry-run" in done.stdout
    assert "cohort        1" in done.stdout
    assert not (tmp_path / "logs").exists()


def test_a_run_that_has_nothing_to_do(tmp_path):
    """It says so, and leaves the log of the run before the newest."""
    assert snakemake(tmp_path, "o/m/a.score", "--quiet", "all").stdout == ""
    assert len(run_logs(tmp_path / "logs" / "runs")) == 1
    done = snakemake(tmp_path, "o/m/a.score")
    assert "Nothing to be done" in done.stdout
    assert len(run_logs(tmp_path / "logs" / "runs")) == 1
