"""The sheet of a PAIP 2019 folder: files matched by case, and the known faults of the data."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from helpers import downloaded
from helpers.downloaded import SHEET_SCHEMA
from helpers.job_scripts import run_command
from helpers.pictures import noise, write_slide
from microtome.challenges.paip2019_sheet import COLUMNS, make_paip2019_sheet
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_cells import write_cells
from microtome.demo.files import write_mask, write_paip_xml
from microtome.demo.outlines import Outlines
from microtome.truth.checks import TruthCheck
from microtome.truth.maps import open_truth

HEIGHT, WIDTH = 160, 192

only_note = partial(downloaded.only_note, make_paip2019_sheet)
mistake_in = partial(downloaded.mistake_in, make_paip2019_sheet)


def square(low: int, high: int, *, height: int = HEIGHT) -> np.ndarray:
    """Draw a square on the diagonal of a mask."""
    mask = np.zeros((height, WIDTH), dtype=bool)
    mask[low:high, low:high] = True
    return mask


def add_slide(folder: Path, name: str) -> Path:
    """Write a slide that OpenSlide takes for an Aperio scan."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_slide(folder / name, noise(HEIGHT, WIDTH))


def add_xml(path: Path) -> Path:
    """Write outlines of a whole and a viable tumour."""
    ring = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    write_paip_xml(path, Outlines(whole=(ring * 128.0,), viable=(ring * 64.0,)))
    return path


SMALL, LARGE = square(0, 64), square(0, 128)


def add_masks(folder: Path, case: str, *, viable=SMALL, whole=LARGE) -> None:
    """Write the two masks of a case."""
    folder.mkdir(exist_ok=True)
    write_mask(folder / f"{case}_viable.tif", viable)
    write_mask(folder / f"{case}_whole.tif", whole)


def add_case(folder: Path, case: str, *, suffix: str = ".svs", **masks: np.ndarray) -> None:
    """Write a slide, its annotation and its masks."""
    add_slide(folder, f"{case}{suffix}")
    add_xml(folder / f"{case}.xml")
    add_masks(folder, case, **masks)


