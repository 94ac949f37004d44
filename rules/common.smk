# What the rules need to know: config and sheet, checked; which slides and models are in play.

import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
SCHEMAS = Path(workflow.basedir) / "rules" / "schemas"
DEMO_COHORT = "demo/cohort"
sys.path.insert(0, str(SCRIPTS))

from microtome.planning.code_hash import code_hash
from microtome.errors import InputError
from microtome.patches.grid_spec import GridSpec, patch_set_name, split_patch_set
from microtome.cohort.node_checks import check_nodes, staging_model
from microtome.planning.trained_models import runs_of, scored_by, validation_fold
from microtome.cohort.sheet_rows import load_sheet, usable_slides as usable_slides_in

# False where Snakemake runs in a job: each job parses all this again, and must be quick to start.
IS_DRIVER = workflow.is_main_process

try:
    if IS_DRIVER:
        from microtome.cohort.config_checks import check_config, check_folds, read_sheet
        from microtome.cohort.ensemble_checks import check_ensemble_folds

        check_config(config, schema=SCHEMAS / "config.schema.yaml")
        SHEET = read_sheet(
            config["slides"],
            schema=SCHEMAS / "slides.schema.yaml",
            made_by_workflow=DEMO_COHORT,
        )
        check_folds(
            SHEET, n_folds=config["cross_validation"]["folds"], path=config["slides"]
        )
        check_ensemble_folds(config, SHEET, path=config["slides"])
        check_nodes(config, SHEET, path=config["slides"])
    else:
        SHEET = load_sheet(config["slides"])
except InputError as error:
    raise WorkflowError(str(error)) from None

N_FOLDS = config["cross_validation"]["folds"]
# Where nothing is said, networks may run on the CPU here, and not in a job that asked for a GPU.
ALLOW_CPU = config["allow_cpu"]
config["allow_cpu"] = not workflow.remote_exec if ALLOW_CPU is None else ALLOW_CPU

# Each listed model, and the members it is made of; with cross-validation each of them once a fold.
RUNS = runs_of(config["models"], config["run"], n_folds=N_FOLDS)
MODELS = {name: run.entry for name, run in RUNS.items()}
# What gives maps of its own; votes do not.
MAPPED = [n for n, r in RUNS.items() if r.is_listed and r.entry["kind"] != "vote"]
VOTES = [n for n, r in RUNS.items() if r.is_listed and r.entry["kind"] == "vote"]


def code(script):
    """Hash of a script and the library behind it: a rule reruns when what it does changes.

    In a job a function that gives it: only the hashes of the job's own rules are needed there.
    """

    def hash_of_script(wildcards):
        return code_hash(SCRIPTS / "jobs" / script, root=SCRIPTS)

    return (
        code_hash(SCRIPTS / "jobs" / script, root=SCRIPTS)
        if IS_DRIVER
        else hash_of_script
    )


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


def split_of(slide, model):
    """What a slide is to a model: train, validation or test; None: only scored.

    Of a model with a `validation_fold` the training slides of that fold validate its training;
    slides of split validation are then kept for thresholds and temperature.
    """
    run, row = RUNS[model], SHEET[slide]
    if run.fold is not None:
        tested, validated = run.fold, validation_fold(run.entry, run.fold, N_FOLDS)
        return {tested: "test", validated: "validation"}.get(row["fold"], "train")
    split, fold = row.get("split"), run.entry.get("validation_fold")
    if fold is None or split not in ("train", "validation"):
        return split
    if split == "validation":
        return "held back"
    return "validation" if row["fold"] == fold else "train"


def is_scored(slide, model):
    """Say whether a slide is one to make all maps of; lymph nodes are only staged."""
    split = split_of(slide, model)
    return not is_node(slide) and (split is None or split in config["score_splits"])


@cache
def training_grid(model):
    """Name of the grid a model is trained on."""
    entry = MODELS[model]
    stride_px = entry.get("stride_px", config["patches"]["stride_px"])
    return GridSpec(entry["spacing_um"], entry["patch_px"], stride_px).name


def training_patches(model):
    """Name of the patches a model is trained on: its grid, and the further spacings."""
    further_um = MODELS[model].get("further_spacings_um", [])
    return patch_set_name(training_grid(model), further_um)


@cache
def scoring_grid(model):
    """Name of the grid a model scores."""
    entry = MODELS[model]
    patch_px = entry.get("inference_patch_px", entry["patch_px"])
    stride_px = max(1, round(patch_px * (1 - config["inference"]["overlap"])))
    return GridSpec(entry["spacing_um"], patch_px, stride_px).name


