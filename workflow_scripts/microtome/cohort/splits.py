"""Splits and folds of slides: by patient, stratified, the same for the same seed.

First the sizes are decided: patients with most slides are counted first, each for the part that
lacks most slides. Then the patients are chosen: linear programming brings each stratum as near to
its share of each part as these counts allow. Chance decides the rest.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.optimize import linprog

from microtome.errors import InputError

SPLITS = ("train", "validation", "test")
LABELS = ("negative", "itc", "micro", "macro")
BURDENS = ("low burden", "middle burden", "high burden")
TRUTH_COLUMNS = {"annotation", "viable_mask", "whole_mask"}

# Of `_spread_strata`. Two or three suffice; the limit is for solvers whose rounding alternates.
PASSES = 10

# All strata, each group of them from low to high.
_RANKS = ("no label", *LABELS, "no burden", *BURDENS, "not annotated", "annotated")


def assign_splits(
    rows: Iterable[dict], *, fractions: Sequence[float] = (0.7, 0.2, 0.1), seed: int
) -> dict[str, str]:
    """Divide slides into training, validation and test.

    The slides of a patient stay together. Sizes are the rounded fractions: 50 slides at 70:20:10
    give 35, 10 and 5. The HistoCAE paper (Roy et al. 2021) calls its 36, 8 and 6 by that ratio;
    fractions (36, 8, 6) give those. With several slides per patient, a size may be off by less
    than the slides of the largest patient.

    If more than half of the slides have a label, labels are spread evenly; else terciles of the
    burden, if more than half have one; else slides with and without truth. A patient has the
    highest stratum of its slides.

    Parameters
    ----------
    rows : iterable of dict
        Rows of the slide sheet as from `read_sheet`, in any order.
    fractions : sequence of float
        Shares of training, validation and test; they are divided by their sum.
    seed : int
        Another seed gives another split of the same sizes.

    Returns
    -------
    dict of str to str
        Slide -> 'train', 'validation' or 'test', in the order of `rows`.

    Raises
    ------
    InputError
        The fractions make no sense, or the patients are too few for them.

    Examples
    --------
    >>> rows = [{"slide": f"s{i}"} for i in range(10)]
    >>> parts = list(assign_splits(rows, seed=0).values())
    >>> [parts.count(name) for name in SPLITS]
    [7, 2, 1]
    """
    shares = np.asarray(fractions, float)
    if shares.shape != (3,) or not (np.isfinite(shares) & (shares >= 0)).all() or not shares.sum():
        raise InputError(
            f"the split {' '.join(f'{share:g}' for share in shares)} is none: give shares of"
            " training, validation and test, as 70 20 10"
        )
    parts = _deal_out(rows, shares / shares.sum(), seed=seed, part_names=SPLITS)
    return {slide: SPLITS[part] for slide, part in parts.items()}


def assign_folds(
    rows: Iterable[dict], *, n_folds: int = 5, seed: int, validates: bool = True
) -> dict[str, int]:
    """Divide slides into folds of one size, by patient and stratified as in `assign_splits`.

    In run k of a cross-validation, fold k is the test set, fold ``k % n_folds + 1`` the validation
    set, and the others are the training set. Gives the fold of each slide, 1 to `n_folds`, in the
    order of `rows`. Raises InputError for less than 3 folds, so that none is left to train with,
    and for fewer patients than folds; 2 do where none `validates`.
    """
    if n_folds < 2 + validates:
        raise InputError(
            f"{n_folds} folds are too few: one tests{', one validates' * validates} and the rest"
            f" train; give {2 + validates} or more"
        )
    names = [f"fold {fold}" for fold in range(1, n_folds + 1)]
    parts = _deal_out(rows, np.full(n_folds, 1 / n_folds), seed=seed, part_names=names)
    return {slide: part + 1 for slide, part in parts.items()}


def count_parts(rows: Iterable[dict], parts: dict[str, str] | dict[str, int]) -> list[dict]:
    """Count slides, patients and the slides of each stratum in every part.

    `parts` come from `assign_splits` or `assign_folds`. There is one row per part, in the order of
    `SPLITS` or of the folds.
    """
    patients = _group_by_patient(rows)
    strata = _find_strata(patients)
    names = sorted(set(strata.values()), key=_RANKS.index)
    order = sorted(
        set(parts.values()), key=lambda part: SPLITS.index(part) if part in SPLITS else part
    )
    table = []
    for part in order:
        keys = [key for key, slides in patients.items() if parts[slides[0]["slide"]] == part]
        slides = {name: sum(len(patients[k]) for k in keys if strata[k] == name) for name in names}
        table.append(
            {"part": part, "slides": sum(slides.values()), "patients": len(keys), **slides}
        )
    return table


def _key_of_patient(row: dict) -> tuple[str, str]:
    """Key of a slide's patient; a slide without patient has a key of its own."""
    return ("patient", row["patient"]) if "patient" in row else ("slide", row["slide"])


def _group_by_patient(rows: Iterable[dict]) -> dict[tuple[str, str], list[dict]]:
    """Gather the slides of each patient, in an order that does not depend on the sheet's."""
    patients: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        patients.setdefault(_key_of_patient(row), []).append(row)
    return dict(sorted(patients.items()))


def _find_strata(patients: dict[tuple[str, str], list[dict]]) -> dict[tuple[str, str], str]:
    rows = [row for slides in patients.values() for row in slides]
    if 2 * sum("label" in row for row in rows) > len(rows):
        return {
            key: max((row.get("label", "no label") for row in slides), key=_RANKS.index)
            for key, slides in patients.items()
        }
    if 2 * sum("burden" in row for row in rows) > len(rows):
        return _divide_by_burden(patients)
    annotated = {
        key: any(row.keys() & TRUTH_COLUMNS or row.get("label") == "negative" for row in slides)
        for key, slides in patients.items()
    }
    return {key: "annotated" if known else "not annotated" for key, known in annotated.items()}


