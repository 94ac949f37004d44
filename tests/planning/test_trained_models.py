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


def test_a_rescored_model_brings_those_whose_weights_it_has():
    """All else is theirs but the patches; of an ensemble the weights are its members'."""
    again = {"kind": "rescored", "model": "both", "overlap": 0.75}
    of_one = {"kind": "rescored", "model": "given", "inference_patch_px": 512}
    models = {**MODELS, "again": again, "larger": of_one}
    found = runs_of(models, ["again", "larger"], n_folds=0)
    assert list(found) == ["again", "larger", "a", "b", "given"]
    assert found["again"].members == ("a", "b")
    assert found["again"].entry == runs_of(MODELS, ["both"])["both"].entry | {"overlap": 0.75}
    assert found["larger"].members == ("given",)
    assert found["larger"].entry["inference_patch_px"] == 512
    trained = [name for name, run in found.items() if run.is_trained]
    assert trained == ["a", "b"]
    folded = runs_of(models, ["again"], n_folds=3)
    assert folded["again-fold2"].members == ("a-fold2", "b-fold2")


def test_a_start_comes_last_and_once():
    """It is trained in the same fold, unless its weights are given; these start from nothing."""
    models = {
        **MODELS,
        "moved": {**MODELS["a"], "start": "b"},
        "further": {**MODELS["a"], "start": "moved"},
        "given": {**MODELS["given"], "start": "cae"},
        "elsewhere": {**MODELS["a"], "start": "given"},
    }
    found = runs_of(models, ["further", "b", "elsewhere"], n_folds=0)
    assert {name: run.start for name, run in found.items()} == {
        "further": "moved",
        "b": None,
        "elsewhere": "given",
        "moved": "b",
        "given": None,
    }
    assert [name for name, run in found.items() if run.is_start] == ["moved", "given"]
    folded = runs_of(models, ["further", "elsewhere"], n_folds=3)
    assert folded["further-fold2"].start == "moved-fold2"
    assert folded["moved-fold2"].start == "b-fold2"
    assert folded["elsewhere-fold2"].start == "given"
    assert folded["given"].fold is None
