"""A small config and sheet, planned without Snakemake."""

from microtome.planning.cohort import Cohort
from microtome.planning.models import Models

SEGMENTER = {"kind": "segmenter", "spacing_um": 0.5, "patch_px": 64, "inference_patch_px": 256}
LOSS = {"mse": 0.5, "ssim": 0.5, "mae": 0.5}
AUTOENCODER = {"downsampling": "stride", "reconstruction_loss": LOSS}
CAE = {"kind": "histocae", "spacing_um": 1.0, "patch_px": 256, **AUTOENCODER}
MODELS = {
    "a": SEGMENTER,
    "b": SEGMENTER | {"validation_fold": 2, "augmentation": {"shift_px": 8}, "threshold": 0.4},
    "colour": {"kind": "colour", "spacing_um": 2.0, "patch_px": 224, "stride_px": 100},
    "cae": CAE | {"gpus": 2, "pretraining": {"epochs": 1}, "training": {"epochs": 5, "batch": 8}},
    "mr": CAE | {"kind": "mr_histocae", "further_spacings_um": [2.0, 4.0]},
    "given": CAE | {"weights": "downloads/given.safetensors"},
    "both": {
        "kind": "ensemble",
        "members": ["a", "b"],
        "threshold": "validation",
        "test_time_augmentation": ["rotate_90", "rotate_180"],
    },
    "vote": {"kind": "vote", "members": ["colour", "a"]},
}
CONFIG = {
    "scratch_dir": None,
    "allow_cpu": None,
    "run": ["both", "colour", "vote"],
    "models": MODELS,
    "score_splits": ["test"],
    "cross_validation": {"folds": 0},
    "slide": {"upsample": False},
    "patches": {
        "codec": "auto",
        "stride_px": 128,
        "min_tissue_fraction": 0.25,
        "max_white_fraction": 0.7,
    },
    "inference": {"overlap": 0.5, "batch": "auto"},
    "tissue": {"spacing_um": 8.0},
    "annotation": {"spacing_um": 1.0},
    "heatmap": {"spacing_um": 8.0},
    "segmentation": {"threshold": 0.7, "opening_um": 32},
    "calibration": {"temperature": False},
    "compression": {"model": "cae", "batch": 16},
    "staging": {
        "model": None,
        "forests": None,
        "networks_learn_from": "all",
        "allow_overlap": False,
    },
    "submissions": [],
    "scoring": {},
    "demo": {"width_px": 8000, "height_px": 5000},
}
SHEET = {
    "learnt": {"path": "learnt.svs", "split": "train", "fold": 1, "annotation": "learnt.xml"},
    "bare": {"path": "bare.svs", "split": "train", "fold": 2},
    "checked": {"path": "checked.svs", "split": "validation", "label": "negative"},
    "tested": {"path": "tested.svs", "split": "test", "viable_mask": "tested.tif"},
    "asked": {"path": "asked.svs", "label": "tumour"},
    "lost": {"path": "lost.svs", "split": "test", "label": "negative"},
}
NODES = {
    f"{patient}{node}": {
        "path": f"{patient}{node}.svs",
        "patient": patient,
        "node": str(node),
        "split": split,
        "fold": 1,
        "label": label,
    }
    for patient, split, labels in (
        ("p", "train", ("negative", "macro")),
        ("q", "test", ("itc", "negative")),
    )
    for node, label in enumerate(labels)
}


def plan(sheet: dict | None = None, *, without: tuple[str, ...] = ("lost",), **changes) -> Cohort:
    """Plan a sheet whose slides are usable but for some; `changes` are sections of the config."""
    slides = SHEET if sheet is None else sheet
    config = changed(**changes)
    return Cohort(slides, config, Models(config), lambda: [s for s in slides if s not in without])


def changed(**changes) -> dict:
    """The config with other values: of a section those that are given, the rest stays."""
    return {
        key: {**part, **changes[key]}
        if isinstance(part, dict) and key in changes
        else changes.get(key, part)
        for key, part in CONFIG.items()
    }
