"""What the four forests are compared with on tables of nodes: other settings and other learners.

A method learns from slides and calls others: from `Slides`, features of shape (n, n_features) and a
seed to classes (n,), places in `CLASSES`, and scores (n,) that rise with tumour.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from microtome.staging.cross_validation import deal_patients
from microtome.staging.forests import Slides, train_forests
from microtome.staging.kappa import quadratic_kappa
from microtome.staging.pn_stages import CLASSES

Calls = tuple[np.ndarray, np.ndarray]
Method = Callable[[Slides, np.ndarray, int], Calls]

SINGLE = "major_axis_length_largest_50"
# More of these is never less tumour.
RISING = ("ratio", "largest_area", "area_bbox", "major_axis", "maxprob", "aveprob")
_N_QUANTILES = 20
_GRID = tuple(
    {"min_leaf": min_leaf, "max_features": max_features}
    for min_leaf in (1, 5)
    for max_features in ("sqrt", 0.5)
)
_LABELS = range(len(CLASSES))
_LEAST = 1e-7  # below any share of tissue that is one px


def vote_of_forests(
    slides: Slides,
    tested: np.ndarray,
    seed: int,
    *,
    in_logarithms: bool = False,
    **settings: object,
) -> Calls:
    """Ask the four forests; `settings` are those of `train_forests`.

    To trees logarithms are the same features, to the neighbours of SMOTE they are not.
    """
    if in_logarithms:
        slides = replace(slides, features=_logarithms(slides.features))
        tested = _logarithms(tested)
    found = train_forests(slides, seed=seed, **settings).predict(tested)
    return found.vote, found.tumour_probability


def vote_of_chosen_forests(slides: Slides, tested: np.ndarray, seed: int) -> Calls:
    """Ask forests of 500 trees in one draw, whose settings inner folds choose by 50 trees."""
    small = {i: partial(vote_of_forests, n_trees=50, **grid) for i, grid in enumerate(_GRID)}
    chosen = _GRID[find_best(small, slides, seed, n_folds=3)]
    return vote_of_forests(slides, tested, seed, n_trees=500, **chosen)


def call_by_weights(slides: Slides, tested: np.ndarray, seed: int, *, min_leaf: int) -> Calls:
    """Ask one forest whose slides weigh the more, the fewer their class has."""
    forest = RandomForestClassifier(
        200,
        min_samples_leaf=min_leaf,
        class_weight="balanced_subsample",
        random_state=seed,
    )
    return _likeliest(forest.fit(slides.features, slides.classes), tested)


def call_by_boosting(slides: Slides, tested: np.ndarray, seed: int, **settings: object) -> Calls:
    """Ask boosted trees; nothing in them is left to chance."""
    trees = HistGradientBoostingClassifier(random_state=seed, **settings)
    return _likeliest(trees.fit(slides.features, slides.classes), tested)


def call_in_order(slides: Slides, tested: np.ndarray, seed: int, *, learner: Callable) -> Calls:
    """Ask three learners for at least ITC, micro and macro; all rise with what is `RISING`.

    `learner` takes the constraints and the seed: trees of more than two classes refuse them.
    """
    rising = [int(name.startswith(RISING)) for name in slides.feature_names]
    at_least = [
        learner(monotonic_cst=rising, random_state=seed)
        .fit(slides.features, slides.classes >= c)
        .predict_proba(tested)[:, 1]
        for c in _LABELS[1:]
    ]
    falling = np.minimum.accumulate(at_least)
    return (falling >= 0.5).sum(axis=0), falling[0]


def call_by_length(slides: Slides, tested: np.ndarray, seed: int) -> Calls:
    """Ask the longest axis alone."""
    length = tested[:, slides.feature_names.index(SINGLE)]
    return call_by_cut_offs(length, fit_cut_offs(longest(slides), slides.classes)), length


def longest(slides: Slides) -> np.ndarray:
    """Take the longest axis at 0.5 of each slide (n,)."""
    return slides.features[:, slides.feature_names.index(SINGLE)]


def fit_cut_offs(values: np.ndarray, classes: np.ndarray) -> tuple[float, ...]:
    """Choose the rising cut-offs between classes that give the best quadratic kappa.

    They are looked for among the 5 % quantiles of the values.
    """
    shares = np.arange(1, _N_QUANTILES) / _N_QUANTILES
    candidates = np.unique(np.quantile(values, shares)).tolist()
    return max(
        combinations_with_replacement(candidates, len(CLASSES) - 1),
        key=lambda cut_offs: quadratic_kappa(classes, call_by_cut_offs(values, cut_offs), _LABELS),
    )


def call_by_cut_offs(values: np.ndarray, cut_offs: tuple[float, ...]) -> np.ndarray:
    """Class of each value: how many cut-offs it exceeds."""
    return np.searchsorted(cut_offs, values)


def call_out_of_fold(method: Method, slides: Slides, fold: np.ndarray, seed: int) -> Calls:
    """Call every slide by what the other folds taught."""
    called, score = np.zeros(len(fold), np.int64), np.zeros(len(fold))
    for k in range(1, fold.max() + 1):
        tested = fold == k
        found = method(slides.subset(~tested), slides.features[tested], seed)
        called[tested], score[tested] = found
    return called, score


def call_by_the_best(
    slides: Slides, tested: np.ndarray, seed: int, *, methods: Mapping[str, Method]
) -> Calls:
    """Ask the method that is best on halves of what is learnt from."""
    return methods[find_best(methods, slides, seed, n_folds=2)](slides, tested, seed)


def find_best(
    methods: Mapping[Hashable, Method], slides: Slides, seed: int, *, n_folds: int
) -> Hashable:
    """Find the method of the best quadratic kappa over `n_folds`, the first of equals."""
    fold = deal_patients(slides.classes, slides.patients, n_folds=n_folds, seed=seed)

    def kappa(name: Hashable) -> float:
        called, _ = call_out_of_fold(methods[name], slides, fold, seed)
        return quadratic_kappa(slides.classes, called, _LABELS)

    return max(methods, key=kappa)


def _likeliest(fitted: RandomForestClassifier, tested: np.ndarray) -> Calls:
    probabilities = np.zeros((len(tested), len(CLASSES)))
    probabilities[:, fitted.classes_] = fitted.predict_proba(tested)
    return probabilities.argmax(axis=1), 1 - probabilities[:, 0]


def _logarithms(features: np.ndarray) -> np.ndarray:
    return np.log10(np.maximum(features, 0) + _LEAST)


_quick = partial(vote_of_forests, n_trees=100, n_draws=5)
_boosting = {"learning_rate": 0.05, "max_leaf_nodes": 6, "min_samples_leaf": 10}
# Forests of a hundred trees, which is enough to compare their means over seeds.
METHODS: dict[str, Method] = {
    "forests": _quick,
    "one draw": partial(_quick, n_draws=1),
    "leaves of 5": partial(_quick, min_leaf=5),
    "leaves of 10": partial(_quick, min_leaf=10),
    "half of the features, leaves of 5": partial(_quick, max_features=0.5, min_leaf=5),
    "logarithms": partial(_quick, in_logarithms=True),
    "one forest, classes weighted, leaves of 5": partial(call_by_weights, min_leaf=5),
    "forests in order, rising": partial(
        call_in_order, learner=partial(RandomForestClassifier, 200, min_samples_leaf=3)
    ),
    "boosted trees": partial(call_by_boosting, **_boosting),
    "boosted trees in order, rising": partial(
        call_in_order, learner=partial(HistGradientBoostingClassifier, **_boosting)
    ),
    "longest axis alone": call_by_length,
}
# Chosen without the fold that is tested.
BEST: dict[str, Method] = {
    "the best of these on halves of the training folds": partial(call_by_the_best, methods=METHODS)
}
