"""How good random forests are on patients they have not seen: cross-validation."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from microtome.errors import InputError
from microtome.staging.forests import (
    Forests,
    Prediction,
    Slides,
    check_features,
    train_forests,
)
from microtome.staging.kappa import quadratic_kappa
from microtome.staging.pn_stages import CLASSES, FORESTS

ALL = "all"  # the fold of what is counted over all folds
_LABELS = range(len(CLASSES))


@dataclass(frozen=True)
class Validation:
    """What cross-validation found.

    Attributes
    ----------
    fold : ndarray of shape (n,), int64
        The fold that tested a slide, from 1 on; 0 without cross-validation.
    prediction : Prediction or None
        Of every slide, by forests that have seen no slide of its patient.
    kappas : list of dict
        ``fold``, ``slides``, and the quadratic kappa of each forest (`FORESTS`) and of the
        ``vote``; a row a fold, then one over all slides, whose fold is 'all'.
    confusion : dict of str to ndarray of shape (n_classes, n_classes), int64
        Of each forest and of the vote: rows the truth, columns the call, over all folds.
    importances : list of dict
        A row a feature: ``feature``; ``impurity``, its share of the fall of Gini impurity, mean of
        the forests; ``permutation``, by how much the vote's quadratic kappa falls on the slides
        of the test folds when the feature's values are shuffled among them; means over the folds,
        and ``_sd``, standard deviations. Features that say the same share their worth.
    notes : list of str
        What was out of the ordinary.
    """

    fold: np.ndarray
    prediction: Prediction | None
    kappas: list[dict]
    confusion: dict[str, np.ndarray]
    importances: list[dict]
    notes: list[str]


def cross_validate(
    slides: Slides, *, seed: int, n_folds: int = 5, n_shuffles: int = 5, **settings: object
) -> Validation:
    """Train on all folds but one and test on that, all by patient.

    Folds are stratified by class; with no more patients than folds each patient is one. Balancing
    is part of training, so no made-up slide leans on a slide that is tested. Of one patient alone,
    nothing can be validated: a note says so.

    Parameters
    ----------
    slides : Slides
        At least one; features that are no finite numbers are refused.
    seed : int
        Of folds, forests and shuffles, 0 or more.
    n_folds : int
        At most, 2 or more.
    n_shuffles : int
        Of each feature and fold.
    **settings
        Keyword arguments of `microtome.staging.forests.train_forests`. They are given, not chosen
        by what is tested, so that the figures are honest.
    """
    if not len(slides.classes):
        raise InputError("there is no slide to validate random forests with; label some")
    check_features(slides.features, slides.feature_names, slides=slides.names)
    n = len(slides.classes)
    fold = deal_patients(slides.classes, slides.patients, n_folds=n_folds, seed=seed)
    if fold.max() == 1:
        notes = ["no cross-validation: all slides are of one patient"]
        return Validation(np.zeros(n, np.int64), None, [], {}, [], notes)
    probabilities = np.zeros((len(FORESTS), n, len(CLASSES)))
    impurity, permutation, notes = [], [], []
    for k in range(1, fold.max() + 1):
        learnt, tested = slides.subset(fold != k), slides.subset(fold == k)
        forests = train_forests(learnt, seed=seed, **settings)
        prediction = forests.predict(tested.features)
        probabilities[:, fold == k] = prediction.probabilities
        impurity.append(forests.importances.mean(axis=0))
        rng = np.random.default_rng((seed, k))
        permutation.append(_measure_falls(forests, tested, n_shuffles=n_shuffles, rng=rng))
        unseen = [
            f"slides of class {CLASSES[c]} are tested, none was trained with"
            for c in np.setdiff1d(tested.classes, learnt.classes)
        ]
        notes += [f"fold {k}: {note}" for note in (*unseen, *forests.notes)]
    prediction = Prediction.of(probabilities)
    calls = dict(zip(FORESTS, prediction.classes, strict=True)) | {"vote": prediction.vote}
    return Validation(
        fold=fold,
        prediction=prediction,
        kappas=_kappa_rows(slides.classes, calls, fold),
        confusion={name: _count_calls(slides.classes, called) for name, called in calls.items()},
        importances=_importance_rows(slides.feature_names, impurity, permutation),
        notes=notes,
    )


def _measure_falls(
    forests: Forests, tested: Slides, *, n_shuffles: int, rng: np.random.Generator
) -> np.ndarray:
    """Measure the fall of the vote's kappa when a feature is shuffled: (n_features,), float."""
    n = len(tested.classes)
    orders = np.array([rng.permutation(n) for _ in range(n_shuffles)])
    before = quadratic_kappa(tested.classes, forests.predict(tested.features).vote, _LABELS)
    falls = []
    for column in range(tested.features.shape[1]):
        shuffled = np.tile(tested.features, (n_shuffles, 1))
        shuffled[:, column] = tested.features[orders.ravel(), column]
        votes = forests.predict(shuffled).vote.reshape(n_shuffles, n)
        after = [quadratic_kappa(tested.classes, called, _LABELS) for called in votes]
        falls.append(before - np.mean(after))
    return np.array(falls)


def _kappa_rows(truth: np.ndarray, calls: Mapping[str, np.ndarray], fold: np.ndarray) -> list[dict]:
    parts = [(k, fold == k) for k in range(1, fold.max() + 1)] + [(ALL, fold > 0)]
    return [
        {"fold": k, "slides": int(rows.sum())}
        | {name: quadratic_kappa(truth[rows], c[rows], _LABELS) for name, c in calls.items()}
        for k, rows in parts
    ]


def _count_calls(truth: np.ndarray, called: np.ndarray) -> np.ndarray:
    n = len(CLASSES)
    return np.bincount(truth * n + called, minlength=n * n).reshape(n, n)


def _importance_rows(
    names: Sequence[str], impurity: list[np.ndarray], permutation: list[np.ndarray]
) -> list[dict]:
    columns = {}
    for name, values in (("impurity", impurity), ("permutation", permutation)):
        columns[name] = np.mean(values, axis=0).tolist()
        columns[f"{name}_sd"] = np.std(values, axis=0, ddof=1).tolist()
    return [
        {"feature": feature} | {name: values[i] for name, values in columns.items()}
        for i, feature in enumerate(names)
    ]


def deal_patients(
    classes: np.ndarray, patients: np.ndarray, *, n_folds: int, seed: int
) -> np.ndarray:
    """Deal patients out to folds, classes spread as evenly as that allows.

    From the class (n,), int, and the patient (n,), str, of each slide to its fold (n,), int64,
    from 1 on without gaps. There are at most `n_folds`; with no more patients, each is a fold.

    Examples
    --------
    >>> patients = np.array(["a", "a", "b"])
    >>> deal_patients(np.array([0, 3, 0]), patients, n_folds=5, seed=1).tolist()
    [1, 1, 2]
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # noqa: PLC0415, seconds

    patient = np.unique(patients, return_inverse=True)[1]
    if patient.max() < n_folds:
        return patient + 1
    # Classes that are all smaller than the number of folds cannot be spread over them.
    kind = StratifiedGroupKFold if np.bincount(classes).max() >= n_folds else GroupKFold
    folds = kind(n_folds, shuffle=True, random_state=seed)
    fold = np.zeros(len(classes), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for k, (_, tested) in enumerate(folds.split(patient, classes, patient), start=1):
            fold[tested] = k
    return fold
