"""The table of networks at several spacings."""

import pytest

from microtome.errors import InputError
from microtome.evaluation.spacings import spacing_rows
from microtome.io.tables import read_table, write_table


def test_a_row_a_spacing_and_a_column_a_network(tmp_path):
    """Accuracies of the models' table, sorted by spacing; a cell is empty where there is none."""
    accuracies = {"r_64x": 0.86, "r_4x": 0.93, "e_4x": 0.96, "other": 0.5}
    models = [{"model": m, "accuracy": a, "accuracy_sd": a / 10} for m, a in accuracies.items()]
    write_table(tmp_path / "models.tsv", models)
    places = [("r", 32.0, "r_64x"), ("r", 2.0, "r_4x"), ("e", 2.0, "e_4x")]
    keys = ("network", "spacing_um", "model")
    at_spacings = [dict(zip(keys, place, strict=True)) for place in places]
    write_table(
        tmp_path / "spacings.csv", spacing_rows(read_table(tmp_path / "models.tsv"), at_spacings)
    )
    assert (tmp_path / "spacings.csv").read_text().splitlines() == [
        "spacing_um,r,r sd,e,e sd",
        "2,0.93,0.093,0.96,0.096",
        "32,0.86,0.086,,",
    ]


def test_without_such_networks_there_is_no_table():
    """A line says so where the table is asked for all the same."""
    with pytest.raises(InputError, match="run: has no network at several spacings"):
        spacing_rows([{"model": "a", "accuracy": 1, "accuracy_sd": None}], [])
