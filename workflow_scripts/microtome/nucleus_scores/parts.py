"""Folds and repeated splits: rows of each, means over what is known."""

import statistics
from collections.abc import Iterable, Mapping


def group_by_part(rows: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    """Sort rows by their ``part``, in the order in which parts appear.

    Examples
    --------
    >>> list(group_by_part([{"part": "fold2"}, {"part": "fold1"}, {"part": "fold2"}]))
    ['fold2', 'fold1']
    """
    found: dict[str, list[Mapping]] = {}
    for row in rows:
        found.setdefault(row["part"], []).append(row)
    return found


def mean_of(rows: Iterable[Mapping], key: str) -> float | None:
    """Average a figure over the rows that have it; None if none has.

    Examples
    --------
    >>> mean_of([{"f": 0.5}, {"f": None}, {"f": 1.0}], "f")
    0.75
    """
    known = [row[key] for row in rows if row[key] is not None]
    return statistics.fmean(known) if known else None


def spread_of(rows: Iterable[Mapping], key: str) -> float | None:
    """Sample standard deviation of a figure over the rows that have it; None of fewer than two.

    Examples
    --------
    >>> spread_of([{"f": 1.0}, {"f": 3.0}], "f"), spread_of([{"f": 1.0}, {"f": None}], "f")
    (1.4142135623730951, None)
    """
    known = [row[key] for row in rows if row[key] is not None]
    return statistics.stdev(known) if len(known) > 1 else None