def _divide_by_burden(patients: dict[tuple[str, str], list[dict]]) -> dict[tuple[str, str], str]:
    burdens = {k: [r["burden"] for r in slides if "burden" in r] for k, slides in patients.items()}
    highest = {key: max(found) for key, found in burdens.items() if found}
    bounds = np.quantile(list(highest.values()), [1 / 3, 2 / 3])
    terciles = np.searchsorted(bounds, list(highest.values()))
    known = {key: BURDENS[tercile] for key, tercile in zip(highest, terciles, strict=True)}
    return {key: known.get(key, "no burden") for key in patients}


def _deal_out(
    rows: Iterable[dict], fractions: np.ndarray, *, seed: int, part_names: Sequence[str]
) -> dict[str, int]:
    """Find the index of the part of each slide, as the module's docstring describes."""
    if seed < 0:
        raise InputError(f"the seed {seed} is negative; give 0 or more")
    rows = list(rows)
    patients = _group_by_patient(rows)
    strata = _find_strata(patients)
    groups: dict[int, dict[str, list]] = {}
    for key, slides in patients.items():
        group = groups.setdefault(len(slides), {name: [] for name in set(strata.values())})
        group[strata[key]].append(key)
    sizes = sorted(groups, reverse=True)
    names = sorted(set(strata.values()))
    counts = np.array([[len(groups[size][name]) for name in names] for size in sizes])
    quotas = _share_out(_round_sizes(len(rows) * fractions), sizes, counts.sum(1))
    in_parts = zip(part_names, quotas.T @ sizes, fractions, strict=True)
    empty = [name for name, n, share in in_parts if share and not n]
    if empty:
        raise InputError(
            f"{len(rows)} slides of {len(patients)} patients are too few: none is left for"
            f" {', '.join(empty)}; give more slides, or fewer or larger parts"
        )
    rng = np.random.default_rng(seed)
    part_of = {}
    for size, table in zip(
        sizes, _spread_strata(counts, quotas, sizes, fractions, rng), strict=True
    ):
        for name, row in zip(names, table, strict=True):
            keys = groups[size][name]
            parts = np.repeat(np.arange(len(fractions)), row)
            part_of |= {
                keys[i]: int(part)
                for i, part in zip(rng.permutation(len(keys)), parts, strict=True)
            }
    return {row["slide"]: part_of[_key_of_patient(row)] for row in rows}


def _round_sizes(sizes: np.ndarray) -> np.ndarray:
    """Round to whole numbers of the same sum: the largest remainders go up."""
    whole = np.floor(sizes + 1e-9).astype(int)
    up = np.argsort(whole - sizes, kind="stable")[: round(sizes.sum()) - whole.sum()]
    whole[up] += 1
    return whole


def _share_out(missing: np.ndarray, sizes: Sequence[int], n_patients: np.ndarray) -> np.ndarray:
    """Number of patients of each size in each part: the next goes to the part that lacks most.

    So a full part gets no more patients, and each ends less than one patient from its target.
    """
    missing = missing.copy()
    quotas = np.zeros((len(sizes), len(missing)), int)
    for quota, size, n in zip(quotas, sizes, n_patients, strict=True):
        for _ in range(n):
            part = missing.argmax()
            quota[part] += 1
            missing[part] -= size
    return quotas


def _spread_strata(
    counts: np.ndarray,
    quotas: np.ndarray,
    sizes: Sequence[int],
    fractions: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Number of patients of each size and stratum in each part: (sizes, strata, parts).

    For one patient size after the other, the slides of each stratum and part are brought as near
    to their share as the quotas allow, until nothing changes.
    """
    shares = np.outer(sizes @ counts, fractions)  # slides
    tables = np.zeros((*counts.shape, len(fractions)), int)
    # Decides between equally even solutions, which the solver would choose by its own order.
    noise = 1e-3 * rng.random(tables.shape)
    for _ in range(PASSES):
        before = tables.copy()
        for i, size in enumerate(sizes):
            others = np.tensordot(sizes, tables, 1) - size * tables[i]
            tables[i] = _find_nearest((shares - others) / size + noise[i], counts[i], quotas[i])
        if np.array_equal(tables, before):
            break
    return tables


def _find_nearest(owed: np.ndarray, counts: np.ndarray, quotas: np.ndarray) -> np.ndarray:
    """Find the table of whole numbers nearest to `owed` with the given sums of rows and columns.

    Least squares as a transport problem, whose vertices are whole numbers: the k-th patient of a
    stratum in a part is a variable from 0 to 1 with the square that it adds as its cost.
    """
    repeats = np.minimum.outer(counts, quotas).ravel()
    cell = np.repeat(np.arange(owed.size), repeats)
    kth = np.arange(len(cell)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    stratum, part = np.divmod(cell, len(quotas))
    sums = np.vstack(
        [np.arange(len(n))[:, None] == of for n, of in ((counts, stratum), (quotas, part))]
    )
    found = linprog(
        2 * (kth - owed.ravel()[cell]) + 1,
        A_eq=sums.astype(float),
        b_eq=np.concatenate([counts, quotas]),
        bounds=(0, 1),
        method="highs-ds",
    )
    return np.bincount(cell, found.x.round(), minlength=owed.size).astype(int).reshape(owed.shape)
