"""The last lines of a run: how many slides are in and out, and why."""

import pytest

from microtome.cohort.summary import summarize_cohort
from microtome.io.tables import write_table


@pytest.fixture
def lines(tmp_path):
    """Give a function that summarizes slides by their reasons; '' for a slide that is used."""

    def summarize(**reasons: str) -> list[str]:
        table = tmp_path / "cohort.tsv"
        rows = [
            {
                "slide": slide,
                "state": "excluded" if why else "ok",
                "reason": why and f"slide {slide}: {why}",
            }
            for slide, why in reasons.items()
        ]
        write_table(table, rows)
        head, *others = summarize_cohort(table)
        return [head.replace(str(table), "TABLE"), *others]

    return summarize


def test_all_slides_are_used(lines):
    """One line."""
    assert lines(a="", b="") == ["all 2 slides used"]
    assert lines(a="") == ["the slide is used"]


def test_reasons_of_one_kind_are_one(lines):
    """Names of files and numbers do not count; the most frequent reason comes first."""
    spacing = "does not say its spacing; add it to the column spacing_um of the slide sheet"
    found = lines(
        good="",
        dark="100.0% of it is dark: fluorescence or an unscanned slide, not H&E",
        **{name: f"/data/{name}.svs {spacing}" for name in ("a", "b", "c", "d1")},
        black="99.3% of it is dark: fluorescence or an unscanned slide, not H&E",
        e=f"e.ome.tif {spacing}",
    )
    assert found == [
        "1 of 8 slides used, 7 left out; TABLE says why of each",
        f"  5 slides (a, b, c and 2 more): /data/a.svs {spacing}",
        "  2 slides (dark, black): 100.0% of it is dark: fluorescence or an unscanned slide, not"
        " H&E",
    ]


def test_of_many_reasons_the_first_are_told(lines):
    """The screen is not filled; how many slides are behind the others is told."""
    found = lines(**{f"s{n}": word for n, word in enumerate("abcdefghi")})
    assert found[0] == "0 of 9 slides used, 9 left out; TABLE says why of each"
    assert found[1] == "  1 slide (s0): a"
    assert found[6:] == ["  1 slide (s5): f", "  3 for other reasons"]
