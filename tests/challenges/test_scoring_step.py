"""Scores of whole submissions, folders and archives, against folders of truth."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from conftest import REAL_DATA
from microtome.challenges import camelyon16_truth, scored_files
from microtome.challenges.camelyon16_truth import find_truth_files, read_lesions
from microtome.challenges.scoring_step import CHALLENGES, score_submission
from microtome.errors import InputError
from microtome.io import csv_cells
from microtome.io.atomic import write_json
from microtome.io.tables import write_table


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and the folders above it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def mask(first: int, last: int, *, width: int = 60) -> np.ndarray:
    """Columns from first to last as foreground."""
    return np.tile((np.arange(width) >= first) & (np.arange(width) < last), (40, 1)).astype(
        np.uint8
    )


def put_tiff(folder: Path, name: str, pixels: np.ndarray) -> None:
    """Write a deflated TIFF."""
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, pixels, compression="deflate", tile=(64, 64))


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    """Two empty folders, of a submission and of the truth."""
    for name in ("submission", "truth"):
        (tmp_path / name).mkdir()
    return tmp_path / "submission", tmp_path / "truth"


def packed(folder: Path, *, top: str = "") -> Path:
    """Pack a folder, within a folder `top` where given."""
    path = folder.with_name(f"{folder.name}{top}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for found in sorted(folder.rglob("*")):
            archive.write(found, Path(top, found.relative_to(folder)))
    return path


def score(challenge: str, folders: tuple[Path, Path]) -> tuple[dict, list[dict]]:
    """Score; what comes out can be written, and is the same from an archive of the files."""
    submission, truth = folders
    found = score_submission(challenge, submission=submission, truth=truth)
    write_json(truth.parent / "scores.json", found[0])
    write_table(truth.parent / "cases.csv", found[1])
    assert json.loads((truth.parent / "scores.json").read_text()) == found[0]
    for archive in (packed(submission), packed(submission, top="team")):
        assert score_submission(challenge, submission=archive, truth=truth) == found
    return found


def mistake(challenge: str, folders: tuple[Path, Path]) -> str:
    """Give the one line that scoring raises."""
    with pytest.raises(InputError) as caught:
        score_submission(challenge, submission=folders[0], truth=folders[1])
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def paip(folders) -> tuple[Path, Path]:
    """Two cases: the first agrees in 30 of 40 columns, the second wholly."""
    submission, truth = folders
    put_tiff(submission, "01_01_0083.tif", mask(10, 45))
    put_tiff(truth / "masks", "01_01_0083_viable.tif", mask(15, 50))
    put_tiff(truth / "masks", "01_01_0083_whole.tif", mask(0, 60))
    put_tiff(submission, "01_01_0090.tif", mask(5, 8))
    put_tiff(truth, "01_01_0090_Viable.tif", mask(5, 8) * 255)
    put(submission, "prediction.csv", "\ufeffWSI_ID,Ratio\r\n01_01_0083,50.0\r\n01_01_0090, 30\r\n")
    burdens = ",wsi_id,pixel ratio \n0,83,0.6\n1,01_01_0090.svs,0.3\n2,mean,0.4\n3\n"
    put(truth, "burden.csv", burdens)
    return folders


def test_paip2019(paip):
    """Jaccard 30 / 40 and 1; burdens are off by 10 points and by none."""
    summary, rows = score("paip2019", paip)
    assert summary["task1"] == (0.75 + 1) / 2
    assert summary["task2"] == pytest.approx((0.75 * 0.9 + 1) / 2)
    assert summary["notes"] == summary["missing"] == []
    assert list(rows[0].values()) == ["01_01_0083", 0.75, 0.75, 50, 60, pytest.approx(0.675)]


def test_paip2019_of_other_names(folders):
    """Without the organizers' numbers a case has the mask's name, and a burden by that name."""
    put_tiff(folders[0], "demo-10.tif", mask(5, 8))
    put_tiff(folders[1], "demo-10_viable.tif", mask(5, 8))
    put(folders[0], "prediction.csv", "wsi_id,ratio\ndemo-10,20\n")
    put(folders[1], "burden.csv", "wsi_id,pixel ratio\ndemo-10,0.2\n10,0.9\n")
    summary, _ = score("paip2019", folders)
    assert (summary["task1"], summary["task2"], summary["notes"]) == (1, 1, [])


def test_paip2019_in_part(paip):
    """A missing case and missing burdens are told; so is what the truth does not have."""
    submission, truth = paip
    (submission / "01_01_0083.tif").unlink()
    (submission / "prediction.csv").unlink()
    put_tiff(submission, "01_01_0001.tif", mask(5, 8))
    (truth / "burden.csv").write_text("wsi_id,pixel ratio\n90,0.3\n")
    summary, _ = score("paip2019", paip)
    assert summary["missing"] == ["01_01_0083"]
    assert (summary["task1"], summary["task1_present"], summary["task2_present"]) == (None, 1, None)
    assert summary["notes"] == [
        "prediction.csv is not there, so task 2 is not scored",
        "the truth has no burden of: 01_01_0083",
        "01_01_0001: is not in the truth",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wsi_id,burden\n", "prediction.csv: the header lacks ratio; it must be wsi_id,ratio"),
        ("wsi_id,ratio\n\na,nan\n", "line 3: the ratio 'nan' is no number from 0 to 100"),
        ("wsi_id,ratio\na,50%\n", "line 2: the ratio '50%' is no number"),
        ("wsi_id,ratio\na\n", "line 2: has 1 cells, the header 2"),
        ("wsi_id,ratio\na,1\na,1\n", "line 3: a is there twice"),
        (b"\xff\xfe\0w", "prediction.csv: cannot be read as CSV"),
    ],
)
def test_mistakes_in_a_table_of_burdens(paip, text, message):
    """Each names the file, and the line if there is one; in an archive the file in it."""
    put(paip[0], "prediction.csv", text)
    assert message in mistake("paip2019", paip)
    line = mistake("paip2019", (packed(paip[0]), paip[1]))
    assert message in line
    assert line.startswith(f"{paip[0]}.zip/prediction.csv")


def test_mistakes_in_masks_of_paip2019(paip):
    """Another size, other values, two files of a case; named in the archive, not in its copy."""
    submission, truth = paip
    put_tiff(submission, "01_01_0083.tif", mask(5, 8, width=61))
    archive = packed(submission)
    assert mistake("paip2019", (archive, truth)) == (
        f"{archive}/01_01_0083.tif: is 61 x 40 px, the truth"
        f" {truth}/masks/01_01_0083_viable.tif is 60 x 40 px; submit a mask of that size"
    )
    put_tiff(submission, "01_01_0083.tif", mask(5, 8) * 2)
    assert "01_01_0083.tif: holds the value 2; a mask is" in mistake("paip2019", paip)
    put_tiff(submission, "01_01_0083.tiff", mask(5, 8))
    assert "01_01_0083.tif is of the same case" in mistake("paip2019", paip)


def test_mistakes_in_the_truth_of_paip2019(paip):
    """No mask, two masks or burdens of a case, a burden that is no fraction."""
    submission, truth = paip
    assert "holds no mask of viable" in mistake("paip2019", (submission, submission))
    put(truth, "b.csv", "wsi_id,pixel ratio\n83,0.7\n")
    assert "line 2: case 01_01_0083 has another burden" in mistake("paip2019", paip)
    put(truth, "b.csv", "wsi_id,pixel ratio\n83,70\n")
    assert "line 2: the pixel ratio '70' is no number from 0 to 1" in mistake("paip2019", paip)
    put_tiff(truth, "01_01_0083_viable.tif", mask(5, 8))
    assert "01_01_0083_viable.tif is of the same case" in mistake("paip2019", paip)


def polygon(group: str, left: int, top: int, side: int) -> str:
    """Draw a square in level-0 px as ASAP does."""
    corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    points = [f'<Coordinate Order="{i}" X="{x}" Y="{y}"/>' for i, (x, y) in enumerate(corners)]
    return (
        f'<Annotation Name="a" Type="Polygon" PartOfGroup="{group}">'
        f"<Coordinates>{''.join(points)}</Coordinates></Annotation>"
    )


def asap(*polygons: str) -> str:
    """Write an ASAP file."""
    return f"<ASAP_Annotations><Annotations>{''.join(polygons)}</Annotations></ASAP_Annotations>"


@pytest.fixture
def camelyon16(folders) -> tuple[Path, Path]:
    """Two tumour slides, of outlines and of a mask, and two free of tumour.

    Test_001 has a large lesion at (3200, 3200) and an ITC at (9600, 9600); test_002 a large one at
    (640, 640). Found are the first (0.9), the ITC (0.95), and beside them 0.8 and 0.7.
    """
    submission, truth = folders
    put(truth, "reference.csv", "test_001,Tumor,IDC,Macro\ntest_002,Micro\n"
        "test_003,Normal,None,None\ntest_004,negative\n")  # fmt: skip
    shapes = polygon("_0", 3200, 3200, 3200), polygon("Tumor", 9600, 9600, 64)
    put(truth, "Test_001.xml", asap(*shapes))
    level0 = np.zeros((3000, 3200), np.uint8)
    level0[640:2640, 640:2640] = 255
    put_tiff(truth, "test_002_mask.tif", level0)
    put(submission, "probabilities.csv", "name,probability\ntest_001.tif,0.9\nTEST_002,0.4\n"
        "test_003,0.5\ntest_004,0.1\n")  # fmt: skip
    put(submission, "detections/test_001.csv", "0.9,4000,4000\n0.5,4100,4000\n0.95,9632,9632\n")
    put(submission, "detections/test_002.csv", "confidence,x,y\n0.8,3100,2900\n")
    put(submission, "detections/test_003.csv", "0.7,100,200\n")
    put(submission, "detections/test_004.csv", "")
    return folders


def test_camelyon16(camelyon16):
    """AUC: three of four pairs. FROC: one of two lesions, before any false positive."""
    summary, rows = score("camelyon16", camelyon16)
    assert (summary["auc"], summary["froc"], summary["slides"]) == (0.75, 0.5, 4)
    rates = ("0.25", "0.5", "1", "2", "4", "8")
    assert [summary[f"sensitivity_at_{rate}"] for rate in rates] == [0.5] * 6
    assert summary["notes"] == []
    columns = ("slide", "tumour", "probability", "lesions", "itc", "hit", "false_positives")
    assert [tuple(row) for row in rows] == [columns] * 4
    assert [tuple(row.values()) for row in rows] == [
        ("test_001", 1, 0.9, 1, 1, 1, 0),
        ("test_002", 1, 0.4, 1, 0, 0, 1),
        ("test_003", 0, 0.5, 0, 0, 0, 1),
        ("test_004", 0, 0.1, 0, 0, 0, 0),
    ]


def test_camelyon16_in_part(camelyon16):
    """One task alone is scored; a slide without a table has no detections, which is told."""
    submission, truth = camelyon16
    (submission / "detections" / "test_002.csv").unlink()
    put(submission, "detections/else.csv", "")
    (submission / "probabilities.csv").unlink()
    summary, rows = score("camelyon16", camelyon16)
    assert (summary["auc"], summary["froc"]) == (None, 0.5)
    assert summary["notes"] == [
        "probabilities.csv is not there, so the AUC is not scored",
        "no table of detections, so none, of: test_002",
        "else: is not in the truth",
    ]
    assert rows[1]["false_positives"] == 0
    shutil.rmtree(submission / "detections")
    nothing = "neither probabilities.csv nor detections/<name>.csv"
    assert nothing in mistake("camelyon16", camelyon16)
    put(submission, "probabilities.csv", "".join(f"test_00{i},0.{i}\n" for i in (1, 2, 3, 4)))
    for path in truth.glob("*_00*"):
        path.unlink()  # who enters no detections needs no lesions
    summary, _ = score("camelyon16", camelyon16)
    assert (summary["auc"], summary["froc"]) == (0, None)
    assert summary["notes"] == ["detections is not there, so the FROC is not scored"]


def test_outlines_and_masks_give_the_same_lesions(tmp_path):
    """A square with a bay, drawn and as a pyramid's first level, 0/1 or 0/255."""
    put(tmp_path, "a.xml", asap(polygon("_1", 320, 640, 1600), polygon("_2", 320, 960, 960)))
    level0 = np.zeros((3200, 3200), np.uint8)
    level0[640:2240, 320:1920] = 1
    level0[960:1920, 320:1280] = 0
    put_tiff(tmp_path, "B.tif", level0)
    put_tiff(tmp_path, "c_mask.tif", level0 * 255)
    put(tmp_path, "A.tif", "")  # where there are outlines, this may be the slide itself
    files = find_truth_files(tmp_path)
    assert [files[name].name for name in "abc"] == ["a.xml", "B.tif", "c_mask.tif"]
    drawn, drawn_is_itc = read_lesions("a", files)
    for name in ("b", "c"):
        labels, is_itc = read_lesions(name, files)
        assert labels.shape == (100, 100)
        height, width = (min(sides) for sides in zip(labels.shape, drawn.shape, strict=True))
        np.testing.assert_array_equal(labels[:height, :width], drawn[:height, :width])
        assert labels.sum() == drawn.sum()
        assert is_itc.tolist() == drawn_is_itc.tolist() == [False]


