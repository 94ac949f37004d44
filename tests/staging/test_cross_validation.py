"""Cross-validation: nothing that is tested was seen before, and what is counted."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from microtome.errors import InputError
from microtome.staging import cross_validation as library
from microtome.staging.cross_validation import cross_validate, deal_patients
from microtome.staging.forests import Forests, Slides, train_forests, vote
from microtome.staging.pn_stages import FORESTS

NAMES = ("size", "noise", "row")
FEW = {"n_trees": 6, "max_features": 1.0}
SMALL = {**FEW, "n_shuffles": 2}


def slides_of(classes, patients, *, seed=0) -> Slides:
    """Make slides whose first feature gives the class away and whose last is their number."""
    rng = np.random.default_rng(seed)
    classes = np.asarray(classes)
    n = len(classes)
    features = np.stack([10.0 * classes + rng.random(n), rng.random(n), np.arange(n)], axis=1)
    return Slides(
        features=features,
        classes=classes,
        annotated=np.arange(n) % 3 > 0,
        patients=np.array([f"p{p}" for p in patients]),
        names=np.array([f"s{i}" for i in range(n)]),
        feature_names=NAMES,
    )


def kappa(truth, called) -> float:
    """Quadratic kappa by scikit-learn."""
    return cohen_kappa_score(truth, called, labels=range(4), weights="quadratic")


@pytest.fixture(scope="module")
def slides() -> Slides:
    """Twelve patients with four slides, one of each class."""
    return slides_of(np.arange(48) % 4, np.arange(48) // 4)


@pytest.fixture(scope="module")
def found(slides):
    """What cross-validation finds, in 4 folds."""
    return cross_validate(slides, seed=3, n_folds=4, **SMALL)


def test_no_slide_of_a_patient_is_tested_by_what_its_patient_taught(slides, monkeypatch):
    """And all that is learnt from are slides as they are."""
    trained, tested = {}, []
    predict = Forests.predict

    def spied_train(learnt, **options):
        forests = train_forests(learnt, **options)
        rows = learnt.features[:, 2].astype(int)
        trained[id(forests)] = (forests, rows)
        assert np.array_equal(learnt.features, slides.features[rows])
        return forests

    def spied_predict(self, features, **options):
        tested.append((id(self), features[:, 2].astype(int)))
        return predict(self, features, **options)

    monkeypatch.setattr(library, "train_forests", spied_train)
    monkeypatch.setattr(Forests, "predict", spied_predict)
    fold = cross_validate(slides, seed=3, n_folds=4, **SMALL).fold
    for forests, rows in tested:
        learnt = slides.patients[trained[forests][1]]
        assert not set(learnt) & set(slides.patients[rows])
    assert [set(rows) for _, rows in trained.values()] == [
        set(np.flatnonzero(fold != k)) for k in (1, 2, 3, 4)
    ]


def test_every_slide_is_tested_by_forests_of_its_fold(slides, found):
    """The same training by hand gives the same probabilities and importances."""
    importances, falls = [], []
    for k in range(1, 5):
        learnt, tested = slides.subset(found.fold != k), slides.subset(found.fold == k)
        forests = train_forests(learnt, seed=3, **FEW)
        expected = forests.predict(tested.features).probabilities
        assert np.array_equal(found.prediction.probabilities[:, found.fold == k], expected)
        importances.append(forests.importances.mean(axis=0))
        rng = np.random.default_rng((3, k))
        falls.append(library._measure_falls(forests, tested, n_shuffles=2, rng=rng))
    for i, row in enumerate(found.importances):
        for name, values in (("impurity", importances), ("permutation", falls)):
            assert row[name] == pytest.approx(np.mean(values, axis=0)[i])
            assert row[f"{name}_sd"] == pytest.approx(np.std(values, axis=0, ddof=1)[i])


def test_kappas_and_confusion_are_those_of_scikit_learn():
    """By fold, over all, of each forest and of the vote, of slides whose classes chance gave."""
    classes = np.random.default_rng(2).choice(4, 48, p=[0.5, 0.3, 0.2, 0])
    noise = slides_of(classes, np.arange(48) // 2)
    noise.features[:, 0] = 0
    found = cross_validate(noise, seed=1, n_folds=3, **SMALL)
    calls = [*found.prediction.classes, vote(found.prediction.classes)]
    assert [row["fold"] for row in found.kappas] == [1, 2, 3, "all"]
    for name, called in zip((*FORESTS, "vote"), calls, strict=True):
        for row in found.kappas:
            rows = np.ones(48, bool) if row["fold"] == "all" else found.fold == row["fold"]
            assert row["slides"] == rows.sum()
            assert row[name] == pytest.approx(kappa(classes[rows], called[rows]))
        expected = confusion_matrix(classes, called, labels=range(4))
        assert np.array_equal(found.confusion[name], expected)
        assert not np.array_equal(expected, expected.T)


def test_settings_reach_the_forests(slides):
    """A leaf of 100 slides calls all alike: kappa 0."""
    found = cross_validate(slides, seed=3, n_folds=4, min_leaf=100, **SMALL)
    assert found.kappas[-1]["vote"] == 0


def test_a_feature_that_decides_matters_and_one_that_is_constant_does_not(slides):
    """Shuffled sizes cost kappa; a constant cannot be shuffled."""
    plain = slides.subset(np.arange(48))
    plain.features[:, 1:] = 1
    rows = cross_validate(plain, seed=1, n_folds=4, **SMALL).importances
    assert [row["feature"] for row in rows] == list(NAMES)
    assert rows[0]["impurity"] == pytest.approx(1)
    assert rows[0]["permutation"] > 0.5
    assert rows[0]["permutation_sd"] > 0
    for row in rows[1:]:
        assert [row[c] for c in ("permutation", "permutation_sd", "impurity")] == [0, 0, 0]


def test_importance_is_the_mean_fall_of_kappa_over_shuffles(slides):
    """By hand, with scikit-learn's kappa, feature by feature and shuffle by shuffle."""
    learnt, tested = slides.subset(np.arange(48) < 24), slides.subset(np.arange(48) >= 24)
    forests = train_forests(learnt, seed=1, n_trees=3, min_leaf=4, max_features=1)
    before = kappa(tested.classes, forests.predict(tested.features).vote)
    rng = np.random.default_rng(7)
    orders = [rng.permutation(24) for _ in range(3)]
    falls = np.zeros((3, 3))
    for column, shuffle in np.ndindex(3, 3):
        features = tested.features.copy()
        features[:, column] = features[orders[shuffle], column]
        falls[column, shuffle] = before - kappa(tested.classes, forests.predict(features).vote)
    expected = falls.mean(axis=1)
    found = library._measure_falls(forests, tested, n_shuffles=3, rng=np.random.default_rng(7))
    assert found == pytest.approx(expected)
    assert expected[0] > 0.1


