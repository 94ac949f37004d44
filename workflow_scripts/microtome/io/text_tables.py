"""Tables as text for people."""

import math
from collections.abc import Iterable


def markdown_table(rows: Iterable[dict]) -> str:
    """Format rows as a Markdown table, aligned, with three decimals.

    Examples
    --------
    >>> print(markdown_table([{"model": "unet", "Dice": 0.81234}]), end="")
    | model | Dice  |
    | ----- | ----- |
    | unet  | 0.812 |
    """
    rows = list(rows)
    header = list(rows[0])
    cells = [header] + [[_short(row[column]) for column in header] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
    lines = [
        " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in cells
    ]
    lines.insert(1, " | ".join("-" * w for w in widths))
    return "".join(f"| {line} |\n" for line in lines)


def _short(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3f}"
    return str(value)