def compression_grid(model):
    """Name of the grid a slide's latents lie on: patch beside patch."""
    entry = MODELS[model]
    return GridSpec(entry["spacing_um"], entry["patch_px"], entry["patch_px"]).name


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
        if entry["kind"] == "vote":
            continue
        if (
            is_scored(slide, model)
            or is_for_tuning(slide, model)
            or is_staged(slide, model)
        ):
            grids.add(scoring_grid(model))
        if entry["kind"] == "ensemble":
            continue
        is_learnt = split_of(slide, model) in ("train", "validation")
        if is_learnt and "weights" not in entry:
            grids.add(training_grid(model))
    return steps + [f"results/grids/{grid}/{slide}.json" for grid in sorted(grids)]


def statuses_of_slides(wildcards):
    """The same of all slides of the sheet, by slide."""
    return {slide: slide_statuses(slide) for slide in SHEET}


def all_statuses(wildcards):
    """The statuses of all slides of the sheet."""
    return [path for slide in SHEET for path in slide_statuses(slide)]


def usable_slides():
    """The slides that no step excluded, in the sheet's order; known after the checkpoint."""
    # A job that asks began after it, and knows no checkpoint (see the Snakefile).
    table = checkpoints.cohort.get().output.table if IS_DRIVER else "results/cohort.tsv"
    return [slide for slide in usable_slides_in(table) if slide in SHEET]


def scored_slides(model):
    """The usable slides that a model makes maps of."""
    return [slide for slide in usable_slides() if is_scored(slide, model)]


def evaluated_slides(model):
    """The scored slides whose truth is known."""
    return [slide for slide in scored_slides(model) if is_annotated(slide)]


def slides_of(split, model):
    """The usable slides of a model's split."""
    return [s for s in usable_slides() if split_of(s, model) == split]


def learnt_slides(split, model):
    """The slides of a split that a model can learn from."""
    slides = slides_of(split, model)
    if MODELS[model]["kind"] == "segmenter":
        return [slide for slide in slides if is_annotated(slide)]
    return slides


def grid_of_patches(wildcards):
    """The grid of a slide whose patches are stored."""
    grid, _ = split_patch_set(wildcards.patches)
    return f"results/grids/{grid}/{wildcards.slide}.npz"


def further_spacings(wildcards):
    """Further spacings of the patches that are stored, in µm/px."""
    return split_patch_set(wildcards.patches)[1]


def reads_slides(model):
    """Say whether training reads the slides: nothing is stored, or patches are moved."""
    augmentation = MODELS[model].get("augmentation", {})
    moves = augmentation.get("shift_px") or augmentation.get("zoom")
    return config["patches"]["codec"] == "none" or bool(moves)


def patches_of(split):
    """Make an input function: the patch stores of a split, or its grids if none are used."""

    def files(wildcards):
        slides = learnt_slides(split, wildcards.model)
        if reads_slides(wildcards.model):
            grid = training_grid(wildcards.model)
            return [f"results/grids/{grid}/{slide}.npz" for slide in slides]
        patches = training_patches(wildcards.model)
        return [f"results/patches/{patches}/{slide}.zarr" for slide in slides]

    return files


def truths_of(split):
    """Make an input function: the truth maps of a split."""

    def files(wildcards):
        slides = learnt_slides(split, wildcards.model)
        return [f"results/truth/{slide}.tif" for slide in slides]

    return files


def read_in_training(split):
    """Make an input function: what the slides of a split are, if training reads them itself."""

    def files(wildcards):
        if not reads_slides(wildcards.model):
            return []
        slides = learnt_slides(split, wildcards.model)
        return [f"results/slides/{slide}.json" for slide in slides]

    return files


def training_data(wildcards):
    """What matters to training that reads the slides itself; stored patches know it already."""
    if not reads_slides(wildcards.model):
        return {"min_tissue_fraction": None, "slide_settings": None}
    fraction = config["patches"]["min_tissue_fraction"]
    return {"min_tissue_fraction": fraction, "slide_settings": config["slide"]}


def autoencoders_of(wildcards):
    """The autoencoders a model starts from, one a spacing; none for other kinds."""
    entry = MODELS[wildcards.model]
    if entry["kind"] not in ("histocae", "mr_histocae"):
        return []
    spacings_um = [entry["spacing_um"], *entry.get("further_spacings_um", [])]
    cae = "results/models/{}/cae_{:g}um.safetensors"
    return [cae.format(wildcards.model, um) for um in spacings_um]


def weights_file(model):
    """A model's weights: given in its entry, or trained here."""
    given = MODELS[model].get("weights")
    return given or f"results/models/{model}/weights.safetensors"


def members_of(model):
    """The networks that score a slide for a model: itself, or those it is made of."""
    return RUNS[model].members or [model]


def weights_of(wildcards):
    """Weights of all networks that score for a model."""
    return [weights_file(member) for member in members_of(wildcards.model)]


