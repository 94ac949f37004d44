"""The sheet of a CAMELYON17 folder: files matched by slide, labels, and what does not fit."""

from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from helpers import downloaded
from helpers.downloaded import SHEET_SCHEMA, touch  # nothing here opens a slide
from helpers.job_scripts import run_command
from microtome.challenges.camelyon17_sheet import COLUMNS, make_camelyon17_sheet
from microtome.challenges.camelyon17_uses import (
    WITH_CAMELYON16,
    add_camelyon16,
    part_patients,
)
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import write_cells
from microtome.cohort.sheet_command import split_off_validation
from microtome.errors import InputError

CLASSES = ("negative", "itc", "micro", "macro", "negative")

only_note = partial(downloaded.only_note, make_camelyon17_sheet)
mistake_in = partial(downloaded.mistake_in, make_camelyon17_sheet)


def add_patient(folder: Path, number: int) -> None:
    """Add the slides of a patient."""
    for node in range(5):
        touch(folder / f"patient_{number:03d}_node_{node}.tif")


def table(*numbers: int, classes: tuple[str, ...] = CLASSES, stage: str = "pN1") -> str:
    """Write `stages.csv` of some patients."""
    rows = ["patient,stage"]
    for number in numbers:
        rows.append(f"patient_{number:03d}.zip,{stage}")
        rows += [f"patient_{number:03d}_node_{i}.tif,{name}" for i, name in enumerate(classes)]
    return "\n".join(rows) + "\n"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder below the working directory with one patient of each kind and a table."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "camelyon"
    add_patient(folder / "images", 0)
    add_patient(folder / "images", 100)
    (folder / "stages.csv").write_text(table(0))
    return folder


def test_open_data_of_today(folder):
    """Folders of images and annotations; a third column names the centre; the workflow takes it."""
    (folder / "stages.csv").write_text(table(0).replace("\n", ",2\n").replace("2", "center", 1))
    touch(folder / "annotations" / "patient_000_node_2.xml")
    for name in ("README.md", "checksums.md5", "LICENSE", "images/.patient_000_node_1.tif"):
        touch(folder / name)
    rows, notes = make_camelyon17_sheet(folder)
    assert notes == []
    assert [row["label"] for row in rows] == [*CLASSES, *[""] * 5]
    write_cells("slides.tsv", COLUMNS, rows)
    sheet = read_sheet("slides.tsv", schema=SHEET_SCHEMA)
    assert list(sheet) == sorted(sheet)
    assert len(sheet) == 10
    assert sheet["patient_000_node_2"] == {
        "slide": "patient_000_node_2",
        "path": "camelyon/images/patient_000_node_2.tif",
        "patient": "patient_000",
        "node": "2",
        "split": "train",
        "annotation": "camelyon/annotations/patient_000_node_2.xml",
        "label": "micro",
    }
    assert sheet["patient_100_node_2"] == {
        "slide": "patient_100_node_2",
        "path": "camelyon/images/patient_100_node_2.tif",
        "patient": "patient_100",
        "node": "2",
        "split": "test",
    }


def test_release_of_2016(tmp_path, monkeypatch):
    """Folders of centres, zips beside what was in them, another table and suffixes in capitals."""
    monkeypatch.chdir(tmp_path)
    training = tmp_path / "training"
    add_patient(training / "center_0", 4)
    add_patient(training / "center_1" / "patient_020", 20)
    touch(training / "center_0" / "patient_004.zip")
    touch(training / "lesion_annotations" / "patient_004_node_3.XML")
    touch(training / "lesion_annotations.zip")
    capitals = training / "center_0" / "Patient_004_Node_0.TIFF"
    (training / "center_0" / "patient_004_node_0.tif").rename(capitals)
    (training / "stage_labels.csv").write_text(table(4, 20))
    rows, notes = make_camelyon17_sheet(training)
    assert notes == []
    assert rows[0]["path"] == "training/center_0/Patient_004_Node_0.TIFF"
    assert rows[0]["slide"] == "patient_004_node_0"
    assert rows[3]["annotation"] == "training/lesion_annotations/patient_004_node_3.XML"
    assert rows[9]["path"] == "training/center_1/patient_020/patient_020_node_4.tif"
    assert {row["split"] for row in rows} == {"train"}


def test_masks_are_no_slides(folder, tmp_path):
    """TIFFs of masks are passed over by their names or by those of folders below the given one."""
    for name in (
        "masks/patient_000_node_2.tif",
        "images/patient_000_node_2_mask.tif",
        "Background_tissue/patient_000_node_0.tif",
        "images/my_patient_000_node_0.tif",
        "images/patient_000_node_0.tif.part",
    ):
        touch(folder / name)
    rows, notes = make_camelyon17_sheet(folder)
    assert (len(rows), notes) == (10, [])
    assert {Path(row["path"]).parent.name for row in rows} == {"images"}
    add_patient(tmp_path / "masked", 0)
    assert len(make_camelyon17_sheet("masked")[0]) == 5


