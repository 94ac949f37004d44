"""What a person sees of a run, by itself and with Snakemake."""

import io
import json
import logging
import re
import subprocess
import sys

import pytest
from rich.console import Console

from run_records import NAMING, job_error, job_info, record
from snakemake_logger_plugin_progress.errors import InputError
from snakemake_logger_plugin_progress.progress import Progress
from snakemake_logger_plugin_progress.run_log import RunLog, read_events, run_logs
from snakemake_logger_plugin_progress.run_state import RunState
from snakemake_logger_plugin_progress.stages import Stages, stage_name

NOW = 1_790_000_000.0


class Screen:
    """A progress display that is looked at only when a test says so, and what it printed."""

    def __init__(self, folder, *, terminal=False, **settings):
        self.log, self.file = RunLog(folder), io.StringIO()
        console = Console(
            file=self.file, force_terminal=terminal, width=120, height=20, highlight=False
        )
        self.progress = Progress(
            console,
            self.log,
            interval_s=30,
            as_text=lambda record: record.getMessage(),
            **settings,
        )

    def begin(self):
        """Begin a run of three jobs."""
        self.progress.record(record("run_info"))
        for number in range(3):
            self.progress.record(job_info(number))
        self.text()

    def tell(self, event, **told):
        """As the executor tells."""
        self.progress.record(record(event, told=told))

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
def make_screen(tmp_path, monkeypatch):
    """Give a function that makes a display whose clock stands still; jobs are tried twice."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("snakemake_logger_plugin_progress.run_recorder._retries", lambda rule: 1)
    monkeypatch.setattr("snakemake_logger_plugin_progress.progress.time.time", lambda: NOW)
    monkeypatch.setattr("snakemake_logger_plugin_progress.progress._REDRAWN_S", 1e6)
    monkeypatch.setattr("snakemake_logger_plugin_progress.progress._CHECKED_S", 1e6)
    monkeypatch.setattr(
        "snakemake_logger_plugin_progress.progress.workflow_stages", lambda: Stages(**NAMING)
    )
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
    screen.tell("member_started", job=0)
    assert screen.text(after_s=5) == ""
    line = "score m   0/3    0 %  running 1  waiting 2  failed 0"
    assert line in screen.text(after_s=31)
    screen.tell("member_started", job=1)
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


def test_last_lines_come_last(make_screen):
    """What a hook of the workflow tells at the end is below how the run went."""
    screen = make_screen()
    screen.begin()
    last = record(None, msg="1 of 2 slides used\n  1 slide (a): is empty")
    last.is_last = True
    screen.progress.record(last)
    assert screen.text() == ""
    screen.progress.close()
    assert screen.text().endswith("jsonl\n1 of 2 slides used\n  1 slide (a): is empty\n")


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
    screen.tell("pack_submitted", pack="p", slurm_id="12", kind="score m", jobs=[0])
    screen.tell("pack_ended", pack="p", state="COMPLETED")
    assert screen.text() == ""
    screen.tell("pack_submitted", pack="q", slurm_id="13", kind="score m", jobs=[1])
    screen.tell("pack_ended", pack="q", state="NODE_FAIL", node="gpu2", reason="None")
    assert screen.text()[8:] == "  SLURM job 13 on gpu2, score m: NODE_FAIL\n"
    screen.tell("slurm_silent", since=1)
    assert "SLURM does not answer" in screen.text()
    screen.tell("slurm_back")
    assert "SLURM answers again" in screen.text()
    screen.tell("leftovers_cancelled", slurm_ids=["3"])
    assert "cancelled 1 SLURM job that an earlier run had left" in screen.text()


def test_without_stages_only_trouble_is_said(make_screen):
    """`--quiet progress` leaves failures, and the log a sign of life a minute."""
    screen = make_screen(shows_stages=False)
    screen.begin()
    screen.tell("member_started", job=0)
    assert [screen.text(after_s=after_s) for after_s in (10, 61, 65, 122)] == [""] * 4
    events = list(read_events(screen.log.path))
    assert [e["t"] - NOW for e in events if e["event"] == "alive"] == [61, 122]
    screen.progress.record(job_error(1))
    assert "failed, will be tried again" in screen.text()


def test_a_report_is_written_at_the_end(make_screen, tmp_path):
    """Of the run as it ended; one that fails is a line."""
    screen = make_screen(report="reports/run")
    screen.log._folder = tmp_path / "logs" / "runs"
    screen.begin()
    screen.progress.record(record("job_finished", job_id=2))
    screen.progress.close()
    assert "Run report: " in screen.text()
    summary = (tmp_path / "reports" / "run" / "summary.md").read_text()
    assert "- jobs: 1 of 1 done, 0 failed for good" in summary
    assert "## Faults\n\nNone.\n" in summary
    (tmp_path / "file").touch()
    screen = make_screen(report="file")
    screen.begin()
    screen.progress.close()
    assert "No run report: " in screen.text()


def test_a_file_of_stages_that_cannot_be_read_is_a_line(make_screen, monkeypatch):
    """Each rule is a stage then."""

    def refuse():
        raise InputError("progress.yaml: no")

    screen = make_screen()
    monkeypatch.setattr("snakemake_logger_plugin_progress.progress.workflow_stages", refuse)
    screen.progress.record(record("run_info"))
    assert "progress.yaml: no" in screen.text()
    screen.progress.record(job_info(1))
    screen.tell("member_started", job=1)
    assert "score slide" in screen.text(after_s=31)


def test_a_terminal_has_a_block_that_goes(make_screen):
    """The block is drawn, failures stand above it, and the end is a summary."""
    screen = make_screen(terminal=True)
    screen.begin()
    assert "waiting 3" in screen.text(after_s=0)
    screen.progress.record(job_error(1, rule_msg="killed"))
    assert "slide a: killed" in screen.text()
    screen.progress.close()
    assert "0 of 3 jobs done" in screen.text()


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
    (folder / "progress.yaml").write_text(json.dumps(NAMING))
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--logger", "progress", "--cores", "2", *arguments],
        cwd=folder,
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


def test_runs_in_which_nothing_runs(tmp_path):
    """A dry run is Snakemake's own; where nothing is to do it says so: neither has a run log."""
    done = snakemake(tmp_path, "--dry-run")
    assert done.returncode == 0
    assert "This was a dry-run" in done.stdout
    assert "cohort        1" in done.stdout
    assert not (tmp_path / "logs").exists()
    assert snakemake(tmp_path, "o/m/a.score", "--quiet", "all").stdout == ""
    assert "Nothing to be done" in snakemake(tmp_path, "o/m/a.score").stdout
    assert len(run_logs(tmp_path / "logs" / "runs")) == 1
