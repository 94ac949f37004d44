"""Lymph nodes and patients: what is staged, and by what."""

import pytest

from helpers.small_plan import NODES, SHEET, changed, plan
from microtome.errors import InputError
from microtome.planning.staging import Staging

NO_FOREST = {"forests": "given.safetensors"}


def staging(sheet: dict | None = None, *, without: tuple[str, ...] = (), **changes) -> Staging:
    """Plan the staging of the small sheet with its nodes."""
    cohort = plan(SHEET | NODES if sheet is None else sheet, without=without, **changes)
    return Staging(cohort, changed(**changes))


def test_nodes_and_patients():
    """All nodes have rows; files are made of the usable ones alone."""
    found = staging(without=("p0",))
    assert found.by_patient == {"p": ["p0", "p1"], "q": ["q0", "q1"]}
    assert found.usable() == ["p1", "q0", "q1"]
    assert found.usable_of("p") == ["p1"]
    with pytest.raises(InputError, match=r"^patient r has no lymph node in the slide sheet$"):
        found.usable_of("r")
    assert found.of_patient("p", "{model}/{slide}") == ["both/p1"]
    assert found.features() == [f"results/features/both/{node}.json" for node in ("p1", "q0", "q1")]
    assert list(found.rows()) == list(NODES)
    assert found.rows()["p1"] == {"patient": "p", "node": "1", "split": "train", "label": "macro"}
    assert found.annotated() == ["p0", "q1"]


def test_who_stages():
    """The model that is set, else the first of run; with folds the one that tests the node."""
    assert staging(staging={"model": "colour"}).of_patient("q", "{model}") == ["colour"] * 2
    nodes = {slide: {**NODES[slide], "fold": fold} for slide, fold in (("p0", 3), ("q0", 1))}
    folded = staging(nodes, run=["colour"], cross_validation={"folds": 3})
    assert [path.split("/")[2] for path in folded.features()] == ["colour-fold3", "colour-fold1"]


def test_forests_are_trained_where_labels_differ():
    """On usable nodes that have a label and are not tested; not where forests are given."""
    forests = "results/staging/forests.safetensors"
    assert staging().forests() == staging().if_trained(forests) == forests
    assert [staging().is_learnt(node) for node in ("p0", "q0")] == [True, False]
    one_label = staging(without=("p0",))
    assert one_label.forests() == one_label.if_trained("table.tsv") == []
    given = staging(staging=NO_FOREST)
    assert given.forests() == "given.safetensors"
    assert given.if_trained("table.tsv") == []
    assert staging(without=("p0",), staging=NO_FOREST).forests() == "given.safetensors"


def test_results():
    """Stages, and a picture of each patient with a usable node; nothing without nodes."""
    tables = ["results/staging/patients.tsv", "results/staging/staging.png"]
    figures = [f"results/figures/patients/{patient}.png" for patient in ("p", "q")]
    assert staging().results() == tables + figures
    assert staging(without=("p0", "p1")).results() == tables + figures[1:]
    assert staging(SHEET).results() == staging(without=tuple(NODES)).results() == []
