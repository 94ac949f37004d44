"""What a config asks to be trained and scored."""

from helpers.small_plan import MODELS
from microtome.planning.trained_models import runs_of


def test_members_follow_what_is_listed():
    """An ensemble brings its members along, which are not shown unless they are listed too."""
    found = runs_of(MODELS, ["both", "a"])
    assert list(found) == ["both", "a", "b"]
    assert [run.is_listed for run in found.values()] == [True, True, False]
    assert found["both"].members == ("a", "b")
    assert found["a"].members == ()
    assert {run.fold for run in found.values()} == {None}


def test_an_ensemble_sees_what_its_members_see():
    """Spacing and patches are those of its members; what it says itself stays."""
    entry = runs_of(MODELS, ["both"])["both"].entry
    seen = {"spacing_um": 0.5, "patch_px": 64, "inference_patch_px": 256}
    assert entry == MODELS["both"] | seen
    assert "spacing_um" not in MODELS["both"]  # the registry itself is left alone


def test_folds():
    """With cross-validation everything is there once a fold, members of the same fold together."""
    found = runs_of(MODELS, ["both"], n_folds=3)
    assert len(found) == 9
    assert found["both-fold2"].members == ("a-fold2", "b-fold2")
    assert (found["b-fold3"].model, found["b-fold3"].fold) == ("b", 3)
