"""The workflow when something is wrong: bad slides, bad sheets, a full disk, a killed run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from conftest import SMALL_COHORT, SMALL_CONFIG, Workflow
from helpers.pictures import write_slide
from workflow.test_workflow import apply_config

WHITE = np.full((600, 700, 3), 245, np.uint8)


@pytest.fixture(scope="module")
def tissue_pixels() -> np.ndarray:
    """A picture with a pink square of tissue, 1600 x 1400 px."""
    rng = np.random.default_rng(0)
    pixels = np.full((1400, 1600, 3), 245, np.uint8)
    pixels[300:1100, 300:1200] = rng.normal((190, 110, 170), 12, (800, 900, 3)).clip(0, 255)
    return pixels


def _write_bad_slides(folder: Path, tissue_pixels: np.ndarray) -> None:
    """Slides that can be opened, but not used, or not with their annotations."""
    write_slide(folder / "no_spacing.svs", tissue_pixels, spacing_um=None)
    write_slide(folder / "empty.svs", WHITE, spacing_um=0.5)
    write_slide(folder / "dark.svs", WHITE // 12, spacing_um=0.5)
    grey = np.repeat(tissue_pixels[..., 1:2], 3, axis=2)
    write_slide(folder / "grey.svs", grey, spacing_um=0.5)
    words = {"photometric": "rgb", "tile": (64, 64), "resolution": (2e4, 2e4)}
    words |= {"resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(folder / "words.svs", tissue_pixels.astype(np.uint16) * 16, **words)
    write_slide(folder / "coarse.svs", tissue_pixels, spacing_um=4)
    write_slide(folder / "annotated.svs", tissue_pixels, spacing_um=0.5)
    write_slide(folder / "macro.svs", tissue_pixels, spacing_um=0.5)


def test_bad_slides_are_excluded_with_their_reason_and_the_rest_finishes(
    finished, make_workflow, tissue_pixels
):
    """Each bad slide is in the cohort table with one exact reason; the good one has its maps.

    Its file has a name that shells and Snakemake know characters of. The last lines of the console
    say how many slides are left out, and why.
    """
    workflow = make_workflow()
    folder = workflow.folder
    strange = Path("it's [b] & c*,d=1;$x ü", "good?%41#1.svs")
    (folder / strange).parent.mkdir()
    write_slide(folder / strange, tissue_pixels, spacing_um=0.5)
    _write_bad_slides(folder, tissue_pixels)
    (folder / "garbage.svs").write_bytes(os.urandom(5000))
    whole = (folder / strange).read_bytes()
    (folder / "cut.svs").write_bytes(whole[: len(whole) * 2 // 3])
    with tifffile.TiffFile(folder / strange) as tiff:
        end = max(
            map(sum, zip(tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts, strict=True))
        )
    (folder / "other.xml").write_text(
        "<Annotations><Annotation Id='2'><Regions><Region NegativeROA='0'><Vertices>"
        + "".join(f"<Vertex X='{x}' Y='{y}'/>" for x, y in ((9e4, 9e4), (9.1e4, 9e4), (9e4, 9.1e4)))
        + "</Vertices></Region></Regions></Annotation></Annotations>"
    )
    (folder / "none.xml").write_text("<Annotations/>")
    names = ("good", "no_spacing", "empty", "dark", "grey", "words", "coarse", "garbage", "cut")
    rows = {name: {"path": f"{name}.svs"} for name in names}
    rows["good"]["path"] = strange
    rows["annotated"] = {"path": "annotated.svs", "annotation": "other.xml"}
    rows["macro"] = {"path": "macro.svs", "annotation": "none.xml", "label": "macro"}
    workflow.configure(apply_config(finished), rows)
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    cohort = workflow.cohort()
    assert list(cohort) == list(rows)
    assert [name for name, row in cohort.items() if row["state"] == "ok"] == ["good"]
    assert cohort["no_spacing"]["reason"] == (
        "slide no_spacing: no_spacing.svs does not say its spacing; add it to the column spacing_um"
        " of the slide sheet (µm per pixel)"
    )
    assert cohort["empty"]["reason"] == (
        "slide empty: no tissue found; look at the slide, and at `tissue` in the config if it has"
        " some"
    )
    assert cohort["dark"]["reason"] == (
        "slide dark: 100.0% of it is dark: fluorescence or an unscanned slide, not H&E; take it out"
        " of the sheet"
    )
    assert cohort["grey"]["reason"] == (
        "slide grey: its red, green and blue are equal; H&E is told from glass by its colours; give"
        " the slide as it was scanned, in RGB of 8 bits"
    )
    said = "slide words: words.svs has 16 bits a channel (uint16), not 8 unsigned; scale them so"
    assert cohort["words"]["reason"].startswith(said)
    assert cohort["coarse"]["reason"] == (
        "slide coarse: 1 µm/px is asked for, but the slide has only 4 µm/px; choose a coarser"
        " spacing, or set slide.upsample"
    )
    assert cohort["garbage"]["reason"] == (
        "slide garbage: garbage.svs cannot be opened as a slide"
        " (no format that is read; see docs/formats.md)"
    )
    assert cohort["cut"]["reason"] == (
        f"slide cut: cut.svs is cut off: it has {len(whole) * 2 // 3} bytes, its tile table needs"
        f" {end}; copy the file again"
    )
    assert cohort["annotated"]["reason"] == (
        "slide annotated: other.xml reaches from (90000, 90000) to (91000, 91000) px, the slide is"
        " 1600 x 1400 px: annotation of another slide?"
    )
    assert cohort["macro"]["reason"] == (
        "slide macro: its label is macro, but its truth holds no px of tumour; correct the label,"
        " or the annotation or mask"
    )
    results = folder / "results"
    assert [path.name for path in (results / "scores" / "histocae1").iterdir()] == ["good.zarr"]
    assert "Traceback" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[-8] == "1 of 11 slides used, 10 left out; results/cohort.tsv says why of each"
    assert lines[-7].startswith("  1 slide (no_spacing): no_spacing.svs does not say its spacing;")
    assert lines[-1] == "  4 for other reasons"
    # The policy 'stop' ends the same cohort with one line that names them all.
    workflow.configure({**apply_config(finished), "bad_slides": "stop"})
    done = workflow.run()
    assert done.returncode == 1
    line = "10 of 11 slides cannot be used and bad_slides is 'stop': slide no_spacing:"
    assert line in done.stdout
    assert "Traceback" not in done.stdout


def test_real_bad_slides_are_excluded(finished, make_workflow, real_slides):
    """Unopenable, unreadable, garbage and fluorescence files say so; a readable slide finishes."""
    workflow = make_workflow()
    files = {
        "garbage": "broken.svs",
        "unopenable": "unopenable.tiff",
        "unreadable": "unreadable.svs",
        "fluorescence": "fluorescence_dapi.ndpi",
        "plain": "kidney-48-5.tif",
        "good": "CMU-1-Small-Region.svs",
    }
    workflow.configure(
        {**apply_config(finished), "run": ["colour"]},
        {name: {"path": real_slides / file} for name, file in files.items()},
    )
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    reasons = {name: row["reason"] for name, row in workflow.cohort().items()}
    assert reasons.pop("good") == ""
    unknown = "cannot be opened as a slide (no format that is read; see docs/formats.md)"
    said = {
        "garbage": unknown,
        "unopenable": "is compressed as unknown (52479), which nothing here decodes in tiles of"
        " such px; convert it"
        " (vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff)",
        "unreadable": "cannot be read at x=0, y=0, level 0"
        " (tjDecompressHeader3(): Could not determine subsampling level of JPEG image)",
        "plain": "does not say its spacing; add it to the column spacing_um of the slide sheet"
        " (µm per pixel)",
    }
    assert reasons.pop("fluorescence") == (
        "slide fluorescence: 100.0% of it is dark: fluorescence or an unscanned slide, not H&E;"
        " take it out of the sheet"
    )
    assert reasons == {
        name: f"slide {name}: {real_slides / files[name]} {words}" for name, words in said.items()
    }
    assert (workflow.folder / "results" / "burden" / "colour.tsv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"slidez": "x.tsv"}, "config: unknown key 'slidez'; known keys are"),
        ({"slides": "absent.tsv"}, "slide sheet absent.tsv: cannot be read"),
    ],
)
def test_bad_config_ends_before_anything_runs(make_workflow, config, line):
    """A mistake in the config ends the run with one line that names the key or file."""
    workflow = make_workflow()
    workflow.configure({**SMALL_CONFIG, **config}, SMALL_COHORT)
    done = workflow.run()
    assert done.returncode == 1
    assert line in done.stdout
    assert "Traceback" not in done.stdout
    assert not (workflow.folder / "results").exists()


def test_bad_sheet_ends_before_anything_runs(make_workflow):
    """Mistakes in the sheet end the run with a line each that names slide, column and remedy."""
    workflow = make_workflow()
    bad = {"bad": {"path": "absent.svs"}, "worse": {"split": "tset"}}
    workflow.configure(SMALL_CONFIG, SMALL_COHORT | bad)
    done = workflow.run()
    assert done.returncode == 1
    assert "\nslide sheet slides.tsv: 2 mistakes\n" in done.stdout
    assert "\n  row 6, slide bad: path: the file absent.svs does not exist in /" in done.stdout
    assert "\n  row 7, slide worse: split: 'tset' is not one of ['train', 'v" in done.stdout
    assert "Traceback" not in done.stdout


def test_one_class_in_training_ends_before_anything_runs(make_workflow):
    """Training slides without any tumour are seen in the sheet, unless nothing is trained."""
    workflow = make_workflow()
    rows = {
        "demo-01": {"split": "train", "label": "negative"},
        "demo-10": {"split": "test", "label": "negative"},
    }
    workflow.configure({**SMALL_CONFIG, "run": ["colour"]}, rows)
    done = workflow.run("--dry-run")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == (
        "slide sheet slides.tsv: training of colour has no tumour in its 1 slide with truth; both"
        " classes are needed"
    )
    assert "make_demo_cohort" in workflow.planned("results/slides/demo-01.json")
    # A target of a slide that is not in the sheet.
    done = workflow.run("--dry-run", "results/figures/colour/demo-11.png")
    assert done.returncode == 1
    last = "slide demo-11 is not in the slide sheet; did you mean demo-10?"
    assert done.stdout.splitlines()[-1] == last


def test_full_disk_leaves_nothing_that_looks_complete(finished, make_workflow):
    """A write that fails ends the run with a line; the next run, with room, finishes the job."""
    workflow = make_workflow()
    shutil.copytree(finished.folder / "demo", workflow.folder / "demo")
    workflow.configure({**SMALL_CONFIG, "run": ["colour"]}, SMALL_COHORT)
    target = "results/patches/1um_128px_every256px/demo-01.zarr"
    limit = 700_000  # bytes a file: enough for masks and grids, not for a shard of patches
    own = replace(workflow, python=sys.executable)  # its jobs inherit the limit
    done = subprocess.run(
        ["prlimit", f"--fsize={limit}", *own.command(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"[Errno 27] File too large: '{target}'" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list(workflow.folder.glob("results/patches/**/*.zarr"))
    assert not list(workflow.folder.rglob(".partial-*"))
    done = workflow.run(target)
    assert done.returncode == 0, done.stdout
    same_bytes(workflow.folder / target, finished.folder / target)


def test_killed_runs_end_in_the_same_bytes(finished, make_workflow):
    """Kill -9 in extraction, pretraining and training; run again: the bytes of a calm run."""
    workflow = make_workflow()
    shutil.copytree(finished.folder / "demo", workflow.folder / "demo")
    workflow.configure(SMALL_CONFIG, SMALL_COHORT)
    folder = workflow.folder
    checkpoints = folder / "results" / "checkpoints"
    kill_when(workflow, lambda: any(folder.glob("results/patches/*/.partial-*/pixels/zarr.json")))
    assert not (folder / "results" / "models").exists()
    kill_when(workflow, (checkpoints / "histocae1_pretraining_1um.safetensors").exists)
    assert not (folder / "results" / "models" / "histocae1" / "cae_1um.safetensors").exists()
    kill_when(workflow, (checkpoints / "histocae1_training.safetensors").exists)
    assert not (folder / "results" / "models" / "histocae1" / "weights.safetensors").exists()
    workflow.run("--unlock")
    done = workflow.run()
    assert done.returncode == 0, done.stdout
    log = (folder / "logs" / "train_classifier" / "histocae1.log").read_text()
    assert "resumed after epoch 1" in log
    for part in ("patches", "models", "scores", "heatmaps", "tumour", "burden", "evaluation"):
        same_bytes(folder / "results" / part, finished.folder / "results" / part)


def kill_when(workflow: Workflow, reached: Callable[[], bool]) -> None:
    """Start a run and kill all of it, without a warning, when `reached` says so."""
    workflow.run("--unlock")
    process = subprocess.Popen(
        workflow.command(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not reached():
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def same_bytes(one: Path, other: Path) -> None:
    """Assert that two folders hold the same files with the same content, times left out."""
    names = {
        folder: {
            path.relative_to(folder)
            for path in folder.rglob("*")
            if path.is_file() and path.name not in (".snakemake_timestamp", "costs.csv")
        }
        for folder in (one, other)
    }
    assert names[one] == names[other]
    assert names[one]
    for name in sorted(names[one]):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
