"""The sheet of a CAMELYON17 folder: files matched by slide, labels, and what does not fit."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from conftest import REPOSITORY
from microtome.challenges.camelyon17_sheet import COLUMNS, camelyon17_sheet, with_validation
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import write_cells
from microtome.errors import InputError

ROOT = REPOSITORY
COMMAND = ROOT / "workflow_scripts" / "camelyon17_sheet.py"
SHEET_SCHEMA = ROOT / "rules" / "schemas" / "slides.schema.yaml"
CLASSES = ("negative", "itc", "micro", "macro", "negative")


def touch(path: Path) -> Path:
    """Make an empty file, and its folder: nothing here opens a slide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def add_patient(folder: Path, number: int, nodes: range = range(5)) -> None:
    """Add the slides of a patient."""
    for node in nodes:
        touch(folder / f"patient_{number:03d}_node_{node}.tif")


def table(number: int, classes: tuple[str, ...] = CLASSES, *, stage: str = "pN1") -> str:
    """Write the rows of a patient as `stages.csv` has them."""
    rows = [f"patient_{number:03d}.zip,{stage}"]
    rows += [f"patient_{number:03d}_node_{i}.tif,{name}" for i, name in enumerate(classes)]
    return "\n".join(rows) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder below the working directory with one patient of each kind and a table."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "camelyon"
    add_patient(folder / "images", 0)
    add_patient(folder / "images", 100)
    (folder / "stages.csv").write_text("patient,stage\n" + table(0))
    return folder


def only_note(folder: Path) -> str:
    """Make the sheet and give the one line that is odd."""
    _, notes = camelyon17_sheet(folder)
    assert len(notes) == 1, notes
    assert "\n" not in notes[0]
    return notes[0]