@pytest.mark.parametrize(("at", "n"), [(16, 2), (15, 1)])
def test_the_px_under_the_centre_counts(tmp_path, at, n):
    """One px of level 0 at (16, 16) of a cell of 32 is seen, at (15, 15) it is not."""
    level0 = np.zeros((96, 79), np.uint8)
    level0[[32 + at, 16], [32 + at, 16]] = 1
    put_tiff(tmp_path, "a.tif", level0)
    # A third column begins beyond the edge's centre.
    assert read_lesions("a", find_truth_files(tmp_path))[0].shape == (3, 2)
    assert camelyon16_truth._sample(tmp_path / "a.tif").sum() == n


def test_real_outlines():
    """Three groups of cells of 83 x 93, 95 x 93 and 45 x 124 µm: all three are ITCs."""
    folder = REAL_DATA / "camelyon_annotations"
    if not folder.is_dir():
        pytest.skip("the real annotations (../shared/data/camelyon_annotations) are not here")
    labels, is_itc = read_lesions("patient_004_node_4", find_truth_files(folder))
    assert is_itc.tolist() == [True, True, True]
    boxes = ndimage.find_objects(labels)
    grown = [sorted(len(range(*s.indices(10**6))) for s in box) for box in boxes]
    # Each side has grown by the reach of 4 px at both ends; the grid takes or leaves one more.
    drawn_um = [(82.8, 92.9), (93.0, 94.9), (44.6, 124.0)]
    expected = sorted([um / 7.776 + 8 for um in pair] for pair in drawn_um)
    np.testing.assert_allclose(sorted(grown), expected, atol=1.6)


