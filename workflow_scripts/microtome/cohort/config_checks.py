"""Checks of config and slide sheet before anything runs: all mistakes at once, each a line."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from microtome.cohort.encoder_checks import find_encoder_mistake
from microtome.cohort.ensemble_checks import check_members
from microtome.cohort.mistakes import refuse
from microtome.cohort.nucleus_checks import NUCLEUS_KINDS, check_nuclei, check_nucleus_model
from microtome.cohort.rescored import RESCORED, check_rescored, list_parts
from microtome.cohort.schema_messages import describe_error, name_key
from microtome.cohort.scoring_checks import check_scoring
from microtome.cohort.sheet_mistakes import find_mistakes
from microtome.cohort.sheet_rows import parse_rows, read_rows
from microtome.cohort.starts import check_start


def check_config_files(paths: Iterable[str | Path]) -> None:
    """Raise InputError if a key is twice in a section of a file: YAML takes the last and is silent.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> from microtome.errors import InputError
    >>> with NamedTemporaryFile("w", suffix=".yaml") as file:
    ...     print("tissue: {spacing_um: 8, spacing_um: 4}", file=file, flush=True)
    ...     try:
    ...         check_config_files([file.name])
    ...     except InputError as error:
    ...         print(str(error).partition(": ")[2])
    line 1: 'spacing_um' is there twice in one section; the second would count alone
    """
    for path in paths:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        refuse(_find_twice(root), of=f"config {path}")


def _find_twice(node: yaml.Node | None) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _find_twice(item)
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield (
                    f"line {key.start_mark.line + 1}: {key.value!r} is there twice in one section;"
                    " the second would count alone"
                )
            seen.add(key.value)
            yield from _find_twice(value)


def check_config(config: dict, *, schema: str | Path) -> None:
    """Raise InputError if a config is not as its schema says; each line names the key.

    Also for mistakes that a schema cannot describe, once there are no others.
    """
    refuse(_find_infinite(config, ()), of="config")
    validator = Draft202012Validator(_read_yaml(schema))
    errors = sorted(validator.iter_errors(config), key=name_key)
    found = [name_key(error) + describe_error(error) for error in errors]
    refuse(_tell_once(found or _find_contradictions(config)), of="config")


def _tell_once(mistakes: Iterable[str]) -> Iterator[str]:
    """Put together what is said of several models, as where they share a section."""
    found: dict[str, list[str | None]] = {}
    for mistake in mistakes:
        _, name, said = re.fullmatch(r"(models\.([\w-]+))?(.*)", mistake, re.DOTALL).groups()
        found.setdefault(said, []).append(name)
    for said, names in found.items():
        others = f"; the same in {', '.join(names[1:])}" if names[1:] else ""
        yield f"{f'models.{names[0]}' if names[0] else ''}{said}{others}"


def _find_contradictions(config: dict) -> Iterator[str]:
    models = config["models"]
    unknown = [name for name in config["run"] if name not in models]
    for name in unknown:
        yield f"run: there is no model {name!r}; models has {', '.join(models)}"
    low, high = config["tissue"]["saturation_bounds"]
    if low > high:
        yield f"tissue.saturation_bounds: {low:g} is larger than {high:g}"
    yield from _check_models(models)
    yield from check_nuclei(config)
    yield from check_scoring(config["scoring"])
    yield from _check_thresholds(config)
    yield from _check_classes(config["annotation"]["classes"])
    name = config["compression"]["model"]
    if models.get(name, {}).get("kind") != "histocae":
        yield f"compression.model: {name!r} is no model of kind histocae"
    if config["cross_validation"]["folds"] and not unknown:
        needed = [m for n in config["run"] for m in [n, *list_parts(models, n)]]
        for name in needed:
            if "weights" in models.get(name, {}):
                yield (
                    f"cross_validation.folds: models.{name} has weights, so it is not trained; take"
                    " weights out, or set folds to 0"
                )


def _check_models(models: dict[str, dict]) -> Iterator[str]:
    for name, model in models.items():
        if model["kind"] in ("ensemble", "vote"):
            yield from check_members(f"models.{name}", model, models)
        elif model["kind"] == RESCORED:
            yield from check_rescored(f"models.{name}", model, models)
        else:
            yield from _check_model(f"models.{name}", model)
        if model["kind"] in NUCLEUS_KINDS:
            yield from check_nucleus_model(f"models.{name}", model, models)
        elif "start" in model:
            yield from check_start(f"models.{name}", model, models)


def _check_model(key: str, model: dict) -> Iterator[str]:
    """Check a model for mistakes that a schema cannot describe."""
    for part in ("weights", "pretrained"):
        path = model.get(part, "none")
        card = Path(path).with_suffix(".json") if part == "weights" else path
        for file in dict.fromkeys((path, str(card))) if path not in ("none", "hub") else ():
            if not Path(file).exists():
                yield f"{key}.{part}: the file {file} does not exist"
    if "encoder" in model:
        mistake = find_encoder_mistake(model["architecture"], model["encoder"])
        yield from [f"{key}.encoder: {mistake}"] if mistake else []
    loss = model.get("reconstruction_loss")
    if loss and not any(loss.values()):
        yield (
            f"{key}.reconstruction_loss: every part is 0, so there is nothing to learn from; give"
            " at least one a weight"
        )
    own_um, further_um = model.get("spacing_um"), model.get("further_spacings_um", [])
    if any(um <= own_um for um in further_um):
        yield (
            f"{key}.further_spacings_um: {min(further_um):g} is not coarser than spacing_um"
            f" {own_um:g}"
        )
    for run in ("pretraining", "training"):
        gpus = model.get("gpus", 1)
        if run in model and model[run]["batch"] < 2 * gpus:
            yield (
                f"{key}.{run}.batch: {model[run]['batch']} patches are fewer than 2 for each of"
                f" {gpus} GPUs"
            )


def _check_thresholds(config: dict) -> Iterator[str]:
    segmentation = config["segmentation"]
    low = segmentation.get("low_threshold")
    if low is None:
        return
    thresholds = {"segmentation.threshold": segmentation["threshold"]} | {
        f"models.{name}.threshold": entry["threshold"]
        for name, entry in config["models"].items()
        if "threshold" in entry
    }
    for key, threshold in thresholds.items():
        if threshold != "validation" and threshold < low:
            yield f"segmentation.low_threshold: {low:g} is larger than {key} {threshold:g}"


def _check_classes(classes: dict[str, list[str]]) -> Iterator[str]:
    roles: dict[str, str] = {}
    for role, names in classes.items():
        for name in names:
            first = roles.setdefault(" ".join(name.split()).casefold(), role)
            if first != role:
                yield f"annotation.classes: {name!r} is in {first} and in {role}; leave it in one"


def _find_infinite(value: object, key: tuple[str, ...]) -> Iterator[str]:
    """Find .nan and .inf, which a schema takes for numbers above any minimum."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _find_infinite(item, (*key, str(name)))
    elif isinstance(value, list):
        for item in value:
            yield from _find_infinite(item, key)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{'.'.join(key)}: {value} is no number"