def mistake_in(folder: Path) -> str:
    """Give the line that refuses the folder."""
    with pytest.raises(InputError) as caught:
        camelyon17_sheet(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def splits(rows: list[dict]) -> dict[str, str]:
    """Split of each slide."""
    return {row["slide"]: row["split"] for row in rows}


def test_open_data_of_today(folder):
    """Folders of images and annotations; a third column names the centre."""
    (folder / "stages.csv").write_text(
        "patient,stage,center\n" + table(0).replace("\n", ",2\n"), encoding="utf-8"
    )
    touch(folder / "annotations" / "patient_000_node_2.xml")
    for name in ("README.md", "checksums.md5", "LICENSE", "images/.patient_000_node_1.tif"):
        touch(folder / name)
    rows, notes = camelyon17_sheet(folder)
    assert notes == []
    assert rows[2] == {
        "slide": "patient_000_node_2",
        "path": "camelyon/images/patient_000_node_2.tif",
        "patient": "patient_000",
        "node": "2",
        "split": "train",
        "annotation": "camelyon/annotations/patient_000_node_2.xml",
        "label": "micro",
    }
    assert rows[7] == {
        "slide": "patient_100_node_2",
        "path": "camelyon/images/patient_100_node_2.tif",
        "patient": "patient_100",
        "node": "2",
        "split": "test",
        "annotation": "",
        "label": "",
    }
    assert [row["label"] for row in rows] == [*CLASSES, *[""] * 5]
    assert [row["slide"] for row in rows] == sorted(row["slide"] for row in rows)


def test_release_of_2016(tmp_path, monkeypatch):
    """Folders of centres, zips beside what was in them, another table and suffixes in capitals."""
    monkeypatch.chdir(tmp_path)
    training = tmp_path / "training"
    add_patient(training / "center_0", 4)
    add_patient(training / "center_1" / "patient_020", 20)
    touch(training / "center_0" / "patient_004.zip")
    touch(training / "lesion_annotations" / "patient_004_node_3.XML")
    touch(training / "lesion_annotations.zip")
    (training / "center_0" / "patient_004_node_0.tif").rename(
        training / "center_0" / "Patient_004_Node_0.TIFF"
    )
    (training / "stage_labels.csv").write_text("patient,stage\n" + table(4) + table(20))
    rows, notes = camelyon17_sheet(training)
    assert notes == []
    assert rows[0]["path"] == "training/center_0/Patient_004_Node_0.TIFF"
    assert rows[0]["slide"] == "patient_004_node_0"
    assert rows[3]["annotation"] == "training/lesion_annotations/patient_004_node_3.XML"
    assert rows[9]["path"] == "training/center_1/patient_020/patient_020_node_4.tif"
    assert {row["split"] for row in rows} == {"train"}


def test_the_workflow_takes_the_sheet(folder):
    """What is written passes the workflow's own check, and empty cells stay absent."""
    touch(folder / "annotations" / "patient_000_node_3.xml")
    write_cells("slides.tsv", COLUMNS, camelyon17_sheet(folder)[0])
    sheet = read_sheet("slides.tsv", schema=SHEET_SCHEMA)
    assert len(sheet) == 10
    assert sheet["patient_000_node_3"] == {
        "slide": "patient_000_node_3",
        "path": "camelyon/images/patient_000_node_3.tif",
        "patient": "patient_000",
        "node": "3",
        "split": "train",
        "annotation": "camelyon/annotations/patient_000_node_3.xml",
        "label": "macro",
    }
    assert "label" not in sheet["patient_100_node_0"]


def test_masks_are_no_slides(folder):
    """TIFFs of masks, by their names or by their folders', are passed over."""
    for name in (
        "masks/patient_000_node_2.tif",
        "images/patient_000_node_2_mask.tif",
        "Background_tissue/patient_000_node_0.tif",
        "images/patient_000.tif",
        "images/my_patient_000_node_0.tif",
        "images/patient_000_node_0.tif.part",
        "images/patient_0001_node_0.tif",
    ):
        touch(folder / name)
    rows, notes = camelyon17_sheet(folder)
    assert notes == []
    assert len(rows) == 10
    assert {Path(row["path"]).parent.name for row in rows} == {"images"}


def test_a_folder_of_masks_by_name_may_hold_it_all(tmp_path, monkeypatch):
    """Only folders below the given one are judged by their names."""
    monkeypatch.chdir(tmp_path)
    add_patient(tmp_path / "masked", 0)
    assert len(camelyon17_sheet("masked")[0]) == 5


def test_two_files_for_one_slide(folder):
    """Nobody can tell which is meant; a link to the same file is no second one."""
    first = folder / "images" / "patient_000_node_1.tif"
    (folder / "links").mkdir()
    (folder / "links" / first.name).symlink_to(first)
    assert camelyon17_sheet(folder)[1] == []
    second = touch(folder / "more" / "patient_000_node_1.tif")
    assert mistake_in(folder) == (
        f"{first} and {second} are both slide patient_000_node_1; move one out of the folder"
    )
    second.unlink()
    for name in ("annotations", "lesion_annotations"):
        touch(folder / name / "patient_000_node_3.xml")
    assert "patient_000_node_3.xml are both outlines of patient_000_node_3;" in mistake_in(folder)


def test_labels_are_read_whatever_their_case(folder):
    """Capitals, blanks, a mark of the byte order and names without suffix change nothing."""
    text = "Patient , STAGE\nPATIENT_000,PN1MI\n\n patient_000_node_0 , ITC \n" + ",\n"
    text += "".join(f"Patient_000_Node_{i}.TIF,Micro\n" for i in (1, 2, 3, 4))
    (folder / "stages.csv").rename(folder / "Stage_Labels.CSV")
    (folder / "Stage_Labels.CSV").write_text("\ufeff" + text, encoding="utf-8")
    rows, notes = camelyon17_sheet(folder)
    assert notes == []
    assert [row["label"] for row in rows[:5]] == ["itc", "micro", "micro", "micro", "micro"]


def test_other_tables_hold_no_labels(folder):
    """A submission that lies in the folder is no truth."""
    (folder / "submission.csv").write_text("patient,stage\n" + table(100))
    rows, notes = camelyon17_sheet(folder)
    assert notes == []
    assert {row["label"] for row in rows if row["patient"] == "patient_100"} == {""}


def test_patients_with_an_empty_label_are_not_labelled(folder):
    """A table may list the patients to be staged with nothing beside them."""
    with (folder / "stages.csv").open("a") as file:
        file.write("patient_100.zip,\npatient_100_node_0.tif,\n")
    rows, notes = camelyon17_sheet(folder)
    assert notes == []
    assert {row["split"] for row in rows if row["patient"] == "patient_100"} == {"test"}


def test_without_a_table_nothing_is_labelled(folder):
    """Then every slide is one to be staged, and a line says so."""
    (folder / "stages.csv").unlink()
    assert only_note(folder) == (
        f"{folder}: there is no stages.csv or stage_labels.csv, so no slide has a label"
    )
    assert set(splits(camelyon17_sheet(folder)[0]).values()) == {"test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,label\n", "lacks the columns patient and stage; download it again"),
        ("", "lacks the columns patient and stage; download it again"),
        ("patient,stage\npatient_000.zip,pN7\n", "line 2: 'pN7' is no stage; known are pN0, pN0(i"),
        (
            "patient,stage\n\npatient_000_node_0.tif,pN0\n",
            "line 3: 'pN0' is no class; known are negative, itc, micro, macro",
        ),
        ("patient,stage\npatient_000.zip\n", "line 2: has fewer cells than the first row"),
        (
            "patient,stage\npatient_000_node_0.tif,itc\npatient_000_node_0,ITC\n"
            "patient_000_node_0,micro\n",
            "line 4: patient_000_node_0 is micro here and itc before; remove one",
        ),
        ("patient,stage\n" + "a" * 200_000, "cannot be read (field larger"),
    ],
)
def test_tables_at_fault(folder, text, message):
    """Each is one line with the table and its row."""
    (folder / "stages.csv").write_text(text)
    assert mistake_in(folder).startswith(f"{folder}/stages.csv")
    assert message in mistake_in(folder)


