"""Checks of config and slide sheet before anything runs; each mistake is one line."""

import math
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import relevance

from microtome.cohort.ensemble_checks import check_members
from microtome.cohort.schema_messages import describe_error, name_key
from microtome.cohort.sheet_rows import read_rows
from microtome.errors import InputError

FILE_COLUMNS = ("path", "annotation", "viable_mask", "whole_mask")


def check_config(config: dict, *, schema: str | Path) -> None:
    """Raise InputError, one line that names the key, if a config is not as its schema says.

    Also for mistakes that a schema cannot describe.
    """
    _require_finite(config, ())
    _validate(config, _read_validator(schema), lambda error: f"config: {name_key(error)}")
    missing = [name for name in config["run"] if name not in config["models"]]
    if missing:
        known = ", ".join(config["models"])
        raise InputError(f"config: run: there is no model {missing[0]!r}; models has {known}")
    for bounds in ("saturation_bounds", "pen_hues"):
        low, high = config["tissue"][bounds]
        if low > high:
            raise InputError(f"config: tissue.{bounds}: {low:g} is larger than {high:g}")
    for name, model in config["models"].items():
        if model["kind"] in ("ensemble", "vote"):
            check_members(f"config: models.{name}", model, config["models"])
        else:
            _check_model(f"config: models.{name}", model)
    _check_thresholds(config)
    name = config["compression"]["model"]
    if config["models"].get(name, {}).get("kind") != "histocae":
        raise InputError(f"config: compression.model: {name!r} is no model of kind histocae")
    if config["cross_validation"]["folds"]:
        needed = [m for n in config["run"] for m in [n, *config["models"][n].get("members", [])]]
        given = [name for name in needed if "weights" in config["models"][name]]
        if given:
            raise InputError(
                f"config: cross_validation.folds: models.{given[0]} has weights, so it is not"
                " trained; take weights out, or set folds to 0"
            )


def _check_model(key: str, model: dict) -> None:
    """Check a model for mistakes that a schema cannot describe."""
    for part in ("weights", "pretrained"):
        path = model.get(part, "none")
        if path not in ("none", "hub") and not Path(path).exists():
            raise InputError(f"{key}.{part}: the file {path} does not exist")
    loss = model.get("reconstruction_loss")
    if loss and not any(loss.values()):
        raise InputError(
            f"{key}.reconstruction_loss: every part is 0, so there is nothing to learn from; give"
            " at least one a weight"
        )
    own_um, further_um = model["spacing_um"], model.get("further_spacings_um", [])
    if any(um <= own_um for um in further_um):
        raise InputError(
            f"{key}.further_spacings_um: {min(further_um):g} is not coarser than spacing_um"
            f" {own_um:g}"
        )
    for run in ("pretraining", "training"):
        gpus = model.get("gpus", 1)
        if run in model and model[run]["batch"] < 2 * gpus:
            raise InputError(
                f"{key}.{run}.batch: {model[run]['batch']} patches are fewer than 2 for each of"
                f" {gpus} GPUs"
            )


def _check_thresholds(config: dict) -> None:
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
            raise InputError(
                f"config: segmentation.low_threshold: {low:g} is larger than {key} {threshold:g}"
            )


def check_folds(sheet: dict[str, dict], *, n_folds: int, path: str | Path) -> None:
    """Raise InputError if a slide has no fold of the cross-validation, or a fold no slide."""
    if not n_folds:
        return
    for name, row in sheet.items():
        if not 1 <= row.get("fold", 0) <= n_folds:
            raise InputError(
                f"slide sheet {path}: slide {name}: fold: {row.get('fold', 'nothing')}, but"
                f" cross_validation.folds is {n_folds}; python workflow_scripts/assign_splits.py"
                " fills the column"
            )
    empty = set(range(1, n_folds + 1)) - {row["fold"] for row in sheet.values()}
    if empty:
        raise InputError(f"slide sheet {path}: no slide is in fold {min(empty)} of {n_folds}")


def _require_finite(value: object, key: tuple[str, ...]) -> None:
    """Refuse .nan and .inf, which a schema takes for numbers above any minimum."""
    if isinstance(value, dict):
        for name, item in value.items():
            _require_finite(item, (*key, str(name)))
    elif isinstance(value, list):
        for item in value:
            _require_finite(item, key)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"config: {'.'.join(key)}: {value} is no number")


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
        One line that names the row or slide, the column and what to do.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     slide, sheet, schema = (Path(folder) / name for name in ("a.svs", "s.tsv", "s.yaml"))
    ...     slide.touch()
    ...     _ = sheet.write_text(f"slide\tpath\tspacing_um\na\t{slide}\t0.5\n")
    ...     _ = schema.write_text("required: [slide, path]")
    ...     rows = read_sheet(sheet, schema=schema)
    >>> list(rows), rows["a"]["spacing_um"]
    (['a'], 0.5)
    """
    path, validator = Path(path), _read_validator(schema)
    sheet: dict[str, dict] = {}
    for line, values in read_rows(path):
        _validate(
            values,
            validator,
            lambda error, line=line: f"slide sheet {path}, line {line}: {name_key(error)}",
        )
        if values["slide"] in sheet:
            raise InputError(
                f"slide sheet {path}, line {line}: slide {values['slide']} is there already"
            )
        sheet[values["slide"]] = values
    _check_splits(sheet, path)
    _check_files(sheet, path, made_by_workflow)
    return sheet


def _check_splits(sheet: dict[str, dict], path: Path) -> None:
    """Refuse a file twice, and a file or patient in two splits or two folds."""
    for column, what, group in (
        ("path", "file", "split"),
        ("patient", "patient", "split"),
        ("patient", "patient", "fold"),
    ):
        seen: dict[str, dict] = {}
        for row in sheet.values():
            if column not in row:
                continue
            key = str(Path(row[column]).resolve()) if column == "path" else row[column]
            first = seen.setdefault(key, row)
            if first.get(group) != row.get(group):
                raise InputError(
                    f"slide sheet {path}: {what} {row[column]} is in two {group}s: slide"
                    f" {first['slide']} in {first.get(group, 'none')}, slide {row['slide']} in"
                    f" {row.get(group, 'none')}"
                )
            if column == "path" and first is not row:
                raise InputError(
                    f"slide sheet {path}: slides {first['slide']} and {row['slide']} are the same"
                    f" file {row[column]}"
                )


def _check_files(sheet: dict[str, dict], path: Path, made_by_workflow: str) -> None:
    for row in sheet.values():
        for column in FILE_COLUMNS:
            name = row.get(column)
            if not name or (made_by_workflow and Path(name).is_relative_to(made_by_workflow)):
                continue
            if not Path(name).exists():
                raise InputError(
                    f"slide sheet {path}: slide {row['slide']}: {column}: the file {name} does not"
                    " exist"
                )


def _read_validator(schema: str | Path) -> Draft202012Validator:
    """Read a schema, once for all rows: that takes longer than checking thousands of rows."""
    return Draft202012Validator(yaml.safe_load(Path(schema).read_text(encoding="utf-8")))


def _validate(values: dict, validator: Draft202012Validator, where) -> None:
    errors = sorted(validator.iter_errors(values), key=relevance)
    if errors:
        # The deepest cause says most.
        error = max(errors, key=lambda error: len(error.absolute_path))
        raise InputError(f"{where(error)}{describe_error(error)}")