@pytest.fixture
def paip(tmp_path, monkeypatch) -> Path:
    """An empty folder below the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "paip"
    folder.mkdir()
    return folder


def test_files_are_found_wherever_they_are(paip):
    """In any folder, of any suffix; what is of no case is passed over, and the sheet is valid."""
    add_case(paip / "Training" / "01_01_0083", "01_01_0083", suffix=".SVS")
    for path in (paip / "Training" / "01_01_0083").glob("*.tif"):
        path.rename(path.with_suffix(".TIFF"))
    add_slide(paip, "01_01_0090.svs")
    add_masks(paip / "masks", "01_01_0090")
    add_case(paip / ".snapshot", "01_01_0083")  # of a file system, which holds all files again
    # Digits around the id make it another one.
    for name in ("01_01_0090.jpg", "01_01_0090.tif", "01_01_00831.svs", "101_01_0083.svs"):
        (paip / name).touch()
    (paip / "burden.csv").write_text("wsi_id,pixel ratio\n83,0.25\n")
    rows, notes = make_paip2019_sheet(paip)
    assert notes == []
    write_cells("slides.tsv", COLUMNS, rows)
    assert read_sheet("slides.tsv", schema=SHEET_SCHEMA) == {
        "01_01_0083": {
            "slide": "01_01_0083",
            "path": "paip/Training/01_01_0083/01_01_0083.SVS",
            "annotation": "paip/Training/01_01_0083/01_01_0083.xml",
            "viable_mask": "paip/Training/01_01_0083/01_01_0083_viable.TIFF",
            "whole_mask": "paip/Training/01_01_0083/01_01_0083_whole.TIFF",
            "burden": 0.25,
        },
        "01_01_0090": {
            "slide": "01_01_0090",
            "path": "paip/01_01_0090.svs",
            "viable_mask": "paip/masks/01_01_0090_viable.tif",
            "whole_mask": "paip/masks/01_01_0090_whole.tif",
        },
    }


def test_files_elsewhere_have_absolute_paths(paip, monkeypatch, tmp_path):
    """Below the working directory paths are relative, however the folder is given."""
    add_slide(paip, "01_01_0083.svs")
    (tmp_path / "work").mkdir()
    for folder in ("paip", paip, "work/../paip"):
        assert make_paip2019_sheet(folder)[0][0]["path"] == "paip/01_01_0083.svs"
    monkeypatch.chdir(tmp_path / "work")
    for folder in (paip, "../paip"):
        assert make_paip2019_sheet(folder)[0][0]["path"] == str(paip / "01_01_0083.svs")


def test_swapped_masks_are_exchanged(paip):
    """01_01_0107: the sheet names them rightly, and says so; then the workflow takes them."""
    add_case(paip, "01_01_0107", viable=LARGE, whole=SMALL)
    (row,), _ = make_paip2019_sheet(paip)
    masks = {column: row[column] for column in ("viable_mask", "whole_mask")}
    assert list(masks.values()) == [f"paip/01_01_0107_{kind}.tif" for kind in ("whole", "viable")]
    assert only_note(paip) == (
        "case 01_01_0107: its masks have each other's names, for whole lies inside viable;"
        " the sheet exchanges them"
    )
    with open_truth(slide="x", slide_size_px=(WIDTH, HEIGHT), classes={}, **masks) as truth:
        check = TruthCheck(truth)
        check.add(*truth.rows(0, HEIGHT, 1))
    assert check.result() == (0.25, [])


@pytest.mark.parametrize(
    ("viable", "whole", "message"),
    [
        # A burden of 1 is no swap, nor is one of 0: an empty viable mask lies inside.
        (LARGE, LARGE, None),
        (square(0, 0), LARGE, None),
        (square(64, 160), LARGE, "55.56% of the viable tumour lies outside"),
        (SMALL, square(0, 0), "100.00% of the viable tumour lies outside"),
        (SMALL, square(0, 128, height=152), "is 192 x 152 px, the slide is 192 x 160 px"),
        (SMALL * np.uint8(3), LARGE, "holds the value 3; a mask is 0 and 1"),
    ],
    ids=["equal", "no viable", "apart", "no whole", "size", "values"],
)
def test_masks_that_are_not_swapped_stay(paip, viable, whole, message):
    """A mask that is wrong in another way is noted; the workflow excludes the slide."""
    add_case(paip, "01_01_0083", viable=viable, whole=whole)
    (row,), notes = make_paip2019_sheet(paip)
    assert row["viable_mask"] == "paip/01_01_0083_viable.tif"
    assert row["whole_mask"] == "paip/01_01_0083_whole.tif"
    assert len(notes) == (message is not None)
    assert not message or message in notes[0]


def test_masks_are_compared_in_all_their_rows(paip):
    """A fault in the last rows of a mask of several bands is seen."""
    write_slide(paip / "01_01_0083.svs", noise(2100, 16), downsamples=(1,))
    viable = np.zeros((2100, 16), dtype=bool)
    viable[2080:] = True
    add_masks(paip, "01_01_0083", viable=viable, whole=~viable)
    assert "100.00% of the viable tumour" in only_note(paip)


def test_a_slide_that_cannot_be_opened_is_noted(paip):
    """The slide stays in the sheet, for the workflow to list it as bad."""
    add_case(paip, "01_01_0083")
    (paip / "01_01_0083.svs").write_bytes(b"no slide")
    assert only_note(paip).startswith(f"slide 01_01_0083: {paip}/01_01_0083.svs")
    assert make_paip2019_sheet(paip)[0][0]["whole_mask"] == "paip/01_01_0083_whole.tif"


@pytest.mark.parametrize(
    "names",
    [
        ("01_01_0111_rescan.svs", "01_01_0111_rescan.xml"),
        ("01_01_0111rescan.svs", "01_01_0111_rescan_viable.tif"),
        ("rescan_01_01_0111.svs", "01_01_0111_viable_rescan.tif"),
    ],
)
def test_rescan_in_a_name(paip, names):
    """01_01_0111: two names hold 'rescan'; its files belong together all the same."""
    add_slide(paip, names[0])
    add_xml(paip / "01_01_0111.xml")
    add_masks(paip, "01_01_0111")
    plain = "01_01_0111.xml" if names[1].endswith(".xml") else "01_01_0111_viable.tif"
    (paip / plain).rename(paip / names[1])
    (row,), notes = make_paip2019_sheet(paip)
    assert notes == []
    assert row["slide"] == "01_01_0111"
    assert row["path"] == f"paip/{names[0]}"
    assert f"paip/{names[1]}" in (row["annotation"], row["viable_mask"])


def test_two_files_for_one_place(paip):
    """Nobody can tell which slide, or which mask, is meant."""
    add_case(paip / "a", "01_01_0083")
    add_slide(paip / "b", "01_01_0083_rescan.SVS")
    assert mistake_in(paip) == (
        f"case 01_01_0083: {paip}/a/01_01_0083.svs and {paip}/b/01_01_0083_rescan.SVS are both its"
        " slide; move one out of the folder"
    )
    (paip / "b" / "01_01_0083_rescan.SVS").unlink()
    write_mask(paip / "b" / "01_01_0083_whole.tif", LARGE)
    assert "_whole.tif are both its whole mask" in mistake_in(paip)


@pytest.mark.parametrize(
    ("present", "note", "truth"),
    [
        ("", "case 01_01_0083: has no truth, so it can be scored and not evaluated", set()),
        (
            "whole",
            "case 01_01_0083: {paip}/01_01_0083_whole.tif is left out, for nothing tells where"
            " viable tumour is",
            set(),
        ),
        ("whole xml", None, {"whole_mask", "annotation"}),
        (
            "xml other-xml",
            "case 01_01_0085: left out, for it has no slide beside {paip}/01_01_0085.xml",
            {"annotation"},
        ),
        ("xml zip", None, {"annotation"}),
        (
            "xml other-zip",
            "{paip}/01_01_0085.ZIP: is packed and was not looked into; unpack it",
            {"annotation"},
        ),
    ],
)
def test_what_a_case_lacks(paip, present, note, truth):
    """A slide is in the sheet with the truth that there is; the rest and archives are named."""
    add_slide(paip, "01_01_0083.svs")
    add = {
        "whole": lambda: write_mask(paip / "01_01_0083_whole.tif", LARGE),
        "xml": lambda: add_xml(paip / "01_01_0083.xml"),
        "other-xml": lambda: add_xml(paip / "01_01_0085.xml"),
        "zip": (paip / "01_01_0083.zip").touch,
        "other-zip": (paip / "01_01_0085.ZIP").touch,
    }
    for what in present.split():
        add[what]()
    (row,), notes = make_paip2019_sheet(paip)
    assert notes == ([note.format(paip=paip)] if note else [])
    assert row.keys() - {"slide", "path", "burden"} == truth


@pytest.fixture
def slides(paip) -> Path:
    """A folder with three slides and their annotations."""
    for case in ("01_01_0083", "01_01_0090", "01_01_0111"):
        add_slide(paip, f"{case}.svs")
        add_xml(paip / f"{case}.xml")
    return paip


def test_burdens_of_both_tables(slides):
    """Ids are numbers, numbers with letters or whole names; other rows and tables do not count."""
    (slides / "Phase_1.csv").write_text(
        ',WSI_ID,pixel ratio ,note\n0,0083svs,0.5,"a, b"\n1,,0.7,\n2,mean,0.6,\n3,90,,\n4\n'
    )
    (slides / "Phase_2.CSV").write_text(
        "\ufeffpixel ratio,wsi_id\n0.25,90\n 1 ,01_01_0111.svs\n", encoding="utf-8"
    )
    (slides / "prediction.csv").write_text("wsi_id,ratio\n90,33\n")
    (slides / "other.csv").write_bytes(b"\xff\xfe\x00,\n")
    (slides / "empty.csv").touch()
    rows, notes = make_paip2019_sheet(slides)
    assert [row["burden"] for row in rows] == ["0.5", "0.25", "1"]
    assert notes == []


def test_burdens_of_cases_that_are_not_here(slides):
    """A number that names no case, or two of them, gets a line and no burden."""
    path = slides / "burden.csv"
    path.write_text("wsi_id,pixel ratio\n83,0.5\n84,0.5\n")
    assert only_note(slides) == f"{path}, line 3: 84 does not name one of the cases here"
    add_slide(slides, "02_01_0083.svs")
    add_xml(slides / "02_01_0083.xml")
    path.write_text("wsi_id,pixel ratio\n83,0.5\n02_01_0083,0.25\n")
    assert only_note(slides).endswith("line 2: 83 does not name one of the cases here")
    assert [row["burden"] for row in make_paip2019_sheet(slides)[0]] == ["", "", "", "0.25"]


@pytest.mark.parametrize("ratio", ["50", "-0.1", "nan", "half"])
def test_burdens_must_be_fractions(slides, ratio):
    """A percentage is refused with its line: the workflow would refuse the whole sheet."""
    (slides / "a.csv").write_text(f"wsi_id,pixel ratio\n83,{ratio}\n")
    message = f"a.csv, line 2: the pixel ratio {ratio} is no fraction from 0 to 1"
    assert mistake_in(slides) == f"{slides}/{message}"


def test_two_tables_of_burdens(slides):
    """The same twice is one; two burdens are a mistake, as is a cell beyond what is read."""
    (slides / "a.csv").write_text("wsi_id,pixel ratio\n83,0.5\n")
    (slides / "b.csv").write_text("wsi_id,pixel ratio\n83,0.5\n")
    assert make_paip2019_sheet(slides)[0][0]["burden"] == "0.5"
    (slides / "b.csv").write_text("wsi_id,pixel ratio\n83,0.25\n")
    assert "line 2: case 01_01_0083 has two burdens, 0.5 and 0.25;" in mistake_in(slides)
    (slides / "a.csv").write_text("a" * 200_000)
    assert mistake_in(slides).startswith(f"{slides}/a.csv: cannot be read (field larger")


def test_links_are_followed_once(paip, tmp_path):
    """Loops end, and a folder, or a file, that links show again is no second one."""
    add_case(tmp_path / "store", "01_01_0083")
    (paip / "linked").symlink_to(tmp_path / "store")
    (paip / "again").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "loop").symlink_to(paip)
    (paip / "01_01_0083_rescan.svs").symlink_to(tmp_path / "store" / "01_01_0083.svs")
    (paip / "01_01_0085.svs").symlink_to("nowhere")
    (row,), notes = make_paip2019_sheet(paip)
    assert notes == []
    assert row["path"] == "paip/01_01_0083_rescan.svs"
    assert row["annotation"] == "paip/again/01_01_0083.xml"


def test_one_stored_file_may_be_two_cases_mask(paip, tmp_path):
    """Stores that keep equal files once link two names to it; each case has its mask."""
    write_mask(tmp_path / "stored", LARGE)
    for case in ("01_01_0083", "01_01_0090"):
        add_slide(paip, f"{case}.svs")
        for tissue in ("viable", "whole"):
            (paip / f"{case}_{tissue}.tif").symlink_to(tmp_path / "stored")
    rows, notes = make_paip2019_sheet(paip)
    assert notes == []
    assert [row["viable_mask"] for row in rows] == [
        "paip/01_01_0083_viable.tif",
        "paip/01_01_0090_viable.tif",
    ]


def test_a_folder_without_slides(paip):
    """Nothing to make a sheet of: the line says what is looked for."""
    (paip / "Training.zip").touch()
    add_xml(paip / "01_01_0083.xml")
    assert mistake_in(paip) == (
        f"{paip}: there is no slide of PAIP 2019 (as 01_01_0083.svs) in it; unpack what was"
        " downloaded there"
    )
    assert mistake_in(paip / "missing") == f"{paip / 'missing'}: is no folder"


def test_the_command_writes_the_sheet_and_nothing_else(paip, tmp_path):
    """Notes go to standard error, and the folder stays as it was."""
    add_case(paip, "01_01_0107", viable=LARGE, whole=SMALL)
    before = sorted(paip.rglob("*"))
    done = run_command("paip2019_sheet.py", tmp_path, "paip", "slides.tsv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "slides.tsv: 1 slides, 1 notes\n"
    assert done.stderr.startswith("case 01_01_0107: its masks")
    assert sorted(paip.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["paip", "slides.tsv"]
    assert (tmp_path / "slides.tsv").read_text() == (
        "slide\tpath\tannotation\tviable_mask\twhole_mask\tburden\n"
        "01_01_0107\tpaip/01_01_0107.svs\tpaip/01_01_0107.xml\tpaip/01_01_0107_whole.tif\t"
        "paip/01_01_0107_viable.tif\t\n"
    )


def test_no_sheet_is_overwritten(tmp_path):
    """The line is there before anything is looked for."""
    (tmp_path / "slides.tsv").write_text("mine")
    done = run_command("paip2019_sheet.py", tmp_path, "paip", "slides.tsv")
    assert done.returncode == 1
    assert done.stderr == "slides.tsv: is there already; remove it or give another name\n"
    assert (tmp_path / "slides.tsv").read_text() == "mine"
