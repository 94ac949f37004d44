"""The tables of nucleus models as Markdown."""

from collections.abc import Mapping, Sequence

from microtome.io.text_tables import markdown_table
from microtome.nucleus_scores.comparison import Table

_TITLES = {
    "method": "method of the paper",
    "labels_percent": "labels (%)",
    "sparsity_percent": "p (%)",
    "parts": "folds",
    "precision": "precision",
    "recall": "recall",
    "f": "F-measure",
    "auroc": "AUROC",
    "dice_average": "DICE-average",
    "dice_mask": "Dice of the mask",
    "dice_ensemble": "ensemble Dice",
    "left_out": "left out",
}


def write_text(table: Table, *, each: Sequence[Mapping] = ()) -> str:
    """Write a table with its title; `each` are rows of a second one, of single attributes.

    Figures have four decimals, as in the paper, and their standard deviation over folds or repeated
    splits where there are several.
    """
    if not table.rows:
        return f"{table.title}\n\nNo model of this kind was scored.\n"
    spread = " ± is the standard deviation over folds." if _has_spread(table) else ""
    text = f"{table.title}\n\n{table.about}{spread}\n\n"
    shown = [c for c in table.columns if not c.endswith("_sd")]
    text += markdown_table(_show(row, shown, table.metrics) for row in table.rows)
    if each:
        rows = [_show(row, ("model", "attribute", "auroc"), ("auroc",)) for row in each]
        text += f"\nAttribute by attribute\n\n{markdown_table(rows)}"
    return text


def _has_spread(table: Table) -> bool:
    return any(row[f"{metric}_sd"] is not None for row in table.rows for metric in table.metrics)


def _show(row: Mapping, columns: Sequence[str], metrics: Sequence[str]) -> dict[str, str]:
    shown = {}
    for column in columns:
        text = _format(row[column], ".4f" if column in metrics else "g")
        if column in metrics and row[f"{column}_sd"] is not None:
            text += f" ± {row[f'{column}_sd']:.4f}"
        shown[_TITLES.get(column, column)] = text
    return shown


def _format(value: object, form: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if isinstance(value, int | float) else str(value)
