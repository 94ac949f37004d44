"""Splits and folds: patients together, sizes right, strata even, the same for the same seed."""

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import REPOSITORY
from microtome.cohort.sheet_cells import fill_column, read_cells, write_cells
from microtome.cohort.splits import SPLITS, assign_folds, assign_splits, count_parts
from microtome.errors import InputError

COMMAND = REPOSITORY / "workflow_scripts" / "assign_splits.py"
LABELS = ("negative", "itc", "micro", "macro")


def singles(labels) -> list[dict]:
    """Make a slide a patient, with labels."""
    return [{"slide": f"s{i}", "label": label} for i, label in enumerate(labels)]


def unlabelled(n: int) -> list[dict]:
    """Make slides of which no more is known."""
    return [{"slide": f"s{i}"} for i in range(n)]


@st.composite
def cohorts(draw, *, most_slides: int = 5) -> list[dict]:
    """Draw the rows of 12 to 40 patients with labels."""
    patients = draw(
        st.lists(st.lists(st.sampled_from(LABELS), min_size=1, max_size=most_slides), min_size=12)
    )
    return [
        {"slide": f"s{p}-{i}", "patient": f"p{p}", "label": label}
        for p, labels in enumerate(patients[:40])
        for i, label in enumerate(labels)
    ]


def sizes(parts: dict) -> Counter:
    """Count the slides of each part."""
    return Counter(parts.values())


def largest(rows: list[dict]) -> int:
    """Count the slides of the largest patient."""
    return max(Counter(row["patient"] for row in rows).values())


def columns(table: list[dict], *names: str) -> list[list]:
    """Take columns of a table."""
    return [[row[name] for row in table] for name in names]


@pytest.mark.parametrize(
    ("n", "fractions", "expected"),
    [
        (50, (0.7, 0.2, 0.1), (35, 10, 5)),
        (50, (36, 8, 6), (36, 8, 6)),  # as the paper calls 70:20:10
        (13, (7, 2, 1), (9, 3, 1)),  # of 9.1, 2.6 and 1.3 the largest remainder goes up
        (4, (3, 1, 0), (3, 1, 0)),
    ],
)
def test_sizes_are_the_rounded_fractions(n, fractions, expected):
    """Shares of any sum, none too; the largest remainders round up."""
    found = sizes(assign_splits(unlabelled(n), fractions=fractions, seed=3))
    assert tuple(found[name] for name in SPLITS) == expected


@settings(max_examples=60)
@given(cohorts(), st.integers(0, 9))
def test_every_slide_is_somewhere_and_patients_stay_together(rows, seed):
    """Each slide has one part, in the sheet's order, and it is that of its patient."""
    for parts in (assign_splits(rows, seed=seed), assign_folds(rows, n_folds=3, seed=seed)):
        assert list(parts) == [row["slide"] for row in rows]
        part_of = {row["patient"]: parts[row["slide"]] for row in rows}
        assert all(parts[row["slide"]] == part_of[row["patient"]] for row in rows)


@settings(max_examples=60)
@given(cohorts(), st.lists(st.integers(2, 9), min_size=3, max_size=3), st.integers(3, 8))
def test_sizes_are_less_than_a_patient_off(rows, weights, n_folds):
    """A part misses its share by less than the slides of the largest patient."""
    found = sizes(assign_folds(rows, n_folds=n_folds, seed=0))
    assert all(abs(n - len(rows) / n_folds) < largest(rows) for n in found.values())
    found = sizes(assign_splits(rows, fractions=weights, seed=0))
    for part, weight in zip(SPLITS, weights, strict=True):
        assert abs(found[part] - len(rows) * weight / sum(weights)) < largest(rows)


@settings(max_examples=60)
@given(cohorts(most_slides=1), st.integers(3, 8), st.integers(0, 9))
def test_strata_are_spread_to_less_than_a_slide(rows, n_folds, seed):
    """With a slide a patient, folds miss their share of slides and labels by less than one."""
    folds = assign_folds(rows, n_folds=n_folds, seed=seed)
    assert all(abs(n - len(rows) / n_folds) < 1 for n in sizes(folds).values())
    labels = Counter(row["label"] for row in rows)
    found = Counter((row["label"], folds[row["slide"]]) for row in rows)
    for label, fold in itertools.product(labels, range(1, n_folds + 1)):
        assert abs(found[label, fold] - labels[label] / n_folds) < 1


