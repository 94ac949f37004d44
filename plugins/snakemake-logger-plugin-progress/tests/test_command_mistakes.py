"""Mistakes in the command line that Snakemake answers with a traceback are a line."""

import subprocess
import sys
from pathlib import Path

import pytest

from snakemake_logger_plugin_progress.command_mistakes import reword_error

TRACEBACK = 'Traceback (most recent call last):\n  File "snakemake/common/configfile.py", line 12'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a config and results."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").touch()


@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
@pytest.mark.parametrize("target", ["score", "results", "results/a.tif", "results/a.json"])
def test_a_target_behind_config_files(option, target):
    """It is named, with the order that works; whatever lies there by its name."""
    arguments = ["-n", option, "mine.yaml", target, "--quiet"]
    for text in (TRACEBACK, "WorkflowError:\nConfig file is not valid JSON or YAML.", "config: x"):
        assert reword_error(text, arguments) == (
            f"--configfile takes all words behind it as config files, {target!r} too; put what is"
            f" to be made in front: snakemake {target} --configfile mine.yaml"
        )


def test_a_target_behind_settings():
    """The same of --config."""
    text = "ValueError: Config entries have to be defined as name=value pairs."
    assert reword_error(text, ["-C", "slides=a.tsv", "run=[x]", "score"]) == (
        "--config takes all words behind it as settings, each NAME=VALUE, 'score' too; put what is"
        " to be made in front: snakemake score --config slides=a.tsv run=[x]"
    )


def test_a_config_that_is_not_there():
    """The first word can only be meant as a config."""
    assert reword_error(TRACEBACK, ["--configfile", "mime.yaml"]) == (
        "the config file mime.yaml does not exist; --configfile takes YAML or JSON"
    )


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (
            "slides: a\ntissue:\n\tspacing_um: 8\n",
            "line 3: found character '\\t' that cannot start",
        ),
        ("slides: B\udcfccher.tsv", "is not in UTF-8; save it so"),
        ("run: [colour\nslides: b\n", "line 2: expected ',' or ']', but got ':'; indent"),
    ],
)
def test_a_config_that_is_no_yaml(yaml, said):
    """The file and its line."""
    Path("other.yaml").write_text(yaml, encoding="utf-8", errors="surrogateescape")
    for text in ("WorkflowError:\nConfig file is not valid JSON or YAML.", TRACEBACK):
        found = reword_error(text, ["--configfile", "mine.yaml", "other.yaml"])
        assert found.startswith(f"config other.yaml: {said}")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("config: 2 mistakes", ["--configfile", "mine.yaml", "--cores", "1", "score"]),
        ("config: run is empty", ["score", "--configfile=mine.yaml"]),
        ("MissingRuleException: no rule", ["--configfile", "mine.yaml", "score"]),
        ("Config entries have to be defined as name=value pairs", ["--config", "a=1", "-n", "x"]),
        (TRACEBACK, []),
    ],
)
def test_other_errors_stay_as_they_are(text, arguments):
    """Only what is known to come from the order of words is told otherwise."""
    assert reword_error(text, arguments) == text


def test_an_error_of_an_input_function():
    """What it says, without where it was raised."""
    text = (
        'InputFunctionException in rule a in file "x.smk", line 1:\nError:\n  WorkflowError:\n'
        "    slides: 2 mistakes\n      a\n      b\nWildcards:\n  slide=x\nTraceback:\n  File"
    )
    assert reword_error(text, []) == "slides: 2 mistakes\n  a\n  b"


def test_a_target_that_nothing_makes():
    """And what there is, if the workflow says so."""
    text = (
        "MissingRuleException:\nNo rule to produce results/burden/no.tsv (if you use input"
        " functions make sure that they don't raise unexpected exceptions)."
    )
    assert reword_error(text, []) == "nothing here makes results/burden/no.tsv"
    assert reword_error(text, [], "see x") == "nothing here makes results/burden/no.tsv; see x"


def test_snakemake_says_it_in_a_line(tmp_path):
    """Through the display: nothing else is printed, and it fails."""
    (tmp_path / "Snakefile").write_text("rule a:\n    output: 'a'\n")
    (tmp_path / "progress.yaml").write_text("what_there_is: only a\n")
    command = [sys.executable, "-m", "snakemake", "--logger=progress", "--cores=1"]
    for words, said in (
        (
            ["--configfile", "mine.yaml", "score"],
            "--configfile takes all words behind it as config files, 'score' too; put what is to be"
            " made in front: snakemake score --configfile mine.yaml\n",
        ),
        (["b"], "nothing here makes b; only a\n"),
    ):
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.endswith(said)
        assert "Traceback" not in done.stderr
