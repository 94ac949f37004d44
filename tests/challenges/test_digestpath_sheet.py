"""The sheet of DigestPath's tissue images: masks as TIFF, patients by name, faults named."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers import downloaded
from helpers.downloaded import SHEET_SCHEMA, touch
from helpers.job_scripts import run_command
from helpers.pictures import smooth
from microtome.challenges.digestpath_sheet import COLUMNS, find_case, make_digestpath_sheet
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import write_cells
from microtome.slides.slide import Slide
from microtome.truth.maps import open_truth

make = partial(make_digestpath_sheet, masks="files", spacing_um=0.5)
mistake_in = partial(downloaded.mistake_in, make)
only_note = partial(downloaded.only_note, make)

POS, NEG = "tissue-train-pos-v1", "tissue-train-neg"
LESION = "18-09926B_2019-05-08 00_06_22-lv1-23252-17633-5969-5543"
SAME_CASE = "18-09926B_2019-05-08 00_06_22-lv1-1-2-5969-5543"
FREE = "2018_64982_1-1_2019-02-25 22_04_59-lv1-16129-9327-5436-4211"
HEIGHT, WIDTH = 96, 160


def write_image(path: Path, *, height: int = HEIGHT) -> None:
    """Write a JPEG of tissue's size in small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(smooth(height, WIDTH)).save(path)


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a mask as the organizers have it: JPEG, about 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path, quality=75)


def square(*, height: int = HEIGHT) -> np.ndarray:
    """Draw a lesion whose borders lie on those of JPEG's blocks, so that it survives."""
    mask = np.zeros((height, WIDTH), bool)
    mask[16:64, 32:96] = True
    return mask


