"""Checks of ensembles and votes: whether their members fit together and have their folds."""

from collections.abc import Mapping
from pathlib import Path

from microtome.errors import InputError

# What members must have in common, and why.
_SHARED = {
    "spacing_um": "all members see a patch at once",
    "further_spacings_um": "all members see a patch at once",
    "inference_patch_px": "all members score the same patches",
}
_PARTS = ("ensemble", "vote")


def check_members(key: str, entry: dict, models: Mapping[str, dict]) -> None:
    """Raise InputError, one line, if the members of an ensemble or a vote do not fit.

    `key` is the place of the entry in the config, `models` the registry.
    """
    for name in entry["members"]:
        if name not in models:
            raise InputError(
                f"{key}.members: there is no model {name!r}; models has {', '.join(models)}"
            )
        if models[name]["kind"] in _PARTS:
            raise InputError(
                f"{key}.members: {name} is of kind {models[name]['kind']}; name its members instead"
            )
    if entry["kind"] == "vote":
        return
    first, *others = entry["members"]
    for part, why in _SHARED.items():
        values = {name: _find_value(models[name], part) for name in entry["members"]}
        for other in others:
            if values[other] != values[first]:
                raise InputError(
                    f"{key}.members: {first} has {part} {values[first]}, {other}"
                    f" {values[other]}; {why}, so give them the same"
                )


def check_ensemble_folds(config: Mapping, sheet: Mapping[str, dict], *, path: str | Path) -> None:
    """Raise InputError if a model with a `validation_fold` lacks slides to train or validate it."""
    models, n_folds = config["models"], config["cross_validation"]["folds"]
    if n_folds:
        _require_unseen(config)
    needed = [m for name in config["run"] for m in [name, *models[name].get("members", [])]]
    for name in dict.fromkeys(needed):
        fold = models[name].get("validation_fold")
        if fold is None or "weights" in models[name]:
            continue
        key = f"config: models.{name}.validation_fold"
        if n_folds:
            if fold >= n_folds:
                raise InputError(
                    f"{key}: {fold} is not below cross_validation.folds {n_folds}: it says how many"
                    " folds after the tested one validates"
                )
            continue
        train = {slide: row for slide, row in sheet.items() if row.get("split") == "train"}
        unset = [slide for slide, row in train.items() if "fold" not in row]
        if unset:
            raise InputError(
                f"slide sheet {path}: slide {unset[0]}: fold is missing, and models.{name} has a"
                " validation_fold; python workflow_scripts/assign_splits.py --folds fills the"
                " column"
            )
        folds = {row["fold"] for row in train.values()}
        if fold not in folds or len(folds) < 2:
            raise InputError(
                f"{key}: {fold}, but the slides of split train in {path} are in folds"
                f" {', '.join(map(str, sorted(folds))) or 'none'}; it must be one of two or more"
            )


def _require_unseen(config: Mapping) -> None:
    """Require that in a cross-validation all members validate on one fold, if that tunes them."""
    models = config["models"]
    for name in config["run"]:
        entry = models[name]
        threshold = entry.get("threshold", config["segmentation"]["threshold"])
        is_tuned = threshold == "validation" or config["calibration"]["temperature"]
        folds = {models[member].get("validation_fold", 1) for member in entry.get("members", [])}
        if entry["kind"] == "ensemble" and is_tuned and folds != {1}:
            raise InputError(
                f"config: models.{name}: its members validate on different folds, so none is left"
                " for threshold: validation or calibration.temperature; leave validation_fold of"
                " its members out, or give thresholds as numbers"
            )


def _find_value(entry: Mapping, part: str) -> object:
    if part == "inference_patch_px":
        return entry.get(part, entry["patch_px"])
    return entry.get(part, "none" if part == "further_spacings_um" else None)
