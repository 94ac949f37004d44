"""A run in words: stages, rates, what failed, how it ended, the block of a terminal."""

import io

import pytest
from rich.console import Console

from run_records import NAMING, STARTED, submitted
from snakemake_logger_plugin_progress.errors import InputError
from snakemake_logger_plugin_progress.progress import progress_block
from snakemake_logger_plugin_progress.run_state import RunState
from snakemake_logger_plugin_progress.run_texts import (
    duration_text,
    rate_per_s,
    rate_text,
    share_text,
    stage_rate,
    summary_lines,
)
from snakemake_logger_plugin_progress.stages import Stages, read_stages, stage_name


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
    state = RunState([STARTED, {"t": 0, "event": "planned", "jobs": {"tumour_burden": 90}}])
    for number in range(40):
        state.apply({**submitted(number), "rule": "tumour_burden", "wildcards": {}})
        state.apply({"t": 0, "event": "job_started", "job": number})
        if number < 30:
            state.apply({"t": 30 * (number + 1), "event": "job_finished", "job": number})
    assert stage_rate(state, ("maps", ""), 900) == ("2.0/min", "30 min left")
    assert stage_rate(state, ("maps", ""), 20000) == ("0.0/h", "stalled")


def test_rules_of_one_stage_share_a_line():
    """Small steps of a slide are one stage; each model has its own; a rule may be by itself."""
    stages = Stages(**NAMING)
    assert stages.of("inspect_slide") == stages.of("patch_grid", "m") == ("prepare", "")
    assert stages.of("tumour_burden", "m") == ("maps", "m")
    assert stage_name(stages.of("score_slide", "histocae1")) == "score histocae1"
    assert stage_name(stages.of("some_new_rule", "m")) == "some new rule m"


def test_a_job_in_words():
    """Rule and model, slide, and whatever else tells it from others."""
    wildcards = {"grid": "1um", "slide": "a", "model": "m"}
    stages = Stages(**NAMING)
    assert stages.job_name("patch_grid", wildcards) == "patch_grid m, slide a, 1um"
    assert stages.job_name("cohort", {}) == "cohort"
    assert Stages().job_name("patch_grid", wildcards) == "patch_grid, 1um, a, m"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages: [a]", "stages: there are stages, about, apart, together, what_there_is"),
        ("models: m", "models: there are stages"),
        ("", "nothing: there are stages"),
        ("stages: {a: b", "while parsing a flow mapping"),
    ],
)
def test_a_file_of_stages_that_says_something_else_is_refused(tmp_path, text, said):
    """With the keys that there are; without a file each rule is a stage."""
    assert read_stages(tmp_path) == Stages()
    (tmp_path / "progress.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"progress.yaml: {said}"):
        read_stages(tmp_path)
    (tmp_path / "progress.yaml").write_text("apart: model\n")
    assert read_stages(tmp_path) == Stages(apart="model")


def test_a_summary_names_few_of_many():
    """Twenty failures are listed, the rest is counted; what fell with a group is, too."""
    jobs = [submitted(n, wildcards={"slide": f"s{n}"}) for n in range(30)]
    state = RunState([STARTED, *jobs])
    for number in range(30):
        what = {"reason": f"slide s{number}: bad", "with_group": number >= 25}
        state.apply({"t": 1, "event": "job_failed", "job": number, **what})
    lines = summary_lines(state, 10)
    assert lines[0][8:] == "  0 of 30 jobs done in 10 s, 30 failed"
    assert lines[1].strip() == "score_slide, slide s0: bad"
    assert len(lines) == 1 + 2 * 20 + 2
    assert lines[-2].strip() == "and 5 more, which the status lists"
    assert lines[-1].strip() == "and 5 jobs of the same groups with them"


def test_the_block_shows_what_is_under_way():
    """Stages in the pipeline's order; finished ones in a line of their own; some do not fit."""
    plan = {"score_slide": 4, "cohort": 1, "inspect_slide": 2, "tumour_burden": 4}
    plan["compress_slide"] = 1
    state = RunState([STARTED, {"t": 0, "event": "planned", "jobs": plan}])
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