@pytest.fixture
def tissue(tmp_path, monkeypatch) -> Path:
    """A folder with an image of each kind, below the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = Path("DigestPath") / "Colonoscopy_tissue_segment_dataset"
    write_image(folder / POS / f"{LESION}.jpg")
    write_mask(folder / POS / f"{LESION}_mask.jpg", square())
    write_image(folder / NEG / f"{FREE}.jpg")
    return folder


def test_images_and_their_masks(tissue):
    """The workflow takes the sheet; the lesion is where the JPEG has it, and images have µm."""
    rows, notes = make(tissue.parent)
    assert notes == []
    write_cells("s.tsv", COLUMNS, rows)
    sheet = read_sheet("s.tsv", schema=SHEET_SCHEMA)
    lesion, free = (sheet[name.replace(" ", "_")] for name in (LESION, FREE))
    assert (lesion["patient"], free["patient"]) == ("18-09926B", "2018_64982")
    assert "label" not in lesion
    assert (free["label"], free.get("viable_mask")) == ("negative", None)
    assert lesion["path"] == f"{tissue}/{POS}/{LESION}.jpg"
    np.testing.assert_array_equal(tifffile.imread(lesion["viable_mask"]), square())
    with Slide(lesion["path"], name="a", spacing_um=lesion["spacing_um"]) as slide:
        assert (slide.size_px, slide.spacing_um) == ((WIDTH, HEIGHT), 0.5)
    mask = lesion["viable_mask"]
    with open_truth(
        slide="a", slide_size_px=(WIDTH, HEIGHT), classes={}, viable_mask=mask
    ) as truth:
        viable, _ = truth.rows(0, HEIGHT, 1)
    assert viable.sum() == square().sum()


@pytest.mark.parametrize(
    ("name", "case"),
    [
        (LESION, "18-09926B"),
        (FREE, "2018_64982"),
        ("D201900566_2019-05-14 13_04_30-lv1-15930-7512-5126-5263", "D201900566"),
        ("2019-07698-1-1-1_2019-05-29 00_52_35-lv1-1-2-3-4", "2019-07698"),
        ("2019-06-11 10:58:41-D201907315-lv1-2-3-4-5", "D201907315"),
        ("2019-06-11 10_58_41-lv1-2-3-4-5", ""),
        ("one image", ""),
    ],
)
def test_the_case_in_a_name(name, case):
    """What stands before the date of the scan, or behind it; none where nothing does."""
    assert find_case(name) == case


def test_images_of_one_case_are_of_one_patient(tissue):
    """With a lesion or without."""
    write_image(tissue / NEG / f"{SAME_CASE}.jpg")
    rows, _ = make(tissue)
    assert sorted(row["patient"] for row in rows) == ["18-09926B", "18-09926B", "2018_64982"]


def test_names_that_tell_no_case_are_counted(tissue):
    """Each is a patient of its own."""
    write_image(tissue / NEG / "a b.jpg")
    assert only_note(tissue) == (
        "1 of 3 images have names that tell no case: each is a patient of its own, so one"
        " patient's images may be on two sides of a split"
    )
    assert [row["patient"] for row in make(tissue)[0]][-1] == "a_b"


def test_other_files_are_passed_over(tissue):
    """Signet ring cells, which are another task, and what is no JPEG."""
    write_image(tissue.parent / "Signet_ring_cell_dataset" / "sig-train-pos" / "a.jpg")
    touch(tissue / POS / "a.xml")
    touch(tissue / POS / f"{LESION}.tif")
    assert len(make(tissue.parent)[0]) == 2


@pytest.mark.parametrize(
    ("files", "note"),
    [
        (
            {f"{POS}/a.jpg": None},
            "a: is an image with a lesion, and has no mask a_mask.jpg; the sheet gives it no truth",
        ),
        (
            {f"{POS}/a.jpg": None, f"{POS}/a_mask.jpg": square(height=80)},
            "{folder}/"
            + POS
            + "/a_mask.jpg: is 160 x 80 px, its image 160 x 96; the sheet gives it"
            " no truth",
        ),
        (
            {f"{POS}/a.jpg": None, f"{POS}/a_mask.jpg": square() & False},
            "{folder}/"
            + POS
            + "/a_mask.jpg: is empty, and a is among the images with a lesion; the"
            " sheet gives it no truth",
        ),
        (
            {f"{NEG}/a.jpg": None, f"{NEG}/a_mask.jpg": square()},
            "{folder}/" + NEG + "/a_mask.jpg: has a lesion, and a is among the images without; the"
            " sheet gives it no truth",
        ),
        (
            {f"{POS}/b_mask.jpg": square()},
            "{folder}/" + POS + "/b_mask.jpg: left out, for its image is not here",
        ),
    ],
)
def test_masks_at_fault_are_noted(tissue, files, note):
    """The image stays, to be scored; nobody learns from it."""
    for name, mask in files.items():
        if mask is None:
            write_image(tissue / name)
        else:
            write_mask(tissue / name, mask)
    rows, notes = make(tissue)
    assert [found for found in notes if "tell no case" not in found] == [note.format(folder=tissue)]
    for row in rows:
        if row["slide"] == "a":
            assert row["viable_mask"] == row["label"] == ""


def test_an_image_that_cannot_be_read_is_noted(tissue):
    """It is for the workflow to exclude."""
    (tissue / POS / f"{LESION}.jpg").write_bytes(b"none")
    assert only_note(tissue).startswith(f"{tissue}/{POS}/{LESION}.jpg: is no JPEG or is damaged")


def test_an_empty_mask_of_an_image_without_lesion_says_nothing_new(tissue):
    """Some have made them."""
    write_mask(tissue / NEG / f"{FREE}_mask.jpg", square() & False)
    rows, notes = make(tissue)
    assert notes == []
    assert [row["label"] for row in rows] == ["", "negative"]


def test_archives_that_are_not_unpacked_are_noted(tissue):
    """Those of which no image is here."""
    touch(tissue / f"{POS}.zip")
    assert make(tissue)[1] == []
    (tissue / NEG / f"{FREE}.jpg").unlink()
    packed = touch(tissue / f"{NEG}.zip")
    assert only_note(tissue) == f"{packed}: is packed and was not looked into; unpack it"


def test_folders_that_are_refused(tissue, tmp_path):
    """Without an image; with two images of one name."""
    (tmp_path / "empty").mkdir()
    assert mistake_in(tmp_path / "empty").endswith("in it; unpack what was downloaded there")
    write_image(tissue / NEG / f"{LESION}.jpg")
    assert " are both the image of 18-09926B_2019-05-08_00_06_22-lv1-" in mistake_in(tissue)


def test_the_command_writes_masks_beside_the_sheet(tissue, tmp_path):
    """And says how many images there are of how many patients, and their spacing."""
    done = run_command(
        "digestpath_sheet.py", tmp_path, "DigestPath", "digest.tsv", "--spacing", "0.25"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "digest.tsv: 2 images of 2 patients (1 with lesions, 1 without), 0.25 µm per px, 0 notes\n"
    )
    assert [path.suffix for path in (tmp_path / "digest_files").iterdir()] == [".tif"]
    assert {
        row["spacing_um"] for row in read_sheet("digest.tsv", schema=SHEET_SCHEMA).values()
    } == {0.25}