@pytest.mark.parametrize("seed", range(4))
def test_no_split_of_these_sizes_is_more_even(seed):
    """Against all splits of nine slides of three labels, by squares of what is missing."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, 9)
    rows = singles(LABELS[i] for i in label)
    fractions = np.array([0.5, 0.3, 0.2])
    share = np.outer(np.bincount(label, minlength=3), fractions)
    found = assign_splits(rows, fractions=fractions, seed=seed)
    part = np.array([SPLITS.index(found[row["slide"]]) for row in rows])

    def missed(parts: np.ndarray) -> float:
        table = np.zeros((3, 3))
        np.add.at(table, (label, parts), 1)
        return ((table - share) ** 2).sum()

    every = np.array(list(itertools.product(range(3), repeat=9)))
    same = (np.sort(every) == np.sort(part)).all(1)
    assert missed(part) == pytest.approx(min(missed(parts) for parts in every[same]))


def test_small_patients_make_good_for_large_ones():
    """One large macro patient is balanced by small ones, wherever that patient goes."""
    rows = [{"slide": f"a{i}", "patient": "a", "label": "macro"} for i in range(4)]
    rows += singles(["macro"] * 8 + ["negative"] * 12)
    for seed in range(4):
        table = count_parts(rows, assign_folds(rows, n_folds=3, seed=seed))
        assert columns(table, "slides", "negative", "macro") == [[8] * 3, [4] * 3, [4] * 3]


@settings(max_examples=40)
@given(cohorts(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    """A sheet that is sorted otherwise has the same split and folds."""
    mixed = random.sample(rows, len(rows))
    assert assign_splits(mixed, seed=1) == assign_splits(rows, seed=1)
    assert assign_folds(mixed, n_folds=4, seed=1) == assign_folds(rows, n_folds=4, seed=1)


def test_the_seed_decides():
    """The same seed gives the same split, and ten seeds ten of them, all of one size."""
    rows = singles(LABELS * 10)
    found = [assign_splits(rows, seed=seed) for seed in range(10)]
    assert found == [assign_splits(rows, seed=seed) for seed in range(10)]
    assert len({tuple(parts.values()) for parts in found}) == 10
    assert all(sizes(parts) == {"train": 28, "validation": 8, "test": 4} for parts in found)


def test_a_slide_without_patient_is_one_of_its_own():
    """A slide that is called like a patient is not that patient's."""
    rows = [{"slide": "b", "patient": "a"}, {"slide": "a"}, {"slide": "c"}]
    assert sorted(assign_folds(rows, n_folds=3, seed=0).values()) == [1, 2, 3]


STRATA = {
    "a patient has the highest label of its slides": (
        [
            {"slide": "a1", "patient": "a", "label": "negative"},
            {"slide": "a2", "patient": "a", "label": "macro"},
            {"slide": "a3", "patient": "a"},
            {"slide": "b", "label": "itc"},
            {"slide": "c"},
        ],
        {"no label": 1, "itc": 1, "macro": 3},
    ),
    # Of 0.1 ... 0.6 and 0.9 the terciles are 0.3 and 0.5.
    "burdens are parted at the terciles of patients": (
        [
            *({"slide": f"s{i}", "burden": i / 10, "annotation": "x"} for i in range(1, 7)),
            {"slide": "low too", "patient": "p", "burden": 0.05},
            {"slide": "but high", "patient": "p", "burden": 0.9},
            {"slide": "s9"},
        ],
        {"no burden": 1, "low burden": 3, "middle burden": 2, "high burden": 3},
    ),
    # 'negative' is a truth.
    "labels and burdens of half the slides are not enough": (
        [
            {"slide": "a", "label": "negative", "burden": 0.0},
            {"slide": "b", "label": "macro", "burden": 0.5},
            {"slide": "c", "viable_mask": "c.tif"},
            {"slide": "d"},
        ],
        {"not annotated": 2, "annotated": 2},
    ),
}


@pytest.mark.parametrize(("rows", "expected"), STRATA.values(), ids=STRATA)
def test_strata(rows, expected):
    """Labels, else burdens, else whether there is a truth: each slide in its patient's stratum."""
    (found,) = count_parts(rows, {row["slide"]: "train" for row in rows})
    counts = {"part": "train", "slides": len(rows), "patients": found["patients"]}
    assert found == {**counts, **expected}


def test_the_table_counts_slides_patients_and_strata():
    """A row a part in the order of use, by hand."""
    rows = [
        {"slide": "a", "patient": "p", "label": "itc"},
        {"slide": "b", "patient": "p", "label": "itc"},
        {"slide": "c", "label": "negative"},
        {"slide": "d", "label": "itc"},
    ]
    assert count_parts(rows, {"a": "test", "b": "test", "c": "train", "d": "train"}) == [
        {"part": "train", "slides": 2, "patients": 2, "negative": 1, "itc": 1},
        {"part": "test", "slides": 2, "patients": 1, "negative": 0, "itc": 2},
    ]
    assert columns(count_parts(rows, {"a": 2, "b": 2, "c": 10, "d": 1}), "part") == [[1, 2, 10]]


