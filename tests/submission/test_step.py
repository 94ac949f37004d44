"""Submissions from a cohort's results, checked before they are there."""

import shutil
import zipfile

import numpy as np
import pytest

from microtome.demo.challenge_truth import write_truth
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import write_table
from microtome.rasters.label_tiff import open_raster, write_array
from microtome.submission.checks import check_submission
from microtome.submission.files import write_detections, write_mask_png, write_mask_tiff
from microtome.submission.step import write_submission

SIZE_PX = (640, 480)
SLIDES = ("case-1", "case-2")
KINDS = ("paip2019", "camelyon16", "camelyon17", "digestpath")
PATIENTS = {"p_1": ["p_1_node_0", "p_1_node_1"]}


@pytest.fixture
def results(tmp_path):
    """Results of two slides and a patient, as the workflow leaves them."""
    viable = np.zeros((60, 80), np.uint8)
    viable[10:30, 20:60] = 1
    files = {kind: [] for kind in KINDS}
    for slide in SLIDES:
        for part in ("viable", "slides", "burden", "lesions", "paip", "digest"):
            (tmp_path / part).mkdir(exist_ok=True)
        write_array(tmp_path / "viable" / f"{slide}.tif", viable, spacing_um=8.0)
        mask = open_raster(tmp_path / "viable" / f"{slide}.tif")
        given = {"size_px": SIZE_PX, "spacing_um": 1.0}
        write_mask_tiff(tmp_path / "paip" / f"{slide}.tif", mask, **given)
        write_mask_png(tmp_path / "digest" / f"{slide}.png", mask, **given)
        write_json(
            tmp_path / "slides" / f"{slide}.json",
            {"width_px": SIZE_PX[0], "height_px": SIZE_PX[1], "spacing_um": 1.0},
        )
        write_json(tmp_path / "burden" / f"{slide}.json", {"burden": 0.25})
        write_detections(tmp_path / "lesions" / f"{slide}.csv", [(0.75, 10, 20), (0.5, 300, 400)])
        files["paip2019"] += [
            tmp_path / "paip" / f"{slide}.tif",
            tmp_path / "burden" / f"{slide}.json",
        ]
        files["camelyon16"].append(tmp_path / "lesions" / f"{slide}.csv")
        files["digestpath"].append(tmp_path / "digest" / f"{slide}.png")
    nodes = [
        {"slide": slide, "patient": "p_1", "class": called}
        for slide, called in zip(PATIENTS["p_1"], ("micro", "negative"), strict=True)
    ]
    # A patient that is not to be submitted, as those that forests were trained on.
    nodes.append({"slide": "q_1_node_0", "patient": "q_1", "class": "itc"})
    write_table(tmp_path / "nodes.tsv", nodes)
    stages = {"p_1": "pN1mi", "q_1": "pN0(i+)"}
    write_table(
        tmp_path / "patients.tsv", [{"patient": p, "stage": stage} for p, stage in stages.items()]
    )
    files["camelyon17"] = [tmp_path / "nodes.tsv", tmp_path / "patients.tsv"]
    write_table(tmp_path / "cohort.tsv", [{"slide": "case-3", "reason": "is damaged"}])
    return tmp_path, files


def made(results, kind: str, *, cases=None, name: str = "made.zip"):
    """Write a submission; the archive and its cases."""
    folder, files = results
    cases = cases or (PATIENTS if kind == "camelyon17" else list(SLIDES))
    wanted = write_submission(
        folder / name,
        challenge=kind,
        cases=cases,
        files=files[kind],
        inspected=[] if kind == "camelyon17" else sorted((folder / "slides").iterdir()),
        cohort=folder / "cohort.tsv",
    )
    return folder / name, wanted


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_valid_and_the_same_again(results, kind):
    """The archive passes its check; another time it has the same bytes."""
    archive, cases = made(results, kind)
    assert check_submission(kind, archive, cases) == []
    again, _ = made(results, kind, name="again.zip")
    assert archive.read_bytes() == again.read_bytes()
    assert {path.name for path in archive.parent.iterdir() if path.is_dir()} == {
        "viable", "slides", "burden", "lesions", "paip", "digest",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("paip2019", ["case-1.tif", "case-2.tif", "prediction.csv"]),
        ("camelyon16", ["detections/case-1.csv", "detections/case-2.csv", "probabilities.csv"]),
        ("camelyon17", ["submission.csv"]),
        ("digestpath", ["case-1.png", "case-2.png"]),
    ],
)
def test_members(results, kind, members):
    """What each challenge finds in the archive."""
    with zipfile.ZipFile(made(results, kind)[0]) as archive:
        assert archive.namelist() == members


