"""Ensembles and votes whose members do not fit are refused in one line."""

import pytest

from microtome.cohort.ensemble_checks import check_ensemble_folds, check_members

FCN = {"kind": "segmenter", "spacing_um": 0.5, "patch_px": 64, "inference_patch_px": 256}


def models(**other: object) -> dict:
    """Make a registry of two segmenters, of which the second differs so."""
    return {
        "a": FCN,
        "b": {**FCN, **other},
        "c": {"kind": "classifier", "spacing_um": 0.5, "patch_px": 256},
        "e": {"kind": "ensemble", "members": ["a", "b"]},
        "v": {"kind": "vote", "members": ["a", "b"]},
    }


def check(*members: str, kind: str = "ensemble", **other: object) -> list[str]:
    """Check an entry with these members; give the mistakes."""
    return [*check_members("models.x", {"kind": kind, "members": list(members)}, models(**other))]


def test_members_that_fit():
    """The same spacing and the same scored patches, of whatever kind; a vote takes anything."""
    assert not check("a", "b")
    assert not check("a", "c")  # a patch of 256 px scored by both
    assert not check("a", "b", patch_px=32)  # trained on others
    assert not check("a", "b", kind="vote", spacing_um=8.0, patch_px=224)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"spacing_um": 1.0}, "a has spacing_um 0.5, b 1.0; all members see a patch at once"),
        ({"inference_patch_px": 128}, "a has inference_patch_px 256, b 128; all members score"),
        ({"further_spacings_um": [2.0]}, "a has further_spacings_um none, b [2.0]"),
    ],
)
def test_members_that_do_not_fit(other, text):
    """The members and the key are named, with both values."""
    (line,) = check("a", "b", **other)
    assert line.startswith(f"models.x.members: {text}")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (("a", "z"), "there is no model 'z'; models has a, b, c, e, v"),
        (("a", "e"), "e is of kind ensemble; name its members instead"),
        (("v", "a"), "v is of kind vote; name its members instead"),
    ],
)
@pytest.mark.parametrize("kind", ["ensemble", "vote"])
def test_members_that_cannot_be(members, text, kind):
    """Members that are not there, or are no networks."""
    assert check(*members, kind=kind) == [f"models.x.members: {text}"]


def folds(
    validation_fold: int, rows: dict, *, n_folds=0, threshold=0.5, temperature=False
) -> list[str]:
    """Check a run of an ensemble whose second member has a validation fold; give the mistakes."""
    config = {
        "models": models(validation_fold=validation_fold),
        "run": ["e"],
        "cross_validation": {"folds": n_folds},
        "segmentation": {"threshold": threshold},
        "calibration": {"temperature": temperature},
    }
    return [*check_ensemble_folds(config, rows)]


SHEET = {
    "s1": {"split": "train", "fold": 1},
    "s2": {"split": "train", "fold": 2},
    "s3": {"split": "validation"},
    "s4": {"split": "test"},
}


def test_folds_that_validate():
    """Only training slides need a fold; in a cross-validation it is a step, less than a round."""
    assert not folds(1, SHEET)
    assert not folds(2, SHEET)
    assert not folds(2, {}, n_folds=3)


@pytest.mark.parametrize(
    ("fold", "second", "n_folds", "line"),
    [
        (3, {"split": "train", "fold": 2}, 0, "models.b.validation_fold: 3, but"),
        (1, {"split": "train"}, 0, "slide s2: fold is missing, and validation_fold of b needs it;"),
        (1, {"split": "train", "fold": 1}, 0, "models.b.validation_fold: 1, but"),
        (3, {}, 3, "models.b.validation_fold: 3 is not below"),
    ],
)
def test_folds_that_cannot_validate(fold, second, n_folds, line):
    """The model is named, and the slide or the folds that there are."""
    (said,) = folds(fold, {**SHEET, "s2": second}, n_folds=n_folds)
    assert said.startswith(line)


@pytest.mark.parametrize("tuned", [{"threshold": "validation"}, {"temperature": True}])
def test_tuning_needs_a_fold_that_no_member_has_seen(tuned):
    """With cross-validation it is that after the tested one, unless a member was trained on it."""
    assert not folds(1, {}, n_folds=3, **tuned)
    (line,) = folds(2, {}, n_folds=3, **tuned)
    assert line.startswith("models.e: its members validate on different")
    assert not folds(2, SHEET, **tuned)  # without it, slides of split validation are kept for that