def test_one_patient_cannot_be_validated():
    """A note says why there is no figure."""
    found = cross_validate(slides_of([0, 1, 3, 0], [7, 7, 7, 7]), seed=1, **SMALL)
    assert found.fold.tolist() == [0, 0, 0, 0]
    assert found.prediction is None
    assert (found.kappas, found.confusion, found.importances) == ([], {}, [])
    assert found.notes == ["no cross-validation: all slides are of one patient"]


def test_two_patients_test_each_other():
    """Each is a fold."""
    slides = slides_of([0, 3, 0, 3, 0, 3], [1, 1, 1, 2, 2, 2])
    found = cross_validate(slides, seed=1, **SMALL)
    assert found.fold.tolist() == [1, 1, 1, 2, 2, 2]
    assert found.prediction.vote.shape == (6,)


def test_a_class_that_only_the_tested_patient_has_is_noted():
    """It cannot be called."""
    slides = slides_of([0, 3, 0, 3, 0, 2], [1, 1, 2, 2, 3, 3])
    found = cross_validate(slides, seed=1, **SMALL)
    assert "fold 3: slides of class micro are tested, none was trained with" in found.notes
    assert sum("tested" in note for note in found.notes) == 1
    assert (found.prediction.probabilities[:, 5, 2] == 0).all()


def test_notes_of_training_name_their_fold():
    """What training with two ITCs says, once a fold."""
    slides = slides_of([0, 0, 1, 0, 0, 1, 0, 0, 1], [1, 1, 1, 2, 2, 2, 3, 3, 3])
    notes = cross_validate(slides, seed=1, **SMALL).notes
    said = "rf_cb: neighbours that SMOTE looked at: 1, not 5, for class itc has 2 slides"
    assert [notes.count(f"fold {k}: {said}") for k in (1, 2, 3)] == [1, 1, 1]
    assert all(note.startswith("fold ") for note in notes)


def test_what_cannot_be_validated_is_refused(slides):
    """No slides; a feature that is no number, by its slide."""
    with pytest.raises(InputError, match="there is no slide to validate"):
        cross_validate(slides.subset(np.empty(0, int)), seed=1, **SMALL)
    spoiled = slides.subset(np.arange(48))
    spoiled.features[9, 1] = np.nan
    with pytest.raises(InputError, match="slide s9: the feature noise is nan"):
        cross_validate(spoiled, seed=1, **SMALL)


@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=15),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 100),
)
def test_slides_of_a_patient_stay_in_one_fold(sizes, n_folds, seed):
    """Folds are numbered without gaps, are no more than asked for, and none tests everything."""
    patients = np.repeat(np.arange(len(sizes)), sizes)
    classes = np.random.default_rng(seed).integers(0, 4, len(patients))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold = deal_patients(classes, patients.astype(str), n_folds=n_folds, seed=seed)
    assert all(len(set(fold[patients == p])) == 1 for p in range(len(sizes)))
    assert sorted(set(fold)) == list(range(1, fold.max() + 1))
    assert min(2, len(sizes)) <= fold.max() <= n_folds
    if len(sizes) <= n_folds:
        assert fold.max() == len(sizes)


@pytest.mark.parametrize(
    ("classes", "of_fold"),
    [(np.repeat([0, 3], 10), [[2, 0, 0, 2]] * 5), (np.arange(6) % 3, [1, 1, 1, 1, 2])],
    ids=["20 patients", "classes smaller than the number of folds"],
)
def test_classes_are_spread_over_folds(classes, of_fold):
    """As evenly as five folds allow; the seed decides who is in which."""
    patients = np.arange(len(classes)).astype(str)
    fold, other = (deal_patients(classes, patients, n_folds=5, seed=seed) for seed in (1, 2))
    counts = [np.bincount(classes[fold == k], minlength=4).tolist() for k in range(1, 6)]
    assert of_fold in (counts, sorted(map(sum, counts)))
    assert not np.array_equal(fold, other)
