"""What jobs ask for, by their rule, wildcards and files, in a folder with few of these yet."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.pictures import write_slide
from helpers.small_plan import NODES, SHEET, changed, plan
from microtome.planning.needs import (
    UNKNOWN,
    Need,
    inspected_extent,
    measure_work,
    request_mb,
    request_minutes,
    step_need,
)
from microtome.planning.network_needs import scoring_need, training_need
from microtome.planning.requests import Requests
from microtome.planning.staging import Staging

INFO = {
    "width_px": 40_000,
    "height_px": 20_000,
    "spacing_um": 0.25,
    "levels": [[40_000, 20_000], [10_000, 5000]],
    "read_by": "tile by tile",
}
MAPS = {"map_um": 8.0, "truth_um": 1.0, "opening_um": 32}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def requests(*, uses_gpu: bool = False, **changes) -> Requests:
    """Plan what the jobs of the small sheet ask for."""
    config = changed(run=["both", "colour", "vote", "cae", "mr"], **changes)
    cohort = plan(SHEET | NODES, without=(), run=config["run"], **changes)
    return Requests(cohort, Staging(cohort, config), config, uses_gpu=lambda: uses_gpu)


def write_json(path: str, content: dict) -> None:
    """Write what a step reports."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def asked(rule: str, wildcards: dict, files: dict | None = None, *, threads: int = 1, **settings):
    """MB and minutes of a job's first attempt."""
    job = (rule, wildcards, files or {}, threads, 1)
    return requests(**settings).mb(*job), requests(**settings).minutes(*job)


def of_need(need: Need) -> tuple[int, int]:
    """MB and minutes that a need becomes at the first attempt."""
    return request_mb(need, 1), request_minutes(need, 1)


def of_networks(kinds: list[str], patches: float, spacing_um: float, **given) -> tuple[int, int]:
    """MB and minutes of networks on so many patches of 256 px, on two threads."""
    measured = measure_work(
        inspected_extent(INFO), **MAPS, patches=patches, patch_px=256, spacings_um=[spacing_um]
    )
    mpx = patches * 256**2 / 1e6
    return of_need(scoring_need(kinds, measured, patch_px=256, mpx=mpx, threads=2, **given))


def test_a_slide_of_which_nothing_is_known_is_taken_to_be_large():
    """Neither inspected nor there, all of it tissue."""
    expected = of_need(step_need("find_lesions", measure_work(UNKNOWN, **MAPS)))
    assert asked("find_lesions", {"model": "colour", "slide": "tested"}) == expected
    patches = UNKNOWN.mpx_at(0.5) * 1e6 / 128**2
    measured = measure_work(UNKNOWN, **MAPS, patches=patches, patch_px=64, spacings_um=[0.5])
    grid = {"grid": "0.5um_64px_every128px", "slide": "tested"}
    assert asked("patch_grid", grid) == of_need(step_need("patch_grid", measured))


def test_what_is_known_of_a_slide_counts():
    """The header of its file, then its inspection; a status that is not whole does not."""
    job = ("tissue_mask", {"slide": "tested"})
    unknown = asked(*job)
    write_slide(Path("tested.svs"), np.zeros((256, 256, 3), np.uint8), spacing_um=1)
    probed = asked(*job)
    assert probed < unknown
    Path("results/slides").mkdir(parents=True)
    Path("results/slides/tested.json").write_text('{"width_px": 40')
    assert asked(*job) == probed
    write_json("results/slides/tested.json", INFO)
    measured = measure_work(inspected_extent(INFO), **MAPS)
    assert asked(*job) == of_need(step_need("tissue_mask", measured))
    assert asked(*job) < unknown


def test_patches_and_outlines_count():
    """Those of the grid, of all images of a patch, and the size of a slide's outlines."""
    write_json("results/slides/learnt.json", INFO)
    write_json("results/grids/1um_256px_every128px/learnt.json", {"patches": 4000})
    extent = inspected_extent(INFO)
    measured = measure_work(
        extent, **MAPS, patches=4000, patch_px=256, spacings_um=[1, 2, 4], readers=4
    )
    expected = of_need(step_need("extract_patches", measured))
    patches = "1um_256px_every128px_with_2um_4um"
    job = ("extract_patches", {"patches": patches, "slide": "learnt"})
    assert asked(*job, threads=4) == expected
    Path("learnt.xml").write_bytes(bytes(20_000_000))
    measured = measure_work(extent, **MAPS, annotation_bytes=20_000_000)
    expected = of_need(step_need("rasterize_annotation", measured))
    assert asked("rasterize_annotation", {"slide": "learnt"}) == expected


