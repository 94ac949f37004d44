# What the rules need to know: config and sheet, checked; which slides and models are in play.

import csv
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
SCHEMAS = Path(workflow.basedir) / "rules" / "schemas"
DEMO_COHORT = "demo/cohort"
sys.path.insert(0, str(SCRIPTS))

from microtome.checks import check_config, read_sheet
from microtome.code_hash import code_hash
from microtome.errors import InputError
from microtome.grid_spec import GridSpec

try:
    check_config(config, schema=SCHEMAS / "config.schema.yaml")
    SHEET = read_sheet(
        config["slides"],
        schema=SCHEMAS / "slides.schema.yaml",
        made_by_workflow=DEMO_COHORT,
    )
except InputError as error:
    raise WorkflowError(str(error)) from None

MODELS = {name: config["models"][name] for name in config["run"]}


def code(script):
    """Hash of a script and the library behind it: a rule reruns when what it does changes."""
    return code_hash(SCRIPTS / script)


def models_of(*kinds):
    """Pattern of the models of some kinds that are trained here."""
    names = [n for n, m in MODELS.items() if m["kind"] in kinds and "weights" not in m]
    return "|".join(names) or "none"


def model_entry(wildcards):
    """The registry entry of a model."""
    return MODELS[wildcards.model]


def cells(*columns):
    """Make a params function: these cells of a slide's row, and no others to rerun for."""

    def row(wildcards):
        found = SHEET[wildcards.slide]
        return {column: found[column] for column in columns if column in found}

    return row


def is_annotated(slide):
    """Say whether the truth is known: outlines, masks, or the word that there is no tumour."""
    row = SHEET[slide]
    given = any(key in row for key in ("annotation", "viable_mask", "whole_mask"))
    return given or row.get("label") == "negative"


def is_scored(slide):
    """Say whether a slide is one to make maps of."""
    split = SHEET[slide].get("split")
    return split is None or split in config["score_splits"]


def training_grid(model):
    """Name of the grid a model is trained on."""
    entry = MODELS[model]
    stride_px = config["patches"]["stride_px"]
    return GridSpec(entry["spacing_um"], entry["patch_px"], stride_px).name


def scoring_grid(model):
    """Name of the grid a model scores."""
    entry = MODELS[model]
    stride_px = max(1, round(entry["patch_px"] * (1 - config["inference"]["overlap"])))
    return GridSpec(entry["spacing_um"], entry["patch_px"], stride_px).name


def slide_file(wildcards):
    """The slide itself."""
    return SHEET[wildcards.slide]["path"]


def truth_file(wildcards):
    """The truth of a slide that has one."""
    if is_annotated(wildcards.slide):
        return f"results/truth/{wildcards.slide}.tif"
    return []


def early_statuses(slide):
    """How the steps went that a slide's grids depend on, in their order."""
    steps = [f"results/slides/{slide}.json", f"results/tissue/{slide}.json"]
    return steps + [f"results/truth/{slide}.json"] * is_annotated(slide)


def steps_before_grid(wildcards):
    """The same as an input function."""
    return early_statuses(wildcards.slide)


def slide_statuses(slide):
    """How every step went that can exclude a slide, in their order."""
    steps = early_statuses(slide)
    grids = set()
    for model, entry in MODELS.items():
        if is_scored(slide):
            grids.add(scoring_grid(model))
        if "weights" not in entry and SHEET[slide].get("split") in (
            "train",
            "validation",
        ):
            grids.add(training_grid(model))
    return steps + [f"results/grids/{grid}/{slide}.json" for grid in sorted(grids)]


def all_statuses(wildcards):
    """The statuses of all slides of the sheet."""
    return [path for slide in SHEET for path in slide_statuses(slide)]


def usable_slides():
    """The slides that no step excluded, in the sheet's order; known after the checkpoint."""
    with checkpoints.cohort.get().output.table.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        row["slide"] for row in rows if row["state"] == "ok" and row["slide"] in SHEET
    ]


