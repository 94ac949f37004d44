"""Which files that people made a job reads."""

import json
from pathlib import Path

import pytest

from helpers.small_plan import SEGMENTER, plan
from microtome.io.given_files import note_file
from microtome.planning.given_files import GivenFiles

ROW = {"path": "a.svs", "viable_mask": "made/v.tif", "whole_mask": "w.tif", "label": "macro"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Run in a folder of its own, in which the files are."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "w.tif", "weights", "start", "forests", "truth", "archive"):
        Path(name).write_text(name)


def given(is_driver: bool = True, **changes) -> GivenFiles:
    """Files of a small plan; `made` is what a rule makes."""
    cohort = plan({"a": ROW}, **changes)
    config = {"staging": {"forests": None}, "scoring": {}} | changes
    return GivenFiles(cohort, config, made_here=["made"], is_driver=is_driver)


def test_files_of_a_row_that_no_rule_makes():
    """Those in the columns that are asked for."""
    files = given().of_slide("a", ["viable_mask", "whole_mask", "annotation"], "truth")
    assert list(files) == ["w.tif"]


def test_a_state_stays_the_noted_one():
    """What a step noted in its status is compared, and given while it is the same file."""
    noted = note_file("a.svs") | {"state": "as it was"}
    status = Path("results/slides/a.json")
    status.parent.mkdir(parents=True)
    status.write_text(json.dumps({"given": {"a.svs": noted}}))
    assert given().of_slide("a", ["path"], "slides") == {"a.svs": "as it was"}
    assert given().of_slide("a", ["path"], "truth") != {"a.svs": "as it was"}
    Path("a.svs").write_text("other")
    assert given().of_slide("a", ["path"], "slides") == {"a.svs": note_file("a.svs")["state"]}


@pytest.mark.parametrize("text", ["", "{", '{"state": "ok"}'])
def test_a_status_without_notes(text):
    """Half written, or of an earlier version: the file is looked at as if for the first time."""
    Path("results/slides").mkdir(parents=True)
    Path("results/slides/a.json").write_text(text)
    files = given().of_slide("a", ["path"], "slides")
    assert files == {"a.svs": note_file("a.svs")["state"]}


def test_weights_that_networks_are_given_or_start_from():
    """Of a model or of the members of an ensemble, not of what is trained here or fetched."""
    models = {
        "a": SEGMENTER | {"weights": "weights", "pretrained": "none"},
        "b": SEGMENTER | {"pretrained": "start"},
        "c": SEGMENTER | {"pretrained": "hub"},
    }
    files = given(models=models, run=["both", "c"])
    found = {name: list(files.of_model(name)) for name in ("both", "a", "c")}
    assert found == {"both": ["weights", "start"], "a": ["weights"], "c": []}
    moved = {**models, "moved": SEGMENTER | {"pretrained": "none", "start": "a"}}
    assert list(given(models=moved, run=["moved"]).of_model("moved")) == ["weights"]
    before = files.of_model("a")
    Path("weights").write_text("weighty")  # of the same size
    assert given(models=models).of_model("a") != before


def test_forests_and_what_is_scored():
    """The forests of staging, and the two sides of a scoring."""
    scoring = {"camelyon17": {"submission": "made/archive", "truth": "truth"}}
    files = given(staging={"forests": "forests"}, scoring=scoring)
    assert list(files.forests()) == ["forests"]
    assert list(files.of_scoring("camelyon17", "archive")) == ["truth"]
    assert files.of_scoring("camelyon17", "other") == files.of_scoring("paip2019", "a") == {}
    scoring = {"camelyon17": {"submission": ["archive", "forests"], "truth": "truth"}}
    assert list(given(scoring=scoring).of_scoring("camelyon17", "forests")) == ["forests", "truth"]
    assert given().forests() == {}


def test_a_job_looks_at_no_file(monkeypatch):
    """It is told which they are; their states are the driver's."""
    files = given(is_driver=False, staging={"forests": "forests"})
    monkeypatch.setattr(Path, "stat", None)
    monkeypatch.setattr(Path, "read_text", None)
    assert files.of_slide("a", ["path"], "slides") == {"a.svs": ""}
    assert files.forests() == {"forests": ""}
