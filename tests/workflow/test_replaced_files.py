"""A slide, an annotation or a mask that is replaced counts, whatever its date."""

import os
import re
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conftest import Workflow
from microtome.cohort.exclusion import run_stage
from microtome.slides.inspection import inspect

YEAR_NS = 365 * 24 * 3600 * 10**9
TRUTHS = [f"results/truth/{slide}.tif" for slide in ("slide", "outline", "mask")]
OUTLINE = """{"type": "Feature", "properties": {"objectType": "annotation",
"classification": {"name": "Tumor"}}, "geometry": {"type": "Polygon",
"coordinates": [[[80, 80], [80, 160], [%d, 160], [160, 80], [80, 80]]]}}"""


def draw(path: Path, *, value: int) -> None:
    """Write a slide or mask of 256 x 256 px, always of the same number of bytes."""
    pixels = np.zeros((256, 256), np.uint8)
    pixels[64:192, 64:192] = value
    is_mask = path.stem.endswith("mask")
    if not is_mask:
        pixels = np.stack([240 - pixels, 240 - pixels // 2, 240 - pixels], axis=-1)
    photometric = "minisblack" if is_mask else "rgb"
    tifffile.imwrite(path, pixels, photometric=photometric, tile=(128, 128))


def set_date(path: Path, ns: int) -> None:
    """Move the date of change of a file by so many ns."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + ns))


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file anew, of the same size and a year older, as `rsync -t` may."""
    n_bytes = path.stat().st_size
    write(path)
    assert path.stat().st_size == n_bytes
    set_date(path, -YEAR_NS)


@pytest.fixture(scope="module")
def run(make_workflow) -> Workflow:
    """A workflow that has noted its slides and their truth, as far as Snakemake knows."""
    made = make_workflow()
    rows = {
        "slide": {"label": "negative"},
        "outline": {"annotation": "outline.geojson"},
        "mask": {"viable_mask": "viable_mask.tif"},
    }
    slides = {slide: {"path": f"{slide}.tif", "spacing_um": 1.0} for slide in rows}
    sheet = {slide: {**slides[slide], **row} for slide, row in rows.items()}
    made.configure({"slides": "slides.tsv", "run": ["colour"]}, sheet)
    with chdir(made.folder):
        for slide in rows:
            draw(Path(f"{slide}.tif"), value=60)
        draw(Path("viable_mask.tif"), value=1)
        Path("outline.geojson").write_text(OUTLINE % 160)
        for slide, row in rows.items():
            status = f"results/slides/{slide}.json"
            about = {"name": slide, "row": slides[slide], "spacing_tolerance": 0.02}
            run_stage(inspect, status=status, given=[f"{slide}.tif"], **about)
            given = [path for column, path in row.items() if column != "label"]
            run_stage(dict, status=f"results/truth/{slide}.json", given=given)
        for path in TRUTHS:
            Path(path).touch()
    done = made.run("--touch", "--forceall", *TRUTHS)
    assert done.returncode == 0, done.stdout
    return made


def planned(run: Workflow) -> set[tuple[str, str]]:
    """Rule and slide of all jobs that a run would start now."""
    said = run.run("--dry-run", *TRUTHS).stdout
    jobs = re.findall(r"rule (\w+):.*?wildcards: slide=(\w+)", said, re.DOTALL)
    assert jobs or "Nothing to be done" in said, said
    return set(jobs)


def test_what_is_replaced_by_an_older_file_of_its_size_runs_again(run):
    """A slide with all that follows, of outlines and masks the truth; nothing for dates alone."""
    with chdir(run.folder):
        replace(Path("slide.tif"), lambda path: draw(path, value=80))
        replace(Path("outline.geojson"), lambda path: path.write_text(OUTLINE % 140))
        replace(Path("viable_mask.tif"), lambda path: draw(path, value=255))
        set_date(Path("outline.tif"), -YEAR_NS)
        set_date(Path("mask.tif"), YEAR_NS)
        Path("mask.tif").chmod(0o600)
    follows = {("rasterize_annotation", slide) for slide in ("slide", "outline", "mask")}
    assert planned(run) == follows | {("inspect_slide", "slide")}


def test_a_run_that_ended_early_goes_on(run):
    """What was read is noted by the step itself, and what follows is known to be of before."""
    done = run.run("results/slides/slide.json", "results/truth/outline.tif")
    assert done.returncode == 0, done.stdout
    with chdir(run.folder):
        for path, ns in (("slide.tif", YEAR_NS), ("outline.geojson", -YEAR_NS)):
            set_date(Path(path), ns)
    assert planned(run) == {("rasterize_annotation", slide) for slide in ("slide", "mask")}


def test_a_path_that_changes_counts(run):
    """A slide is looked at again where the sheet now says it is."""
    before = planned(run)
    sheet = run.folder / "slides.tsv"
    sheet.write_text(sheet.read_text().replace("outline.tif", "../run/outline.tif"))
    again = {(rule, "outline") for rule in ("inspect_slide", "rasterize_annotation")}
    assert planned(run) == before | again
