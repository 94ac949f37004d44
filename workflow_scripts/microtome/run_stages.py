"""Stages of the pipeline: rules that a person follows as one, for each model by itself."""

STAGES = {
    "demo slides": ("make_demo_cohort", "make_demo_node", "make_demo_truth"),
    "prepare": ("inspect_slide", "tissue_mask", "rasterize_annotation", "patch_grid"),
    "patches": ("extract_patches",),
    "train": (
        "pretrain_cae",
        "train_classifier",
        "train_segmenter",
        "fit_colour_baseline",
        "pretrain_crosswise",
        "train_nucleus_network",
        "training_curves",
        "training_losses",
    ),
    "score": ("score_slide",),
    "find nuclei": ("find_nuclei",),
    "outline nuclei": ("outline_nuclei",),
    "classify nuclei": ("classify_nuclei",),
    "nuclei": ("nucleus_geojson", "nucleus_density", "nucleus_counts", "nucleus_figure"),
    "vote": ("vote_slide",),
    "maps": (
        "stitch_heatmap",
        "tumour_burden",
        "tumour_polygons",
        "slide_figure",
        "tissue_figure",
        "slide_features",
        "find_lesions",
        "compare_maps",
    ),
    "uncertainty": ("stitch_uncertainty", "summarize_uncertainty", "uncertainty_figure"),
    "evaluate": (
        "evaluate_slide",
        "count_pixels",
        "tune",
        "evaluate",
        "predict_nucleus_images",
        "choose_nucleus_threshold",
        "score_demo_nuclei",
        "score_nucleus_images",
    ),
    "compress": (
        "compress_slide",
        "reconstruct_slide",
        "compression_quality",
        "reconstruct_patches",
    ),
    "submission": ("submission_mask", "submission_image", "write_submission", "score_submission"),
    "staging": (
        "train_forests",
        "classify_nodes",
        "patient_stage",
        "staging_figure",
        "patient_figure",
    ),
    "tables": (
        "cohort",
        "burden_table",
        "calibration_tables",
        "compare_autoencoders",
        "compare_models",
        "compare_nuclei",
        "compare_spacings",
        "compression_table",
        "feature_table",
        "nucleus_count_table",
        "score_figure",
        "score_table",
        "uncertainty_table",
        "vote_table",
    ),
}
_OF_RULE = {rule: stage for stage, rules in STAGES.items() for rule in rules}
_ORDER = {stage: place for place, stage in enumerate(STAGES)}
# Stages of few short jobs, which are not worth a line a model.
_TOGETHER = {"tables", "staging", "demo slides", "prepare"}

Stage = tuple[str, str]


def stage_of(rule: str, model: str = "") -> Stage:
    """The stage of a job: its name and its model, where each model has a line of its own.

    A rule that is in no stage is one by itself.
    """
    stage = _OF_RULE.get(rule, rule.replace("_", " "))
    return stage, "" if stage in _TOGETHER else model


def stage_name(stage: Stage) -> str:
    """The stage in words."""
    return " ".join(filter(None, stage))


def stage_order(stage: Stage) -> tuple[int, str, str]:
    """Key that sorts stages as the pipeline goes; rules in no stage come last."""
    return _ORDER.get(stage[0], len(_ORDER)), *stage


def job_name(rule: str, wildcards: dict[str, str]) -> str:
    """A job in words: its rule, its model, its slide, and what else it is about."""
    rest = dict(wildcards)
    words = " ".join(filter(None, [rule, rest.pop("model", "")]))
    slide = rest.pop("slide", "")
    parts = [words, *([f"slide {slide}"] if slide else []), *map(str, rest.values())]
    return ", ".join(parts)