def check_folds(sheet: Mapping[str, dict], *, n_folds: int) -> Iterator[str]:
    """Find slides that have no fold of the cross-validation, and folds that have no slide."""
    if not n_folds:
        return
    for name, row in sheet.items():
        if not 1 <= row.get("fold", 0) <= n_folds:
            yield (
                f"slide {name}: fold: {row.get('fold', 'nothing')}, but cross_validation.folds is"
                f" {n_folds}; python workflow_scripts/assign_splits.py fills the column"
            )
    for empty in sorted(set(range(1, n_folds + 1)) - {row.get("fold") for row in sheet.values()}):
        yield f"no slide is in fold {empty} of {n_folds}"


def read_sheet(
    path: str | Path, *, schema: str | Path, made_by_workflow: str = ""
) -> dict[str, dict]:
    r"""Read and check the slide sheet.

    Parameters
    ----------
    schema : str or Path
        JSON schema (YAML) of one row.
    made_by_workflow : str
        Files below this folder need not exist yet.

    Returns
    -------
    dict of str to dict
        Slide id -> its row, without empty cells; numbers as numbers, in the sheet's order.

    Raises
    ------
    InputError
        A line for each mistake: row and slide, column, value and what to do.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     slide, sheet, schema = (Path(folder) / name for name in ("a.svs", "s.tsv", "s.yaml"))
    ...     slide.touch()
    ...     _ = sheet.write_text(f"slide\tpath\tspacing_um\na\t{slide}\t0.5\n")
    ...     columns = "{slide: {type: string}, path: {type: string}, spacing_um: {type: number}}"
    ...     _ = schema.write_text(f"properties: {columns}")
    ...     rows = read_sheet(sheet, schema=schema)
    >>> list(rows), rows["a"]["spacing_um"]
    (['a'], 0.5)
    """
    path = Path(path)
    rows = read_rows(path)
    mistakes = find_mistakes(
        rows, schema=_read_yaml(schema), sheet=path, made_by_workflow=made_by_workflow
    )
    refuse(mistakes, of=f"slide sheet {path}")
    return {row["slide"]: row for _, row in parse_rows(rows)}


def _read_yaml(path: str | Path) -> dict:
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
