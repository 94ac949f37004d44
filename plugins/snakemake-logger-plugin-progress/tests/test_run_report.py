"""The report of driver runs: figures by hand, on runs that nobody ran."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from run_records import NAMING
from simulated_runs import (
    N_JOBS_OF_SLIDE,
    read_table,
    run_command,
    simulate,
    write_benchmark,
    write_run_log,
)
from snakemake_logger_plugin_progress.errors import InputError
from snakemake_logger_plugin_progress.run_history import Benchmark, read_benchmarks, read_history
from snakemake_logger_plugin_progress.run_log import run_logs
from snakemake_logger_plugin_progress.run_report import make_run_report
from snakemake_logger_plugin_progress.run_report_figure import (
    _COLOURS,
    TimeAxis,
    mean_running,
    stage_loads,
)
from snakemake_logger_plugin_progress.run_tables import (
    KINDS,
    find_faults,
    gpu_seconds,
    jobs_table,
    slowest_subjects,
)

BEGUN = 1_790_000_000.0
NAMES = ("20260921T132640Z_1.jsonl", "20260922T132640Z_2.jsonl", "20260923T132640Z_3.jsonl")


def write_logs(folder, *runs):
    """Write run logs of (seconds, event, what)."""
    for name, events in zip(NAMES, runs, strict=False):
        told = [{"t": BEGUN + t, "event": event, **what} for t, event, what in events]
        write_run_log(folder, name, told)


def history_of(folder, *runs):
    """The history of runs, or of the run logs that are there."""
    write_logs(folder, *runs)
    paths = run_logs(folder / "logs" / "runs")
    return read_history(paths, directory=folder)


def job(number, slide, t=0, **what):
    """Events of a job that is sent and begins two seconds later."""
    given = {"job": number, "rule": "score_slide", "wildcards": {"slide": slide}, **what}
    return [(t, "job_submitted", given), (t + 2, "job_started", {"job": number})]


def ended(number, t):
    """The event of a job that is done."""
    return [(t, "job_finished", {"job": number})]


def failed(number, t, reason="bad", **what):
    """The event of a job that failed."""
    return [(t, "job_failed", {"job": number, "reason": reason, **what})]


def summary_of(folder):
    """Text of the summary of a report."""
    return (folder / "results" / "run_report" / "summary.md").read_text()


START = [(0, "run_started", {"host": "login1", "pid": 5, "stages": NAMING})]
END = [(1000, "run_ended", {"ok": True})]
ONE_JOB = [*START, *job(1, "a"), *ended(1, 62), *END]


def test_figures_of_a_rule(tmp_path):
    """Times and memory come from benchmarks, GPU hours from how long jobs held one."""
    events = [*START, *job(9, "s9", rule="tissue_mask"), *ended(9, 62)]
    for number, seconds in enumerate((10, 20, 30)):
        name = f"b{number}.tsv"
        asked = {"mem_mb": 100 * (number + 1), "runtime_min": 2}
        events += job(number, f"s{number}", benchmark=name, gpu=1, **asked)
        events += ended(number, 102)
        write_benchmark(tmp_path, name, seconds, 50 + number, 36 * seconds)
    without, row = jobs_table(history_of(tmp_path, events + END))
    assert row == {
        "rule": "score_slide",
        "done": 3,
        "failed_tries": 0,
        "given_up": 0,
        "median_s": 20,
        "p95_s": pytest.approx(29),
        "max_s": 30,
        "cpu_h": pytest.approx(0.6),
        "gpu_h": pytest.approx(300 / 3600),
        "asked_mb": 200,
        "asked_mb_max": 300,
        "used_mb": 51,
        "used_mb_max": 52,
        "share_mb_max": 0.5,
        "asked_min": 2,
        "used_min": pytest.approx(1 / 3),
        "share_min_max": 0.25,
    }
    # Without a benchmark the run log tells the time, and nobody the memory.
    assert (without["median_s"], without["cpu_h"], without["gpu_h"]) == (60, None, None)
    assert np.isnan(without["used_mb_max"])


def test_gpu_hours_of_packs(tmp_path):
    """A SLURM job holds its GPUs from its begin to its end, whatever runs in it."""
    pack = {"pack": "p", "jobs": [1, 2], "gpus": 2, "slurm_id": "7"}
    events = [
        *START,
        *job(1, "a", gpu=1)[:1],
        *job(2, "b", gpu=1)[:1],
        (5, "pack_submitted", pack),
        (100, "pack_started", {"pack": "p"}),
        (110, "member_started", {"pack": "p", "job": 1}),
        (150, "member_finished", {"pack": "p", "job": 1}),
        (460, "pack_ended", {"pack": "p", "state": "COMPLETED"}),
    ]
    assert gpu_seconds(history_of(tmp_path, events)) == {"score_slide": 2 * 360}
    events[-1] = (300, "alive", {})
    assert gpu_seconds(history_of(tmp_path, events)) == {"score_slide": 2 * 200}


def test_a_cohort_in_several_runs(tmp_path):
    """A job counts once, as it ended at last; tries that failed are all counted."""
    first = [*START, *job(1, "a"), *failed(1, 50), *job(2, "b"), *ended(2, 40)]
    second = [(5000, "run_started", {"stages": NAMING}), *job(9, "a", 5000), *ended(9, 5102)]
    second.append((5200, "run_ended", {"ok": True}))
    history = history_of(tmp_path, first, second)
    [row] = jobs_table(history)
    assert (row["done"], row["failed_tries"], row["given_up"], row["max_s"]) == (2, 1, 0, 100)
    runs = [(run.begun_s - BEGUN, run.ended_s - BEGUN, run.was_killed) for run in history.runs]
    assert runs == [(0, 50, True), (5000, 5200, False)]
    third = [(9000, "run_started", {"stages": NAMING}), *job(3, "a", 9000), *ended(3, 9032)]
    [row] = jobs_table(history_of(tmp_path, first, second, third))
    assert row["max_s"] == 38


def test_the_slowest_subjects(tmp_path):
    """All jobs of a slide together; what no slide has is left out; the slowest is first."""
    events = [*START, *job(2, "b"), *ended(2, 32), *job(1, "a"), *ended(1, 12)]
    events += job(3, "a", 48, rule="tumour_burden", wildcards={"slide": "a", "model": "m"})
    events += [*ended(3, 75), *job(4, "c"), *failed(4, 99)]
    events += job(5, "", rule="cohort", wildcards={})
    rows = slowest_subjects(history_of(tmp_path, events + END))
    assert [(r["slide"], r["jobs"], r["total_s"], r["slowest"], r["slowest_s"]) for r in rows] == [
        ("a", 2, 35, "tumour_burden m", 25),
        ("b", 1, 30, "score_slide", 30),
    ]


def test_what_became_of_failures(tmp_path):
    """Tried again and done, given up, or done in a later run."""
    first = [*START, *job(1, "a"), *failed(1, 10), (10, "job_retried", {"job": 1})]
    first += [*job(1, "a", 20), *ended(1, 30)]
    first += [*job(2, "b"), *failed(2, 11, "x"), (11, "job_retried", {"job": 2})]
    first += [*job(2, "b", 20), *failed(2, 31, "y")]
    first += [*job(3, "c"), *failed(3, 12)]
    first += [*job(4, "d"), *failed(4, 13, "with another", with_group=True)]
    second = [(5000, "run_started", {"stages": NAMING}), *job(1, "c", 5000), *ended(1, 5010)]
    second.append((5011, "run_ended", {}))
    faults = find_faults(history_of(tmp_path, first + END, second))
    assert [(f.t - BEGUN, f.what, f.reason, f.then) for f in faults] == [
        (10, "score_slide, slide a", "bad", "tried again, then done"),
        (11, "score_slide, slide b", "x", "tried again"),
        (12, "score_slide, slide c", "bad", "tried again, then done"),
        (31, "score_slide, slide b", "y", "given up"),
    ]


def test_faults_of_the_cluster(tmp_path):
    """Lost packs with what they took along, SLURM's silence, leftovers, a killed driver."""
    events = [
        *START,
        *(job(number, f"s{number}")[0] for number in (1, 2, 3)),
        (1, "leftovers_cancelled", {"slurm_ids": ["3", "4"]}),
        (5, "pack_submitted", {"pack": "p", "jobs": [1, 2, 3], "slurm_id": "7"}),
        (6, "pack_started", {"pack": "p", "node": "gpu1"}),
        (7, "member_started", {"pack": "p", "job": 1}),
        (20, "pack_ended", {"pack": "p", "state": "OUT_OF_MEMORY", "reason": "OutOfMemory"}),
        (21, "members_requeued", {"pack": "p", "jobs": [2, 3]}),
        *failed(1, 22),
        (100, "slurm_silent", {"since": BEGUN + 90}),
        (100, "slurm_silent", {"since": BEGUN + 95}),
        (390, "slurm_back", {}),
        (700, "alive", {}),
    ]
    faults = find_faults(history_of(tmp_path, events))
    assert {fault.kind for fault in faults} <= set(KINDS)
    taken_along = "1 job failed, 2 jobs packed again"
    assert [(f.t - BEGUN, f.kind, f.what, f.then) for f in faults] == [
        (1, "leftovers", "2 SLURM jobs of an earlier run", "cancelled"),
        (20, "out of memory", "SLURM job 7 of 3 jobs on gpu1", taken_along),
        (22, "job failed", "score_slide, slide s1", "given up"),
        (90, "SLURM silent", "no answer for 5 min", "waited"),
        (700, "driver killed", "the driver ended without a word", "not begun again yet"),
    ]
    assert faults[1].reason == "OUT_OF_MEMORY (OutOfMemory)"


