"""A slide, an annotation or a mask that is replaced counts, whatever its date."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conftest import Workflow

YEAR_NS = 365 * 24 * 3600 * 10**9
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


def replace(path: Path, write) -> None:
    """Write a file anew, of the same size and a year older, as `rsync -t` may."""
    before = path.stat()
    write(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - YEAR_NS))


@pytest.fixture(scope="module")
def run(make_workflow) -> Workflow:
    """A workflow whose slides have been inspected and their truth drawn."""
    made = make_workflow()
    row = {"split": "test", "spacing_um": 1.0}
    rows = {
        slide: {"path": f"{slide}.tif", **row} for slide in ("slide", "outline", "mask", "same")
    }
    rows["slide"]["label"] = "negative"
    rows["outline"]["annotation"] = rows["same"]["annotation"] = "outline.geojson"
    rows["mask"]["viable_mask"] = "viable_mask.tif"
    rows["same"]["annotation"] = "same.geojson"
    made.configure({"slides": "slides.tsv", "run": ["colour"]}, rows)
    for slide in rows:
        draw(made.folder / f"{slide}.tif", value=60)
    draw(made.folder / "viable_mask.tif", value=1)
    for name in ("outline", "same"):
        (made.folder / f"{name}.geojson").write_text(OUTLINE % 160)
    done = made.run(*truths())
    assert done.returncode == 0, done.stdout
    return made


def truths() -> list[str]:
    """What the run makes of all slides."""
    return [f"results/truth/{slide}.tif" for slide in ("slide", "outline", "mask", "same")]


def planned(run: Workflow) -> set[tuple[str, str]]:
    """Rule and slide of all jobs that a run would start now."""
    said = run.run("--dry-run", *truths()).stdout
    jobs = re.findall(r"rule (\w+):.*?wildcards: slide=(\w+)", said, re.DOTALL)
    assert jobs or "Nothing to be done" in said, said
    return set(jobs)


def test_what_is_replaced_by_an_older_file_of_its_size_runs_again(run):
    """A slide with all that follows; of outlines and masks the truth; nothing for dates alone."""
    folder = run.folder
    assert planned(run) == set()
    replace(folder / "slide.tif", lambda path: draw(path, value=80))
    replace(folder / "outline.geojson", lambda path: path.write_text(OUTLINE % 140))
    replace(folder / "viable_mask.tif", lambda path: draw(path, value=255))
    for path, ns in (("same.tif", -YEAR_NS), ("same.geojson", YEAR_NS)):
        os.utime(folder / path, ns=(0, (folder / path).stat().st_mtime_ns + ns))
        (folder / path).chmod(0o600)
    again = {(rule, "slide") for rule in ("inspect_slide", "rasterize_annotation")}
    again |= {("rasterize_annotation", "outline"), ("rasterize_annotation", "mask")}
    assert planned(run) == again
    # A run that ends here still knows that what follows is to be made again.
    assert run.run("results/slides/slide.json").returncode == 0
    assert planned(run) == again - {("inspect_slide", "slide")}
    assert run.run(*truths()).returncode == 0
    assert planned(run) == set()


def test_a_path_that_changes_counts(run):
    """A slide is looked at again where the sheet now says it is."""
    sheet = run.folder / "slides.tsv"
    before = sheet.read_text()
    sheet.write_text(before.replace("same.tif", "../run/same.tif"))
    assert planned(run) == {(rule, "same") for rule in ("inspect_slide", "rasterize_annotation")}
    sheet.write_text(before)