DOCTYPE = '<!DOCTYPE a [<!ENTITY b "c">]><ASAP_Annotations>&b;</ASAP_Annotations>'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("probabilities.csv", "test_001,1.1\n", "line 1: the probability '1.1' is no number from"),
        ("probabilities.csv", "test_001,0.5\n", "slide test_002: has no probability"),
        ("probabilities.csv", "test_001,0.5\ntest_001.tif,0.5", "line 2: test_001 is there twice"),
        ("detections/test_001.csv", "0.5,1\n", "line 1: has 2 cells; a row is confidence,x,y"),
        ("detections/test_001.csv", "0.5,1.5,1\n", "line 1: the x '1.5' is no whole number"),
        ("detections/test_001.csv", "0.5,1,-1\n", "line 1: the y '-1' is no whole number"),
        ("detections/test_001.csv", "x,y,confidence\n", "the confidence 'x' is no number"),
        ("detections/Test_001.csv", "", "test_001.csv: detections/Test_001.csv is of the same"),
        ("truth/reference.csv", "name,class\n", "reference.csv: names no slide"),
        ("truth/reference.csv", "test_001\n", "line 1: has no name and class"),
        ("truth/reference.csv", "a,Tumor\nA.tif,Normal\n", "line 2: slide a is there twice"),
        ("truth/reference.csv", "test_005,Tumor\n", "test_005: is a tumour slide without truth"),
        ("truth/Test_001.xml", asap(), "holds no tumour, but the slide's class says it has some"),
        ("truth/Test_001.xml", asap(polygon("else", 0, 0, 9)), "has a known class and an area"),
        ("truth/Test_001.xml", asap(polygon("_0", 0, 0, 500_000)), "outlines beyond 400000 px"),
        ("truth/test_001.xml", asap(), "is its truth as well; remove one"),
        ("truth/Test_001.xml", DOCTYPE, "declares a document type or entities"),
    ],
)
def test_mistakes_of_camelyon16(camelyon16, name, text, message):
    """Each names the file, and the line if there is one."""
    submission, truth = camelyon16
    if name.startswith("truth"):
        (submission / "probabilities.csv").unlink()
        put(truth, name.removeprefix("truth/"), text)
    else:
        put(submission, name, text)
    assert message in mistake("camelyon16", camelyon16)


