"""Cohen's kappa with quadratic weights, the score of CAMELYON17, and how sure it is."""

from collections.abc import Sequence

import numpy as np

from microtome.errors import InputError, one_line

# Patients drawn at once in the bootstrap: bounds its memory.
_DRAWN_AT_ONCE = 2**20


def quadratic_kappa(
    truth: Sequence[str | int], predicted: Sequence[str | int], labels: Sequence[str | int]
) -> float:
    """Measure agreement beyond chance; a mistake costs the square of its distance.

    Cohen, "Weighted kappa" (1968); as scikit-learn's ``cohen_kappa_score`` with ``labels`` and
    ``weights="quadratic"``.

    Parameters
    ----------
    truth, predicted : sequence of str or int, of shape (n,)
        Members of `labels`, in the same order of cases.
    labels : sequence of str or int
        All labels, from low to high; neighbours are 1 apart, whether they occur or not.

    Returns
    -------
    float
        1 is full agreement, 0 that of chance, negative worse. Where everything is one label and
        all agree, kappa is 0/0: here 1.

    Raises
    ------
    InputError
        Lengths differ, there is no case, or a label is unknown.

    Examples
    --------
    Observed are 4, by chance 26 / 4 squares of distances:

    >>> round(quadratic_kappa([0, 0, 1, 2], [0, 2, 1, 2], labels=range(3)), 4)
    0.3846
    """
    cells, n_labels = _place(truth, predicted, labels)
    return float(_compute_kappas(np.bincount(cells, minlength=n_labels**2)[None], n_labels)[0])


def bootstrap_interval(
    truth: Sequence[str | int],
    predicted: Sequence[str | int],
    labels: Sequence[str | int],
    *,
    n: int = 2000,
    seed: int = 1,
    share: float = 0.95,
) -> tuple[float, float]:
    """Bound the quadratic kappa by the percentile bootstrap over cases (patients).

    Of `n` samples, each as large as the data and drawn with replacement, the `share` in the middle
    lies within the low and the high bound. A sample of one label in full agreement counts as 1.
    Cases and errors are those of `quadratic_kappa`.
    """
    cells, n_labels = _place(truth, predicted, labels)
    rng = np.random.default_rng(seed)
    n_at_once = max(1, _DRAWN_AT_ONCE // len(cells))
    kappas = []
    for first in range(0, n, n_at_once):
        n_here = min(n_at_once, n - first)
        drawn = cells[rng.integers(len(cells), size=(n_here, len(cells)))]
        drawn += np.arange(n_here)[:, None] * n_labels**2  # every sample has its own bins
        counts = np.bincount(drawn.ravel(), minlength=n_here * n_labels**2)
        kappas.append(_compute_kappas(counts.reshape(n_here, n_labels**2), n_labels))
    low, high = np.quantile(np.concatenate(kappas), [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _place(
    truth: Sequence[str | int], predicted: Sequence[str | int], labels: Sequence[str | int]
) -> tuple[np.ndarray, int]:
    """Give the place of every case in the raveled confusion matrix."""
    if len(truth) != len(predicted):
        raise InputError(f"there are {len(truth)} true labels and {len(predicted)} predicted ones")
    if not len(truth):
        raise InputError("there is no case to compute kappa of")
    place = {label: index for index, label in enumerate(labels)}
    for label in (*truth, *predicted):
        if label not in place:
            raise InputError(f"{one_line(label)} is no label; known: {', '.join(map(str, labels))}")
    pairs = zip(truth, predicted, strict=True)
    return np.array([place[a] * len(place) + place[b] for a, b in pairs], np.int64), len(place)


def _compute_kappas(counts: np.ndarray, n_labels: int) -> np.ndarray:
    """Compute kappa of raveled confusion matrices, shape (n, n_labels ** 2)."""
    tables = counts.reshape(-1, n_labels, n_labels).astype(np.float64)
    label = np.arange(n_labels)
    weight = (label[:, None] - label[None, :]) ** 2
    observed = (tables * weight).sum(axis=(1, 2))
    by_truth, by_prediction = tables.sum(axis=2), tables.sum(axis=1)
    expected = np.einsum("na,ab,nb->n", by_truth, weight, by_prediction) / tables.sum(axis=(1, 2))
    # Nothing expected means one label on both sides, so nothing is observed either: 0/0.
    return 1 - np.divide(observed, expected, out=np.zeros_like(observed), where=expected > 0)
