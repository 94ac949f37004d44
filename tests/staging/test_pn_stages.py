"""Stages of patients by the challenge's text."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtome.errors import InputError
from microtome.staging.pn_stages import CLASSES, STAGES, pn_stage, stage_patients

# The text's cells for five nodes: (macro, micro, ITC) or None for any number, first match counts.
FIVE_NODES = [
    (0, 0, 0, "pN0"),
    (0, 0, None, "pN0(i+)"),
    (0, None, None, "pN1mi"),
    (1, 0, None, "pN1"),
    (1, 1, None, "pN1"),
    (1, 2, None, "pN1"),
    (1, 3, None, "pN2"),
    (1, 4, None, "pN2"),
    (2, 0, None, "pN1"),
    (2, 1, None, "pN1"),
    (2, 2, None, "pN2"),
    (2, 3, None, "pN2"),
    (3, 0, None, "pN1"),
    (3, 1, None, "pN2"),
    (3, 2, None, "pN2"),
    (4, None, None, "pN2"),
    (5, None, None, "pN2"),
]


def by_table(classes: tuple[str, ...]) -> str:
    """Look the counts up."""
    counts = [classes.count(name) for name in ("macro", "micro", "itc")]
    for *cells, stage in FIVE_NODES:
        if all(cell in (None, n) for cell, n in zip(cells, counts, strict=True)):
            return stage
    raise AssertionError(counts)


def test_names_and_their_order():
    """Both from low to high: kappa's weights rest on it."""
    assert CLASSES == ("negative", "itc", "micro", "macro")
    assert STAGES == ("pN0", "pN0(i+)", "pN1mi", "pN1", "pN2")


def test_all_patients_of_five_nodes():
    """Each of the 4^5 patients has the stage of the table, and every stage occurs."""
    found = {classes: pn_stage(classes) for classes in product(CLASSES, repeat=5)}
    assert len(found) == 1024
    assert found == {classes: by_table(classes) for classes in found}
    assert set(found.values()) == set(STAGES)


@given(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=30), st.randoms())
def test_order_and_what_is_not_positive_do_not_matter(classes, random):
    """Shuffled the stage stays; with a macro it stays with more ITCs and negative nodes too."""
    shuffled = list(classes)
    random.shuffle(shuffled)
    assert pn_stage(iter(shuffled)) == pn_stage(classes)
    if "macro" in classes:
        assert pn_stage([*classes, *["itc"] * 12, *["negative"] * 12]) == pn_stage(classes)


@pytest.mark.parametrize(
    ("n_positive", "stage"), [(1, "pN1"), (3, "pN1"), (4, "pN2"), (9, "pN2"), (10, "pN3")]
)
def test_bounds_of_the_stages_with_a_macro(n_positive, stage):
    """Three and nine positive nodes are the last of their stage; ten are beyond; micro is one."""
    assert pn_stage(["macro", *["micro"] * (n_positive - 1)]) == stage
    assert pn_stage(["macro"] * n_positive + ["itc"]) == stage
    assert pn_stage(["micro"] * n_positive) == "pN1mi"


def test_unknown_classes_and_no_nodes():
    """Nothing is guessed."""
    with pytest.raises(InputError, match="'Macro' is no class of a lymph node; known: negative"):
        pn_stage(["negative", "Macro"])
    with pytest.raises(InputError, match="without lymph nodes"):
        pn_stage([])


def nodes(patient: str, *classes: str | None) -> list[dict]:
    """Make rows of a patient, its nodes numbered."""
    return [
        {"patient": patient, "node": f"{patient}_node_{i}", "class": name}
        for i, name in enumerate(classes)
    ]


def test_patients_of_a_table():
    """Sorted; what is missing or excluded is counted, named and said, and the rest is staged."""
    table = [
        *nodes("b", "negative", None, "macro", ""),
        *nodes("c", None),
        *nodes("a", "itc", "negative", "negative", "negative", "negative"),
    ]
    found = stage_patients(table[::-1], nodes_per_patient=5)
    assert [row.pop("note") for row in found] == [
        "",
        "1 of 5 nodes missing; excluded: b_node_1 b_node_3",
        "no node is left to stage; 4 of 5 nodes missing; excluded: c_node_0",
    ]
    columns = ("patient", "stage", "nodes", "missing", "excluded", "complete")
    assert [tuple(row[column] for column in columns) for row in found] == [
        ("a", "pN0(i+)", 5, 0, "", True),
        ("b", "pN1", 2, 1, "b_node_1 b_node_3", False),
        ("c", "", 0, 4, "c_node_0", False),
    ]
    assert all(row.keys() == {*columns} for row in found)


def test_without_an_expected_number_no_node_is_missing():
    """Also with more nodes than expected none is."""
    (row,) = stage_patients(nodes("a", "micro", "micro"))
    assert (row["missing"], row["complete"], row["stage"]) == (0, True, "pN1mi")
    (row,) = stage_patients(nodes("a", "micro", "micro"), nodes_per_patient=1)
    assert (row["missing"], row["complete"]) == (0, True)
    assert stage_patients([]) == []


def test_mistakes_name_the_patient():
    """A node that is there twice, and a class that is none."""
    with pytest.raises(InputError, match="patient a: node a_node_0 is there twice"):
        stage_patients([*nodes("a", "itc"), *nodes("a", None)])
    with pytest.raises(InputError, match="patient a: 'tumour' is no class"):
        stage_patients(nodes("a", "tumour"))
    twice = [*nodes("a", "itc"), {"patient": "b", "node": "a_node_0", "class": "itc"}]
    assert [row["stage"] for row in stage_patients(twice)] == ["pN0(i+)", "pN0(i+)"]
