"""How methods fare on nodes: figures over seeds, of folds and of slides that nobody trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from microtome.staging.cross_validation import deal_patients
from microtome.staging.forests import Slides
from microtome.staging.kappa import quadratic_kappa
from microtome.staging.pn_stages import CLASSES
from node_methods import Calls, Method, call_out_of_fold

NEGATIVE, MICRO = CLASSES.index("negative"), CLASSES.index("micro")
_LABELS = range(len(CLASSES))


def measure_calls(classes: np.ndarray, calls: Calls) -> dict[str, float]:
    """Measure calls: ``kappa`` (quadratic), ``auc`` of tumour, what is missed, false alarms.

    ``micro_missed`` is the share of micro-metastases called negative, ``false_alarms`` the share of
    negative slides called anything else; nan without such slides.
    """
    called, score = calls
    tumour = classes != NEGATIVE
    both = 0 < tumour.sum() < len(tumour)
    return {
        "kappa": quadratic_kappa(classes, called, _LABELS),
        "auc": float(roc_auc_score(tumour, score)) if both else float("nan"),
        "micro_missed": _share(called[classes == MICRO] == NEGATIVE),
        "false_alarms": _share(called[classes == NEGATIVE] != NEGATIVE),
    }


def cross_validated(
    methods: Mapping[str, Method], slides: Slides, *, seeds: Sequence[int], n_folds: int
) -> list[dict]:
    """Measure every method on all folds together; each seed deals other folds.

    A row a method and seed: ``method``, ``seed`` and the figures of `measure_calls`.
    """
    rows = []
    for seed in seeds:
        fold = deal_patients(slides.classes, slides.patients, n_folds=n_folds, seed=seed)
        for name, method in methods.items():
            calls = call_out_of_fold(method, slides, fold, seed)
            rows.append({"method": name, "seed": seed} | measure_calls(slides.classes, calls))
    return rows


def held_out(
    methods: Mapping[str, Method], learnt: Slides, tested: Slides, *, seeds: Sequence[int]
) -> dict[str, list[Calls]]:
    """Call slides that nobody trained on: for each method, the calls of each seed."""
    return {
        name: [method(learnt, tested.features, seed) for seed in seeds]
        for name, method in methods.items()
    }


def sample_means(
    classes: np.ndarray, calls: Sequence[Calls], *, seed: int, n: int
) -> dict[str, np.ndarray]:
    """Figures of `measure_calls`, mean over `calls`, on `n` samples of the slides with replacement.

    The same seed draws the same samples, so that methods can be compared sample by sample.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        rows = rng.integers(len(classes), size=len(classes))
        figures = [measure_calls(classes[rows], (c[rows], s[rows])) for c, s in calls]
        found.append({key: np.mean([f[key] for f in figures]) for key in figures[0]})
    return {key: np.array([f[key] for f in found]) for key in found[0]}


def bounds(samples: np.ndarray) -> tuple[float, float]:
    """Bound the middle 95 %."""
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return float(low), float(high)


def count_moved(calls: Sequence[Calls]) -> int:
    """Count the slides that not all seeds call alike."""
    called = np.array([c for c, _ in calls])
    return int((called != called[0]).any(axis=0).sum())


def tell_apart(learnt: Slides, tested: Slides) -> list[dict]:
    """How far features tell test slides from training slides of the same class.

    A row a feature and class: ``feature``, ``class``, medians ``training`` and ``test``, and
    ``auc``, the chance that it is larger on a test slide than on one of training; 0.5 where both
    are alike. Classes that one of both lacks are left out.
    """
    return [
        {
            "class": CLASSES[c],
            "feature": name,
            "training": float(np.median(of_training)),
            "test": float(np.median(of_test)),
            "auc": float(
                roc_auc_score(
                    np.repeat([0, 1], [len(of_training), len(of_test)]),
                    np.concatenate([of_training, of_test]),
                )
            ),
        }
        for c in np.intersect1d(learnt.classes, tested.classes)
        for name, of_training, of_test in zip(
            learnt.feature_names,
            learnt.features[learnt.classes == c].T,
            tested.features[tested.classes == c].T,
            strict=True,
        )
    ]


def _share(found: np.ndarray) -> float:
    return float(found.mean()) if len(found) else float("nan")
