"""The slides of a sheet: splits, statuses, and the files that are made of them."""

import pytest

from helpers.small_plan import NODES, SEGMENTER, SHEET, plan
from microtome.errors import InputError

FOLDED = {
    f"s{fold}": {"path": f"s{fold}.svs", "fold": fold, "annotation": "x.xml"} for fold in (1, 2, 3)
}


def splits(cohort, model: str) -> dict:
    """What each slide is to a model."""
    return {slide: cohort.split(slide, model) for slide in cohort.sheet}


def test_a_slide_that_is_not_in_the_sheet():
    """A target that names one is a line, with the slide that is meant."""
    with pytest.raises(InputError, match=r"^slide tset is not in .* sheet; did you mean tested\?$"):
        plan().path("tset")
    with pytest.raises(InputError, match=r"^slide x is not in the slide sheet$"):
        plan().early_statuses("x")


def test_splits_of_the_sheet():
    """As the sheet says; none where it says nothing."""
    found = splits(plan(), "a")
    assert found == {slide: row.get("split") for slide, row in SHEET.items()}


def test_splits_with_a_fold_that_validates():
    """Training slides of its fold validate a model; the sheet's validation slides are held back."""
    found = splits(plan(), "b")
    assert (found["learnt"], found["bare"], found["checked"]) == (
        "train",
        "validation",
        "held back",
    )
    assert (found["tested"], found["asked"]) == ("test", None)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("a-fold1", ["test", "validation", "train"]),
        ("a-fold3", ["validation", "train", "test"]),
        ("b-fold1", ["test", "train", "validation"]),
    ],
)
def test_splits_with_cross_validation(model, expected):
    """Each fold is tested once; the next, or so many further on, validates."""
    cohort = plan(FOLDED, cross_validation={"folds": 3})
    assert list(splits(cohort, model).values()) == expected


def test_nodes_that_networks_are_to_learn_from():
    """Those with outlines alone, if so set: the others are for the forests, and tune nothing."""
    kept = {"networks_learn_from": "outlined"}
    outlined = {**NODES["p1"], "annotation": "p1.xml"}
    cohort = plan(SHEET | NODES | {"p1": outlined}, staging=kept)
    assert (cohort.split("p0", "a"), cohort.split("p1", "a")) == ("held back", "train")
    assert cohort.learnt("a", "train") == ["learnt", "p1"]
    assert cohort.learnt("colour", "train") == ["learnt", "bare", "p1"]
    assert cohort.split("q1", "a") == "test"
    tuning = plan(SHEET | {"p0": {**NODES["p0"], "split": "validation"}})
    assert tuning.for_tuning("both") == ["checked", "p0"]
    assert plan(tuning.sheet, staging=kept).for_tuning("both") == ["checked"]


def test_what_is_known_of_a_slide():
    """Outlines, masks or the word that there is no tumour; another label is no truth."""
    cohort = plan(SHEET | NODES)
    annotated = {slide for slide in cohort.sheet if cohort.is_annotated(slide)}
    assert annotated == {"learnt", "checked", "tested", "lost", "p0", "q1"}
    assert [slide for slide in cohort.sheet if cohort.is_node(slide)] == list(NODES)
    assert cohort.truth("tested") == "results/truth/tested.tif"
    assert cohort.truth("bare") == []
    assert cohort.path("bare") == "bare.svs"
    assert cohort.cells("tested", ["path", "label", "viable_mask"]) == {
        "path": "tested.svs",
        "viable_mask": "tested.tif",
    }


def test_slides_of_a_model():
    """Usable ones only: scored by split, judged by a truth, learnt from where px are known."""
    cohort = plan(SHEET | NODES)
    assert cohort.usable() == [slide for slide in cohort.sheet if slide != "lost"]
    assert cohort.scored("colour") == ["tested", "asked"]
    assert cohort.of_evaluated("colour", "{model}/{slide}.json") == ["colour/tested.json"]
    assert cohort.learnt("a", "train") == ["learnt", "p0"]
    assert cohort.learnt("colour", "train") == ["learnt", "bare", "p0", "p1"]
    wider = plan(score_splits=["test", "validation"], without=())
    assert wider.scored("colour") == ["checked", "tested", "asked", "lost"]
    assert plan(without=tuple(SHEET)).scored("colour") == []
    cohort.sheet = {"tested": SHEET["tested"]}  # the table of usable slides may be older
    assert cohort.usable() == ["tested"]


