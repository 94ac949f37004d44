"""Slide sheets as people save them: read as they are meant, or refused with all mistakes."""

import os
import shutil
import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import REPOSITORY
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_rows import load_sheet
from microtome.errors import InputError

SHEET_SCHEMA = REPOSITORY / "rules" / "schemas" / "slides.schema.yaml"
KNOWN = ", ".join(yaml.safe_load(SHEET_SCHEMA.read_text(encoding="utf-8"))["properties"])
A, B = {"slide": "a", "path": "a.svs"}, {"slide": "b", "path": "b.svs"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with slides and an annotation."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.svs", "b.svs", "c.svs", "a.xml"):
        Path(name).touch()
    return tmp_path


def read(content: bytes | str, **options: object) -> dict:
    """Write a sheet as it is and read it."""
    Path("slides.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_sheet("slides.tsv", schema=SHEET_SCHEMA, **options)


def table(*rows: dict) -> str:
    """Write rows as a sheet."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [columns, *([str(row.get(column, "")) for column in columns] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def mistakes(content: bytes | str, **options: object) -> list[str]:
    """Read a bad sheet; give the lines that say why, without what is the same in all."""
    with pytest.raises(InputError) as caught:
        read(content, **options)
    head, *lines = str(caught.value).split("\n  ")
    assert head.startswith("slide sheet slides.tsv: ")
    head = head.removeprefix("slide sheet slides.tsv: ")
    if not lines:
        return [head]
    assert head == f"{len(lines)} mistakes"
    return lines


def mistake(*rows: dict) -> str:
    """Read a sheet with one mistake; give its line."""
    (line,) = mistakes(table(*rows))
    return line


def test_a_good_sheet():
    """Rows in the sheet's order, numbers as numbers, empty cells left out."""
    rows = (
        {**B, "split": "train", "patient": "p", "fold": 2, "spacing_um": 0.25, "burden": 0.9},
        {**A, "annotation": "a.xml", "label": "negative", "node": "3", "patient": "012"},
    )
    found = read(table(*rows))
    assert list(found) == ["b", "a"]
    assert found == {"b": rows[0], "a": rows[1]}


@pytest.mark.parametrize(
    ("content", "more"),
    [
        ("slide\tpath\na\ta.svs\n", {}),
        ("\ufeffslide\tpath\r\na\ta.svs\r\n\r\n", {}),  # as Excel saves it
        ("slide\tpath\na\ta.svs\n".encode("utf-16"), {}),  # Excel's Unicode Text
        ("slide\tpath\ra\ta.svs\r", {}),  # Excel's Text (Macintosh)
        ("slide\tpath\n a \ta.svs ", {}),
        ("\n\t\n slide \tpath\u00a0\na\u00a0\ta.svs\n", {}),
        ("path\tslide\na.svs\ta\n", {}),
        # Columns and rows that were emptied, and rows without their last cells.
        ("slide\tpath\t\t\na\ta.svs\t\t\n", {}),
        ("slide\t\tpath\na\t\ta.svs\n", {}),
        ("slide\tpath\tsplit\na\ta.svs\ttrain\n\t\t\n\n\t\t\n", {"split": "train"}),
        ("slide\tpath\na\ta.svs\t\t\t\n", {}),
        ("slide\tpath\tsplit\tannotation\na\ta.svs\ttrain\n", {"split": "train"}),
        ('"slide"\t"path"\n"1"\t"a"\t"a.svs"\n', {}),  # as R writes it
        ('""\t"slide"\t"path"\n"7"\t"a"\t"a.svs"\n', {}),
        ("\tslide\tpath\n0\ta\ta.svs\n", {}),  # as pandas does, and its missing values
        ("slide\tpath\tfold\na\ta.svs\t1.0\n", {"fold": 1}),  # as pandas does
        ("slide\tpath\tspacing_um\na\ta.svs\t2.5E-01\n", {"spacing_um": 0.25}),
        ("slide\tpath\tpatient\na\ta.svs\t12.0\n", {"patient": "12.0"}),
    ],
)
def test_sheets_as_programs_write_them(content, more):
    """Marks, encodings, line ends, blanks, quotes and what is empty do not matter."""
    assert read(content) == {"a": A | more}
    assert load_sheet("slides.tsv") == {"a": A | more}


CELLS = st.text("abcdefgXYZ0123456789.,;'()+", min_size=1, max_size=5).map("x{}".format)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sheet_means_the_same_in_every_dialect(data):
    """Encoding, line ends, quotes, empty rows and columns: ids, nodes and numbers stay."""
    nodes = data.draw(st.lists(CELLS, min_size=1, max_size=4, unique_by=str.casefold))
    rows = [
        {"slide": f"{n:03d}", "path": f"made/{node}", "patient": f"0{n}", "node": node, "fold": n}
        for n, node in enumerate(nodes)
    ]
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    mark = data.draw(st.sampled_from(["", '"']))
    empty = data.draw(st.integers(0, 2))
    lines = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    lines = ["\t".join([f"{mark}{cell}{mark}" for cell in line] + [""] * empty) for line in lines]
    for place in data.draw(st.lists(st.integers(0, len(lines)), max_size=2)):
        lines.insert(place, data.draw(st.sampled_from(["", "\t\t", " "])))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    found = read(end.join(lines).encode(encoding), made_by_workflow="made")
    assert found == load_sheet("slides.tsv") == {row["slide"]: row for row in rows}


@pytest.mark.parametrize("slide", ["a", "TCGA-01.x_2", "_a", "-", "7", "001", "NA", "1E05"])
def test_ids(slide):
    """An id is text, whatever it looks like."""
    assert list(read(table({**A, "slide": slide}))) == [slide]


ALLOWED = "has characters that are not allowed (letters, digits, . _ -)"
UNSEEN = "has a character that cannot be seen; type it again"
QUOTED = "is a formula or begins with a quotation mark; type the value alone"
ROUNDED = "is a long number that a spreadsheet has cut; make the column text"
DATE = "is a date that a spreadsheet makes of ids; make the column text and type the id again"


@pytest.mark.parametrize(
    ("slide", "words"),
    [
        *((slide, ALLOWED) for slide in ("a/b", "a b", "ä", "a\\b", "a:b", "a*", "a{b}")),
        # These would leave the folder or hide in it.
        *((slide, "begins with a dot") for slide in ("..", ".", ".hidden")),
        *((slide, UNSEEN) for slide in ("a\u200b", "a\u00a0b", "\u202ea")),
        *((slide, QUOTED) for slide in ("=A1", "'001", "“a”")),
        *((slide, ROUNDED) for slide in ("1.23457E+11", "1,2E+15", "1E+11")),
        *((slide, DATE) for slide in ("2-Mar", "12-Dez-24", "Mar-02")),
        ("#REF!", "is the error of a formula; type the value"),
        ("x" * 101, "is too long"),
    ],
)
def test_ids_that_cannot_be(slide, words):
    """An id is part of file names: another is refused; what a spreadsheet made of one is told."""
    said = mistake({**A, "slide": slide}).partition(": slide: ")[2]
    assert said == f"{slide!r} {words}"


@pytest.mark.parametrize(
    ("column", "value", "line"),
    [
        ("spacing_um", "0,25", "'0,25' is no number; did you mean 0.25?"),
        ("spacing_um", "0.25 um", "'0.25 um' is no number; did you mean 0.25?"),
        *(("spacing_um", value, f"{value!r} is no number") for value in ("x", "inf", "1_0", "٣")),
        ("spacing_um", "250", "250.0 is greater than the maximum of 100; it is µm per pixel"),
        ("spacing_um", "0", "0.0 is less than or equal to the minimum of 0.01"),
        ("spacing_um", "1e999", "inf is greater than the maximum of 100; it is µm per pixel"),
        ("fold", "one", "'one' is no whole number"),
        ("fold", "1.5", "1.5 is no whole number"),
        ("fold", "TRUE", "'TRUE' is no whole number"),
        ("fold", "-1", "-1 is less than the minimum of 0"),
        ("burden", "65.3", "65.3 is greater than the maximum of 1; it is a share, not percent"),
        ("burden", "65 %", "'65 %' is no number"),
        *(
            ("split", value, f"{value!r} is not one of ['train', 'validation', 'test']{meant}")
            for value, meant in (
                ("tset", "; did you mean test?"),
                ("Train", "; did you mean train?"),
                ("val", "; did you mean validation?"),
                ("x", ""),
            )
        ),
        (
            "label",
            "Negative",
            "'Negative' is not one of ['negative', 'itc', 'micro', 'macro']; did you mean"
            " negative?",
        ),
        *(
            (column, word, f"{word!r} is no value; leave the cell empty")
            for column, word in (
                ("split", "NA"),
                ("fold", "nan"),
                ("spacing_um", "N/A"),
                ("patient", "NA"),
                ("patient", "-"),
                ("label", "NULL"),
            )
        ),
        ("patient", "p/1", f"'p/1' {ALLOWED}"),
        ("patient", "3-Apr", f"'3-Apr' {DATE}"),
        ("patient", "2.1E+15", f"'2.1E+15' {ROUNDED}"),
    ],
)
def test_a_value_that_cannot_be(column, value, line):
    """A value outside of what may stand there is named with row, slide, column and remedy."""
    assert mistake(A, {**B, column: value}) == f"row 3, slide b: {column}: {line}"


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("#N/A", "'#N/A' is the error of a formula; type the value"),
        ("=B2", f"'=B2' {QUOTED}"),
        ("None", "'None' is no value; leave the cell empty"),
        ("2-Mar", f"'2-Mar' {DATE}"),
        ("1\u200b", f"'1\\u200b' {UNSEEN}"),
    ],
)
def test_nodes_that_no_one_has_typed(value, line):
    """A node may be any text, but for what programs make of one."""
    assert mistake(A, {**B, "patient": "p", "node": value}) == f"row 3, slide b: node: {line}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        *(
            (
                f"{quote}slide{quote}{mark}{quote}path{quote}\na{mark}a.svs\n",
                f"has {name} between its cells; save it as tab-separated text (in Excel: Text (Tab"
                " delimited))",
            )
            for mark, name in ((",", "commas"), (";", "semicolons"), ("|", "vertical bars"))
            for quote in ("", '"')
        ),
        (
            "slide  path\na  a.svs\n",
            "has blanks between its cells; save it as tab-separated text (in Excel: Text (Tab"
            " delimited))",
        ),
        *(("", "has no slides"), ("slide\tpath\n", "has no slides"), ("\n \n", "has no slides")),
        *(
            (
                magic + b"\0\1" * 20,
                "is a workbook of a spreadsheet; save it as tab-separated text (in Excel: Text (Tab"
                " delimited))",
            )
            for magic in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
        ),
        (
            "slide\tpath\na\tB\u00fccher.svs\n".encode("cp1252"),
            "row 2: is not in UTF-8; save it as UTF-8 (in Excel: Unicode Text), or change it by"
            " iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW",
        ),
        (
            "slide\tpath\na\ta.svs\n".encode("utf-16-le"),
            "is no text, it has NUL bytes; save it as tab-separated text (in Excel: Text (Tab"
            " delimited)), in UTF-8",
        ),
        (
            'slide\tpath\na\t"a.svs\nb\tb.svs\n',
            "row 2: has a quotation mark without its end, or text behind it; take the marks out",
        ),
        (
            'slide\tpath\na\ta.svs\nb\t"b".svs\n',
            "row 3: has a quotation mark without its end, or text behind it; take the marks out",
        ),
        *(
            (
                f"{above}\na\ta.svs\nb\tb.svs\n",
                f"row 1 should name the columns ({KNOWN}) and has {first}; put their names there,"
                " with nothing above",
            )
            for above, first in (
                ("# my slides\nslide\tpath", "'# my slides'"),
                ("a\ta.svs", "'a', 'a.svs'"),
            )
        ),
        ("slide\tpath\tpath\na\ta.svs\tb.svs\n", "column 'path' is there twice; take one out"),
        ("slide\na\n", "has no column 'path'"),
        *(
            (content, f"column {where}; give it a name, or take it out")
            for content, where in (
                ("slide\tpath\nx\ta\ta.svs\n", "3 has no name, but cells, as 'a.svs' in row 2"),
                ("\tslide\tpath\nx\ta\ta.svs\n", "1 has no name, but cells, as 'x' in row 2"),
                (
                    "\tslide\tpath\n1\ta\ta.svs\n1\tb\tb.svs\n",
                    "1 has no name, but cells, as '1' in row 2",
                ),
                (
                    "slide\tpath\n1\ta.svs\tx\n2\tb.svs\n",
                    "3 has no name, but cells, as 'x' in row 2",
                ),
            )
        ),
        *(
            (
                f"slide\tpath\t{name}\na\ta.svs\t\n",  # although its cells are empty
                f"column {name!r} is not known{meant}; take it out, or call it one of {KNOWN}",
            )
            for name, meant in (
                ("anotation", "; did you mean annotation?"),
                ("Split", "; did you mean split?"),
                ("spacing", "; did you mean spacing_um?"),
                ("remarks", ""),
            )
        ),
        (
            "slide\tpath\na\ta.svs\nb  b.svs\n",
            "row 3, slide b  b.svs: has one cell, 'b  b.svs'; put tabs between cells",
        ),
    ],
)
def test_files_that_are_no_sheets(content, line):
    """What the file is instead, or which of its columns is wrong, and how to save it."""
    assert mistakes(content)[0] == line