def test_camelyon17(folders):
    """Patients are scored whatever their case or suffix, nodes are not."""
    submission, truth = folders
    put(truth, "stages.csv", "patient,stage\npatient_100.zip,pN0(i+)\npatient_100_node_0.tif,itc\n"
        "patient_101.zip,pN2\npatient_102.zip,pN0\n")  # fmt: skip
    put(truth, "other.csv", "slide,class\n")
    put(submission, "submission.csv", "patient,stage\nPATIENT_100.ZIP,PN0(I+)\n"
        "patient_100_node_0.tif,macro\npatient_102,pN0\npatient_101.zip,pN1\n"
        "patient_103.zip,pN1\n")  # fmt: skip
    summary, rows = score("camelyon17", folders)
    # Squares of distances: 1 is seen; by chance, all pairs of 1 4 0 and 1 3 0: 41 / 3.
    assert summary["kappa"] == pytest.approx(1 - 1 / ((0 + 4 + 1 + 9 + 1 + 16 + 1 + 9 + 0) / 3))
    assert summary["kappa_low"] < summary["kappa"] < summary["kappa_high"]
    assert (summary["patients"], summary["accuracy"]) == (3, 2 / 3)
    assert list(rows[1].values()) == ["patient_101", "pN1", "pN2", 0]
    assert summary["notes"] == ["patient_103: is not in the truth"]
    (submission / "submission.csv").rename(submission / "results.csv")
    assert score("camelyon17", folders)[0] == summary
    put(submission, "more.csv", "patient,stage\n")
    assert "holds no submission.csv and 2 other CSVs" in mistake("camelyon17", folders)


