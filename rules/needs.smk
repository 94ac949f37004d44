# What the rules ask for: memory and time, by what is known of a slide when its job is ready.

import json
from functools import lru_cache

from microtome.planning.needs import (
    UNKNOWN,
    Need,
    inspected_extent,
    mb_to_ask,
    measures,
    min_to_ask,
    probed_extent,
    step_need,
)
from microtome.planning.network_needs import scoring_need, training_need
from microtome.slides.header_probe import probe_slide

# Grids of so many slides tell how many patches there are to train on.
GRIDS_LOOKED_AT = 100
LONGEST_TRAINING_MIN = 24 * 60
# Until the slides to train on are known.
UNKNOWN_TRAINING = Need(mb=9000, s=24 * 3600)


@lru_cache(maxsize=None)
def read_once(read, path, changed_ns):
    """What `read` finds in a file, as long as the file stays the same."""
    return read(path)


def read_known(read, path):
    """The same; None where there is no such file yet, or it is not whole."""
    try:
        return read_once(read, path, Path(path).stat().st_mtime_ns)
    except (OSError, ValueError):
        return None


def small_json(path):
    """What a small JSON file says."""
    return json.loads(Path(path).read_text())


def bytes_of(path):
    """Size of a file; 0 where there is none, or it is still to be made."""
    try:
        return Path(path).stat().st_size if path else 0
    except OSError:
        return 0


def extent_of(slide):
    """How large a slide is: as inspected, else by the header of its file, else a guess."""
    info = read_known(small_json, f"results/slides/{slide}.json")
    if info:
        return inspected_extent(info)
    probed = read_known(probe_slide, SHEET[slide]["path"])
    if probed:
        return probed_extent(probed, spacing_um=SHEET[slide].get("spacing_um"))
    return UNKNOWN


def patches_on(grid, slide):
    """How many patches a grid of a slide has; before it is made, as if all were tissue."""
    status = read_known(small_json, f"results/grids/{grid}/{slide}.json")
    if status:
        return status.get("patches", 0)
    spec = GridSpec.from_name(grid)
    return extent_of(slide).mpx_at(spec.spacing_um) * 1e6 / spec.stride_px**2


def grid_of_job(wildcards):
    """The grid whose patches a job works on, and the further images of each patch."""
    if "grid" in wildcards.keys():
        return wildcards.grid, []
    if "patches" in wildcards.keys():
        return split_patch_set(wildcards.patches)
    if "model" not in wildcards.keys():
        return None, []
    model = members_of(wildcards.model)[0]  # a vote has no grid of its own
    return scoring_grid(model), MODELS[model].get("further_spacings_um", [])


def measured(wildcards, *, grid, further_um=(), map_um, readers=1):
    """What the needs of a job with a slide depend on; `grid` may be None."""
    slide = wildcards.slide
    spec = GridSpec.from_name(grid) if grid else None
    return measures(
        extent_of(slide),
        map_um=map_um,
        truth_um=config["annotation"]["spacing_um"],
        opening_um=config["segmentation"]["opening_um"],
        patches=patches_on(grid, slide) if spec else 0,
        patch_px=spec.patch_px if spec else 0,
        spacings_um=[spec.spacing_um, *further_um] if spec else (),
        readers=readers,
        annotation_bytes=bytes_of(SHEET[slide].get("annotation")),
    )


def need_of_slide(step, wildcards, threads):
    """What a step needs of a slide."""
    grid, further_um = grid_of_job(wildcards)
    made_from = "tissue" if step in ("tissue_mask", "patch_grid") else "heatmap"
    return step_need(
        step,
        measured(
            wildcards,
            grid=grid,
            further_um=further_um,
            map_um=config[made_from]["spacing_um"],
            readers=threads,
        ),
    )


def mb_of(step):
    """Make a resource function: memory in MB of a step of a slide; more at each retry."""

    def mem_mb(wildcards, threads, attempt):
        return mb_to_ask(need_of_slide(step, wildcards, threads), attempt)

    return mem_mb


def min_of(step):
    """Make a resource function: minutes of a step of a slide; more at each retry."""

    def runtime(wildcards, threads, attempt):
        return min_to_ask(need_of_slide(step, wildcards, threads), attempt)

    return runtime


def growing(first):
    """Make a resource function: so many MB or minutes, as many more at each retry."""

    def value(wildcards, attempt):
        return first * attempt

    return value


def uses_gpu():
    """Say whether networks run on GPUs for sure."""
    if ALLOW_CPU is None:
        return workflow.remote_exec or not workflow.local_exec
    return not ALLOW_CPU


def slide_mb(slide):
    """Size of a slide's file in MB; 0 where it is still to be made."""
    return bytes_of(SHEET[slide]["path"]) // 10**6


def scoring_threads(wildcards):
    """Threads of a job that scores a slide; a small one is over before a second would help."""
    return 1 if slide_mb(wildcards.slide) < 3 else 2


def need_of_scoring(wildcards, threads):
    """What it takes to score a slide, by all networks of a model in all their views."""
    grid, further_um = grid_of_job(wildcards)
    return need_of_networks(
        wildcards,
        threads,
        {weights_file(m): MODELS[m]["kind"] for m in members_of(wildcards.model)},
        grid,
        further_um,
        batch=patches_at_a_time(wildcards),
        views=n_views(wildcards.model),
    )