def test_each_way_a_slurm_job_ends(tmp_path):
    """States of SLURM are said in plain words; one that ended well is no fault."""
    kinds = {
        "TIMEOUT": "time limit",
        "NODE_FAIL": "node lost",
        "CANCELLED by 1000": "cancelled",
        "PREEMPTED": "preempted",
        "FAILED": "SLURM job died",
        "COMPLETED": None,
    }
    events = [*START, *job(1, "a")]
    for state in kinds:
        events.append((5, "pack_submitted", {"pack": state, "jobs": [1], "slurm_id": "7"}))
        events.append((20, "pack_ended", {"pack": state, "state": state}))
    faults = find_faults(history_of(tmp_path, events + END))
    assert [fault.kind for fault in faults] == list(kinds.values())[:-1]
    assert {fault.then for fault in faults} == {"nothing was lost"}


def test_benchmarks_that_are_odd(tmp_path):
    """Missing, empty and foreign files are left out; what is no number is not known."""
    write_benchmark(tmp_path, "good.tsv", 1.5, 20, 3)
    write_benchmark(tmp_path, "dash.tsv", 0.1, "-", "NA")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "header.tsv").write_text("s\tmax_rss\n")
    (tmp_path / "twice.tsv").write_text("s\tmax_rss\n1\t2\n3\t4\n")
    names = ("good.tsv", "dash.tsv", "empty.tsv", "header.tsv", "twice.tsv", "none.tsv")
    found = read_benchmarks(tmp_path, names)
    assert found.keys() == {"good.tsv", "dash.tsv", "twice.tsv"}
    assert found["good.tsv"] == Benchmark(seconds=1.5, peak_mb=20, cpu_s=3)
    assert np.isnan(found["dash.tsv"].peak_mb)
    assert (found["twice.tsv"].seconds, found["twice.tsv"].peak_mb) == (3, 4)