@pytest.mark.parametrize(
    ("submitted", "truth", "message"),
    [
        ("patient,stage\n", "patient,stage\na.zip,pN0\n", "patient a: no stage was submitted"),
        ("patient;stage\n", "patient,stage\na.zip,pN0\n", "the header lacks patient and stage"),
        ("patient,stage\na,pN3\n", "patient,stage\na,pN0\n", "line 2: 'pN3' is neither a stage"),
        ("patient,stage\na,pN0\nA.zip,pN1\n", "patient,stage\na,pN0\n", "line 3: a is there twice"),
        ("patient,stage\n", "patient,stage\na_node_0.tif,itc\n", "holds no CSV with patient,stage"),
        ("patient,stage\n", "patient,stages\na,pN0\n", "holds no CSV with patient,stage"),
        # In two tables of the truth, of which nobody can tell which holds.
        ("", "patient,stage\nb.zip,pN1\n", "stages.csv, line 2: b is there twice"),
    ],
)
def test_mistakes_of_camelyon17(folders, submitted, truth, message):
    """Each is one line."""
    put(folders[0], "submission.csv", submitted)
    put(folders[1], "stages.csv", truth)
    if "b.zip" in truth:
        put(folders[1], "a.csv", "patient,stage\nb,pN0\n")
    assert message in mistake("camelyon17", folders)


def put_image(folder: Path, name: str, pixels: np.ndarray) -> None:
    """Write an image of 0 and 255, or of colours as they are."""
    Image.fromarray(pixels if pixels.ndim == 3 else pixels * np.uint8(255)).save(folder / name)


