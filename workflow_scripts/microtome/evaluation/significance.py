"""Whether models differ by more than chance, on the figures of their slides."""

from collections.abc import Iterable
from itertools import combinations, count

import numpy as np
from scipy import stats

Values = dict[str, dict[str, float]]  # model -> slide -> figure, slides without one left out

SIGNIFICANT = 0.05
# With fewer pairs the two-sided signed-rank test cannot reach p < 0.05 (5 pairs: 2 / 2**5).
_LEAST_PAIRS = 6
_LEAST_VALUES = 2
_DECIMALS = 9  # equal differences must be equal: 0.3 - 0.2 is not 0.2 - 0.1 in binary


def model_tests(values: Values) -> list[dict]:
    """Test models by one metric, a row a test.

    One-way ANOVA and Kruskal-Wallis over all models are HistoCAE's. Both take the values for
    independent, although every model sees the same slides: they see less than there is. The
    Wilcoxon signed-rank tests compare two models slide by slide; Holm's correction is over all
    pairs of the metric.

    Rows have ``test``; ``model`` and ``other`` (the pair); ``n`` (values, or slides that both
    have); ``difference`` (mean over them of model minus other); ``statistic``; ``p``; ``p_holm``;
    ``p_holm_least``, the smallest that so few slides and so many pairs let come out, however far
    the models are apart; and ``note``, which says why there is no p, or that none can be small.

    Examples
    --------
    >>> values = {"unet": {"s1": 0.8, "s2": 0.9}, "histocae": {"s1": 0.7, "s2": 0.9}}
    >>> [(row["test"], row["n"], row["note"]) for row in model_tests(values)[1:]]
    [('Kruskal-Wallis', 4, ''), ('Wilcoxon', 2, 'fewer than 6 slides in common')]
    """
    pairs = [
        _test_pair(first, second, values[first], values[second])
        for first, second in combinations(values, 2)
    ]
    tested = [row for row in pairs if row["p"] is not None]
    corrected = holm([row["p"] for row in tested])
    least = holm([_least_p(row["n"]) for row in tested])
    for row, p, smallest in zip(tested, corrected, least, strict=True):
        row |= {"p_holm": float(p), "p_holm_least": float(smallest)}
        if smallest >= SIGNIFICANT:
            row["note"] = f"no p_holm below {smallest:.3g} can come out"
    return [*_test_together(values), *pairs]


def slides_needed(n_pairs: int) -> int:
    """Count the slides from which one of so many pairs can differ at `SIGNIFICANT`.

    Examples
    --------
    >>> [slides_needed(n_pairs) for n_pairs in (1, 3, 136)]
    [6, 7, 13]
    """
    return next(n for n in count(1) if n_pairs * _least_p(n) < SIGNIFICANT)


def holm(p: Iterable[float]) -> np.ndarray:
    """Adjust p-values for their number (Holm 1979), in the order given."""
    p = np.asarray(list(p), float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted


def _least_p(n_slides: int) -> float:
    """Give the two-sided p of one model better on all slides: 2 of the 2**n patterns of signs."""
    return 2.0 ** (1 - n_slides)


def _test_together(values: Values) -> list[dict]:
    """Test the models that have two values or more by one-way ANOVA and Kruskal-Wallis."""
    known = {m: np.fromiter(v.values(), float) for m, v in values.items()}
    samples = {m: v for m, v in known.items() if len(v) >= _LEAST_VALUES}
    n = sum(map(len, samples.values()))
    left_out = ", ".join(m for m in known if m not in samples)
    note = f"without {left_out}: too few slides" if left_out else ""
    anova, kruskal = _row("ANOVA", n=n, note=note), _row("Kruskal-Wallis", n=n, note=note)
    if len(samples) < _LEAST_VALUES:
        anova["note"] = kruskal["note"] = "needs two models with two slides each"
        return [anova, kruskal]
    groups = list(samples.values())
    if np.ptp(np.concatenate(groups)) == 0:
        anova["note"] = kruskal["note"] = "all values are equal"
        return [anova, kruskal]
    if all(np.ptp(group) == 0 for group in groups):
        anova["note"] = "no spread within the models"
    else:
        anova |= _result(stats.f_oneway(*groups))
    return [anova, kruskal | _result(stats.kruskal(*groups))]


def _test_pair(model: str, other: str, first: dict, second: dict) -> dict:
    """Test two models by Wilcoxon's signed ranks on the slides that both have."""
    shared = [slide for slide in first if slide in second]
    differences = np.round([first[slide] - second[slide] for slide in shared], _DECIMALS)
    row = _row("Wilcoxon", model=model, other=other, n=len(shared))
    if shared:
        row["difference"] = float(differences.mean())
    if len(shared) < _LEAST_PAIRS:
        return row | {"note": f"fewer than {_LEAST_PAIRS} slides in common"}
    if not differences.any():
        return row | {"note": "all values are equal"}
    return row | _result(stats.wilcoxon(differences))


def _row(test: str, *, model: str = "", other: str = "", n: int, note: str = "") -> dict:
    nothing = dict.fromkeys(("difference", "statistic", "p", "p_holm", "p_holm_least"))
    return {"test": test, "model": model, "other": other, "n": n, **nothing, "note": note}


def _result(found: object) -> dict[str, float]:
    return {"statistic": float(found.statistic), "p": float(found.pvalue)}