def test_capital_names_of_columns_are_told():
    """Each with the one that is meant."""
    lines = mistakes("Slide\tPath\na\ta.svs\n")
    assert [line.partition(";")[0] for line in lines[:2]] == [
        "column 'Slide' is not known",
        "column 'Path' is not known",
    ]
    assert "did you mean slide?" in lines[0]
    assert lines[2:] == ["has no column 'slide'", "has no column 'path'"]


def test_a_large_file_is_not_read(folder):
    """A slide given as the sheet is not loaded into memory."""
    with Path("slides.svs").open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(InputError, match="is larger than 64 MB, too much for a sheet"):
        read_sheet("slides.svs", schema=SHEET_SCHEMA)


TRAIN, TEST, PATIENT = {"split": "train"}, {"split": "test"}, {"patient": "p"}
NODE = PATIENT | {"node": "1"}
SHARED = "one patient's slides share it"
ONE_EACH = "each slide has its own, and one without tumour needs none, but label negative"


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ({}, {"slide": "a"}, "is in row 2 already; give each slide one row and its own id"),
        (
            PATIENT | TRAIN,
            PATIENT | TEST,
            f"split: patient p is in test here and in train in row 2; {SHARED}",
        ),
        (
            PATIENT | TRAIN,
            PATIENT,
            f"split: patient p is in none here and in train in row 2; {SHARED}",
        ),
        (
            PATIENT,
            PATIENT | TEST,
            f"split: patient p is in test here and in none in row 2; {SHARED}",
        ),
        (
            PATIENT | {"fold": "0"},
            PATIENT | {"fold": "1"},
            f"fold: patient p is in 1 here and in 0 in row 2; {SHARED}",
        ),
        ({}, {"node": "1"}, "node: has no patient; a node is staged with the patient's others"),
        *(
            (NODE, NODE | {"node": node}, f"node: {node} of patient p is in row 2 already")
            for node in ("1", "1.0", "01")
        ),
        *(
            (
                {},
                {"path": name},
                f"path: the file {name} is the path of slide a (row 2) too; each slide has its own",
            )
            for name in ("./a.svs", "link.svs", "same.svs")
        ),
        (
            {"annotation": "a.xml"},
            {"annotation": "./a.xml"},
            f"annotation: the file ./a.xml is the annotation of slide a (row 2) too; {ONE_EACH}",
        ),
        (
            {"viable_mask": "c.svs"},
            {"whole_mask": "c.svs"},
            f"whole_mask: the file c.svs is the viable_mask of slide a (row 2) too; {ONE_EACH}",
        ),
        ({}, {"annotation": "folder"}, "annotation: the file folder is a folder"),
    ],
)
def test_rows_that_do_not_fit_together(folder, first, second, line):
    """An id, a node or a file twice, and a patient on both sides are named with both rows."""
    Path("link.svs").symlink_to("a.svs")
    Path("same.svs").hardlink_to("a.svs")
    Path("folder").mkdir()
    second = B | second
    assert mistake(A | first, second) == (
        f"row 3, slide {second['slide']}: {line}" if ":" in line else f"row 3, slide a: {line}"
    )


