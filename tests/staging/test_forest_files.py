"""Forests on disk: what goes out comes back, and nothing else is let in."""

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from microtome.errors import InputError
from microtome.staging.forest_files import read_forests, write_forests
from microtome.staging.forest_trees import Trees
from microtome.staging.forests import Forests

NAMES = ("area_um2", "length_um")
CARD = {"spacing_um": 4.0, "slides": ["a", "b"]}
N_NODES = 24


@pytest.fixture
def forests() -> Forests:
    """Four forests of two trees, each a root with two leaves: nodes 0, 1 and 2, and so on."""
    rng = np.random.default_rng(1)
    is_root, node = np.arange(N_NODES) % 3 == 0, np.arange(N_NODES)
    trees = Trees(
        roots=np.arange(0, N_NODES, 3).reshape(4, 2),
        children_left=np.where(is_root, node + 1, -1).astype(np.int32),
        children_right=np.where(is_root, node + 2, -1).astype(np.int32),
        feature=(is_root * rng.integers(0, 2, N_NODES)).astype(np.int32),
        threshold=is_root * rng.normal(size=N_NODES),
        value=rng.dirichlet(np.ones(4), N_NODES),
    )
    settings = {"n_trees": 2, "seed": 1}
    return Forests(NAMES, trees, rng.dirichlet((1, 1), 4), settings, ["rf_pb: something"])


@pytest.fixture
def path(forests, tmp_path):
    """The same on disk."""
    path = tmp_path / "forests.safetensors"
    write_forests(path, forests, card=CARD)
    return path


def refused(path) -> str:
    """Read what cannot be read; give the line that says why."""
    with pytest.raises(InputError) as caught:
        read_forests(path)
    line = str(caught.value)
    assert "\n" not in line
    assert path.stem in line
    return line


def replace_content(path, content: bytes):
    """Replace the arrays and let the JSON agree, as a stranger's file would."""
    path.write_bytes(content)
    describe(path, sha256=hashlib.sha256(content).hexdigest())


def alter(path, **arrays):
    """Replace arrays (None: leave out)."""
    content = load_file(path) | arrays
    replace_content(path, save({name: a for name, a in content.items() if a is not None}))


def describe(path, **entries):
    """Replace entries of the JSON."""
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | entries))


def test_forests_that_were_read_predict_as_those_written(forests, path):
    """Trees and probabilities to the last bit, and all that is known of them."""
    found, card = read_forests(path)
    for name, array in asdict(forests.trees).items():
        assert np.array_equal(getattr(found.trees, name), array)
    features = np.random.default_rng(3).normal(size=(50, 2)) * 4
    predicted = found.predict(features, names=NAMES).probabilities
    assert np.array_equal(predicted, forests.predict(features).probabilities)
    assert np.array_equal(found.importances, forests.importances)
    for name in ("feature_names", "settings", "notes"):
        assert getattr(found, name) == getattr(forests, name)
    assert card == CARD


def test_the_same_forests_are_the_same_bytes(forests, path, tmp_path):
    """Written once more, both files."""
    again = tmp_path / "again" / "forests.safetensors"
    write_forests(again, forests, card=CARD)
    for suffix in (".safetensors", ".json"):
        assert again.with_suffix(suffix).read_bytes() == path.with_suffix(suffix).read_bytes()


def test_the_json_says_what_the_forests_are(path):
    """For people and for other programs."""
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["features"] == list(NAMES)
    assert described["classes"] == ["negative", "itc", "micro", "macro"]
    assert described["forests"] == ["rf_pi", "rf_pb", "rf_ci", "rf_cb"]
    assert described["settings"]["n_trees"] == 2
    assert set(described["versions"]) == {"microtome", "python", "scikit-learn"}


def test_a_missing_file_is_said(path):
    """The arrays, and the JSON."""
    content = path.read_bytes()
    path.unlink()
    assert "cannot be read (No such file" in refused(path)
    path.write_bytes(content)
    path.with_suffix(".json").unlink()
    assert "need forests.json beside them" in refused(path)