def need_of_compression(wildcards, threads):
    """What it takes to put a slide through an autoencoder, to its latents or back."""
    grid = compression_grid(wildcards.model)
    kinds = {cae_of(wildcards): "histocae"}
    batch = config["compression"]["batch"]
    return need_of_networks(wildcards, threads, kinds, grid, [], batch=batch, views=1)


def need_of_networks(wildcards, threads, kinds, grid, further_um, *, batch, views):
    """What it takes to put the patches of a grid through networks: weights and kind of each."""
    patch_px = GridSpec.from_name(grid).patch_px
    patches = patches_on(grid, wildcards.slide)
    return scoring_need(
        list(kinds.values()),
        measured(
            wildcards,
            grid=grid,
            further_um=further_um,
            map_um=config["heatmap"]["spacing_um"],
        ),
        weights_mb=[bytes_of(weights) / 1e6 for weights in kinds],
        patch_px=patch_px,
        batch=batch,
        mpx=patches * patch_px**2 * (1 + len(further_um)) / 1e6,
        views=views,
        threads=threads,
        on_gpu=uses_gpu(),
    )


def scoring_memory(wildcards, threads, attempt):
    """Memory in MB of a job that scores a slide; more at each retry."""
    return mb_to_ask(need_of_scoring(wildcards, threads), attempt)


def scoring_runtime(wildcards, threads, attempt):
    """Minutes of such a job; more at each retry."""
    return min_to_ask(need_of_scoring(wildcards, threads), attempt)


def compression_memory(wildcards, threads, attempt):
    """Memory in MB of a job that compresses a slide, or undoes it; more at each retry."""
    return mb_to_ask(need_of_compression(wildcards, threads), attempt)


def compression_runtime(wildcards, threads, attempt):
    """Minutes of such a job; more at each retry."""
    return min_to_ask(need_of_compression(wildcards, threads), attempt)


def scoring_gpus(wildcards):
    """GPUs of a job that scores a slide; colours are counted without one."""
    kinds = {MODELS[member]["kind"] for member in members_of(wildcards.model)}
    return int(kinds != {"colour"})


def training_gpus(wildcards):
    """GPUs of a training job."""
    return MODELS[wildcards.model].get("gpus", 1)


def patches_to_train_on(wildcards, stores):
    """How many patches the stores or grids of slides have, by a sample of them; 0: not known."""
    grid = training_grid(wildcards.model)
    slides = [Path(store).stem for store in stores]
    sample = slides[:: -(-len(slides) // GRIDS_LOOKED_AT) or 1]
    found = [
        status["patches"]
        for slide in sample
        if (status := read_known(small_json, f"results/grids/{grid}/{slide}.json"))
        and "patches" in status
    ]
    return len(slides) * sum(found) / len(found) if found else 0


def need_of_training(wildcards, input):
    """What it takes to train a model, or the autoencoder that it begins with."""
    entry = MODELS[wildcards.model]
    patches = patches_to_train_on(wildcards, input.get("train", []))
    if not patches:
        return UNKNOWN_TRAINING
    is_pretraining = "spacing" in wildcards.keys()
    images = 1 if is_pretraining else 1 + len(entry.get("further_spacings_um", []))
    # What is fitted to colours has neither.
    settings = entry.get("pretraining" if is_pretraining else "training", {})
    return training_need(
        entry["kind"],
        patches=patches,
        mpx_of_patch=entry["patch_px"] ** 2 / 1e6 * images,
        epochs=settings.get("epochs", 1),
        batch=settings.get("batch", 1),
        gpus=training_gpus(wildcards),
        on_gpu=uses_gpu() and entry["kind"] != "colour",
    )


def training_memory(wildcards, input, attempt):
    """Memory in MB of a training job; more at each retry."""
    return mb_to_ask(need_of_training(wildcards, input), attempt)


def training_runtime(wildcards, input, attempt):
    """Minutes of a training job, a day at most: a retry goes on where the limit struck."""
    return min(
        LONGEST_TRAINING_MIN, min_to_ask(need_of_training(wildcards, input), attempt)
    )


def tuning_runtime(wildcards, input, attempt):
    """Minutes of a job that stitches and counts all validation slides; more at each retry."""
    return (15 + len(input.get("scores", []))) * attempt


def calibration_memory(wildcards, input, attempt):
    """Memory in MB of a job that adds up the counts of all slides and models."""
    return mb_to_ask(Need(mb=200 + 0.3 * len(input.get("counts", [])), s=0), attempt)


def patient_memory(wildcards, attempt):
    """Memory in MB of a patient's picture, whose heatmaps are held whole; more at each retry."""
    spacing_um = config["heatmap"]["spacing_um"]
    mpx = sum(
        extent_of(slide).mpx_at(spacing_um) for slide in nodes_of(wildcards.patient)
    )
    return mb_to_ask(Need(mb=300 + 12 * mpx, s=0), attempt)


def demo_memory(wildcards, attempt):
    """Memory in MB of a job that draws a slide of the demo cohort; more at each retry."""
    mpx = config["demo"]["width_px"] * config["demo"]["height_px"] / 1e6
    return mb_to_ask(Need(mb=200 + 7 * mpx, s=0), attempt)