@given(
    spans=st.lists(st.tuples(st.floats(0, 90), st.floats(0, 30)), min_size=1, max_size=30),
    n_bins=st.integers(1, 20),
)
def test_jobs_running_add_up(spans, n_bins):
    """Over all bins the time of all jobs is there; each bin is what counting overlaps gives."""
    starts_s = np.array([a for a, _ in spans])
    ends_s = starts_s + [b for _, b in spans]
    edges_s = np.linspace(0, 130, n_bins + 1)
    found = mean_running(starts_s, ends_s, edges_s)
    overlap = np.clip(
        np.minimum(ends_s[:, None], edges_s[1:]) - np.maximum(starts_s[:, None], edges_s[:-1]),
        0,
        None,
    )
    np.testing.assert_allclose(found, overlap.sum(0) / np.diff(edges_s), atol=1e-9)


def test_the_time_axis_leaves_out_the_time_between_runs():
    """A day between two runs is a narrow gap; short runs are counted in shorter units."""
    runs = [SimpleNamespace(begun_s=b, ended_s=e) for b, e in ((0, 7200), (90000, 93600))]
    axis = TimeAxis(runs)
    assert axis.place(0, 3600) == pytest.approx(1)
    assert axis.place(1, 90000) == pytest.approx(2 + axis.gap)
    assert axis.end == pytest.approx(3 + axis.gap)
    assert 0.01 < axis.gap < 0.1
    for took_s, unit in ((10800, "hours"), (10799, "minutes"), (179, "seconds")):
        assert TimeAxis([SimpleNamespace(begun_s=5.0, ended_s=5.0 + took_s)]).unit == unit


def test_the_picture_has_all_time_of_all_jobs(tmp_path):
    """The areas of the stages add up to the time that jobs ran, those of small stages too."""
    simulate(tmp_path, n_slides=30, seed=3, killed_at_h=0.1)
    history = history_of(tmp_path)
    axis = TimeAxis(history.runs)
    drawn_s = sum(
        (curve * np.diff(axis.edges_s(number))).sum()
        for curves in stage_loads(history, axis).values()
        for number, curve in enumerate(curves)
    )
    ran_s = sum(
        (one.ended_s or run.ended_s) - one.started_s
        for run in history.runs
        for job in run.state.jobs.values()
        for one in job.tries
        if one.started_s is not None
    )
    assert drawn_s == pytest.approx(ran_s, rel=1e-6)