def test_both_masks_of_a_slide_may_be_one_file():
    """Where all of the tumour is viable."""
    row = {**A, "viable_mask": "b.svs", "whole_mask": "b.svs"}
    assert read(table(row)) == {"a": row}


def test_a_folder_is_no_mistake_of_the_sheet():
    """Slides may be folders; whether this one is will be seen when it is opened."""
    Path("dicom").mkdir()
    assert read(table({**A, "path": "dicom"})) == {"a": {**A, "path": "dicom"}}


@pytest.mark.parametrize(
    "name", ["with blank/b 1.svs", "it's [1] & 2*,x=1;?.svs", "Bücher/ß.svs", "~x.svs", "$x\\y.svs"]
)
def test_strange_names_that_are_there(name):
    """What the file system takes is taken."""
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).touch()
    assert read(table({**A, "path": name}))["a"]["path"] == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gone.svs", " in {cwd}"),
        ("/gone/a.svs", ""),
        ("~/a.svs", ": it is taken as it stands; write ~ and variables out"),
        ("$HOME/a.svs", ": it is taken as it stands; write ~ and variables out"),
        *(
            (name, ": it is a path of Windows; write it as this machine does, with /")
            for name in (r"D:\slides\a.svs", "D:/a.svs", r"\\server\share\a.svs", r"x\a.svs")
        ),
        *(
            (name, ": it is an address; give the path of a file on this machine")
            for name in ("file:///data/a.svs", "https://x.org/a.svs", "s3://bucket/a.svs")
        ),
        ("“a.svs”", ": it begins with a sign of a spreadsheet; take it out"),
        ("#REF!", ": it begins with a sign of a spreadsheet; take it out"),
        ("NA", ": it is no file; leave the cell empty"),
        ("link.svs", ": it is a link to gone.svs, which is gone"),
        ("A.SVS", "; there is 'a.svs', spelt otherwise"),
        ("n\u00a0b.svs", "; there is 'n b.svs', spelt otherwise"),
        (unicodedata.normalize("NFD", "é.svs"), "; there is 'é.svs', spelt otherwise"),
        ("a.svs/x", " in {cwd}"),
        ("x" * 300, None),
    ],
)
def test_files_that_are_not_there(folder, name, why):
    """Why perhaps, and where they were looked for."""
    Path(unicodedata.normalize("NFC", "é.svs")).touch()
    Path("link.svs").symlink_to("gone.svs")
    Path("n b.svs").touch()
    said = mistake({**B, "path": name})
    if why is None:
        assert said.endswith("cannot be looked at (File name too long)")
        return
    shown = name if name.isprintable() else repr(name)
    assert said == f"row 2, slide b: path: the file {shown} does not exist{why.format(cwd=folder)}"