@pytest.mark.parametrize("uses_gpu", [False, True])
def test_scoring(uses_gpu):
    """All networks in all views; weights by their size once they are there."""
    write_json("results/slides/tested.json", INFO)
    write_json("results/grids/0.5um_256px_every128px/tested.json", {"patches": 1000})
    Path("results/models/a").mkdir(parents=True)
    Path("results/models/a/weights.safetensors").write_bytes(bytes(3_000_000))
    given = {"weights_mb": [3, 0], "batch": None, "views": 3, "on_gpu": uses_gpu}
    job = ("score_slide", {"model": "both", "slide": "tested"})
    expected = of_networks(["segmenter"] * 2, 1000, 0.5, **given)
    assert asked(*job, threads=2, uses_gpu=uses_gpu) == expected


def test_scoring_threads_and_gpus():
    """A small slide is over before a second thread would help; colours need no GPU."""
    Path("tested.svs").write_bytes(bytes(2_999_999))
    Path("asked.svs").write_bytes(bytes(3_000_000))
    found = requests()
    assert [found.scoring_threads(slide) for slide in ("lost", "tested", "asked")] == [1, 1, 2]
    assert [found.scoring_gpus(model) for model in ("colour", "both")] == [0, 1]
    assert [found.training_gpus(model) for model in ("cae", "a")] == [2, 1]


def test_compression():
    """One autoencoder, patch beside patch."""
    write_json("results/slides/tested.json", INFO)
    patches = inspected_extent(INFO).mpx_at(1) * 1e6 / 256**2
    given = {"weights_mb": [0], "batch": 16, "views": 1, "on_gpu": False}
    expected = of_networks(["histocae"], patches, 1, **given)
    of_slides = ("compress_slide", "reconstruct_slide", "compression_quality")
    for rule in (*of_slides, "reconstruct_patches"):
        assert asked(rule, {"model": "cae", "slide": "tested"}, threads=2) == expected


def test_training():
    """By the patches of those slides whose grids are known; a day at most."""
    stores = {"train": [f"results/patches/x/{slide}.zarr" for slide in ("s1", "s2", "s3")]}
    job = {"model": "cae"}
    unknown = of_need(Need(mb=9000, s=24 * 3600))
    assert asked("train_classifier", job, stores) == (unknown[0], 24 * 60)
    assert asked("train_classifier", job) == (unknown[0], 24 * 60)
    for slide, status in (("s1", {"patches": 100}), ("s2", {"patches": 300}), ("s3", {})):
        write_json(f"results/grids/1um_256px_every128px/{slide}.json", status)
    settings = {"patches": 600, "mpx_of_patch": 0.065536, "gpus": 2, "on_gpu": False}
    need = training_need("histocae", epochs=5, batch=8, **settings)
    assert asked("train_classifier", job, stores) == of_need(need)
    need = training_need("histocae", epochs=1, batch=1, **settings)
    assert asked("pretrain_cae", {**job, "spacing": "1"}, stores) == of_need(need)


def test_training_with_further_images_and_colours():
    """Three images of each patch, but one in pretraining; colours are fitted on the CPU."""
    stores = {"train": ["results/grids/x/s1.npz"]}
    write_json("results/grids/1um_256px_every128px/s1.json", {"patches": 100_000})
    write_json("results/grids/2um_224px_every100px/s1.json", {"patches": 100_000})
    settings = {"patches": 100_000, "epochs": 1, "batch": 1, "gpus": 1}
    for rule, images in (("train_classifier", 3), ("pretrain_cae", 1)):
        need = training_need(
            "mr_histocae", mpx_of_patch=images * 256**2 / 1e6, on_gpu=True, **settings
        )
        assert asked(rule, {"model": "mr"}, stores, uses_gpu=True) == of_need(need)
    need = training_need("colour", mpx_of_patch=224**2 / 1e6, on_gpu=False, **settings)
    assert asked("fit_colour_baseline", {"model": "colour"}, stores, uses_gpu=True) == of_need(need)


def test_jobs_of_few_slides_or_many():
    """Tuning by its slides, tables by their counts, patients by heatmaps, drawn slides by Mpx."""
    files = {"scores": ["x"] * 7, "counts": ["x"] * 1000}
    found = requests()
    assert [found.minutes("tune", {}, files, 1, attempt) for attempt in (1, 2)] == [22, 44]
    assert found.mb("calibration_tables", {}, files, 1, 1) == request_mb(Need(500, 0), 1)
    write_json("results/slides/p0.json", INFO)
    mpx = UNKNOWN.mpx_at(8) + inspected_extent(INFO).mpx_at(8)
    expected = request_mb(Need(300 + 12 * mpx, 0), 1)
    assert found.mb("patient_figure", {"patient": "p"}, {}, 1, 1) == expected
    for rule in ("make_demo_cohort", "make_demo_node"):
        mb = [found.mb(rule, {"slide": "s"}, {}, 1, attempt) for attempt in (1, 2)]
        assert mb == [request_mb(Need(520, 0), attempt) for attempt in (1, 2)]