def entries_of_members(wildcards):
    """Name and registry entry of each of these networks."""
    return {member: MODELS[member] for member in members_of(wildcards.model)}


def scores_of(wildcards):
    """Scores of a slide: the model's own, or those of the ensemble it is a member of."""
    scorer = scored_by(RUNS, wildcards.model)
    return f"results/scores/{scorer}/{wildcards.slide}.zarr"


def part_of_scores(wildcards):
    """Whose scores to take from there; None: those of all members together."""
    scorer = scored_by(RUNS, wildcards.model)
    return None if scorer == wildcards.model else wildcards.model


def cards_of_models(wildcards):
    """What is known of the weights of every model: the JSON beside them."""
    return [
        str(Path(weights_file(member)).with_suffix(".json"))
        for model in evaluated_models()
        for member in members_of(model)
    ]


def cae_of(wildcards):
    """The autoencoder of a model."""
    return autoencoders_of(wildcards)[0]


def compression_grid_file(wildcards):
    """The grid of a slide that its latents lie on."""
    return f"results/grids/{compression_grid(wildcards.model)}/{wildcards.slide}.npz"


def evaluated_models():
    """The models that have slides to be judged by: with cross-validation not every fold may."""
    return [model for model in MAPPED if evaluated_slides(model)]


def of_evaluated_models(pattern):
    """Make an input function: one file a model that is evaluated."""

    def files(wildcards):
        return [pattern.format(model=model) for model in evaluated_models()]

    return files


def compared_models(wildcards):
    """What is compared: each run, its model of the registry, its fold and its networks."""
    return [
        {
            "name": name,
            "model": RUNS[name].model,
            "fold": RUNS[name].fold,
            "networks": len(members_of(name)),
        }
        for name in evaluated_models()
    ]


def scoring_grid_file(wildcards):
    """The grid of a slide that a model scores."""
    return f"results/grids/{scoring_grid(wildcards.model)}/{wildcards.slide}.npz"


def segmentation(wildcards):
    """How a heatmap becomes tumour: the config's section, and what the model's entry says."""
    entry = MODELS[wildcards.model]
    threshold = entry.get("threshold", config["segmentation"]["threshold"])
    return {**config["segmentation"], "threshold": threshold}


def of_scored_slides(pattern):
    """Make an input function: one file a scored slide, for the model in the wildcards."""

    def files(wildcards):
        slides = scored_slides(wildcards.model)
        return [pattern.format(model=wildcards.model, slide=s) for s in slides]

    return files


def of_evaluated_slides(pattern):
    """Make an input function: one file an evaluated slide, for the model in the wildcards."""

    def files(wildcards):
        slides = evaluated_slides(wildcards.model)
        return [pattern.format(model=wildcards.model, slide=s) for s in slides]

    return files


def curves_figures(wildcards):
    """Curves of every model that is trained here in epochs."""
    figures = []
    for model in trained_in_epochs():
        entry = MODELS[model]
        runs = ["training"]
        if entry["kind"] in ("histocae", "mr_histocae"):
            spacings_um = [entry["spacing_um"], *entry.get("further_spacings_um", [])]
            runs += [f"pretraining_{um:g}um" for um in spacings_um]
        figures += [f"results/models/{model}/{run}_curves.png" for run in runs]
    return figures


def trained_in_epochs():
    """The models that are trained here and have curves."""
    return [
        m
        for m, e in MODELS.items()
        if e["kind"] not in ("colour", "ensemble", "vote") and "weights" not in e
    ]


def burden_tables(wildcards):
    """Tumour burden of every model, where a slide is to be scored."""
    return [f"results/burden/{m}.tsv" for m in MAPPED if scored_slides(m)]


def slide_figures(wildcards):
    """A picture of every scored slide and model."""
    return [f"results/figures/{m}/{s}.png" for m in MAPPED for s in scored_slides(m)]


def evaluation_tables(wildcards):
    """The comparison of the models, where a scored slide has a truth."""
    return ["results/evaluation/models.tsv"] * bool(evaluated_models())


def compression_results(wildcards):
    """The table of the model that compresses, and its pictures of the scored slides."""
    chosen = config["compression"]["model"]
    if chosen not in config["run"]:
        raise WorkflowError(f"config: compression.model: {chosen} is not in run")
    results = []
    for model, run in RUNS.items():
        slides = scored_slides(model) if run.model == chosen else []
        results += [f"results/reconstructions/{model}/{slide}.tif" for slide in slides]
        results += [f"results/compression/{model}.tsv"] * bool(slides)
    return results


def report_run():
    """What a run on a cluster took and came through: results/run_report."""
    from microtome.run_report import write_run_report

    if not workflow.local_exec:
        write_run_report(".")