def test_slides_that_tune():
    """Annotated validation slides of the sheet, of cross-validation those of the fold's model."""
    cohort = plan(SHEET | {"unknown": {"path": "u.svs", "split": "validation"}})
    assert cohort.for_tuning("both") == ["checked"]
    assert cohort.for_tuning("colour") == []
    assert plan(calibration={"temperature": True}).for_tuning("b") == ["checked"]
    warm = plan(FOLDED, cross_validation={"folds": 3}, calibration={"temperature": True})
    assert [warm.for_tuning(f"colour-fold{k}") for k in (1, 2, 3)] == [["s2"], ["s3"], ["s1"]]
    scores = "results/scores/{model}/{slide}.zarr"
    assert plan(calibration={"temperature": True}).of_tuning("a", scores) == [
        "results/scores/both/checked.zarr"
    ]


def test_statuses():
    """In their order: inspection, tissue, truth where there is one, and the grids it is used on."""
    cohort = plan(SHEET | NODES, staging={"model": "colour"})
    grids = {name: f"results/grids/{name}/{{}}.json" for name in TRAINED | SCORED}
    expected = {
        "learnt": ["results/truth/learnt.json", *sorted(grids[name] for name in TRAINED)],
        "tested": ["results/truth/tested.json", *sorted(grids[name] for name in SCORED)],
        "asked": sorted(grids[name] for name in SCORED),
        "checked": ["results/truth/checked.json", *sorted(grids[name] for name in CHECKED)],
        "q0": [grids[COLOUR]],
    }
    statuses = cohort.statuses()
    assert list(statuses) == [*SHEET, *NODES]
    for slide, paths in expected.items():
        first = [f"results/slides/{slide}.json", f"results/tissue/{slide}.json"]
        assert statuses[slide] == first + [path.format(slide) for path in paths]
    assert cohort.early_statuses("bare") == statuses["bare"][:2]
    assert cohort.all_statuses() == [path for paths in statuses.values() for path in paths]


COLOUR = "2um_224px_every112px"
TRAINED = {"0.5um_64px_every128px", "2um_224px_every100px"}
SCORED = {"0.5um_256px_every128px", COLOUR}
# What validates the training of colour and a, and tunes the ensemble.
CHECKED = TRAINED | {"0.5um_256px_every128px"}


def test_training_data():
    """Stores of patches, or grids and slides where training reads the slides."""
    cohort = plan()
    assert cohort.learnt_patches("a", "train") == [
        "results/patches/0.5um_64px_every128px/learnt.zarr"
    ]
    assert cohort.inspected_to_learn("a", "train") == cohort.slides_to_learn("a", "train") == []
    assert cohort.learnt_patches("b", "train") == ["results/grids/0.5um_64px_every128px/learnt.npz"]
    assert cohort.inspected_to_learn("b", "train") == ["results/slides/learnt.json"]
    assert cohort.slides_to_learn("b", "train") == ["learnt.svs"]
    assert cohort.learnt_truths("b", "train") == ["results/truth/learnt.tif"]
    assert cohort.learnt_patches("b", "validation") == []  # bare has no truth


def test_grids_of_a_slide():
    """Of stored patches, of scores and of latents."""
    cohort = plan(run=["mr"])
    patches = cohort.models.training_patches("mr")
    assert cohort.grid_of_patches(patches, "s") == "results/grids/1um_256px_every128px/s.npz"
    assert cohort.further_spacings(patches) == [2.0, 4.0]
    assert cohort.scoring_grid("mr", "s") == "results/grids/1um_256px_every128px/s.npz"
    assert cohort.compression_grid("mr", "s") == "results/grids/1um_256px_every256px/s.npz"


def test_a_start_scores_nothing():
    """A network that only gives its weights is trained on its grid, and lays none to score."""
    moved = SEGMENTER | {"start": "first", "spacing_um": 1.0}
    cohort = plan(run=["moved"], models={"moved": moved, "first": SEGMENTER})
    grids = {path for paths in cohort.statuses().values() for path in paths if "/grids/" in path}
    assert {path.split("/")[2] for path in grids} == {
        "1um_64px_every128px",
        "0.5um_64px_every128px",
        "1um_256px_every128px",
    }