def test_a_table_of_other_bytes(folder):
    """A table that is no text is refused, not guessed at."""
    (folder / "stages.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    assert mistake_in(folder).startswith(f"{folder}/stages.csv: cannot be read ('utf-8' codec")


def test_two_tables(folder):
    """The same twice is one; a contradiction is a mistake."""
    (folder / "stage_labels.csv").write_text("patient,stage\n" + table(0))
    assert camelyon17_sheet(folder)[1] == []
    (folder / "stage_labels.csv").write_text("patient,stage\n" + table(0, stage="pN2"))
    assert mistake_in(folder) == (
        f"{folder}/stages.csv, line 2: patient_000 is pN1 here and pN2 before; remove one"
    )


def test_rows_of_something_else(folder):
    """They are noted and passed over."""
    with (folder / "stages.csv").open("a") as file:
        file.write("patient_7.zip,pN0\n")
    assert only_note(folder) == (
        f"{folder}/stages.csv, line 8: 'patient_7.zip' names neither a patient nor a slide"
    )


def test_patients_with_other_than_five_nodes(folder):
    """Their stage may come out wrong, whether they train or test."""
    (folder / "images" / "patient_100_node_4.tif").unlink()
    assert only_note(folder) == (
        "patient_100: has 4 slides here, not 5, so its stage may come out wrong"
    )


def test_a_label_without_slide(folder):
    """A slide that is missing is named; patients that are missing are counted."""
    with (folder / "stages.csv").open("a") as file:
        file.writelines(table(number) for number in (1, 2, 3, 4))
    assert only_note(folder) == (
        "4 patients with labels have no slides here: patient_001, patient_002, patient_003, ..."
    )
    (folder / "images" / "patient_000_node_4.tif").unlink()
    notes = camelyon17_sheet(folder)[1]
    assert notes[:2] == [
        "patient_000: has 4 slides here, not 5, so its stage may come out wrong",
        "patient_000_node_4: has a label and no slide",
    ]
    assert len(notes) == 3


def test_a_slide_without_label_of_a_labelled_patient(folder):
    """It stays with its patient, or the workflow would refuse the sheet."""
    (folder / "stages.csv").write_text("patient,stage\n" + table(0, CLASSES[:4]))
    assert only_note(folder) == (
        "patient_000_node_4: has no label, as other slides of its patient have"
    )
    rows, _ = camelyon17_sheet(folder)
    assert (rows[4]["split"], rows[4]["label"]) == ("train", "")


def test_outlines_without_slide(folder):
    """They are left out."""
    path = touch(folder / "annotations" / "patient_009_node_1.xml")
    assert only_note(folder) == f"{path}: left out, for its slide is not here"


def test_a_negative_slide_with_outlines(folder):
    """One of the two is wrong; the sheet has both, and whoever reads the line decides."""
    touch(folder / "annotations" / "patient_000_node_0.xml")
    assert only_note(folder) == (
        "patient_000_node_0: is labelled negative, yet has outlines,"
        " camelyon/annotations/patient_000_node_0.xml; see which is right"
    )


@pytest.mark.parametrize("node", [1, 2, 3])
def test_other_slides_with_outlines(folder, node):
    """Isolated cells, micro- and macrometastases have outlines."""
    touch(folder / "annotations" / f"patient_000_node_{node}.xml")
    assert camelyon17_sheet(folder)[1] == []


def test_a_stage_that_its_nodes_contradict(folder):
    """Two positive nodes, one of them macro, are pN1 and not pN2."""
    (folder / "stages.csv").write_text("patient,stage\n" + table(0, stage="pN2"))
    assert only_note(folder) == ("patient_000: the table says pN2, its 5 labelled nodes give pN1")


def test_archives_are_named(folder):
    """What nobody unpacked gets a line, what was unpacked beside it does not."""
    touch(folder / "images" / "patient_000.zip")
    touch(folder / "images" / "patient_001.ZIP")
    assert only_note(folder) == (
        f"{folder}/images/patient_001.ZIP: is packed and was not looked into; unpack it"
    )
    touch(folder / "lesion_annotations.zip")
    assert len(camelyon17_sheet(folder)[1]) == 2
    touch(folder / "annotations" / "patient_000_node_1.xml")
    assert len(camelyon17_sheet(folder)[1]) == 1


def test_a_folder_without_slides(tmp_path):
    """The line says what is looked for."""
    touch(tmp_path / "center_0" / "patient_000.zip")
    assert mistake_in(tmp_path) == (
        f"{tmp_path}: there is no slide of CAMELYON17 (as patient_000_node_0.tif) in it; unpack"
        " what was downloaded there"
    )
    assert mistake_in(tmp_path / "missing") == f"{tmp_path / 'missing'}: is no folder"


def cohort(n: int, *, n_test: int) -> list[dict[str, str]]:
    """Rows of so many patients, the last of them to be tested."""
    return [
        {
            "slide": f"patient_{i:03d}_node_{node}",
            "patient": f"patient_{i:03d}",
            "split": "train" if i < n - n_test else "test",
            "annotation": "",
            "label": ("macro" if i % 2 else "negative") if i < n - n_test else "",
        }
        for i in range(n)
        for node in range(5)
    ]


def test_validation_is_dealt_out_by_patient():
    """A tenth of the patients with labels, half of them of each class, and none that tests."""
    rows = cohort(50, n_test=10)
    before = [dict(row) for row in rows]
    dealt = with_validation(rows, share=0.1, seed=0)
    assert rows == before
    assert [row["slide"] for row in dealt] == [row["slide"] for row in rows]
    assert Counter(splits(dealt).values()) == {"train": 180, "validation": 20, "test": 50}
    of_patient = {(row["patient"], row["split"]) for row in dealt}
    assert len(of_patient) == 50
    classes = [row["label"] for row in dealt if row["split"] == "validation"]
    assert Counter(classes) == {"macro": 10, "negative": 10}
    assert [row for row in dealt if row["split"] == "test"] == rows[-50:]
    assert splits(with_validation(rows, share=0.1, seed=1)) != splits(dealt)
    assert with_validation(rows, share=0.1, seed=0) == dealt


def test_no_validation():
    """A share of 0, and nothing that trains, leave the rows as they are."""
    rows = cohort(4, n_test=2)
    assert with_validation(rows, share=0, seed=0) == rows
    assert with_validation(rows[10:], share=0.1, seed=0) == rows[10:]


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_shares_out_of_range(share):
    """Not all may validate, nor fewer than none."""
    with pytest.raises(InputError, match="of slides that validate is not from 0 to below 1"):
        with_validation(cohort(4, n_test=2), share=share, seed=0)


def test_too_few_patients_for_validation():
    """The line says how to go on."""
    with pytest.raises(InputError, match=r"too few.*with --validation 0 all labelled slides train"):
        with_validation(cohort(3, n_test=2), share=0.1, seed=0)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command in a folder."""
    return subprocess.run(
        [sys.executable, COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_writes_the_sheet_and_nothing_else(folder, tmp_path):
    """Notes go to standard error, the next step to standard output; no sheet is overwritten."""
    add_patient(folder / "images", 1)
    with (folder / "stages.csv").open("a") as file:
        file.write(table(1, stage="pN0"))
    before = sorted(folder.rglob("*"))
    done = run(tmp_path, "camelyon", "slides.tsv", "--validation", "50", "--seed", "3")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "slides.tsv: 15 slides (5 train, 5 validation, 5 test), 1 notes"
    assert second.endswith("assign_splits.py slides.tsv --folds 5")
    assert done.stderr == "patient_001: the table says pN0, its 5 labelled nodes give pN1\n"
    assert sorted(folder.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["camelyon", "slides.tsv"]
    lines = (tmp_path / "slides.tsv").read_text().splitlines()
    assert lines[0] == "slide\tpath\tpatient\tnode\tsplit\tannotation\tlabel"
    assert len(lines) == 16
    few = run(tmp_path, "camelyon", "other.tsv")
    assert few.returncode == 1
    assert few.stderr.startswith("10 slides of 2 patients are too few")
    assert few.stderr.count("\n") == 1
    again = run(tmp_path, "camelyon", "slides.tsv")
    assert again.returncode == 1
    assert again.stderr == "slides.tsv: is there already; remove it or give another name\n"
