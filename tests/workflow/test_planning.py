"""Sheets of thousands of slides: read and checked once, and cheap for every job that starts."""

import os
import string
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from conftest import REPOSITORY, Workflow
from microtome.cohort import config_checks as checks
from microtome.cohort.config_checks import read_sheet
from microtome.cohort.sheet_rows import list_usable_slides, load_sheet
from microtome.errors import InputError
from microtome.planning.code_hash import code_hash

SCHEMA = REPOSITORY / "rules" / "schemas" / "slides.schema.yaml"
NAMES = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8)
ROWS = st.fixed_dictionaries(
    {"split": st.sampled_from(["", "train", "test"])},
    optional={
        "fold": st.sampled_from(["", "0", "7", " 3 ", "4.0"]),
        "label": st.sampled_from(["", "negative", "macro "]),
        "spacing_um": st.sampled_from(["", "0.25", "1"]),
    },
)
# What a job on a node is started with.
ON_A_NODE = (
    "--force",
    "--mode=remote",
    "--nolock",
    "--ignore-incomplete",
    "--no-hooks",
    "--cores=1",
)


def write_table(path: Path, rows: list[dict]) -> Path:
    """Write rows tab-separated."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path


@given(rows=st.dictionaries(NAMES, ROWS, min_size=1, max_size=6))
def test_a_job_reads_the_same_sheet(tmp_path_factory, rows):
    """What is read without checks is what the checks gave: rows, order, numbers as numbers."""
    folder = tmp_path_factory.mktemp("sheet")
    lines = [{"slide": name, "path": f"made/{name}", **row} for name, row in rows.items()]
    sheet = write_table(folder / "slides.tsv", lines)
    checked = read_sheet(sheet, schema=SCHEMA, made_by_workflow="made")
    assert load_sheet(sheet) == checked
    assert list(load_sheet(sheet)) == list(rows)
    for name, row in load_sheet(sheet).items():
        wanted = rows[name].get("fold", "").strip().removesuffix(".0")
        # Not 3.0, which params would show.
        assert repr(row.get("fold")) == (wanted or "None")


def test_a_job_looks_for_no_files(tmp_path):
    """Only who checks a sheet looks for its files."""
    sheet = write_table(tmp_path / "slides.tsv", [{"slide": "a", "path": "nowhere.svs"}])
    assert load_sheet(sheet) == {"a": {"slide": "a", "path": "nowhere.svs"}}
    with pytest.raises(InputError, match="the file nowhere"):
        read_sheet(sheet, schema=SCHEMA)


def test_the_schema_is_read_once(tmp_path, monkeypatch):
    """Not once a slide: that alone took six seconds for a thousand."""
    reads = []
    load = checks.yaml.load
    monkeypatch.setattr(checks.yaml, "load", lambda *a, **k: reads.append(1) or load(*a, **k))
    rows = [{"slide": f"s{n}", "path": f"made/{n}"} for n in range(5)]
    sheet = write_table(tmp_path / "slides.tsv", rows)
    assert len(read_sheet(sheet, schema=SCHEMA, made_by_workflow="made")) == 5
    assert len(reads) == 1


COHORT = [
    {"slide": "b", "state": "ok"},
    {"slide": "a", "state": "excluded"},
    {"slide": "c", "state": "ok"},
]


def test_usable_slides(tmp_path):
    """Those whose state is ok, in the order of the table."""
    assert list_usable_slides(write_table(tmp_path / "cohort.tsv", COHORT)) == ("b", "c")


def test_the_cohort_is_read_again_when_it_changed(tmp_path, monkeypatch):
    """The table is opened once while it stays as it is, and again after a change."""
    table = write_table(tmp_path / "cohort.tsv", COHORT)
    os.utime(table, ns=(1, 1))
    opened = []
    original = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *a, **k: opened.append(path) or original(path, *a, **k)
    )
    assert [list_usable_slides(table) for _ in range(3)] == [("b", "c")] * 3
    assert opened.count(table) == 1
    swapped = [COHORT[1], COHORT[0], COHORT[2] | {"slide": "d"}]  # of the same size
    write_table(table, swapped)
    os.utime(table, ns=(2, 2))
    assert list_usable_slides(table) == ("b", "d")
    write_table(table, COHORT[:1])
    os.utime(table, ns=(2, 2))  # the same date
    assert list_usable_slides(table) == ("b",)
    other = write_table(tmp_path / "other.tsv", COHORT[1:])
    os.utime(other, ns=(2, 2))
    assert list_usable_slides(other) == ("c",)


@pytest.fixture
def workflow(make_workflow) -> Workflow:
    """A workflow with a sheet of three slides, of which only the first is there."""
    made = make_workflow()
    rows = {
        slide: {"path": f"{slide}.tif", "split": "test", "label": "negative", "spacing_um": 1.0}
        for slide in ("a", "b", "c")
    }
    made.configure({"slides": "slides.tsv", "run": ["colour"]}, rows)
    pixels = np.full((256, 256, 3), 240, np.uint8)
    pixels[64:192, 64:192] = (180, 100, 160)
    tifffile.imwrite(made.folder / "a.tif", pixels, photometric="rgb", tile=(128, 128))
    return made


def in_a_job(workflow: Workflow, rule: str, wildcards: str, *arguments: str):
    """Start Snakemake as a job on a node does."""
    target = ("--target-jobs", f"{rule}:{wildcards}", "--allowed-rules", rule)
    done = workflow.run(*target, *ON_A_NODE, *arguments)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_job_plans_nothing_but_itself(workflow):
    """Neither what its inputs come from nor the checkpoint; that cost minutes a job."""
    said = in_a_job(
        workflow, "stitch_heatmap", "model=colour,slide=b", "--dry-run", "--quiet", "rules"
    )
    assert said.count("stitch_heatmap") >= 1
    totals = [line.split() for line in said.splitlines() if line.startswith("total")]
    assert totals
    assert {total[1] for total in totals} == {"1"}


def test_a_job_knows_which_slides_are_usable(workflow):
    """Input functions that wait for the checkpoint read its table in a job."""
    table = workflow.folder / "results" / "cohort.tsv"
    table.parent.mkdir()
    write_table(table, COHORT)
    said = in_a_job(workflow, "burden_table", "model=colour", "--dry-run")
    assert "results/burden/colour/b.json, results/burden/colour/c.json" in said
    assert "results/burden/colour/a.json" not in said


def test_a_job_is_told_its_code(workflow):
    """Only the hash of what a job runs is made there, and it is the one the driver knows."""
    script = workflow.source / "workflow_scripts" / "jobs" / "slides" / "inspect_slide.py"
    tells = "Path(snakemake.output[0]).write_text(snakemake.params.code)"
    script.write_text(f"{script.read_text()}\nfrom pathlib import Path\n\n{tells}\n")
    in_a_job(workflow, "inspect_slide", "slide=a")
    told = (workflow.folder / "results" / "slides" / "a.json").read_text()
    assert told == code_hash(script, root=workflow.source / "workflow_scripts")
