"""Checks of ensembles and votes: whether their members fit together and have their folds."""

from collections.abc import Iterator, Mapping

from microtome.cohort.nucleus_checks import NUCLEUS_KINDS
from microtome.cohort.rescored import RESCORED, list_parts
from microtome.cohort.starts import add_starts

# What members must have in common, and why.
_SHARED = {
    "spacing_um": "all members see a patch at once",
    "further_spacings_um": "all members see a patch at once",
    "inference_patch_px": "all members score the same patches",
}
_NO_MEMBERS = ("ensemble", "vote", RESCORED, *NUCLEUS_KINDS)


def check_members(key: str, entry: dict, models: Mapping[str, dict]) -> Iterator[str]:
    """Find members of an ensemble or a vote that are none, or do not fit together.

    `key` is the place of the entry in the config, `models` the registry.
    """
    parts = [name for name in entry["members"] if models.get(name, {}).get("kind") in _NO_MEMBERS]
    unknown = [name for name in entry["members"] if name not in models]
    for name in unknown:
        yield f"{key}.members: there is no model {name!r}; models has {', '.join(models)}"
    for name in parts:
        kind = models[name]["kind"]
        instead = "name models with tumour maps" if kind in NUCLEUS_KINDS else "name its members"
        if kind == RESCORED:
            instead = f"name {models[name]['model']}"
        yield f"{key}.members: {name} is of kind {kind}; {instead} instead"
    if entry["kind"] == "vote" or unknown or parts:
        return
    first, *others = entry["members"]
    for part, why in _SHARED.items():
        values = {name: _find_value(models[name], part) for name in entry["members"]}
        for other in others:
            if values[other] != values[first]:
                yield (
                    f"{key}.members: {first} has {part} {values[first]}, {other}"
                    f" {values[other]}; {why}, so give them the same"
                )


def check_ensemble_folds(config: Mapping, sheet: Mapping[str, dict]) -> Iterator[str]:
    """Find models with a `validation_fold` that lack slides to train or validate them."""
    models, n_folds = config["models"], config["cross_validation"]["folds"]
    needed = [m for name in config["run"] for m in [name, *list_parts(models, name)]]
    needed = add_starts(models, needed)
    folds = {
        name: models[name]["validation_fold"]
        for name in needed
        if "validation_fold" in models[name] and "weights" not in models[name]
    }
    if n_folds:
        yield from _find_seen(config)
        for name, fold in folds.items():
            if fold >= n_folds:
                yield (
                    f"models.{name}.validation_fold: {fold} is not below cross_validation.folds"
                    f" {n_folds}: it says how many folds after the tested one validates"
                )
        return
    train = {slide: row for slide, row in sheet.items() if row.get("split") == "train"}
    unset = [slide for slide, row in train.items() if "fold" not in row]
    for slide in unset if folds else ():
        yield (
            f"slide {slide}: fold is missing, and validation_fold of {', '.join(folds)} needs it;"
            " python workflow_scripts/assign_splits.py --folds fills the column"
        )
    known = sorted({row["fold"] for row in train.values() if "fold" in row})
    for name, fold in folds.items():
        if not unset and (fold not in known or len(known) < 2):
            yield (
                f"models.{name}.validation_fold: {fold}, but the slides of split train are in folds"
                f" {', '.join(map(str, known)) or 'none'}; it must be one of two or more"
            )


def _find_seen(config: Mapping) -> Iterator[str]:
    """Find ensembles of which each fold of a cross-validation has trained one, if one is to tune.

    All members validate on one fold then, which is left for that.
    """
    models = config["models"]
    for name in config["run"]:
        entry = models[name]
        entry = models[entry["model"]] if entry["kind"] == RESCORED else entry
        threshold = entry.get("threshold", config["segmentation"]["threshold"])
        is_tuned = threshold == "validation" or config["calibration"]["temperature"]
        folds = {models[member].get("validation_fold", 1) for member in entry.get("members", [])}
        if entry["kind"] == "ensemble" and is_tuned and folds != {1}:
            yield (
                f"models.{name}: its members validate on different folds, so none is left"
                " for threshold: validation or calibration.temperature; leave validation_fold of"
                " its members out, or give thresholds as numbers"
            )


def _find_value(entry: Mapping, part: str) -> object:
    if part == "inference_patch_px":
        return entry.get(part, entry["patch_px"])
    return entry.get(part, "none" if part == "further_spacings_um" else None)
