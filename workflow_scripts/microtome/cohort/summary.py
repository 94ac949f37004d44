"""How many slides of a cohort are used, and why the others are not: a run's last lines."""

import re
from pathlib import Path

from microtome.io.tables import read_table

_MOST_REASONS, _MOST_NAMED = 6, 3


def summarize_cohort(table: str | Path) -> list[str]:
    r"""Count the slides that are in and out by ``results/cohort.tsv``; the reasons, most first.

    Reasons that differ in names and numbers only are one, told in the words of its first slide.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".tsv") as file:
    ...     print("slide", "state", "reason", sep="\t", file=file)
    ...     print("a", "excluded", "slide a: is empty", sep="\t", file=file, flush=True)
    ...     summarize_cohort(file.name)[1]
    '  1 slide (a): is empty'
    """
    rows = read_table(table)
    out = [row for row in rows if row["state"] != "ok"]
    if not out:
        return [f"all {len(rows)} slides used" if len(rows) > 1 else "the slide is used"]
    groups: dict[str, list[dict]] = {}
    for row in out:
        groups.setdefault(_shape(row), []).append(row)
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = [
        f"{len(rows) - len(out)} of {len(rows)} slides used, {len(out)} left out; {table} says why"
        " of each"
    ]
    for group in ordered[:_MOST_REASONS]:
        names = [row["slide"] for row in group]
        more = f" and {len(names) - _MOST_NAMED} more" * (len(names) > _MOST_NAMED)
        lines.append(
            f"  {len(names)} slide{'s' * (len(names) > 1)}"
            f" ({', '.join(names[:_MOST_NAMED])}{more}): {_words(group[0])}"
        )
    others = sum(map(len, ordered[_MOST_REASONS:]))
    return lines + [f"  {others} for other reasons"] * bool(others)


def _words(row: dict) -> str:
    return row["reason"].removeprefix(f"slide {row['slide']}: ")


def _shape(row: dict) -> str:
    """Leave out of a reason what is of one slide: names of files, and numbers."""
    return re.sub(r"\S*[\d/]\S*|\S+\.\w{2,5}\b", "", _words(row))
