"""The sheet of a CAMELYON16 folder: slides of any release, their truth, and known faults."""

from functools import partial
from pathlib import Path

import pytest

from helpers import downloaded
from helpers.downloaded import SHEET_SCHEMA, touch
from helpers.job_scripts import run_command
from microtome.challenges.camelyon16_sheet import COLUMNS, make_camelyon16_sheet
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import write_cells

mistake_in = partial(downloaded.mistake_in, make_camelyon16_sheet)

REFERENCE = "test_001,Tumor,IDC,Macro\ntest_002,Normal,None,None\n"
GIGASCIENCE = (
    "training/normal/normal_001.tif",
    "training/tumor/tumor_001.tif",
    "training/lesion_annotations/tumor_001.xml",
    "training/lesion_annotations.zip",
    "testing/images/test_001.tif",
    "testing/images/test_002.tif",
    "testing/lesion_annotations/test_001.xml",
    "testing/lesion_annotations.zip",
    "testing/evaluation/evaluation_python.zip",
)
# As the slides above are called in other releases.
OF_2016 = (
    "TrainingData/Train_Normal/Normal_001.tif",
    "TrainingData/Train_Tumor/Tumor_001.tif",
    "TrainingData/Ground_Truth/XML/Tumor_001.xml",
    "TrainingData/Ground_Truth/Mask/Tumor_001_Mask.tif",
    "Testset/Images/Test_001.tif",
    "Testset/Images/Test_002.tif",
    "Testset/Ground_Truth/Annotations/Test_001.xml",
)
OPEN_DATA = (
    "images/normal_001.tif",
    "images/tumor_001.tif",
    "images/test_001.tif",
    "images/test_002.tif",
    "background_tissue/normal_001.tif",
    "masks/normal_001_mask.tif",
    "masks/tumor_001_mask.tif",
    "annotations/tumor_001.xml",
    "annotations/test_001.xml",
    "README.md",
)


def fill(folder: Path, *names: str, reference: str | None = REFERENCE) -> Path:
    """Make empty files, for nothing here opens a slide, and the classes of the test slides."""
    for name in names:
        touch(folder / name)
    if reference is not None:
        touch(folder / "testing" / "reference.csv").write_text(reference)
    return folder


