"""Submissions from a cohort's results, checked before they are there."""

import zipfile

import numpy as np
import pytest

from microtome.demo.challenge_truth import write_truth
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.io.tables import write_table
from microtome.rasters.label_tiff import Raster, write_array
from microtome.rasters.labels import VIABLE
from microtome.submission.checks import check_submission
from microtome.submission.files import write_detections, write_mask_png, write_mask_tiff
from microtome.submission.step import write_submission

SLIDES = ("case-1", "case-2")
NODES = ["p_1_node_0", "p_1_node_1"]
CASES = {
    "paip2019": SLIDES,
    "camelyon16": SLIDES,
    "camelyon17": {"p_1": NODES},
    "digestpath": SLIDES,
}


@pytest.fixture
def results(tmp_path):
    """Results of two slides and a patient, as the workflow leaves them."""
    viable = np.zeros((60, 80), np.uint8)
    viable[10:30, 20:60] = 1
    write_array(tmp_path / "viable.tif", viable, spacing_um=8.0)
    mask, given = Raster(viable * np.uint8(VIABLE), 8.0), {"size_px": (640, 480), "spacing_um": 1.0}
    inspected = {"width_px": 640, "height_px": 480, "spacing_um": 1.0}
    for slide in SLIDES:
        write_json(tmp_path / "slides" / f"{slide}.json", inspected)
        write_mask_tiff(tmp_path / "paip2019" / f"{slide}.tif", mask, **given)
        write_json(tmp_path / "paip2019" / f"{slide}.json", {"burden": 0.25})
        lesions = [(0.75, 10, 20), (0.5, 300, 40)] if slide == "case-1" else []
        write_detections(tmp_path / "camelyon16" / f"{slide}.csv", lesions)
        write_mask_png(tmp_path / "digestpath" / f"{slide}.png", mask, **given)
    nodes = [
        {"slide": slide, "patient": "p_1", "class": called}
        for slide, called in zip(NODES, ("micro", "negative"), strict=True)
    ]
    # A patient that is not to be submitted, as those that forests were trained on.
    nodes.append({"slide": "q_1_node_0", "patient": "q_1", "class": "itc"})
    write_table(tmp_path / "camelyon17" / "nodes.tsv", nodes)
    stages = [{"patient": "p_1", "stage": "pN1mi"}, {"patient": "q_1", "stage": "pN0(i+)"}]
    write_table(tmp_path / "camelyon17" / "patients.tsv", stages)
    write_table(tmp_path / "cohort.tsv", [{"slide": "case-3", "reason": "is damaged"}])
    return tmp_path


def submit(results, kind: str, *, cases=None, name: str = "made.zip"):
    """Write a submission; give the archive and its cases."""
    wanted = write_submission(
        results / name,
        challenge=kind,
        cases=CASES[kind] if cases is None else cases,
        files=sorted((results / kind).iterdir()),
        inspected=[] if kind == "camelyon17" else sorted((results / "slides").iterdir()),
        cohort=results / "cohort.tsv",
    )
    return results / name, wanted


@pytest.mark.parametrize(
    ("kind", "members", "tables"),
    [
        (
            "paip2019",
            ["case-1.tif", "case-2.tif", "prediction.csv"],
            ["wsi_id,ratio\ncase-1,25.0000\ncase-2,25.0000\n"],
        ),
        (
            "camelyon16",
            ["detections/case-1.csv", "detections/case-2.csv", "probabilities.csv"],
            ["0.75,10,20\n0.5,300,40\n", "", "case-1,0.75\ncase-2,0\n"],
        ),
        (
            "camelyon17",
            ["submission.csv"],
            ["patient,stage\np_1.zip,pN1mi\np_1_node_0.tif,micro\np_1_node_1.tif,negative\n"],
        ),
        ("digestpath", ["case-1.png", "case-2.png"], []),
    ],
    ids=list(CASES),
)
def test_each_kind(results, kind, members, tables):
    """The archive holds what the challenge asks for, passes its check and is the same again."""
    before = sorted(results.iterdir())
    archive, cases = submit(results, kind)
    assert check_submission(kind, archive, cases) == []
    assert sorted(results.iterdir()) == sorted([*before, archive])
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == members
        written = [opened.read(name).decode() for name in members if name.endswith(".csv")]
        assert written == tables
    again, _ = submit(results, kind, name="again.zip")
    assert archive.read_bytes() == again.read_bytes()


@pytest.mark.parametrize("kind", ["paip2019", "camelyon16", "digestpath"])
def test_an_excluded_slide_is_named_with_its_reason(results, kind):
    """A submission that lacks a case is not written."""
    with pytest.raises(InputError, match=r"case case-3 is missing, .* excluded: is damaged"):
        submit(results, kind, cases=[*SLIDES, "case-3"])
    assert not (results / "made.zip").exists()


def test_a_patient_without_a_stage_is_named(results):
    """None of its nodes could be used; nor is there a submission of nothing."""
    write_table(results / "camelyon17" / "patients.tsv", [{"patient": "p_1", "stage": ""}])
    with pytest.raises(InputError, match="patient p_1 is missing"):
        submit(results, "camelyon17")
    with pytest.raises(InputError, match="no slide or patient of the sheet"):
        submit(results, "paip2019", cases=[])


def test_a_table_that_no_challenge_takes_is_not_offered(results):
    """The archive is checked before it has its name: a detection beyond the slide."""
    write_detections(results / "camelyon16" / "case-1.csv", [(0.5, 5000, 20)])
    with pytest.raises(InputError, match="case-1") as caught:
        submit(results, "camelyon16")
    assert str(results / "made.zip") in str(caught.value)
    assert ".partial" not in str(caught.value)
    assert not (results / "made.zip").exists()
    assert not list(results.glob(".partial*"))


def test_the_demo_truth_has_the_organizers_layouts(results):
    """Names, tables and values of each challenge."""
    (results / "a.xml").write_text("<ASAP_Annotations/>")
    rows = {
        slide: {"patient": "p_1", "node": slide[-1], "label": label}
        for slide, label in zip(NODES, ("macro", "itc"), strict=True)
    }
    mask = [results / "viable.tif"]
    for kind, slides, files in (
        ("paip2019", ["case-1"], mask),
        ("camelyon16", ["case-1"], [results / "a.xml"]),
        ("camelyon17", list(rows), []),
        ("digestpath", ["case-1"], mask),
    ):
        statuses = [results / "paip2019" / "case-1.json"] if kind == "paip2019" else []
        given = {"slides": slides, "files": files, "statuses": statuses, "rows": rows}
        write_truth(results / "truth" / kind, challenge=kind, **given)
    truth = results / "truth"
    assert {str(path.relative_to(truth)) for path in truth.rglob("*.*")} == {
        "paip2019/case-1_viable.tif",
        "paip2019/burdens.csv",
        "camelyon16/case-1.xml",
        "camelyon16/reference.csv",
        "camelyon17/stages.csv",
        "digestpath/case-1_mask.png",
    }
    text = (truth / "camelyon17" / "stages.csv").read_text()
    assert text == "patient,stage\np_1.zip,pN1\np_1_node_0.tif,macro\np_1_node_1.tif,itc\n"