def test_two_files_for_one_slide(folder):
    """Nobody can tell which is meant; a link to the same file is no second one."""
    first = folder / "images" / "patient_000_node_1.tif"
    (folder / "links").mkdir()
    (folder / "links" / first.name).symlink_to(first)
    assert make_camelyon17_sheet(folder)[1] == []
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
    rows, notes = make_camelyon17_sheet(folder)
    assert notes == []
    assert [row["label"] for row in rows[:5]] == ["itc", "micro", "micro", "micro", "micro"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("submission.csv", table(100)), ("stage_labels.csv", "patient,stage\npatient_100.zip,\n")],
    ids=["a submission", "a table of patients to be staged"],
)
def test_what_labels_nobody(folder, name, text):
    """A submission that lies in the folder is no truth; an empty cell labels no patient."""
    (folder / name).write_text(text)
    rows, notes = make_camelyon17_sheet(folder)
    assert notes == []
    assert {(row["split"], row["label"]) for row in rows[5:]} == {("test", "")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,label\n", ": lacks the columns patient and stage; download it again"),
        ("patient,stage\npatient_000.zip,pN7\n", ", line 2: 'pN7' is no stage; known are pN0, pN0"),
        (
            "patient,stage\n\npatient_000_node_0.tif,pN0\n",
            ", line 3: 'pN0' is no class; known are negative, itc, micro, macro",
        ),
        ("patient,stage\npatient_000.zip\n", ", line 2: has fewer cells than the first row"),
        (
            "patient,stage\npatient_000_node_0.tif,itc\npatient_000_node_0,micro\n",
            ", line 3: patient_000_node_0 is micro here and itc before; remove one",
        ),
        ("PK\x03\x04\udcff", ": cannot be read ('utf-8' codec"),
    ],
    ids=["columns", "stage", "class", "short row", "contradiction", "no text"],
)
def test_tables_at_fault(folder, text, message):
    """Each is one line with the table and its row."""
    (folder / "stages.csv").write_text(text, errors="surrogateescape")
    assert mistake_in(folder).startswith(f"{folder}/stages.csv{message}")


def test_two_tables(folder):
    """The same twice is one; a contradiction is a mistake."""
    (folder / "stage_labels.csv").write_text(table(0))
    assert make_camelyon17_sheet(folder)[1] == []
    (folder / "stage_labels.csv").write_text(table(0, stage="pN2"))
    assert mistake_in(folder) == (
        f"{folder}/stages.csv, line 2: patient_000 is pN1 here and pN2 before; remove one"
    )


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (None, "camelyon: there is no stages.csv or stage_labels.csv, so no slide has a label"),
        (
            table(0) + "patient_7.zip,pN0\n",
            "camelyon/stages.csv, line 8: 'patient_7.zip' names neither a patient nor a slide",
        ),
        (
            table(0, 1, 2, 3, 4),
            "4 patients with labels have no slides here: patient_001, patient_002, patient_003,"
            " ...",
        ),
        (
            table(0, classes=CLASSES[:4]),
            "patient_000_node_4: has no label, as other slides of its patient have",
        ),
        (
            table(0, stage="pN2"),
            "patient_000: the table says pN2, its 5 labelled nodes give pN1",
        ),
    ],
    ids=["no table", "other rows", "other patients", "no label", "another stage"],
)
def test_odd_tables_are_noted(folder, text, note):
    """One line says what is odd; a slide stays with its labelled patient, or trains nobody."""
    (folder / "stages.csv").unlink()
    if text:
        (folder / "stages.csv").write_text(text)
    assert only_note("camelyon") == note
    rows, _ = make_camelyon17_sheet(folder)
    assert {row["split"] for row in rows[:5]} == {"train" if text else "test"}


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("annotations/patient_009_node_1.xml", "{path}: left out, for its slide is not here"),
        (
            "annotations/patient_000_node_0.xml",
            "patient_000_node_0: is labelled negative, yet has outlines,"
            " camelyon/annotations/patient_000_node_0.xml; see which is right",
        ),
        ("annotations/patient_000_node_1.xml", None),
        ("images/patient_000.zip", None),
        ("images/patient_001.ZIP", "{path}: is packed and was not looked into; unpack it"),
        ("lesion_annotations.zip", "{path}: is packed and was not looked into; unpack it"),
    ],
)
def test_odd_files_are_noted(folder, name, note):
    """Outlines of no slide or of a negative one, and what nobody unpacked beside it."""
    path = touch(folder / name)
    assert make_camelyon17_sheet(folder)[1] == ([note.format(path=path)] if note else [])