def test_paths_are_not_relative_to_the_sheet(folder):
    """If the file lies beside the sheet, that is said, and what paths are relative to."""
    Path("sheets").mkdir()
    Path("sheets/d.svs").touch()
    Path("sheets/slides.tsv").write_text(table({**A, "path": "d.svs"}))
    with pytest.raises(InputError) as caught:
        read_sheet("sheets/slides.tsv", schema=SHEET_SCHEMA)
    assert str(caught.value).endswith(
        "the file d.svs does not exist, but sheets/d.svs does: paths are relative to where"
        f" snakemake runs, {folder}"
    )


@pytest.mark.parametrize("name", ["a{1}.svs", "{slide}.svs", "a}.svs", "a{.svs", "a\nb.svs"])
def test_names_that_snakemake_would_change(name):
    """Braces are wildcards in paths, although the file is there."""
    Path(name).touch()
    said = mistake({**A, "path": f'"{name}"'})
    shown = name if name.isprintable() else repr(name)
    assert said == (
        f"row 2, slide a: path: the file {shown} has a brace or a line break, which Snakemake"
        " cannot take in a path; rename it, or make a link to it"
    )


def test_files_that_the_workflow_makes():
    """Files below the demo's folder need not be there yet, others beside it must."""
    made = {**A, "path": "demo/cohort/a.svs"}
    assert read(table(made), made_by_workflow="demo/cohort") == {"a": made}
    (line,) = mistakes(table({**A, "path": "demo/cohorts/a.svs"}), made_by_workflow="demo/cohort")
    assert "demo/cohorts/a.svs does not exist" in line
    assert "demo/cohort/a.svs does not exist" in mistake(made)
    twice = table(made, {**made, "slide": "b"})
    (line,) = mistakes(twice, made_by_workflow="demo/cohort")
    assert "is the path of slide a (row 2) too" in line