def test_digestpath(folders):
    """Dice 0.5, 1 of nothing and 0 of nothing; a picture beside its mask is none."""
    submission, truth = folders
    put_image(truth, "a_mask.png", mask(10, 30))
    put_image(truth, "a.jpg", np.full((40, 60, 3), (200, 100, 200), np.uint8))
    put_image(truth, "b.jpg", mask(0, 0))
    put_tiff(truth, "c_mask.tif", mask(0, 0))
    put_image(submission, "a.png", mask(20, 40))
    put_image(submission, "b.png", mask(0, 0))
    put_image(submission, "c.png", mask(0, 1))
    put_image(submission, "d.png", mask(0, 1))
    summary, rows = score("digestpath", folders)
    assert [tuple(row.values()) for row in rows] == [("a", 0.5, 0), ("b", 1, 1), ("c", 0, 1)]
    assert (summary["dice"], summary["dice_lesion"], summary["dice_lesion_free"]) == (0.5, 0.5, 0.5)
    assert summary["notes"] == ["d: is not in the truth"]
    (submission / "b.png").unlink()
    summary, _ = score("digestpath", folders)
    assert (summary["missing"], summary["dice"], summary["dice_present"]) == (["b"], None, 0.25)
    assert (summary["dice_lesion"], summary["dice_lesion_free"]) == (0.5, 0)
    put_image(truth, "a_mask.jpg", mask(0, 1))
    assert "a_mask.jpg is its truth as well" in mistake("digestpath", folders)


def test_what_is_not_there(folders, tmp_path):
    """A challenge, a folder, an archive or all of the truth: what is known or wanted is named."""
    submission, truth = folders
    known = ", ".join(CHALLENGES)
    assert known == "camelyon16, camelyon17, digestpath, paip2019"
    assert mistake("paip2020", folders) == f"'paip2020' is no challenge; known: {known}"
    nowhere, broken = tmp_path / "no", put(tmp_path, "a.zip", "no archive")
    assert mistake("paip2019", (submission, nowhere)).startswith(f"{nowhere}: is no folder")
    assert mistake("paip2019", (nowhere, truth)).startswith(f"{nowhere}: is not")
    assert mistake("paip2019", (broken, truth)).startswith(f"{broken}: is neither")
    assert "reference.csv: is not there" in mistake("camelyon16", folders)
    assert "holds no masks, as <image>_mask.png" in mistake("digestpath", folders)


def test_what_is_too_large(paip, monkeypatch):
    """Too many or too large files, or too large a table."""
    submission, truth = paip
    archive = packed(submission)
    monkeypatch.setattr(scored_files, "_MAX_FILES", 2)
    assert "holds 3 files; at most 2 are read" in mistake("paip2019", (archive, truth))
    monkeypatch.setattr(scored_files, "_MAX_FILES", 3)
    monkeypatch.setattr(scored_files, "_MAX_FILE_BYTES", 100)
    assert f"{archive}/01_01_0083.tif: has " in mistake("paip2019", (archive, truth))
    monkeypatch.setattr(csv_cells, "MAX_BYTES", 3)
    assert "prediction.csv: is larger than" in mistake("paip2019", paip)


def test_what_is_wrong_with_an_archive(paip):
    """A member that is damaged, a name twice, and a name that leads out."""
    submission, truth = paip
    archive = packed(submission)
    whole = archive.read_bytes()
    start = whole.index(b"01_01_0083.tif") + 60
    archive.write_bytes(whole[:start] + bytes(40) + whole[start + 40 :])
    assert f"{archive}/01_01_0083.tif: is damaged" in mistake("paip2019", (archive, truth))
    archive = packed(submission)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(archive, "a") as file:
        file.writestr("prediction.csv", "wsi_id,ratio\n")
    assert "prediction.csv: is in it more than once" in mistake("paip2019", (archive, truth))
    archive = packed(submission)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("./a.csv", "")
    assert "./a.csv: has a name that leads out" in mistake("paip2019", (archive, truth))


def test_what_systems_add_to_archives_is_not_looked_at(paip):
    """Hidden files and `__MACOSX` count for nothing, also for the folder around everything."""
    expected = score("paip2019", paip)
    archive = packed(paip[0], top="team")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("__MACOSX/team/01_01_0083.tif", "")
        file.writestr("team/.DS_Store", "")
    assert score_submission("paip2019", submission=archive, truth=paip[1]) == expected
