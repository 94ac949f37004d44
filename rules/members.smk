# Input and params functions of what is made of several networks, or of validation slides: ensembles and their
# uncertainty, votes, temperature and threshold.


def patches_at_a_time(wildcards):
    """How many patches go through a network at a time; None: as the device likes."""
    batch = config["inference"]["batch"]
    return None if batch == "auto" else batch


def n_views(model):
    """How many times a patch goes through a network to be scored."""
    return 1 + len(MODELS[model].get("test_time_augmentation", []))


def scores_of_voters(wildcards):
    """Scores of a slide by each member of a vote."""
    return [
        f"results/scores/{scored_by(RUNS, member)}/{wildcards.slide}.zarr"
        for member in RUNS[wildcards.model].members
    ]


def voters_of(wildcards):
    """The members of a vote, and whose scores each of them has in its store."""
    return list(RUNS[wildcards.model].members)


def vote_tables(wildcards):
    """The classes of slides by each vote, where a slide is to be scored."""
    return [f"results/votes/{m}.tsv" for m in VOTES if scored_slides(m)]


def kinds_of_uncertainty(model):
    """Which uncertainty maps a model has: several views of a patch give one, members another."""
    scorer = RUNS[scored_by(RUNS, model)]
    kinds = ["aleatoric"] * bool(scorer.entry.get("test_time_augmentation"))
    return kinds + ["epistemic"] * bool(RUNS[model].entry["kind"] == "ensemble")


def uncertainties(wildcards):
    """The same as a params function."""
    return kinds_of_uncertainty(wildcards.model)


def uncertainty_of_slide(wildcards):
    """The uncertainty maps of a slide."""
    path = "results/uncertainty/{}/{}/{}.tif"
    kinds = kinds_of_uncertainty(wildcards.model)
    return [path.format(kind, wildcards.model, wildcards.slide) for kind in kinds]


def burdens_of_members(wildcards):
    """The tumour burden of a slide by each member of an ensemble."""
    run = RUNS[wildcards.model]
    members = run.members if run.entry["kind"] == "ensemble" else []
    return [f"results/burden/{m}/{wildcards.slide}.json" for m in members]


def uncertain_models():
    """The models that have uncertainty maps."""
    return [model for model in MAPPED if kinds_of_uncertainty(model)]


def uncertainty_results(wildcards):
    """Table and figures of every model that has uncertainty maps."""
    results = []
    for model in uncertain_models():
        slides = scored_slides(model)
        results += [f"results/uncertainty/{model}.tsv"] * bool(slides)
        results += [f"results/figures/{model}/uncertainty/{s}.png" for s in slides]
    return results


def has_chosen_threshold(model):
    """Say whether the validation slides choose a model's threshold."""
    entry, default = MODELS[model], config["segmentation"]["threshold"]
    return entry.get("threshold", default) == "validation"


def is_for_tuning(slide, model):
    """Say whether temperature and threshold of a model come from a slide, among others."""
    if not (has_chosen_threshold(model) or config["calibration"]["temperature"]):
        return False
    if N_FOLDS:
        return split_of(slide, model) == "validation" and is_annotated(slide)
    return SHEET[slide].get("split") == "validation" and is_annotated(slide)


def tuning_slides(model):
    """The usable slides of which this is true."""
    return [slide for slide in usable_slides() if is_for_tuning(slide, model)]


def tuning_slides_of(wildcards):
    """The same as a params function."""
    return tuning_slides(wildcards.model)


def tuning_files(what):
    """Make an input function: what is known of the slides that tune a model."""

    def files(wildcards):
        path = {
            "scores": f"results/scores/{scored_by(RUNS, wildcards.model)}/{{}}.zarr",
            "inspected": "results/slides/{}.json",
            "tissues": "results/tissue/{}.tif",
            "truths": "results/truth/{}.tif",
        }[what]
        return [path.format(slide) for slide in tuning_slides(wildcards.model)]

    return files


def calibration_of_heatmap(wildcards):
    """The temperature of a model's heatmaps, where they are to have one."""
    path = f"results/calibration/{wildcards.model}.json"
    return path if config["calibration"]["temperature"] else []


def calibration_of_threshold(wildcards):
    """The threshold of a model, where its validation slides choose it."""
    path = f"results/calibration/{wildcards.model}.json"
    return path if has_chosen_threshold(wildcards.model) else []


def counted_slides(wildcards):
    """Model and slide of each count of pixels, and which uncertainty maps it tells of."""
    return [
        {"model": model, "slide": slide, "kinds": kinds_of_uncertainty(model)}
        for model in evaluated_models()
        for slide in evaluated_slides(model)
    ]


def pixel_counts_of_models(wildcards):
    """The counts of pixels of all evaluated models and slides."""
    return [
        f"results/evaluation/pixels/{one['model']}/{one['slide']}.npz"
        for one in counted_slides(wildcards)
    ]


def models_with_intervals(wildcards):
    """The evaluated ensembles: they know between what bounds the burden lies."""
    return [m for m in evaluated_models() if MODELS[m]["kind"] == "ensemble"]


def intervals_of_models(wildcards):
    """Their tables of uncertainty."""
    models = models_with_intervals(wildcards)
    return [f"results/uncertainty/{model}.tsv" for model in models]


def calibration_results(wildcards):
    """The tables of calibration and uncertainty, where a scored slide has a truth."""
    return ["results/evaluation/calibration.csv"] * bool(evaluated_models())


def polygons(wildcards):
    """Outlines of the tumour of every scored slide and model, for QuPath."""
    path = "results/polygons/{}/{}.geojson"
    return [path.format(m, slide) for m in MAPPED for slide in scored_slides(m)]
