"""Tables for programs and for people, and the cohort's table."""

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
    write_table(path, ({"slide": slide, "n": 3, "dice": 0.5} for slide in "ab"))
    assert path.read_text() == "slide,n,dice\na,3,0.5\nb,3,0.5\n".replace(",", delimiter)
    assert read_table(path) == [{"slide": slide, "n": "3", "dice": "0.5"} for slide in "ab"]


def test_figures_have_six_digits_and_unknown_ones_are_empty_cells(tmp_path):
    """Whole numbers are written in full; None, NaN and a value that a row lacks are empty."""
    rows = [{"a": None, "b": float("nan"), "c": 0, "d": 0.0}, {"a": 1e-9 / 3, "b": 123456789}]
    write_table(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_text() == "a,b,c,d\n,,0,0\n3.33333e-10,123456789,,\n"


def test_text_with_delimiters_comes_back(tmp_path):
    """Reasons may hold commas, tabs, quotes and line breaks."""
    rows = [{"reason": 'a, "b"\tc\nd', "µm": "8 µm"}]
    for name in ("a.csv", "a.tsv"):
        write_table(tmp_path / name, rows)
        assert read_table(tmp_path / name) == rows


@pytest.mark.parametrize(
    ("rows", "text"), [([], ""), ([{"dice": 1, "slide": "a", "more": 2}], "a,1\n")]
)
def test_a_table_has_the_columns_that_are_told(tmp_path, rows, text):
    """Where the columns are told there may be no row, and they order the others."""
    write_table(tmp_path / "a.csv", rows, columns=["slide", "dice"])
    assert (tmp_path / "a.csv").read_text() == f"slide,dice\n{text}"


def test_markdown_is_aligned():
    """Three digits, NaN empty, columns of one width."""
    rows = [{"model": "a", "Dice": 0.12345}, {"model": "longer", "Dice": float("nan")}]
    lines = ["| model  | Dice  |", "| ------ | ----- |", "| a      | 0.123 |", "| longer |       |"]
    assert markdown_table(rows).splitlines() == lines


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