def test_a_mistake_is_one_line():
    """Also where a cell is not."""
    (line,) = mistakes('slide\tpath\n"a\n b"\ta.svs\n')
    assert line == f"row 2, slide a b: slide: 'a\\n b' {UNSEEN}"


def test_all_mistakes_are_told_at_once():
    """In the order of the rows, counted as a spreadsheet does, whatever kind each is of."""
    content = (
        "slide\tpath\tsplit\tfold\tremarks\n\n"
        "a\ta.svs\ttset\tone\t\n"
        "b\tgone.svs\ttrain\t1\t\n"
        '"a"\t"b.svs"\ttrain\t1\t\n'
        "\tc.svs\n"
    )
    lines = mistakes(content)
    assert [line.partition(";")[0] for line in lines] == [
        "column 'remarks' is not known",
        "row 3, slide a: split: 'tset' is not one of ['train', 'validation', 'test']",
        "row 3, slide a: fold: 'one' is no whole number",
        f"row 4, slide b: path: the file gone.svs does not exist in {Path.cwd()}",
        "row 5, slide a: is in row 3 already",
        "row 6: 'slide' is missing",
    ]


def test_of_many_mistakes_the_first_are_told():
    """A column of the wrong kind does not fill the screen."""
    rows = [{"slide": f"s{n}", "path": f"gone/{n}.svs"} for n in range(100)]
    with pytest.raises(InputError) as caught:
        read(table(*rows))
    head, *lines = str(caught.value).split("\n  ")
    assert head == "slide sheet slides.tsv: 100 mistakes"
    assert [line.partition(":")[0] for line in lines] == [
        *(f"row {n + 2}, slide s{n}" for n in range(30)),
        "and 70 more",
    ]


def test_no_sheet():
    """A sheet that is not there says which key names it."""
    for name, why in (("gone.tsv", "No such file or directory"), (os.curdir, "Is a directory")):
        with pytest.raises(InputError) as caught:
            read_sheet(name, schema=SHEET_SCHEMA)
        assert str(caught.value) == (
            f"slide sheet {name}: cannot be read ({why}); set `slides` in the config"
        )


def test_the_sheet_in_the_repository_is_good():
    """The demo's sheet passes its own check before the demo's slides are made."""
    shutil.copy(REPOSITORY / "demo" / "slides.tsv", "slides.tsv")
    found = read_sheet("slides.tsv", schema=SHEET_SCHEMA, made_by_workflow="demo/cohort")
    splits = {row.get("split") for row in found.values()}
    assert {"train", "validation", "test"} <= splits


def test_every_column_is_described():
    """Each column of the sheet has a description in its schema, which is the manual."""
    schema = yaml.safe_load(SHEET_SCHEMA.read_text(encoding="utf-8"))
    for column, rule in schema["properties"].items():
        assert rule.get("description", "").endswith("."), column