def test_many_stages_are_drawn_as_twelve(tmp_path):
    """What takes least time is one area."""
    events = [*START]
    for number in range(20):
        events += job(number, "", rule=f"rule_{number:02d}", wildcards={})
        events += ended(number, 102 + number)
    history = history_of(tmp_path, events + END)
    axis = TimeAxis(history.runs)
    loads = stage_loads(history, axis)
    names = [name for name, _ in loads]
    assert sorted(names) == sorted([*(f"rule {n:02d}" for n in range(8, 20)), "other"])
    [other] = loads["other", ""]
    assert (other * np.diff(axis.edges_s(0))).sum() == pytest.approx(sum(range(100, 108)))


def test_the_report_is_whole(tmp_path):
    """Two runs of a cohort with faults, or the last: all files, which agree with the run logs."""
    paths = simulate(tmp_path, n_slides=60, seed=1, p_fault=0.2, killed_at_h=0.2, benchmarks=True)
    assert make_run_report(tmp_path) == tmp_path / "results" / "run_report"
    folder = tmp_path / "results" / "run_report"
    tables = {"faults.tsv", "jobs.tsv", "slowest_slides.tsv"}
    assert {path.name for path in folder.iterdir()} == tables | {"summary.md", "timeline.png"}
    rows = read_table(folder / "jobs.tsv")
    n_finished = sum(path.read_text().count('"job_finished"') for path in paths)
    assert sum(int(row["done"]) for row in rows) == n_finished
    lost = [line for line in read_table(folder / "faults.tsv") if "SLURM job " in line["what"]]
    n_lost = sum(
        event["event"] == "pack_ended" and event["state"] != "COMPLETED"
        for path in paths
        for event in map(json.loads, path.read_text().splitlines())
    )
    assert len(lost) == n_lost > 2
    assert len(read_table(folder / "slowest_slides.tsv")) == 50
    summary = summary_of(tmp_path)
    assert f"- jobs: {n_finished} of {60 * N_JOBS_OF_SLIDE} done" in summary
    assert " in 2 driver runs, " in summary
    assert re.search(r"\| driver killed +\| 1 +\| begun again", summary)
    picture = np.asarray(Image.open(folder / "timeline.png").convert("RGB"))
    for colour in _COLOURS[:3]:  # preparation, scores, maps
        rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert (picture == rgb).all(-1).sum() > 300
    make_run_report(tmp_path, last=True)
    assert " in 1 driver run, " in summary_of(tmp_path)
    assert "driver killed" not in summary_of(tmp_path)


def test_runs_in_which_nothing_ran(tmp_path):
    """A job that never began can be reported; where there is no job one line says so."""
    write_logs(tmp_path, START)
    with pytest.raises(InputError, match=r"logs/runs: no run with a job yet"):
        make_run_report(tmp_path)
    plan = [(0, "planned", {"jobs": {"score_slide": 7, "tumour_burden": 3}})]
    write_logs(tmp_path, START, [*START, *plan, *job(1, "")[:1], *END], [])
    make_run_report(tmp_path)
    assert "- jobs: 0 of 10 done" in summary_of(tmp_path)


def test_the_command(tmp_path):
    """It says where the summary is; without a run it ends with one line."""
    for runs, said in ((), ""), ((ONE_JOB,), f"{tmp_path}/results/run_report/summary.md\n"):
        write_logs(tmp_path, *runs)
        done = run_command(tmp_path, "report", "--directory", str(tmp_path))
        assert (done.stdout, done.stderr.count("\n")) == (said, not said)
        assert done.returncode == (not said)


def test_a_large_cohort_is_as_quick_as_a_small_one(tmp_path):
    """Four times the slides take about four times the calls, not sixteen times."""

    def count_calls(n_slides):
        n_calls = 0

        def count(*_):
            nonlocal n_calls
            n_calls += 1

        folder = tmp_path / str(n_slides)
        simulate(folder, n_slides=n_slides)
        sys.setprofile(count)
        try:
            history = history_of(folder)
            stage_loads(history, TimeAxis(history.runs))
            jobs_table(history), slowest_subjects(history), find_faults(history)
        finally:
            sys.setprofile(None)
        return n_calls

    assert count_calls(200) < 5 * count_calls(50)
