"""What jobs ask for: it follows the slide, holds what was measured, and groups are one a slide."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import NODE, REPOSITORY, SMALL_COHORT, Workflow
from microtome.planning.needs import (
    UNKNOWN,
    Extent,
    Need,
    inspected_extent,
    measure_work,
    probed_extent,
    request_mb,
    request_minutes,
    step_need,
)
from microtome.planning.network_needs import scoring_need, training_need
from microtome.slides.header_probe import SlideHeader

BIOPSY = Extent(10_000, 10_000, 0.25, (10_000, 2500, 625), is_slow=False)
SECTION = Extent(40_000, 40_000, 0.25, (40_000, 10_000, 2500, 625), is_slow=False)
LARGE = Extent(100_000, 100_000, 0.25, (100_000, 25_000, 6250), is_slow=False)
SPACINGS = {"map_um": 8.0, "truth_um": 1.0, "opening_um": 32.0}

# Measured: step -> MB and s of BIOPSY and SECTION, with maps of 8 µm/px.
MEASURED = {
    "inspect_slide": ((73, 0.5), (74, 0.5)),
    "tissue_mask": ((111, 1.4), (118, 1.9)),
    "rasterize_annotation": ((175, 2.6), (175, 3.9)),
    "patch_grid": ((105, 1.5), (119, 1.8)),
    "extract_patches": ((263, 0.9), (471, 16.3)),
    "stitch_heatmap": ((109, 1.6), (136, 1.9)),
    "stitch_uncertainty": ((105, 1.4), (144, 1.9)),
    "tumour_burden": ((106, 1.5), (109, 1.9)),
    "tumour_polygons": ((101, 1.3), (106, 1.6)),
    "slide_figure": ((186, 2.9), (646, 5.1)),
    "uncertainty_figure": ((176, 2.8), (509, 5.0)),
    "evaluate_slide": ((101, 1.3), (131, 2.7)),
    "count_pixels": ((140, 2.1), (161, 2.9)),
    "summarize_uncertainty": ((130, 2.0), (137, 1.5)),
    "vote_slide": ((103, 1.4), (134, 1.6)),
    "slide_features": ((131, 2.1), (194, 3.1)),
    "find_lesions": ((131, 2.1), (146, 2.2)),
    "submission_mask": ((95, 1.9), (98, 8.1)),
    "submission_image": ((194, 2.5), (1698, 25.7)),
}


def measured_of(extent: Extent, **settings) -> dict[str, float]:
    """What was measured: 50 699 patches of 0.25 µm/px on the section, 3639 on the biopsy."""
    patches = 50_699 if extent is SECTION else 3639
    usual = {"patches": patches, "patch_px": 256, "spacings_um": [0.25], "readers": 4}
    return measure_work(extent, **SPACINGS | usual | {"annotation_bytes": 10_000_000} | settings)


@pytest.mark.parametrize("step", MEASURED)
def test_what_was_measured_is_asked_for(step):
    """At least 1.1 times the memory and 2 times the time, and not ten times of what is much."""
    for extent, (mb, s) in zip((BIOPSY, SECTION), MEASURED[step], strict=True):
        need = step_need(step, measured_of(extent))
        asked_mb, asked_min = request_mb(need, 1), request_minutes(need, 1)
        assert 1.1 * mb <= asked_mb <= 2 * mb + 250
        assert 2 * s <= asked_min * 60 <= 20 * s + 60


def test_a_finer_heatmap_takes_more():
    """Of 5000 px a side the size rule takes 1500 MB, an opening of 16 px 53 s."""
    finer = measured_of(SECTION, map_um=2.0)
    assert finer["map"] == 25
    assert 1500 < step_need("slide_features", finer).mb < 2000
    assert 53 < step_need("tumour_burden", finer).s < 80


def test_a_biopsy_and_a_large_slide_ask_for_different_things():
    """Of 100 times the area, what is held whole asks for several times the memory."""
    for step, times in {"slide_features": 2, "submission_image": 20, "slide_figure": 2.5}.items():
        few, much = (request_mb(step_need(step, measured_of(e)), 1) for e in (BIOPSY, LARGE))
        assert much > times * few
    many = measured_of(LARGE, patches=300_000)
    assert request_minutes(step_need("extract_patches", many), 1) > 20


@given(
    width=st.integers(100, 10**6),
    height=st.integers(100, 10**6),
    times=st.integers(2, 50),
    attempt=st.integers(1, 5),
)
def test_more_px_or_attempts_never_ask_for_less(width, height, times, attempt):
    """Whatever the step, and memory is a whole multiple of 50 MB."""
    small = Extent(width, height, 0.25, (width,))
    large = replace(small, width_px=width * times, widths_px=(width * times,))
    for step in MEASURED:
        work = (measure_work(extent, **SPACINGS, patches=9) for extent in (small, large))
        few, much = (step_need(step, measured) for measured in work)
        assert 0 < request_mb(few, attempt) <= request_mb(much, attempt)
        assert request_mb(few, attempt) < request_mb(few, attempt + 1)
        assert 1 <= request_minutes(few, attempt) <= request_minutes(much, attempt)
        assert request_mb(few, attempt) % 50 == 0


def test_an_extent_in_numbers():
    """Mpx of a slide, of a map of it, and of the level that is read for it."""
    extent = Extent(40_000, 20_000, 0.25, (40_000, 10_000, 2500))
    assert extent.mpx == 800
    assert [extent.mpx_at(um) for um in (0.1, 1.0)] == [800, 50]
    assert [extent.mpx_read_for(um) for um in (0.5, 1.0, 8.0)] == [800, 50, 3.125]


def test_what_the_needs_depend_on():
    """By hand: 10 patches of 100 px at 1 µm/px from a level of 0.25, by OpenSlide."""
    slow = Extent(8000, 8000, 0.25, (8000,), is_one_image=True)
    found = measure_work(
        slow,
        map_um=8.0,
        truth_um=1.0,
        opening_um=32.0,
        patches=10,
        patch_px=100,
        spacings_um=[1.0],
        readers=3,
        annotation_bytes=2_000_000,
    )
    assert found == {
        "level_0": 64,
        "map": 0.0625,
        "truth": 4,
        "read": 64 * 7,
        "patches": 0.1 * 16 * 7,
        "shown": 0.0625,
        "opening": 0.0625 * 16,
        "image": 64,
        "kpatches": 0.01,
        "readers": 3,
        "annotation": 2,
    }
    assert measure_work(LARGE, **SPACINGS)["shown"] == 1.8
    assert measure_work(replace(LARGE, is_one_image=True), **SPACINGS)["image"] == 179


def test_an_extent_comes_from_inspection_or_from_the_header():
    """What is not said is taken to be large: OpenSlide, 0.5 µm/px, and an excluded slide."""
    info = {
        "width_px": 800,
        "height_px": 700,
        "spacing_um": 0.25,
        "levels": [[800, 700], [200, 175]],
        "read_by": "tile by tile",
    }
    assert inspected_extent(info) == Extent(800, 700, 0.25, (800, 200), is_slow=False)
    assert inspected_extent(info | {"read_by": "as one image"}).is_one_image
    assert inspected_extent(info | {"read_by": "by OpenSlide"}).is_slow
    assert inspected_extent({"state": "excluded"}) == UNKNOWN
    probed = SlideHeader(((800, 700), (200, 175)), spacing_um=0.4)
    assert probed_extent(probed, spacing_um=None) == Extent(800, 700, 0.4, (800, 200))
    assert probed_extent(probed, spacing_um=0.3).spacing_um == 0.3
    assert probed_extent(SlideHeader(((8, 7),), is_one_image=True), spacing_um=None) == Extent(
        8, 7, 0.5, (8,), is_one_image=True
    )


def scoring(kinds=("histocae",), **changes) -> Need:
    """What scoring takes, by changes of a small example: 21.4 Mpx of patches, as measured."""
    given = {"patch_px": 256, "batch": None, "mpx": 21.4, "views": 1, "threads": 2, "on_gpu": False}
    weights_mb = changes.pop("weights_mb", [0.0] * len(kinds))
    measured = measure_work(BIOPSY, **SPACINGS, patches=327, patch_px=256, spacings_um=[1.0])
    return scoring_need(kinds, measured, weights_mb=weights_mb, **given | changes)


def test_scoring_has_what_was_measured():
    """Measured: HistoCAE 1666 MB on two threads and 889 on one; three FCNs 3963 MB."""
    assert 1666 <= scoring().mb <= 2 * 1666
    assert 889 <= scoring(threads=1).mb <= 2 * 889
    fcns = scoring(("segmenter",) * 3, weights_mb=[54, 250, 164], patch_px=384, mpx=3, views=4)
    assert 3963 <= fcns.mb <= 2 * 3963
    assert 190 <= fcns.s <= 3 * 190
    assert 12.6 <= scoring(threads=1).s <= 4 * 12.6


def test_scoring_grows_with_networks_views_and_patches():
    """In proportion to the computing, of which a GPU does ten times as much; so does its memory."""
    start_s = scoring(mpx=0).s
    one = scoring().s - start_s
    changes = ({"views": 3}, {"kinds": ("histocae", "histocae")}, {"on_gpu": True})
    assert [scoring(**more).s - start_s for more in changes] == pytest.approx(
        [3 * one, 2 * one, one / 10]
    )
    assert scoring(("segmenter",)).mb < scoring(("segmenter",), patch_px=1024).mb
    assert scoring(batch=16).mb - scoring(batch=8).mb == pytest.approx(500 * 8 * 0.065536)
    assert scoring(weights_mb=[1000]).mb - scoring(weights_mb=[10]).mb == pytest.approx(2 * 2 * 990)
    # What CUDA holds, whatever the network.
    assert scoring(on_gpu=True, patch_px=1024).mb == scoring(on_gpu=True).mb > scoring().mb


def training(kind, **changes) -> Need:
    """What training takes, by changes of the segmenter of the demo cohort."""
    given = {"patches": 506, "mpx_of_patch": 0.0092, "batch": 8, "epochs": 5, "gpus": 1}
    return training_need(kind, **{**given, "on_gpu": False, **changes})


def test_training_has_what_was_measured():
    """Measured on the demo cohort: HistoCAE 2071 MB and 183 s, FCNs 2339 MB and 706 s."""
    cae = training("histocae", patches=658, mpx_of_patch=0.0655, batch=16)
    fcn = training("segmenter")
    assert 2071 <= cae.mb <= 2 * 2071
    assert 183 <= cae.s <= 10 * 183
    assert 2339 * 0.8 <= fcn.mb <= 2 * 2339
    assert 706 <= fcn.s <= 10 * 706
    one, two = (training("segmenter", gpus=gpus, on_gpu=True) for gpus in (1, 2))
    assert two.mb == 2 * one.mb
    assert two.s < one.s < fcn.s
    assert training("segmenter", patches=10**7, mpx_of_patch=0.01).mb > 2500


# Grouping, as Snakemake plans it for an executor that submits.
FOLDER_OF_STAGE = (
    "demo/**/*",
    "results/slides/*",
    "results/overviews/*",
    "results/tissue/*",
    "results/truth/*",
    "results/grids/*/*",
    "results/cohort.tsv",
)
FCN = {
    "kind": "segmenter",
    "architecture": "unet",
    "spacing_um": 2.0,
    "patch_px": 64,
    "pretrained": "none",
    "max_blob_px": 0,
    "threshold": 0.5,
    "seed": 1,
    "training": {"epochs": 1, "batch": 4, "learning_rate": 1e-4, "beta1": 0.9},
}
EVERYTHING = {
    "slides": "slides.tsv",
    "run": ["ensemble", "one", "colour", "vote"],
    "models": {
        "one": FCN,
        "two": FCN,
        "ensemble": {
            "kind": "ensemble",
            "members": ["one", "two"],
            "threshold": "validation",
            "test_time_augmentation": ["flip_horizontal"],
        },
        "vote": {"kind": "vote", "members": ["one", "two", "colour"]},
    },
    "staging": {"model": "ensemble"},
    "submissions": ["paip2019", "camelyon16", "digestpath"],
}


def planned_groups(workflow: Workflow) -> list[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """The groups of a dry run: label, and rule and wildcards of each job."""
    done = workflow.run(
        *("--dry-run", "--executor", "packed-slurm", "--jobs", "9", "--rerun-triggers", "mtime"),
    )
    assert done.returncode == 0, done.stdout
    groups: list = []
    for line in done.stdout.splitlines():
        if found := re.search(r"Group job (\S+) ", line):
            groups.append((found[1], []))
        elif re.match(r"(local)?(rule|checkpoint) ", line):
            groups.append(("", []))
        elif found := re.match(r"    (?:rule|checkpoint) (\w+):", line):
            groups[-1][1].append((found[1], {}))
        elif groups and groups[-1][1] and (found := re.search(r" wildcards: (.*)", line)):
            groups[-1][1][-1][1].update(pair.split("=") for pair in found[1].split(", "))
    return [group for group in groups if group[0]]


def make_prepared(workflow: Workflow) -> None:
    """Leave files as if all slides had been prepared, by what a dry run says it would make."""
    done = workflow.run("--dry-run", "--rerun-triggers", "mtime")
    assert done.returncode == 0, done.stdout
    made = re.findall(r"^\s+output: (.*)", done.stdout, re.MULTILINE)
    paths = [path for line in made for path in line.split(", ")]
    extent = {"width_px": 9, "height_px": 9, "spacing_um": 0.5, "levels": [[9, 9]], "read_by": ""}
    status = json.dumps({"state": "ok", "reason": "", "patches": 9, **extent})
    slides = sorted({Path(path).stem for path in paths if path.startswith("results/slides/")})
    rows = "".join(f"{slide}\tok\n" for slide in slides)
    for path in paths:
        if path.startswith(("demo", *(stage.split("*")[0] for stage in FOLDER_OF_STAGE))):
            file = workflow.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"slide\tstate\n{rows}" if path.endswith(".tsv") else status)
    for k, stage in enumerate(FOLDER_OF_STAGE):
        for path in workflow.folder.glob(stage):
            os.utime(path, (1.7e9 + k, 1.7e9 + k))


def test_each_slide_has_one_group_before_and_one_after_scoring(make_workflow):
    """Ensemble, members, votes, nodes and submissions: no group has two slides, none is split."""
    workflow = make_workflow()
    workflow.configure(EVERYTHING, SMALL_COHORT | NODE)
    groups = planned_groups(workflow)
    slides = [{wildcards["slide"] for _, wildcards in jobs} for _, jobs in groups]
    assert {label for label, _ in groups} == {"prepare"}
    assert sorted(next(iter(one)) for one in slides) == sorted(SMALL_COHORT | NODE)
    assert all(len(one) == 1 for one in slides)
    rules = {rule for _, jobs in groups for rule, _ in jobs}
    assert rules == {"inspect_slide", "tissue_mask", "rasterize_annotation", "patch_grid"}

    make_prepared(workflow)
    groups = planned_groups(workflow)
    assert {label for label, _ in groups} == {"maps"}
    found = {}
    for _, jobs in groups:
        [slide] = {wildcards["slide"] for _, wildcards in jobs}
        models = sorted({wildcards["model"] for _, wildcards in jobs})
        found[slide, *models] = {rule for rule, _ in jobs}
    assert len(found) == len(groups)
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    after = {
        rule.split(":")[0] for rule in text.split("\nrule ")[1:] if 'group:\n        "maps"' in rule
    }
    assert found == {
        ("demo-10", "ensemble", "one", "two"): after - {"slide_features", "vote_slide"},
        ("demo-10", "colour"): found["demo-10", "colour"],
        ("demo-10", "vote"): {"vote_slide"},
        ("patient_1_node_0", "ensemble"): {"slide_features", "stitch_heatmap"},
    }