@pytest.mark.parametrize("cut", [0, 4, 100, -1, None])
def test_a_file_that_was_cut_short_or_altered_is_refused(path, cut):
    """Anywhere; and by a single byte (None), even where the trees are trees still."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if cut is None else content[:cut])
    assert "was cut short or altered since forests.json was written" in refused(path)


# Eight-bit floats are allowed in safetensors, and NumPy lacks them.
HEADER = json.dumps({"roots": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}).encode()
LACKED = len(HEADER).to_bytes(8, "little") + HEADER + b"\0"


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"\x80\x04K\x01.", b"\xff" * 64, LACKED],
    ids=["empty", "GIF", "pickle", "noise", "type that NumPy lacks"],
)
def test_other_files_are_refused(path, content):
    """With a JSON that agrees."""
    replace_content(path, content)
    assert "is no whole safetensors file" in refused(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(text, "need forests.json beside them") for text in (b"", b"{", b"\xff\xfe{}", b"[" * 10**5)]
    + [(b, "does not describe random forests") for b in (b"[]", b"3", b"null", b'{"kind": "x"}')],
)
def test_a_json_that_describes_no_forests_is_refused(path, content, why):
    """Cut short, no text, of another kind, or nested without end."""
    path.with_suffix(".json").write_bytes(content)
    assert why in refused(path)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"classes": ["negative", "macro"]}, "has classes other than negative, itc, micro, macro"),
        ({"classes": None}, "has no classes"),
        ({"forests": ["rf_pb", "rf_pi", "rf_ci", "rf_cb"]}, "has forests other than rf_pi"),
        ({"features": "area_um2"}, "has no features"),
        ({"features": ["area_um2", 3]}, "has features that are no text"),
        ({"notes": [None]}, "has notes that are no text"),
        ({"settings": []}, "has no settings"),
        ({"card": None}, "has no card"),
        ({"sha256": 3}, "has no sha256"),
        ({"features": ["area_um2"]}, "importances has the wrong type or shape"),
    ],
)
def test_a_json_with_a_spoiled_entry_is_refused(path, entries, why):
    """By name."""
    describe(path, **entries)
    assert why in refused(path)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("value", lambda a: None, "its arrays are"),
        ("extra", lambda a: np.zeros(3), "its arrays are"),
        ("value", lambda a: a.astype(np.float32), "value has the wrong type"),
        ("value", lambda a: a[:, :3], "value has the wrong type"),
        ("value", lambda a: a[:-1], "value has the wrong type"),
        ("threshold", lambda a: a[:-1], "threshold has the wrong type"),
        ("threshold", lambda a: a[:, None], "threshold has the wrong type"),
        ("children_left", lambda a: a.astype(np.int64), "children_left has"),
        ("children_right", lambda a: a[:-1], "children_right has"),
        ("feature", lambda a: a[:-1], "has the wrong type"),
        ("importances", lambda a: a * np.nan, "importance is no number"),
        ("importances", lambda a: a[:3], "importances has the wrong type"),
        ("roots", lambda a: a.reshape(2, 4), "roots has the wrong type"),
        ("roots", lambda a: a[:, :0], "trees do not follow"),
        ("roots", lambda a: a + 1, "trees do not follow"),
    ],
)
def test_arrays_of_other_shapes_and_types_are_refused(path, name, change, why):
    """A stranger's file, with a JSON that agrees."""
    alter(path, **{name: change(load_file(path).get(name))})
    assert why in refused(path)


@pytest.mark.parametrize(
    ("name", "place", "value", "why"),
    [
        ("roots", (1, 0), 3, "trees do not follow"),
        ("roots", (3, 1), 10**6, "trees do not follow"),
        ("roots", (0, 1), 1, "back or out of its tree"),
        ("roots", (3, 1), 22, "back or out of its tree"),
        ("children_left", 0, -1, "has one child"),
        ("children_left", 0, -2, "back or out of its tree"),
        ("children_left", 21, 0, "back or out of its tree"),
        ("children_right", 0, 0, "back or out of its tree"),
        ("children_right", 0, 3, "back or out of its tree"),
        ("children_right", 21, 10**6, "back or out of its tree"),
        ("children_left", 0, 2, "no parent or several"),
        ("feature", 0, 2, "a feature that is not there"),
        ("feature", 0, -1, "a feature that is not there"),
        ("threshold", 0, np.nan, "no finite number"),
        ("threshold", 0, np.inf, "no finite number"),
        ("value", (0, 0), np.nan, "do not add up"),
        ("value", 0, [1.5, -0.5, 0, 0], "do not add up"),
        ("value", 0, [0.5, 0, 0, 0.4], "do not add up"),
        ("threshold", 0, 8.0, ""),
    ],
)
def test_arrays_that_are_no_trees_are_refused(path, name, place, value, why):
    """A stranger's file sends no slide round and round; other trees (the last) are read."""
    array = load_file(path)[name].copy()
    array[place] = value
    alter(path, **{name: array})
    if why:
        assert why in refused(path)
    else:
        assert read_forests(path)[0].trees.threshold[0] == value
