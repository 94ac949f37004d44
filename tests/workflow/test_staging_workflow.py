"""Lymph nodes in the workflow: stages, submissions of all four kinds, scores, bad nodes."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import yaml

from conftest import REPOSITORY, Workflow
from microtome.io.tables import read_table
from workflow.test_workflow import apply_config

KINDS = ("paip2019", "camelyon16", "camelyon17", "digestpath")
COLUMNS = ("slide", "path", "patient", "node", "split", "annotation", "label")
LABELS = {"patient_1": ("negative", "itc"), "patient_2": ("itc", "negative")}
TESTED = {"patient_3": ("negative", "itc")}


def node_rows() -> list[dict]:
    """Small nodes of three patients, one of them to be submitted, and a slide with a tumour."""
    rows = [{"slide": "demo-10", "path": "demo/cohort/demo-10.svs", "split": "test"}]
    rows[0]["annotation"] = "demo/cohort/demo-10_paip.xml"
    for patient, labels in (LABELS | TESTED).items():
        for node, label in enumerate(labels):
            slide = f"{patient}_node_{node}"
            row = {"slide": slide, "path": f"demo/cohort/nodes/{slide}.svs", "patient": patient}
            split = "test" if patient in TESTED else ""
            rows.append({**row, "node": str(node), "label": label, "split": split})
    return rows


def write_rows(workflow: Workflow, rows: list[dict]) -> None:
    """Write the sheet."""
    with (workflow.folder / "slides.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def staged(finished, make_workflow) -> Workflow:
    """A finished run of a cohort with lymph nodes, by models that were trained before."""
    workflow = make_workflow()
    recipe = yaml.safe_load((REPOSITORY / "recipes" / "demo_submissions.yaml").read_text())
    config = apply_config(finished) | recipe | {"run": ["histocae1"]}
    demo = yaml.safe_load((finished.folder / "config.yaml").read_text())["demo"]
    workflow.configure({**config, "demo": demo, "staging": {"trees": 20, "folds": 3}})
    write_rows(workflow, node_rows())
    done = workflow.run("all", "score")
    assert done.returncode == 0, done.stdout
    return workflow


def test_every_node_has_a_class_and_every_patient_a_stage(staged):
    """Labelled patients by forests that have not seen them, the others by all."""
    results = staged.folder / "results"
    nodes = {row["slide"]: row for row in read_table(results / "staging" / "nodes.tsv")}
    assert len(nodes) == 6
    for slide, row in nodes.items():
        tested = slide.startswith("patient_3")
        assert row["how"] == ("forests" if tested else "cross-validation")
    patients = read_table(results / "staging" / "patients.tsv")
    assert [row["patient"] for row in patients] == [*LABELS, *TESTED]
    assert {row["true_stage"] for row in patients} == {"pN0(i+)"}
    assert all(row["stage"] and row["missing"] == "3" for row in patients)
    for patient in (*LABELS, *TESTED):
        assert (results / "figures" / "patients" / f"{patient}.png").stat().st_size > 10_000
    assert (results / "staging" / "staging.png").stat().st_size > 10_000


def test_nodes_are_staged_and_nothing_else(staged):
    """No burden, outlines or figures of nodes."""
    results = staged.folder / "results"
    for part in ("burden/histocae1", "figures/histocae1", "polygons/histocae1"):
        assert {path.stem for path in (results / part).iterdir()} == {"demo-10"}


@pytest.mark.parametrize("kind", KINDS)
def test_submissions_are_made_checked_and_scored(staged, kind):
    """An archive, what it was made from, and its official scores."""
    archive = staged.folder / "results" / "submissions" / kind / "histocae1.zip"
    made = json.loads(archive.with_suffix(".json").read_text())
    assert list(made["cases"]) == (["patient_3"] if kind == "camelyon17" else ["demo-10"])
    assert str(staged.folder) not in json.dumps(made)
    assert "weights.safetensors" in json.dumps(made["files"])
    scoring = staged.folder / "results" / "scoring"
    scores = json.loads((scoring / kind / "histocae1.json").read_text())
    (row,) = read_table(scoring / f"{kind}.tsv")
    assert row["submission"] == "histocae1"
    assert row.keys() - {"submission"} < scores.keys()
    assert read_table(scoring / kind / "histocae1.csv")
    assert (scoring / kind / "histocae1.png").exists() == (kind == "camelyon16")


def test_a_submission_made_again_has_the_same_bytes(staged):
    """Archives and what is said of them are functions of the results."""
    results = staged.folder / "results" / "submissions"
    files = sorted(results.glob("*/histocae1.*"))
    before = {path: path.read_bytes() for path in files}
    assert len(before) == 8
    shutil.rmtree(results)
    done = staged.run()
    assert done.returncode == 0, done.stdout
    assert {path: path.read_bytes() for path in files} == before


def test_an_archive_without_a_case_is_found_out(staged, tmp_path):
    """The check of an archive names what is missing."""
    archive = staged.folder / "results" / "submissions" / "paip2019" / "histocae1.zip"
    shutil.copy(archive.with_suffix(".json"), tmp_path / "lost.json")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(tmp_path / "lost.zip", "w") as new:
        new.writestr("prediction.csv", old.read("prediction.csv"))
    command = [sys.executable, str(staged.source / "workflow_scripts" / "check_submission.py")]
    said = []
    for path, code in ((archive, 0), (tmp_path / "lost.zip", 1), (tmp_path / "none.zip", 1)):
        beside = str(archive.parents[1] / "digestpath" / "histocae1.json")
        done = subprocess.run(
            [*command, str(path), "--beside", beside],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        said.append(done.stdout + done.stderr)
    assert "was changed" not in said[0]
    assert 'challenge: "paip2019", and "digestpath"' in said[0]
    assert "was changed since its JSON was written" in said[1]
    assert "demo-10.tif: is missing" in said[1]
    assert "none.json: cannot be read" in said[2]


def test_a_second_run_has_nothing_to_do(staged):
    """Stages, submissions and scores are up to date."""
    assert staged.planned("all", "score") == set()


def test_scoring_needs_something_to_score(staged):
    """Without anything to score there is one line that says how."""
    config = yaml.safe_load((staged.folder / "config.yaml").read_text())
    staged.configure({**config, "scoring": {}})
    done = staged.run("score", "--dry-run")
    staged.configure(config)
    assert done.returncode != 0
    assert "config: scoring: is empty; give for instance --config" in done.stdout


def test_a_bad_node_marks_its_patient(staged, tmp_path):
    """The patient is staged from the other nodes; an archive that lacks nobody is still made."""
    workflow = replace(staged, folder=tmp_path / "run")
    shutil.copytree(staged.folder, workflow.folder)
    rows = node_rows()
    (workflow.folder / "broken.svs").write_text("no slide")
    for row in rows:
        if row["slide"] == "patient_3_node_1":
            row["path"] = "broken.svs"
    write_rows(workflow, rows)
    done = workflow.run("all")
    assert done.returncode == 0, done.stdout
    patients = read_table(workflow.folder / "results" / "staging" / "patients.tsv")
    (row,) = [row for row in patients if row["patient"] == "patient_3"]
    assert (row["excluded"], row["nodes"], row["complete"]) == ("1", "1", "False")
    archive = workflow.folder / "results" / "submissions" / "camelyon17" / "histocae1.zip"
    with zipfile.ZipFile(archive) as made:
        assert "patient_3.zip,pN" in made.read("submission.csv").decode()