@pytest.mark.parametrize(
    ("kind", "table", "text"),
    [
        ("paip2019", "prediction.csv", "wsi_id,ratio\ncase-1,25.0000\ncase-2,25.0000\n"),
        ("camelyon16", "probabilities.csv", "case-1,0.75\ncase-2,0.75\n"),
        ("camelyon16", "detections/case-1.csv", "0.75,10,20\n0.5,300,400\n"),
        (
            "camelyon17",
            "submission.csv",
            "patient,stage\np_1.zip,pN1mi\np_1_node_0.tif,micro\np_1_node_1.tif,negative\n",
        ),
    ],
)
def test_tables(results, kind, table, text):
    """The tables, to the letter."""
    with zipfile.ZipFile(made(results, kind)[0]) as archive:
        assert archive.read(table).decode() == text


@pytest.mark.parametrize("kind", ["paip2019", "camelyon16", "digestpath"])
def test_an_excluded_slide_is_named_with_its_reason(results, kind):
    """A submission that lacks a case is not written."""
    with pytest.raises(InputError, match=r"case case-3 is missing, .* excluded: is damaged"):
        made(results, kind, cases=[*SLIDES, "case-3"])
    assert not (results[0] / "made.zip").exists()


def test_a_patient_without_a_stage_is_named(results):
    """None of its nodes could be used."""
    folder, _ = results
    write_table(folder / "patients.tsv", [{"patient": "p_1", "stage": ""}])
    with pytest.raises(InputError, match="patient p_1 is missing"):
        made(results, "camelyon17")


def test_a_slide_without_lesions_has_no_tumour(results):
    """Its probability is 0."""
    folder, _ = results
    write_detections(folder / "lesions" / "case-1.csv", [])
    with zipfile.ZipFile(made(results, "camelyon16")[0]) as archive:
        assert archive.read("probabilities.csv") == b"case-1,0\ncase-2,0.75\n"


def test_nothing_to_submit_is_one_line(results):
    """A cohort without test slides."""
    folder, _ = results
    with pytest.raises(InputError, match="no slide or patient of the sheet"):
        write_submission(
            folder / "made.zip",
            challenge="paip2019",
            cases=[],
            files=[],
            inspected=[],
            cohort=folder / "cohort.tsv",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_that_is_taken_away_is_named(results, kind):
    """The check names what an archive lacks."""
    archive, cases = made(results, kind)
    lost = "p_1" if kind == "camelyon17" else "case-2"
    shorter = archive.with_name("shorter.zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(shorter, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if lost in name:
                continue
            if name.endswith(".csv"):
                text = b"".join(x for x in text.splitlines(keepends=True) if lost.encode() not in x)
            new.writestr(name, text)
    problems = check_submission(kind, shorter, cases)
    assert problems
    assert any(lost in problem for problem in problems)


def test_a_table_that_no_challenge_takes_is_not_offered(results):
    """The archive is checked before it has its name: a detection beyond the slide."""
    folder, _ = results
    write_detections(folder / "lesions" / "case-1.csv", [(0.5, 5000, 20)])
    with pytest.raises(InputError, match="case-1") as caught:
        made(results, "camelyon16")
    assert str(folder / "made.zip") in str(caught.value)
    assert ".partial" not in str(caught.value)
    assert not (folder / "made.zip").exists()
    assert not list(folder.glob(".partial*"))


def test_the_demo_truth_has_the_organizers_layouts(results):
    """Names, tables and values of each challenge."""
    folder, _ = results
    (folder / "a.xml").write_text("<ASAP_Annotations/>")
    rows = {
        slide: {"patient": "p_1", "node": slide[-1], "label": label}
        for slide, label in zip(PATIENTS["p_1"], ("macro", "itc"), strict=True)
    }
    masks = [folder / "viable" / "case-1.tif"]
    write_json(folder / "status.json", {"burden": 0.5})
    for kind, slides, files, statuses in (
        ("paip2019", ["case-1"], masks, [folder / "status.json"]),
        ("camelyon16", ["case-1"], [folder / "a.xml"], []),
        ("camelyon17", list(rows), [], []),
        ("digestpath", ["case-1"], masks, []),
    ):
        given = {"slides": slides, "files": files, "statuses": statuses, "rows": rows}
        write_truth(folder / "truth" / kind, challenge=kind, **given)
    listed = {str(p.relative_to(folder / "truth")) for p in (folder / "truth").rglob("*.*")}
    assert listed == {
        "paip2019/case-1_viable.tif",
        "paip2019/burdens.csv",
        "camelyon16/case-1.xml",
        "camelyon16/reference.csv",
        "camelyon17/stages.csv",
        "digestpath/case-1_mask.png",
    }
    text = (folder / "truth" / "camelyon17" / "stages.csv").read_text()
    assert text == "patient,stage\np_1.zip,pN1\np_1_node_0.tif,macro\np_1_node_1.tif,itc\n"
    shutil.rmtree(folder / "truth")
