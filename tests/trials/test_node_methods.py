"""What forests are compared with on tables of nodes, and how it is measured, by hand."""

from functools import partial

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import cohen_kappa_score

import node_figures as figures
import node_methods as methods
from microtome.staging.forests import Slides, train_forests

NAMES = ("ratio_cancer", methods.SINGLE)


def slides_of(classes, *, seed=0) -> Slides:
    """Make slides whose axis is 100 and more a class."""
    rng = np.random.default_rng(seed)
    n = len(classes)
    features = np.stack([rng.random(n), 100.0 * np.asarray(classes) + rng.random(n)], axis=1)
    names = np.array([f"s{i}" for i in range(n)])
    return Slides(features, np.asarray(classes), np.ones(n, bool), names, names, NAMES)


@pytest.fixture(scope="module")
def slides() -> Slides:
    """Ten of each class."""
    return slides_of(np.arange(40) % 4)


def test_cut_offs_part_classes_that_can_be_parted():
    """Classes in order of size are all called right; a value on a cut-off is below it."""
    values = np.concatenate([np.arange(10) + 100.0 * c for c in range(4)])
    classes = np.repeat(np.arange(4), 10)
    cut_offs = methods.fit_cut_offs(values, classes)
    assert list(cut_offs) == sorted(cut_offs)
    assert methods.call_by_cut_offs(values, cut_offs).tolist() == classes.tolist()
    found = methods.call_by_cut_offs(np.array([0.0, 1.0, 1.5, 2.0, 2.5, 9.0]), (1.0, 2.0, 2.0))
    assert found.tolist() == [0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_learns_what_can_be_learnt(name, monkeypatch):
    """Other slides are called as they are, and tumour has the higher scores."""
    monkeypatch.setattr(methods, "train_forests", partial(few_trees, train_forests))
    learnt, tested = slides_of(np.arange(120) % 4), slides_of([0, 3, 0, 3], seed=1)
    called, score = methods.METHODS[name](learnt, tested.features, 1)
    assert called.tolist() == [0, 3, 0, 3]
    assert score[[0, 2]].max() < score[[1, 3]].min()


def few_trees(train, slides, **settings):
    """Train with few trees of whatever was asked for."""
    return train(slides, **{**settings, "n_trees": 10, "n_draws": 2})


def test_in_order_no_rising_feature_lowers_tumour():
    """Though among the slides the ratio falls from some class to the next."""
    slides = slides_of(np.arange(80) % 4)
    slides.features[:, 0] = [(0.1, 0.5, 0.3, 0.9)[c] for c in slides.classes]
    slides.features[:, 1] = 0
    learner = partial(HistGradientBoostingClassifier, min_samples_leaf=5)
    tested = np.stack([np.linspace(0, 1, 30), np.zeros(30)], axis=1)
    called, score = methods.call_in_order(slides, tested, 1, learner=learner)
    assert (np.diff(score) >= 0).all()
    assert (np.diff(called) >= 0).all()
    assert (called[0], called[-1]) == (0, 3)


def test_the_best_is_the_one_of_the_best_kappa_and_the_first_of_equals(slides):
    """Wherever it stands."""

    def all_negative(_, tested, __):
        return np.zeros(len(tested), int), np.zeros(len(tested))

    def by_length(_, tested, __):
        return tested[:, 1].astype(int) // 100, tested[:, 1]

    both = {"bad": all_negative, "good": by_length, "equal": by_length}
    assert methods.find_best(both, slides, 1, n_folds=3) == "good"
    called, _ = methods.call_by_the_best(slides, slides.features, 1, methods=both)
    assert called.tolist() == slides.classes.tolist()


def test_no_slide_is_called_by_what_its_fold_taught(slides):
    """Each fold is asked of the others, and of it only the features are shown."""
    fold = np.arange(40) % 3 + 1

    def spy(learnt, tested, seed):
        assert not set(learnt.features[:, 0]) & set(tested[:, 0])
        assert (len(learnt.classes) + len(tested), seed) == (40, 7)
        return tested[:, 1] // 100, tested[:, 1]

    called, score = methods.call_out_of_fold(spy, slides, fold, 7)
    assert called.tolist() == slides.classes.tolist()
    assert score.tolist() == slides.features[:, 1].tolist()


def test_figures_of_calls_are_those_counted_by_hand():
    """One of two micro is missed, one of four negative is a false alarm."""
    classes = np.array([0, 0, 0, 0, 2, 2, 3])
    called = np.array([0, 0, 0, 2, 0, 2, 3])
    score = np.array([0.1, 0.2, 0.3, 0.6, 0.25, 0.7, 0.9])
    found = figures.measure_calls(classes, (called, score))
    expected = cohen_kappa_score(classes, called, labels=range(4), weights="quadratic")
    assert found["kappa"] == pytest.approx(expected)
    assert found["auc"] == pytest.approx(10 / 12)
    assert (found["micro_missed"], found["false_alarms"]) == (0.5, 0.25)
    alone = figures.measure_calls(np.array([3]), (np.array([3]), np.array([1.0])))
    assert np.isnan([alone[key] for key in ("auc", "micro_missed", "false_alarms")]).all()


def test_slides_that_seeds_call_differently_are_counted():
    """The second and the last of three."""
    calls = [(np.array(c), np.zeros(3)) for c in ([0, 1, 2], [0, 2, 2], [0, 1, 3])]
    assert figures.count_moved(calls) == 2


def test_samples_are_the_same_for_every_method_and_hold_the_figure():
    """Of one slide missed in ten the sampled share is that on average."""
    classes = np.repeat([0, 2], 10)
    called = np.where(np.arange(20) == 12, 0, classes)
    one, same = (
        figures.sample_means(classes, [(called, called)] * 2, seed=3, n=100) for _ in range(2)
    )
    assert np.array_equal(one["kappa"], same["kappa"])
    assert one["micro_missed"].mean() == pytest.approx(0.1, abs=0.02)
    low, high = figures.bounds(one["micro_missed"])
    assert 0 <= low < 0.1 < high < 0.5


def test_features_that_differ_between_training_and_test_are_told():
    """Of each class both have: medians, and how often a test slide has more."""
    learnt, tested = slides_of([0, 0, 1, 3]), slides_of([0, 0, 0, 3])
    learnt.features[:, 0], tested.features[:, 0] = [1, 3, 0, 5], [2, 4, 6, 5]
    rows = {(r["class"], r["feature"]): r for r in figures.tell_apart(learnt, tested)}
    assert {name for name, _ in rows} == {"negative", "macro"}
    found = rows["negative", "ratio_cancer"]
    assert (found["training"], found["test"]) == (2, 4)
    assert found["auc"] == pytest.approx(5 / 6)
    assert rows["macro", "ratio_cancer"]["auc"] == 0.5