@pytest.fixture
def camelyon(tmp_path, monkeypatch) -> Path:
    """An empty folder below the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path("camelyon")


def notes_of(folder: Path) -> list[str]:
    """Give what is odd, but for how many slides are here."""
    *notes, counted = sorted(
        make_camelyon16_sheet(folder)[1], key=lambda note: note.startswith("not all slides")
    )
    assert counted.startswith("not all slides are here: ")
    return notes


@pytest.mark.parametrize("names", [GIGASCIENCE, OF_2016, OPEN_DATA])
def test_every_release(camelyon, names):
    """The same rows, which the workflow takes: outlines before masks, and what test slides are."""
    fill(camelyon, *names)
    rows, _ = make_camelyon16_sheet(camelyon)
    assert notes_of(camelyon) == []
    write_cells("slides.tsv", COLUMNS, rows)
    sheet = read_sheet("slides.tsv", schema=SHEET_SCHEMA)
    assert {s: (row["split"], row.get("label")) for s, row in sheet.items()} == {
        "normal_001": ("train", "negative"),
        "test_001": ("test", None),
        "test_002": ("test", "negative"),
        "tumor_001": ("train", None),
    }
    assert {
        s: Path(row["annotation"]).stem.lower() for s, row in sheet.items() if "annotation" in row
    } == {slide: slide for slide in ("test_001", "tumor_001")}
    assert not any("viable_mask" in row for row in sheet.values())


def test_masks_where_there_are_no_outlines(camelyon):
    """Of slides with tumour, or of whose class nothing is known."""
    names = ("images/tumor_001.tif", "images/test_003.tif", "images/normal_001.tif")
    masks = ("tumor_001_mask.tif", "test_003_mask.TIFF", "normal_001_mask.tif")
    fill(camelyon, *names, *(f"masks/{name}" for name in masks))
    rows, _ = make_camelyon16_sheet(camelyon)
    assert {row["slide"]: row["viable_mask"] for row in rows} == {
        "normal_001": "",
        "test_003": "camelyon/masks/test_003_mask.TIFF",
        "tumor_001": "camelyon/masks/tumor_001_mask.tif",
    }
    assert [note for note in notes_of(camelyon) if "test_003" in note] == [
        "test_003: has no class in camelyon/testing/reference.csv"
    ]


def test_faults_that_are_known(camelyon):
    """A slide called normal that holds tumour, a duplicate, and outlines of a part."""
    names = ("normal_086", "test_049", "test_114", "tumor_015")
    truths = ("test_114", "tumor_015")
    reference = "test_049,Tumor\ntest_114,Tumor\n"
    files = [f"{name}.tif" for name in names] + [f"{name}.xml" for name in truths]
    fill(camelyon, *files, reference=reference)
    rows, _ = make_camelyon16_sheet(camelyon)
    assert [(row["slide"], bool(row["annotation"])) for row in rows] == [
        ("test_114", False),
        ("tumor_015", True),
    ]
    assert notes_of(camelyon) == [
        "normal_086: left out, for it holds tumour and was released again as tumor_111, which is"
        " not here",
        "test_049: left out, a duplicate that the organizers do not score",
        "test_114: its tumour is not outlined as a whole, so the sheet has no outlines of it; the"
        " organizers score its class and not its lesions",
        "tumor_015: participants list them as outlined in part, and what is not outlined is learned"
        " as no tumour; take their rows out to be strict",
    ]
    touch(camelyon / "tumor_111.tif")
    assert "released again as tumor_111" in notes_of(camelyon)[1]
    assert "which is not here" not in notes_of(camelyon)[1]


@pytest.mark.parametrize(
    ("names", "reference", "note"),
    [
        (["tumor_001.tif"], "", "tumor_001: has tumour, and neither outlines nor a mask here"),
        (
            ["normal_001.tif", "normal_001.xml"],
            "",
            "normal_001: has no tumour by its class, yet outlines, camelyon/normal_001.xml; see"
            " which is right",
        ),
        (
            ["test_001.tif", "test_001.xml"],
            "test_001,Normal\n",
            "test_001: has no tumour by its class, yet outlines, camelyon/test_001.xml; see which"
            " is right",
        ),
        (
            ["test_001.tif"],
            None,
            "camelyon: there is no reference.csv, so no test slide has a class",
        ),
        (
            ["normal_001.tif", "a/tumor_002.xml"],
            "",
            "camelyon/a/tumor_002.xml: left out, for its slide is not here",
        ),
        (
            ["normal_001.tif", "training/lesion_annotations.zip"],
            "",
            "camelyon/training/lesion_annotations.zip: is packed and was not looked into; unpack"
            " it",
        ),
    ],
)
def test_what_does_not_fit_together(camelyon, names, reference, note):
    """One line each."""
    fill(camelyon, *names, reference=reference or None)
    assert notes_of(camelyon) == [note]


def test_slides_that_are_not_here_are_counted(camelyon):
    """Of 159, 111 and 129; nothing is said where all are there."""
    fill(camelyon, "a/normal_001.tif", "a/test_002.tif", "a/test_049.tif")
    (*_, note) = make_camelyon16_sheet(camelyon)[1]
    assert note == "not all slides are here: 1 of 159 normal, 0 of 111 tumor, 1 of 129 test"
    for kind, n in (("normal", 161), ("tumor", 112), ("test", 131)):
        for number in range(1, n):
            touch(camelyon / "a" / f"{kind}_{number:03d}.tif")
    assert not any(note.startswith("not all") for note in make_camelyon16_sheet(camelyon)[1])


def test_folders_that_are_refused(camelyon):
    """Without a slide; with two files for one."""
    touch(camelyon / "training" / "lesion_annotations.zip")
    assert mistake_in(camelyon) == (
        "camelyon: there is no slide of CAMELYON16 (as tumor_001.tif) in it; unpack what was"
        " downloaded there"
    )
    fill(camelyon, "a/tumor_001.tif", "b/Tumor_001.tif")
    assert "are both slide tumor_001; move one out of the folder" in mistake_in(camelyon)


def test_the_command_deals_out_validation(camelyon, tmp_path):
    """A share of the training slides, as many of each class; the test slides stay."""
    for number in range(1, 5):
        fill(camelyon, f"a/normal_{number:03d}.tif", f"a/tumor_{number:03d}.tif")
        touch(camelyon / "a" / f"tumor_{number:03d}.xml")
    fill(camelyon, "a/test_001.tif")
    done = run_command("camelyon16_sheet.py", tmp_path, "camelyon", "s.tsv", "--validation", "50")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "s.tsv: 9 slides (4 train, 4 validation, 1 test), 2 notes"
    assert second.endswith("assign_splits.py s.tsv --folds 5")
    sheet = read_sheet("s.tsv", schema=SHEET_SCHEMA)
    validate = [slide for slide, row in sheet.items() if row["split"] == "validation"]
    assert sum(slide.startswith("tumor") for slide in validate) == 2
