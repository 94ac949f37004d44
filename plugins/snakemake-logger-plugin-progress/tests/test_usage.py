"""What jobs asked for beside what they used."""

from math import isnan, nan

import pytest

from run_records import STARTED
from snakemake_logger_plugin_progress.run_history import Benchmark, History, Run
from snakemake_logger_plugin_progress.run_state import RunState
from snakemake_logger_plugin_progress.usage import (
    Use,
    find_job_uses,
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
        {"t": 1.0, "event": "pack_submitted", "pack": name, **asked, **changes},
        {"t": 3.0, "event": "pack_ended", "pack": name, **used, **changes},
    ]


def history_of(*runs: list[dict], **benchmarks: Benchmark) -> History:
    """The history of runs by their events; benchmarks by what is in their paths."""
    measured = {f"benchmarks/{name.replace('_of_', '/')}.tsv": b for name, b in benchmarks.items()}
    return History(
        [Run(RunState([STARTED, *events]), 0, 0, was_killed=False) for events in runs], measured
    )


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
    assert cohort.name == "the whole"


def test_a_job_of_a_pack_with_gpus_has_the_memory_of_the_pack():
    """A worker is no child of the job; other packs' jobs have their own benchmark."""
    events = [
        submitted(1, "score_slide", "a"),
        submitted(2, "tumour_burden", "a"),
        submitted(3, "score_slide", "b"),
        *pack("p1", [1], gpus=1),
        *pack("p2", [2]),
        *map(finished, (1, 2, 3)),
    ]
    names = ("score_slide_of_a", "tumour_burden_of_a", "score_slide_of_b")
    measured = dict.fromkeys(names, Benchmark(60.0, 100.0, 1.0))
    uses = find_job_uses(history_of(events, **measured))
    assert [(use.asked_mb, use.used_mb) for use in uses] == [(8000, 4000), (1000, 100), (1000, 100)]


def test_a_row_is_medians_and_largest():
    """By hand, and what is not known is left out."""
    uses = [
        Use("b", "x", 100, 50, 10, 1),
        Use("b", "y", 200, 60, 20, 8),
        Use("b", "z", 600, nan, 30, nan),
        Use("a", "x", nan, nan, nan, nan),
    ]
    found = summarize_uses(uses)
    assert list(found) == ["a", "b"]
    assert found["b"] == {
        "asked_mb": 200,
        "asked_mb_max": 600,
        "used_mb": 55,
        "used_mb_max": 60,
        "share_mb_max": 0.5,
        "asked_min": 20,
        "used_min": 4.5,
        "share_min_max": 0.4,
    }
    assert all(isnan(value) for value in found["a"].values())


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
