"""What jobs asked for beside what they used."""

from math import isnan, nan

import pytest

from helpers.job_scripts import run_command
from helpers.simulated_runs import write_benchmark, write_run_log
from microtome.io.tables import read_table
from microtome.run_history import Benchmark, History, Run
from microtome.run_state import RunState
from microtome.usage import (
    Use,
    find_job_uses,
    find_pack_uses,
    remarks,
    summarize_uses,
)


def submitted(job: int, rule: str, slide: str, **changes) -> dict:
    """An event of a job that asks for 1000 MB and 10 minutes."""
    about = {"wildcards": {"slide": slide}, "benchmark": f"benchmarks/{rule}/{slide}.tsv"}
    asked = {"job": job, "rule": rule, "attempt": 1, "mem_mb": 1000, "runtime_min": 10}
    return {"t": 1.0, "event": "job_submitted", **about, **asked, **changes}


def finished(job: int) -> dict:
    """The event of its end."""
    return {"t": 2.0, "event": "job_finished", "job": job}


def pack(name: str, jobs: list[int], **changes) -> list[dict]:
    """The two events of a pack that asks for 8000 MB and 60 minutes, and uses half of each."""
    asked = {"kind": "maps", "jobs": jobs, "slurm_id": "77", "mem_mb": 8000, "runtime_min": 60}
    used = {"elapsed_s": 1800, "peak_mb": 4000}
    return [
        {"t": 1.0, "event": "pack_submitted", "pack": name, **asked},
        {"t": 3.0, "event": "pack_ended", "pack": name, **used, **changes},
    ]


def history_of(*runs: list[dict], **benchmarks: Benchmark) -> History:
    """The history of runs by their events; benchmarks by what is in their paths."""
    measured = {f"benchmarks/{name.replace('_of_', '/')}.tsv": b for name, b in benchmarks.items()}
    return History([Run(RunState(events), 0, 0, was_killed=False) for events in runs], measured)


def test_only_what_finished_counts_as_it_did_last():
    """Of tries the last, of runs the last that did it; ids are a run's own; what failed is out."""
    first = [
        *(submitted(number, "tumour_burden", slide) for number, slide in enumerate("xab")),
        {"t": 1.5, "event": "job_failed", "job": 0},
        submitted(0, "tumour_burden", "x", mem_mb=2000),
        *map(finished, (0, 1, 2)),
        submitted(3, "tumour_burden", "failed"),
        {"t": 2, "event": "job_failed", "job": 3},
    ]
    second = [submitted(2, "tumour_burden", "a", mem_mb=3000), finished(2)]
    second += [submitted(3, "tumour_burden", "b", mem_mb=3000)]
    uses = find_job_uses(history_of(first, second))
    assert {use.name: use.asked_mb for use in uses} == {"x": 2000, "a": 3000, "b": 1000}


def test_a_use_is_asked_and_measured():
    """90 s are 1.5 minutes; a job shorter than a second has hidden its memory."""
    events = [
        submitted(1, "tumour_burden", "a"),
        submitted(2, "tumour_burden", "b"),
        submitted(3, "train", "x", wildcards={"model": "m"}, benchmark=None, mem_mb=None),
        submitted(4, "cohort", "x", wildcards={}),
        *map(finished, (1, 2, 3, 4)),
    ]
    history = history_of(
        events,
        tumour_burden_of_a=Benchmark(90.0, 250.0, 80.0),
        tumour_burden_of_b=Benchmark(0.9, 2.0, 0.1),
    )
    long, short, model, cohort = find_job_uses(history)
    assert long == Use("tumour_burden", "a", 1000, 250, 10, 1.5)
    assert (long.share_mb, long.share_min) == (0.25, 0.15)
    assert isnan(short.used_mb)
    assert short.used_min == pytest.approx(0.015)
    assert model.name == "m"
    assert isnan(model.share_mb)
    assert cohort.name == "the cohort"


def test_scoring_in_a_pack_has_the_memory_of_the_pack():
    """Its worker is no child of the job; other rules of a pack have their own benchmark."""
    events = [
        submitted(1, "score_slide", "a"),
        submitted(2, "tumour_burden", "a"),
        submitted(3, "score_slide", "b"),
        *pack("p1", [1, 2]),
        *map(finished, (1, 2, 3)),
    ]
    names = ("score_slide_of_a", "tumour_burden_of_a", "score_slide_of_b")
    measured = dict.fromkeys(names, Benchmark(60.0, 100.0, 1.0))
    uses = find_job_uses(history_of(events, **measured))
    assert [(use.asked_mb, use.used_mb) for use in uses] == [(8000, 4000), (1000, 100), (1000, 100)]