def test_too_few_patients():
    """A part that nobody is left for is named, also where slides are many but patients few."""
    with pytest.raises(InputError) as caught:
        assign_splits(singles(LABELS), seed=0)
    assert str(caught.value) == (
        "4 slides of 4 patients are too few: none is left for test; give more slides, or fewer or"
        " larger parts"
    )
    rows = [{"slide": f"s{i}", "patient": f"p{i % 4}"} for i in range(40)]
    with pytest.raises(InputError, match=r"40 slides of 4 patients are too few: .* fold 5;"):
        assign_folds(rows, seed=0)
    assert set(assign_folds(rows, n_folds=4, seed=0).values()) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("assign", "options", "line"),
    [
        *(
            (assign_splits, {"fractions": shares}, r"the split .* is none: give shares of training")
            for shares in ((0, 0, 0), (-1, 1, 1), (1, 1), (float("nan"), 1, 1))
        ),
        (assign_splits, {"seed": -1}, "the seed -1 is negative"),
        (assign_folds, {"n_folds": 2}, "2 folds are too few"),
    ],
)
def test_what_makes_no_sense(assign, options, line):
    """Shares are three, none negative and not all zero; two folds leave none to train with."""
    with pytest.raises(InputError, match=f"^{line}"):
        assign(singles(LABELS * 5), **{"seed": 0, **options})


def test_a_sheet_comes_back_as_it_was(tmp_path):
    """Order of columns and rows and quoted cells survive, what spreadsheets add does not."""
    sheet = tmp_path / "slides.txt"
    text = 'path\tslide\tnode\na b.svs\ts 1\t\n"c\td"\ts2\t007\n'
    sheet.write_text("\ufeff" + text.replace("\n", " \t\t\n") + "\t\t\n", encoding="utf-8")
    write_cells(sheet, *read_cells(sheet))
    assert sheet.read_bytes() == text.encode()


def test_a_column_is_filled():
    """It stays in its place or comes last; a value that is there is replaced only when told."""

    def fill(cell: str, *, replace: bool = False) -> tuple:
        rows = [{"fold": cell, "slide": "a "}]
        return fill_column(["fold", "slide"], rows, column="fold", values={"a": 3}, replace=replace)

    filled = ["fold", "slide"], [{"fold": "3", "slide": "a "}]
    assert fill("") == fill(" 3") == fill(" 2", replace=True) == filled
    with pytest.raises(InputError) as caught:
        fill(" 2")
    assert str(caught.value) == (
        "slide a has the fold 2 already and would get 3; --force replaces what is there"
    )
    found = fill_column(["slide"], [{"slide": "a"}], column="fold", values={"a": 2}, replace=False)
    assert found == (["slide", "fold"], [{"slide": "a", "fold": "2"}])


def run(sheet: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command on a sheet."""
    command = [sys.executable, COMMAND, sheet.name, *arguments]
    return subprocess.run(command, cwd=sheet.parent, capture_output=True, text=True, check=False)


@pytest.fixture
def sheet(tmp_path) -> Path:
    """A sheet of 20 slides, ten patients and two labels."""
    lines = ["slide\tpatient\tpath\tlabel"]
    for i in range(20):
        (tmp_path / f"{i}.svs").touch()
        lines.append(f"s{i}\tp{i // 2}\t{i}.svs\t{'macro' if i < 10 else 'negative'}")
    path = tmp_path / "slides.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_command_fills_splits(sheet):
    """70:20:10 unless told otherwise, shown as a table; once more it changes nothing."""
    before = sheet.read_text().splitlines()
    done = run(sheet)
    assert done.returncode == 0, done.stderr
    after = sheet.read_text().splitlines()
    assert [line.rpartition("\t")[0] for line in after] == before
    assert Counter(line.rpartition("\t")[2] for line in after) == {
        "split": 1,
        "train": 14,
        "validation": 4,
        "test": 2,
    }
    assert done.stdout.splitlines()[2].split()[1:6:2] == ["train", "14", "7"]
    assert run(sheet, "--seed", "0").returncode == 0
    assert sheet.read_text().splitlines() == after


def test_the_command_fills_folds_and_replaces_only_by_force(sheet):
    """Another seed is refused in one line that changes nothing, unless forced."""
    assert run(sheet, "--folds", "5").returncode == 0
    first = sheet.read_text()
    assert first.splitlines()[0].endswith("\tfold")
    refused = run(sheet, "--folds", "5", "--seed", "7")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "--force replaces" in refused.stderr
    assert sheet.read_text() == first
    assert run(sheet, "--folds", "5", "--seed", "7", "--force").returncode == 0
    assert sheet.read_text() != first


def test_the_command_checks_the_sheet(sheet):
    """A mistake in the sheet is the line that the workflow would say."""
    sheet.write_text(sheet.read_text().replace("3.svs", "4.svs"))
    done = run(sheet)
    assert done.returncode == 1
    assert "the file 4.svs is the path of slide s3 (row 5) too" in done.stderr