def scored_slides():
    """The usable slides to make maps of."""
    return [slide for slide in usable_slides() if is_scored(slide)]


def evaluated_slides():
    """The scored slides whose truth is known."""
    return [slide for slide in scored_slides() if is_annotated(slide)]


def slides_of(split):
    """The usable slides of a split."""
    return [s for s in usable_slides() if SHEET[s].get("split") == split]


def patches_of(split):
    """Make an input function: the patch stores of a split, or its grids if none are stored."""
    pattern = "results/patches/{}/{}.zarr"
    if config["patches"]["codec"] == "none":
        pattern = "results/grids/{}/{}.npz"

    def files(wildcards):
        grid = training_grid(wildcards.model)
        return [pattern.format(grid, slide) for slide in slides_of(split)]

    return files


def read_in_training(split):
    """Make an input function: what the slides of a split are, if training reads them itself."""

    def files(wildcards):
        slides = slides_of(split) if config["patches"]["codec"] == "none" else []
        return [f"results/slides/{slide}.json" for slide in slides]

    return files


def training_data(wildcards):
    """What matters to training that reads the slides itself; stored patches know it already."""
    if config["patches"]["codec"] != "none":
        return {"min_tissue_fraction": None, "slide_settings": None}
    fraction = config["patches"]["min_tissue_fraction"]
    return {"min_tissue_fraction": fraction, "slide_settings": config["slide"]}


def weights_of(wildcards):
    """A model's weights: given in its entry, or trained here."""
    given = MODELS[wildcards.model].get("weights")
    return given or f"results/models/{wildcards.model}/weights.safetensors"


def scoring_grid_file(wildcards):
    """The grid of a slide that a model scores."""
    return f"results/grids/{scoring_grid(wildcards.model)}/{wildcards.slide}.npz"


def of_scored_slides(pattern):
    """Make an input function: one file a scored slide, for the model in the wildcards."""

    def files(wildcards):
        return [pattern.format(model=wildcards.model, slide=s) for s in scored_slides()]

    return files


def of_evaluated_slides(pattern):
    """Make an input function: one file an evaluated slide, for the model in the wildcards."""

    def files(wildcards):
        return [
            pattern.format(model=wildcards.model, slide=s) for s in evaluated_slides()
        ]

    return files


def curves_figures(wildcards):
    """Curves of every model that is trained here in epochs."""
    curves = "results/models/{}/{}_curves.png"
    return [
        curves.format(name, part)
        for name, entry in MODELS.items()
        if entry["kind"] == "histocae" and "weights" not in entry
        for part in ("pretraining", "training")
    ]


def burden_tables(wildcards):
    """Tumour burden of every model, where a slide is to be scored."""
    return [f"results/burden/{model}.tsv" for model in MODELS if scored_slides()]


def slide_figures(wildcards):
    """A picture of every scored slide and model."""
    return [f"results/figures/{m}/{s}.png" for m in MODELS for s in scored_slides()]


def evaluation_tables(wildcards):
    """The comparison of the models, where a scored slide has a truth."""
    return ["results/evaluation/models.tsv"] if evaluated_slides() else []


def slide_mb(slide):
    """Size of a slide's file in MB; 0 where it is still to be made."""
    path = Path(SHEET[slide]["path"])
    return path.stat().st_size // 10**6 if path.exists() else 0


def slide_memory(wildcards, attempt):
    """Memory in MB of a job that streams one slide, whatever its size; more at each retry."""
    return 2000 * attempt


def slide_runtime(wildcards, attempt):
    """Minutes of a job that reads one slide, by the size of its file; more at each retry."""
    return (15 + slide_mb(wildcards.slide) // 50) * attempt


def training_memory(wildcards, attempt):
    """Memory in MB of a training job; more at each retry."""
    return 12000 * attempt


def training_runtime(wildcards, attempt):
    """Minutes of a training job. It resumes, so a retry goes on where the limit struck."""
    return 24 * 60
