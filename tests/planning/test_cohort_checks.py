"""Folds and lymph nodes that a config asks of a sheet, and what is odd in its rows."""

import pytest

from helpers.small_plan import NODES, SHEET, changed, plan
from microtome.errors import InputError
from microtome.planning.cohort_checks import check_cohort

LEARNT, BARE, CHECKED = SHEET["learnt"], SHEET["bare"], SHEET["checked"]


def test_all_that_is_missing_is_told_at_once():
    """Folds, and what lymph nodes need."""
    sheet = {"a": {"path": "a.svs", "fold": 7}, **NODES}
    changes = {"run": ["colour"], "cross_validation": {"folds": 3}, "staging": {"model": "gone"}}
    with pytest.raises(InputError) as caught:
        check_cohort(plan(sheet, **changes), {**changed(**changes), "slides": "s.tsv"})
    head, *lines = str(caught.value).split("\n  ")
    assert head == "config and slide sheet s.tsv: 4 mistakes"
    assert [line.partition(",")[0] for line in lines] == [
        "slide a: fold: 7",
        "no slide is in fold 2 of 3",
        "no slide is in fold 3 of 3",
        "staging.model: gone is not in run",
    ]


def test_notes_of_what_may_be_meant():
    """Slides without truth, training that nothing judges, and names that are nearly one."""
    config = {**changed(run=["cae"]), "slides": "s.tsv"}
    without = {"a": LEARNT, "v": CHECKED, "t": SHEET["tested"]}
    assert check_cohort(plan(without, run=["cae"]), config) == []
    sheet = {
        "a": {**LEARNT, "patient": "P07"},
        "A": {**BARE, "patient": "p07"},
        "t": {"path": "t.svs", "split": "test", "patient": "12"},
        "u": {"path": "u.svs", "patient": "012.0"},
        "node": {"path": "n.svs", "split": "test", "patient": "q", "node": "1"},
    }
    assert check_cohort(plan(sheet, run=["cae", "colour"]), config) == [
        "training slides without truth, for autoencoders only: A",
        "without slides of split validation the last epoch counts, not the best: cae",
        "test slides without truth, scored and not evaluated: t",
        "slides that are nearly the same: a and A; on a disk that ignores case their results are"
        " one",
        "patients that are nearly the same: P07 and p07, 12 and 012.0; are they one? Their slides"
        " may be on two sides of a split",
    ]