def test_missing_slides_are_noted(folder):
    """A patient of other than five nodes may be staged wrong; a label without slide is named."""
    (folder / "images" / "patient_100_node_4.tif").unlink()
    (folder / "images" / "patient_000_node_4.tif").unlink()
    assert make_camelyon17_sheet(folder)[1] == [
        "patient_000: has 4 slides here, not 5, so its stage may come out wrong",
        "patient_100: has 4 slides here, not 5, so its stage may come out wrong",
        "patient_000_node_4: has a label and no slide",
    ]


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
    dealt = split_off_validation(rows, share=0.1, seed=0)
    assert rows == before
    assert [row | {"split": ""} for row in dealt] == [row | {"split": ""} for row in rows]
    assert len({(row["patient"], row["split"]) for row in dealt}) == 50
    assert Counter((row["split"], row["label"]) for row in dealt) == {
        ("train", "macro"): 90,
        ("train", "negative"): 90,
        ("validation", "macro"): 10,
        ("validation", "negative"): 10,
        ("test", ""): 50,
    }
    assert split_off_validation(rows, share=0.1, seed=0) == dealt
    assert split_off_validation(rows, share=0.1, seed=1) != dealt


@pytest.mark.parametrize("share", [-0.1, 1, float("nan")])
def test_shares_of_validation(share):
    """Not all may validate, nor fewer than none; none, or none that trains, changes nothing."""
    rows = cohort(4, n_test=2)
    assert split_off_validation(rows, share=0, seed=0) == rows
    assert split_off_validation(rows[10:], share=0.1, seed=0) == rows[10:]
    with pytest.raises(InputError, match="of slides that validate is not from 0 to below 1"):
        split_off_validation(rows, share=share, seed=0)


def test_patients_with_outlines_can_be_for_the_networks_alone(folder):
    """Their outlined slides are no nodes; no network learns from the others with labels."""
    add_patient(folder / "images", 1)
    (folder / "stages.csv").write_text(table(0, 1))
    touch(folder / "annotations" / "patient_001_node_3.xml")
    rows, notes = part_patients(make_camelyon17_sheet(folder)[0])
    assert notes == [
        "1 patients teach the networks and are not staged: their 4 slides without outlines are"
        " left out"
    ]
    found = Counter((row["patient"], row["split"], bool(row["node"])) for row in rows)
    assert found == {
        ("patient_000", "", True): 5,
        ("patient_001", "train", False): 1,
        ("patient_100", "test", True): 5,
    }
    assert part_patients(rows[:5]) == (rows[:5], [])


def test_camelyon16_is_added_for_the_networks(folder):
    """Slides whose px are known, those to be tested too; they are of no patient and no node."""
    own, _ = make_camelyon17_sheet(folder)
    empty = {"annotation": "", "viable_mask": "", "label": ""}
    others = [
        {"slide": "tumor_001", "path": "a.tif", "split": "train", **empty, "annotation": "a.xml"},
        {"slide": "test_001", "path": "b.tif", "split": "test", **empty, "label": "negative"},
        {"slide": "test_114", "path": "c.tif", "split": "test", **empty},
    ]
    rows = add_camelyon16(own, others)
    assert [{key: row[key] for key in COLUMNS} for row in rows[:10]] == own
    assert [(row["slide"], row["split"]) for row in rows[10:]] == [
        ("tumor_001", "train"),
        ("test_001", "train"),
    ]
    assert {row["patient"] + row["node"] for row in rows[10:]} == {""}
    assert all(row.keys() == {*WITH_CAMELYON16} for row in rows)


def test_the_command_writes_the_sheet_and_nothing_else(folder, tmp_path):
    """Notes go to standard error, the next step to standard output; a mistake is one line."""
    add_patient(folder / "images", 1)
    (folder / "stages.csv").write_text(
        table(0, 1).replace("patient_001.zip,pN1", "patient_001,pN0")
    )
    before = sorted(folder.rglob("*"))
    run = partial(run_command, "camelyon17_sheet.py", tmp_path, "camelyon")
    done = run("slides.tsv", "--validation", "50", "--seed", "3")
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
    few = run("other.tsv")
    assert few.returncode == 1
    assert few.stderr.startswith("10 slides of 2 patients are too few")
    assert few.stderr.endswith("; with --validation 0 all of them train\n")
    assert few.stderr.count("\n") == 1


def test_one_sheet_for_networks_and_forests(folder, tmp_path):
    """Of both cohorts; with patients parted, forests learn from those without outlines alone."""
    touch(folder / "annotations" / "patient_000_node_3.xml")
    for name in ("normal/normal_001.tif", "tumor/tumor_001.tif", "annotations/tumor_001.xml"):
        touch(tmp_path / "camelyon16" / name)
    options = ("--camelyon16", "camelyon16", "--apart", "--validation", "0")
    done = run_command("camelyon17_sheet.py", tmp_path, "camelyon", "slides.tsv", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("slides.tsv: 8 slides (3 train, 0 validation, 5 test), 2 notes")
    sheet = read_sheet(tmp_path / "slides.tsv", schema=SHEET_SCHEMA)
    assert [slide for slide, row in sheet.items() if row["split"] == "train"] == [
        "patient_000_node_3",
        "normal_001",
        "tumor_001",
    ]
