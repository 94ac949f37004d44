"""Random forests on disk: arrays as safetensors and a JSON beside them. Nothing is executed."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from microtome import __version__
from microtome.errors import InputError, one_line
from microtome.io.atomic import atomic, write_json
from microtome.staging.forest_trees import Trees, find_fault
from microtome.staging.forests import Forests
from microtome.staging.pn_stages import CLASSES, FORESTS

_KIND = "random forests of Microtome"
# Type and number of dimensions of every array.
_ARRAYS = {
    "roots": (np.int64, 2),
    "children_left": (np.int32, 1),
    "children_right": (np.int32, 1),
    "feature": (np.int32, 1),
    "threshold": (np.float64, 1),
    "value": (np.float64, 2),
    "importances": (np.float64, 2),
}
_KEYS = {
    "kind": str,
    "classes": list,
    "forests": list,
    "features": list,
    "settings": dict,
    "notes": list,
    "card": dict,
    "sha256": str,
}


def write_forests(path: str | Path, forests: Forests, *, card: Mapping[str, object]) -> None:
    """Write forests as safetensors, and a JSON of the same stem that says what they are.

    The same forests give the same bytes. The card is what else should be known of them, of what
    JSON can hold: spacing of the heatmaps, slides.
    """
    path = Path(path)
    arrays = {field.name: getattr(forests.trees, field.name) for field in fields(Trees)}
    arrays["importances"] = forests.importances
    content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    described = {
        "kind": _KIND,
        "classes": list(CLASSES),
        "forests": list(FORESTS),
        "features": list(forests.feature_names),
        "settings": forests.settings,
        "notes": forests.notes,
        "card": dict(card),
        "sha256": hashlib.sha256(content).hexdigest(),
        "versions": {
            "microtome": __version__,
            "python": platform.python_version(),
            "scikit-learn": version("scikit-learn"),
        },
    }
    write_json(path.with_suffix(".json"), described)


def read_forests(path: str | Path) -> tuple[Forests, dict]:
    """Read forests and their card, and check that they are what `write_forests` writes.

    They predict as they did when they were written. A file that is missing, cut short, altered or
    of another kind is an InputError.
    """
    path = Path(path)
    described = _read_description(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"forests {path}: cannot be read ({one_line(error.strerror)}); train them first"
        ) from error
    if hashlib.sha256(content).hexdigest() != described["sha256"]:
        raise _refuse(path, f"was cut short or altered since {path.stem}.json was written")
    try:
        arrays = load(content)
    # A type that NumPy lacks is a KeyError of the library.
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _refuse(path, f"is no whole safetensors file ({one_line(error)})") from error
    found = _find_fault(arrays, n_features=len(described["features"]))
    if found:
        raise _refuse(path, f"holds no random forests: {found}")
    importances = arrays.pop("importances")
    forests = Forests(
        feature_names=tuple(described["features"]),
        trees=Trees(**arrays),
        importances=importances,
        settings=described["settings"],
        notes=described["notes"],
    )
    return forests, described["card"]


def _read_description(path: Path) -> dict:
    """Read the JSON beside `path`, and check it."""
    beside = path.with_suffix(".json")
    try:
        described = json.loads(beside.read_text(encoding="utf-8"))
    # The last: brackets in thousands of brackets.
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"forests {path}: need {beside.name} beside them, which says what they are"
            f" ({one_line(error)}); keep both files together or train the forests anew"
        ) from error
    if not isinstance(described, dict) or described.get("kind") != _KIND:
        raise _refuse(beside, "does not describe random forests")
    for key, kind in _KEYS.items():
        if not isinstance(described.get(key), kind):
            raise _refuse(beside, f"has no {key}, or one of the wrong type")
    for key in ("features", "notes"):
        if not all(isinstance(value, str) for value in described[key]):
            raise _refuse(beside, f"has {key} that are no text")
    for key, known in (("classes", CLASSES), ("forests", FORESTS)):
        if described[key] != list(known):
            raise _refuse(beside, f"has {key} other than {', '.join(known)}")
    return described


def _find_fault(arrays: Mapping[str, np.ndarray], *, n_features: int) -> str:
    """Say what keeps arrays from being those of forests; empty where nothing does."""
    if arrays.keys() != _ARRAYS.keys():
        return f"its arrays are {one_line(', '.join(sorted(arrays)) or 'none')}"
    for name, (dtype, n_dimensions) in _ARRAYS.items():
        if arrays[name].dtype != dtype or arrays[name].ndim != n_dimensions:
            return f"{name} has the wrong type or shape"
    n_nodes = len(arrays["feature"])
    per_node = ("children_left", "children_right", "threshold", "value")
    shapes = {
        **{name: (n_nodes, *arrays[name].shape[1:]) for name in per_node},
        "value": (n_nodes, len(CLASSES)),
        "roots": (len(FORESTS), *arrays["roots"].shape[1:]),
        "importances": (len(FORESTS), n_features),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            return f"{name} has the wrong type or shape"
    if not np.isfinite(arrays["importances"]).all():
        return "an importance is no number"
    trees = {name: array for name, array in arrays.items() if name != "importances"}
    return find_fault(Trees(**trees), n_features=n_features)


def _refuse(path: Path, why: str) -> InputError:
    return InputError(f"forests {path}: {why}; fetch both files again or train the forests anew")
