"""Patients that networks learn from do not teach the forests that judge heatmaps of theirs."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from conftest import REPOSITORY
from helpers.small_plan import MODELS, NODES, SHEET, changed, plan
from microtome.challenges.camelyon17_sheet import make_camelyon17_sheet
from microtome.challenges.camelyon17_uses import part_patients
from microtome.cohort.splits import assign_folds
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.planning.cohort import Cohort
from microtome.planning.cohort_checks import check_cohort
from microtome.planning.models import Models
from microtome.planning.overlap import find_overlap

OUTLINED = {"path": "o.svs", "patient": "r", "split": "train", "fold": 2, "annotation": "o.xml"}


def nodes(**cells: object) -> dict:
    """Change cells of the small nodes; None empties one."""
    return {
        slide: {key: cell for key, cell in {**row, **cells}.items() if cell is not None}
        for slide, row in NODES.items()
    }


def check(sheet: dict, **changes: object) -> list[str]:
    """Check a sheet against the small config, and give the notes."""
    config = {**changed(**changes), "slides": "s.tsv"}
    return check_cohort(plan(sheet, **changes), config)


def test_a_patient_of_networks_and_forests_is_refused():
    """A negative node that trains the ensemble's members is seen sharper than a new one."""
    with pytest.raises(InputError) as caught:
        check(SHEET | NODES)
    assert str(caught.value) == (
        "config and slide sheet s.tsv: networks learn from 1 patient of whose labelled nodes they"
        " then give heatmaps (p): sharper ones than of a new patient, for forests to learn from"
        " and to be judged by; set cross_validation.folds, so that no network knows the patient;"
        " or give networks and forests different patients (node empty for the networks', split"
        " empty for the forests'); or take it as it is by staging.allow_overlap: true"
    )


def test_a_patient_of_both_can_be_allowed():
    """Each run says so."""
    notes = check(SHEET | NODES, staging={"allow_overlap": True})
    assert notes[0] == (
        "networks learn from 1 patient of whose labelled nodes they then give heatmaps (p): what"
        " is measured of forests is too good"
    )


@pytest.mark.parametrize(
    ("changed_nodes", "changes", "found"),
    [
        ({"split": None}, {}, []),  # kept for the forests
        ({"split": "validation"}, {}, ["p", "q"]),  # decides when training ends
        ({"label": "micro"}, {}, []),  # segmenters learn nothing where px are not known
        ({"label": "micro"}, {"run": ["cae"]}, ["p"]),  # autoencoders do
        ({"label": None}, {"run": ["cae"]}, []),  # no forest learns from it, or is judged by it
        ({}, {"staging": {"networks_learn_from": "outlined"}}, []),
        ({}, {"run": ["both", "given"], "staging": {"model": "given"}}, []),  # learned elsewhere
    ],
)
def test_what_networks_and_forests_learn_from(changed_nodes, changes, found):
    """By split, truth and label of the nodes, and by the networks behind their heatmaps."""
    assert find_overlap(plan(SHEET | nodes(**changed_nodes), **changes)) == found


@pytest.mark.parametrize(("patient", "found"), [("p", ["p"]), ("r", [])])
def test_a_patient_is_known_by_any_slide(patient, found):
    """An outlined slide that is no node teaches the networks the patient of one."""
    sheet = {"o": {**OUTLINED, "patient": patient}} | nodes(label="micro")
    assert find_overlap(plan(sheet)) == found


def test_slides_that_give_the_temperature_are_known():
    """It changes every heatmap."""
    sheet = {"o": {**OUTLINED, "patient": "q", "split": "validation"}} | nodes(label="micro")
    assert find_overlap(plan(sheet, run=["b"])) == []  # b is validated on a fold of its own
    assert find_overlap(plan(sheet, run=["b"], calibration={"temperature": True})) == ["q"]


@pytest.mark.parametrize("key", ["slides", "slides_of_start"])
def test_given_weights_say_what_they_have_learned_from(tmp_path, key):
    """The card beside them names the slides; a network that starts from them knows these too."""
    write_json(tmp_path / "w.json", {"training": {"slides": [], key: ["p1", "gone"]}})
    given = {**MODELS["given"], "weights": str(tmp_path / "w.safetensors")}
    models = {"given": given, "moved": {**MODELS["a"], "start": "given"}}
    for name in models:
        sheet = SHEET | nodes(label="micro")  # of which no segmenter learns itself
        assert find_overlap(plan(sheet, run=[name], models=models)) == ["p"]


@settings(max_examples=50)
@given(
    patients=st.lists(
        st.tuples(st.integers(1, 4), st.lists(st.sampled_from(["micro", "negative"]), min_size=1)),
        min_size=1,
        max_size=6,
    ),
    outlined=st.booleans(),
)
def test_cross_validation_needs_no_other_patients(patients, outlined):
    """Whatever the folds, the networks behind a node's heatmap know no slide of its patient."""
    sheet = {
        f"{patient}-{node}": {"patient": str(patient), "node": str(node), "fold": fold}
        | {"label": label, "path": "a.svs", "split": "train"}
        | ({"annotation": "a.xml"} if outlined and label == "micro" else {})
        for patient, (fold, labels) in enumerate(patients)
        for node, label in enumerate(labels)
    }
    cohort = plan(sheet, cross_validation={"folds": 4})
    assert find_overlap(cohort) == []
    for slide, row in sheet.items():
        for member in cohort.models.members(cohort.staging_run(slide)):
            learnt = {s for s in sheet if cohort.is_learnt(s, member)}
            assert row["patient"] not in {sheet[s]["patient"] for s in learnt}


def camelyon17(folder: Path, *, apart: bool = False) -> dict[str, dict]:
    """Make the sheet of ten patients with labels, five of them outlined, and of two without."""
    table = ["patient,stage"]
    for patient in range(12):
        for node, label in enumerate(("negative", "macro")):
            name = f"patient_{patient:03d}_node_{node}"
            (folder / f"{name}.tif").touch()
            if patient < 10:
                table.append(f"{name}.tif,{label}")
            if patient < 5 and label == "macro":
                (folder / f"{name}.xml").touch()
    (folder / "stages.csv").write_text("\n".join(table) + "\n")
    rows, _ = make_camelyon17_sheet(folder)
    if apart:
        rows, _ = part_patients(rows)
    rows = [{key: cell for key, cell in row.items() if cell} for row in rows]
    folds = assign_folds(rows, n_folds=5, seed=0)
    return {row["slide"]: {**row, "fold": folds[row["slide"]]} for row in rows}


ONCE = {"cross_validation": {"folds": 0}}


@pytest.mark.parametrize(
    ("apart", "changes", "known", "taught"),
    [
        (False, {}, 0, 3),  # three of five folds train, with an outlined patient each
        (False, {**ONCE, "staging": {"networks_learn_from": "all"}}, 10, 12),  # as it once was
        (False, ONCE, 5, 4),
        (True, ONCE, 0, 5),  # no outlined slide is in the fold that validates
    ],
)
def test_the_recipe_of_camelyon17(tmp_path, apart, changes, known, taught):
    """Out of fold no network knows the patient; trained once, only if patients are parted."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    recipe = yaml.safe_load((REPOSITORY / "recipes" / "camelyon17.yaml").read_text())
    for values in (recipe, changes):
        update_config(config, values)
    sheet = camelyon17(tmp_path, apart=apart)
    cohort = Cohort(sheet, config, Models(config), lambda: sheet)
    assert len(find_overlap(cohort)) == known
    network = cohort.models.members(cohort.staging_run("patient_009_node_0"))[0]
    assert len(cohort.learnt(network, "train")) == taught