def test_packs_have_rows_of_their_own():
    """One use a SLURM job that ended; a pack of another run with the same name is another."""
    use = Use("pack: maps", "SLURM job 77", 8000, 4000, 60, 30)
    asked, ended = pack("p1", [1])
    assert find_pack_uses(history_of([asked, ended])) == [use]
    assert find_pack_uses(history_of([asked, ended], [asked, ended])) == [use, use]
    assert find_pack_uses(history_of([asked], [ended])) == []
    [unknown] = find_pack_uses(history_of(pack("p1", [1], peak_mb=None, elapsed_s=None)))
    assert isnan(unknown.used_mb)
    assert isnan(unknown.used_min)


def test_a_row_is_medians_and_largest():
    """By hand, and what is not known is left out."""
    uses = [
        Use("b", "x", 100, 50, 10, 1),
        Use("b", "y", 200, 60, 20, 8),
        Use("b", "z", 600, nan, 30, nan),
        Use("a", "x", nan, nan, nan, nan),
    ]
    first, second = summarize_uses(uses)
    assert second == {
        "rule": "b",
        "jobs": 3,
        "asked_mb": 200,
        "asked_mb_max": 600,
        "used_mb": 55,
        "used_mb_max": 60,
        "share_mb_max": 0.5,
        "asked_min": 20,
        "used_min": 4.5,
        "share_min_max": 0.4,
    }
    assert (first["rule"], first["jobs"]) == ("a", 1)
    assert all(isnan(value) for value in list(first.values())[2:])


def test_remarks_name_what_is_near_its_limit_and_what_is_far_below():
    """Over 80 %: the slide. Under 20 % in all jobs: the rule; of few minutes that says nothing."""
    uses = [
        Use("near", "b", 1000, 801, 10, 5),
        Use("near", "a", 1000, 800, 10, 8.1),
        Use("far", "a", 1000, 199, 100, 19),
        Use("far", "b", 1000, 100, 100, 1),
        Use("short", "a", 1000, 500, 9, 0.1),
        Use("fine", "a", 1000, 200, 10, 2),
        Use("unknown", "a", nan, nan, nan, nan),
    ]
    assert remarks(uses) == [
        "near its limit: near, a: 8.1 of 10 min",
        "near its limit: near, b: 801 of 1000 MB",
        "asks for too much: far: 20% of its MB",
        "asks for too much: far: 19% of its min",
    ]


def test_the_command_reads_the_newest_run_or_all(tmp_path):
    """Of --directory, whatever its last line is; --tsv has the rows that are shown."""
    folder = tmp_path / "there"
    older = [submitted(1, "tumour_burden", "a"), finished(1)]
    newer = [submitted(1, "stitch", "b"), finished(1), *pack("p", [1])]
    write_run_log(folder, "20260101T000000Z_1.jsonl", older)
    log = write_run_log(folder, "20260102T000000Z_1.jsonl", newer)
    log.write_text(log.read_text() + '{"t": 1, "ev')
    write_benchmark(folder, "benchmarks/tumour_burden/a.tsv", 60.0, 900.0, 1.0)
    write_benchmark(folder, "benchmarks/stitch/b.tsv", 120.0, 300.0, 1.0)
    done = run_command("asked_and_used.py", tmp_path, "--directory", "there")
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    assert header[:3] == ["rule", "jobs", "asked_mb"]
    assert [row[0] for row in rows] == ["pack: maps", "stitch"]
    assert rows[1][1:] == ["1", "1000", "1000", "300", "300", "0.30", "10", "2.00", "0.20"]
    done = run_command("asked_and_used.py", folder, "--all", "--tsv", "rows.tsv")
    assert "near its limit: tumour_burden, a: 900 of 1000 MB" in done.stdout.splitlines()
    rows = read_table(folder / "rows.tsv")
    assert [row["rule"] for row in rows] == ["pack: maps", "stitch", "tumour_burden"]
    assert rows[2]["used_mb"] == "900"


@pytest.mark.parametrize(
    ("has_run", "arguments", "said"),
    [
        (False, (), "logs/runs: no run has left its log here; run first"),
        (True, (), "logs/runs/1.jsonl: no job has finished yet; wait, or look at --all runs"),
        (True, ("--tsv", "a.csv"), "--tsv a.csv: give a name that ends in .tsv"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(tmp_path, has_run, arguments, said):
    """No traceback, and exit code 1."""
    if has_run:
        write_run_log(tmp_path, "1.jsonl", [])
    done = run_command("asked_and_used.py", tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.strip() == said
