"""Slides to learn from that a sheet does not have are told before anything runs."""

import pytest

from helpers.small_plan import SHEET, plan
from microtome.errors import InputError
from microtome.planning.training_checks import name_some, require_slides

LEARNT, BARE = SHEET["learnt"], SHEET["bare"]
NEGATIVE = {"path": "n.svs", "split": "train", "fold": 2, "label": "negative"}
CHECKED = SHEET["checked"]
VALIDATED = {**CHECKED, "fold": 3}


def said(sheet: dict, **changes: object) -> list[str]:
    """Check a sheet; give the lines that refuse it, without their beginning."""
    with pytest.raises(InputError) as caught:
        require_slides(plan(sheet, **changes), path="s.tsv")
    head, *lines = str(caught.value).split("\n  ")
    return lines or [head.removeprefix("slide sheet s.tsv: ")]


@pytest.mark.parametrize(
    ("sheet", "changes"),
    [
        (SHEET, {}),
        ({"a": LEARNT, "b": CHECKED}, {"run": ["cae", "colour"]}),
        ({"a": LEARNT}, {"run": ["mr"]}),
        ({"a": NEGATIVE, "b": {**LEARNT, "fold": 2}}, {"run": ["colour"]}),
        # Nothing is scored, so no threshold is asked for.
        ({"a": LEARNT}, {"run": ["both"]}),
        # Nothing is trained.
        ({"a": {"path": "a.svs"}}, {"run": ["given"]}),
        # The fold of a slide says what it is for.
        (
            {str(n): {"path": f"{n}.svs", "annotation": "x", "fold": n} for n in (1, 2, 3)},
            {"run": ["colour"], "cross_validation": {"folds": 3}},
        ),
    ],
)
def test_cohorts_that_can_be_run(sheet, changes):
    """Slides of both classes to train with, or weights; validation where it decides something."""
    assert require_slides(plan(sheet, **changes), path="s.tsv") == []


NO_SPLIT = "has no slide of split train; fill the column split (python"


@pytest.mark.parametrize(
    ("sheet", "run", "line"),
    [
        ({"a": {"path": "a.svs"}}, ["colour"], f"training of colour {NO_SPLIT}"),
        ({"t": SHEET["tested"]}, ["cae", "mr", "given"], f"training of cae, mr {NO_SPLIT}"),
        ({"a": BARE}, ["colour"], "training of colour has no truth in its 1 slide; name outlines"),
        (
            {"a": BARE, "b": NEGATIVE},
            ["cae"],
            "training of cae has no tumour in its 1 slide with truth; both classes are needed",
        ),
        (
            {"a": LEARNT, "t": SHEET["tested"], "v": {**CHECKED, "label": "macro"}},
            ["tuned"],
            "threshold or temperature of tuned come from slides of split validation with truth,"
            " and there is none; fill the column split",
        ),
    ],
)
def test_slides_that_are_missing(sheet, run, line):
    """The models are named, and the columns to fill."""
    models = plan()._config["models"]
    tuned = {**models["colour"], "threshold": "validation"}
    (found,) = said(sheet, run=run, models={**models, "tuned": tuned})
    assert found.startswith(line)


def test_a_fold_may_have_no_tumour():
    """With cross-validation each run is looked at: without fold 1, nothing has outlines."""
    rows = {str(n): {"path": f"{n}.svs", "label": "negative", "fold": n} for n in (1, 2, 3)}
    rows["1"]["annotation"] = "a.xml"
    (line,) = said(rows, run=["colour"], cross_validation={"folds": 3})
    assert line.startswith("training of colour-fold1, colour-fold3 has no tumour in its 1 slide")


def test_of_many_slides_some_are_named():
    """Five, and how many more."""
    assert name_some(["a", "b"]) == "a, b"
    assert name_some([*"abcdefg"]) == "a, b, c, d, e and 2 more"
