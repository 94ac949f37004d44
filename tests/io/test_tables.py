"""Tables for programs and for people, and the cohort's table."""

import csv

import pytest

from microtome.cohort.table import check_policy, list_slides
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import read_table, write_table
from microtome.io.text_tables import markdown_table


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_the_suffix_says_the_delimiter(tmp_path, suffix, delimiter):
    """A table is comma or tab separated, one line a row, and reads back as text."""
    path = tmp_path / f"a.{suffix}"
    write_table(path, [{"slide": "a", "n": 3, "dice": 0.5}, {"slide": "b", "n": 4, "dice": 1.0}])
    assert path.read_text() == "slide,n,dice\na,3,0.5\nb,4,1\n".replace(",", delimiter)
    assert read_table(path) == [
        {"slide": "a", "n": "3", "dice": "0.5"},
        {"slide": "b", "n": "4", "dice": "1"},
    ]


def test_unknown_figures_are_empty_cells(tmp_path):
    """None, NaN and a value that a row lacks are empty, a zero is not."""
    rows = [{"a": None, "b": float("nan"), "c": 0, "d": 0.0}, {"a": 1, "b": 2.5}]
    write_table(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_text() == "a,b,c,d\n,,0,0\n1,2.5,,\n"


def test_figures_have_six_digits(tmp_path):
    """Floats are written with six digits that count, whole numbers in full."""
    write_table(tmp_path / "a.csv", [{"x": 1 / 3, "y": 1e-9 / 3, "n": 123456789}])
    assert (tmp_path / "a.csv").read_text() == "x,y,n\n0.333333,3.33333e-10,123456789\n"


def test_text_with_delimiters_comes_back(tmp_path):
    """Reasons may hold commas, tabs, quotes and line breaks."""
    rows = [{"reason": 'a, "b"\tc\nd', "µm": "8 µm"}]
    for name in ("a.csv", "a.tsv"):
        write_table(tmp_path / name, rows)
        assert read_table(tmp_path / name) == rows


def test_a_table_without_rows_has_its_columns(tmp_path):
    """Where the columns are told there may be no row, and they order the others."""
    write_table(tmp_path / "a.csv", [], columns=["slide", "dice"])
    assert (tmp_path / "a.csv").read_text() == "slide,dice\n"
    write_table(
        tmp_path / "a.csv", [{"dice": 1, "slide": "a", "more": 2}], columns=["slide", "dice"]
    )
    assert (tmp_path / "a.csv").read_text() == "slide,dice\na,1\n"


def test_rows_may_be_a_generator(tmp_path):
    """Rows are read once."""
    write_table(tmp_path / "a.csv", ({"n": n} for n in range(3)))
    with (tmp_path / "a.csv").open() as file:
        assert [row["n"] for row in csv.DictReader(file)] == ["0", "1", "2"]


def test_markdown_is_aligned():
    """Three digits, NaN empty, columns of one width."""
    found = markdown_table(
        [{"model": "a", "Dice": 0.12345}, {"model": "longer", "Dice": float("nan")}]
    )
    assert found == (
        "| model  | Dice  |\n| ------ | ----- |\n| a      | 0.123 |\n| longer |       |\n"
    )


def statuses(tmp_path, slide: str, *steps: dict) -> list[str]:
    """Write the statuses of a slide's steps."""
    paths = []
    for i, step in enumerate(steps):
        paths.append(str(tmp_path / f"{slide}_{i}.json"))
        write_json(paths[-1], {"state": "ok", "reason": "", **step})
    return paths


def test_the_cohort_lists_every_slide(tmp_path):
    """Good or excluded, each slide is a row in the sheet's order, with its reason and figures."""
    sheet = {"b": {"slide": "b", "split": "train"}, "a": {"slide": "a"}}
    bad = {"state": "excluded", "reason": "no tissue"}
    rows = list_slides(
        sheet,
        {
            "a": statuses(tmp_path, "a", {"vendor": "aperio", "spacing_um": 0.5}, bad, bad),
            "b": statuses(
                tmp_path,
                "b",
                {"vendor": "aperio", "spacing_um": 0.5, "width_px": 10, "notes": ["x"]},
                {"tissue_mm2": 2.0, "spacing_um": 8.0},
                {"burden": 0.3, "notes": ["y", "z"]},
            ),
        },
    )
    assert [row["slide"] for row in rows] == ["b", "a"]
    first, second = rows
    assert (first["split"], first["state"], first["reason"]) == ("train", "ok", "")
    assert (first["spacing_um"], first["width_px"], first["tissue_mm2"]) == (0.5, 10, 2.0)
    assert (first["true_burden"], first["notes"]) == (0.3, "x; y; z")
    assert (second["split"], second["state"], second["reason"]) == ("", "excluded", "no tissue")
    assert (second["vendor"], second["tissue_mm2"]) == ("aperio", None)


def test_policy_for_bad_slides():
    """'exclude' goes on while a slide is left, 'stop' does not; no slide left always stops."""
    good, bad = {"reason": ""}, {"reason": "slide x: broken"}
    check_policy([good, bad], "exclude")
    check_policy([good, good], "stop")
    text = "^1 of 2 slides cannot be used and bad_slides is 'stop': slide x: broken$"
    with pytest.raises(InputError, match=text):
        check_policy([good, bad], "stop")
    text = "^none of the 2 slides can be used: slide x: broken; slide x: broken$"
    with pytest.raises(InputError, match=text):
        check_policy([bad, bad], "exclude")
