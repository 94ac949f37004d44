"""Forests on disk: what goes out comes back, and nothing else is let in."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from microtome.errors import InputError
from microtome.staging.forest_files import read_forests, write_forests
from microtome.staging.forests import train_forests

NAMES = ("area_um2", "length_um")
CARD = {"spacing_um": 4.0, "slides": ["a", "b"]}


def train(seed=1):
    """Train forests of 4 trees with 20 slides."""
    rng = np.random.default_rng(0)
    classes = np.arange(20) % 4
    features = rng.normal(size=(20, 2)) + classes[:, None]
    return train_forests(
        features, classes, np.arange(20) < 9, feature_names=NAMES, seed=seed, n_trees=4
    )


@pytest.fixture(scope="module")
def forests():
    """Forests in memory."""
    return train()


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


def alter(path, **arrays):
    """Replace arrays (None: leave out) and let the JSON agree, as a stranger's file would."""
    content = load_file(path) | arrays
    data = save({name: array for name, array in content.items() if array is not None})
    path.write_bytes(data)
    describe(path, sha256=hashlib.sha256(data).hexdigest())


def describe(path, **entries):
    """Replace entries of the JSON."""
    beside = path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | entries))


def changed(array, place, value):
    """Copy an array with one value replaced."""
    array = array.copy()
    array[place] = value
    return array


def test_forests_that_were_read_predict_as_those_written(forests, path):
    """Probabilities to the last bit, and all that is known of them."""
    found, card = read_forests(path)
    features = np.random.default_rng(3).normal(size=(50, 2)) * 4
    assert np.array_equal(
        found.predict(features, names=NAMES).probabilities,
        forests.predict(features).probabilities,
    )
    assert np.array_equal(found.importances, forests.importances)
    assert (found.feature_names, found.settings, found.notes) == (
        forests.feature_names,
        forests.settings,
        forests.notes,
    )
    assert card == CARD


def test_the_same_forests_are_the_same_bytes(path, tmp_path):
    """Trained and written once more, both files."""
    again = tmp_path / "again" / "forests.safetensors"
    write_forests(again, train(), card=CARD)
    for suffix in (".safetensors", ".json"):
        assert again.with_suffix(suffix).read_bytes() == path.with_suffix(suffix).read_bytes()


def test_the_json_says_what_the_forests_are(path):
    """For people and for other programs."""
    described = json.loads(path.with_suffix(".json").read_text())
    assert described["features"] == list(NAMES)
    assert described["classes"] == ["negative", "itc", "micro", "macro"]
    assert described["forests"] == ["rf_pi", "rf_pb", "rf_ci", "rf_cb"]
    assert described["settings"]["n_trees"] == 4
    assert set(described["versions"]) == {"microtome", "python", "scikit-learn"}


def test_a_missing_file_is_said(path):
    """The arrays, and the JSON."""
    content = path.read_bytes()
    path.unlink()
    assert "cannot be read (No such file" in refused(path)
    path.write_bytes(content)
    path.with_suffix(".json").unlink()
    assert "need forests.json beside them" in refused(path)


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_a_file_that_was_cut_short_is_refused(path, cut):
    """Anywhere."""
    path.write_bytes(path.read_bytes()[:cut])
    assert "was cut short or altered since forests.json was written" in refused(path)


def test_a_single_altered_byte_is_seen(path):
    """Even where the trees are trees still."""
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    assert "altered" in refused(path)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x80\x04K\x01.", b"\xff" * 64])
def test_other_files_are_refused(path, content):
    """Pickles, too, with a JSON that agrees."""
    path.write_bytes(content)
    describe(path, sha256=hashlib.sha256(content).hexdigest())
    assert "is no whole safetensors file" in refused(path)


def test_a_type_that_numpy_lacks_is_refused(path):
    """Eight-bit floats are allowed in safetensors."""
    header = json.dumps({"roots": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}})
    content = len(header).to_bytes(8, "little") + header.encode() + b"\0"
    path.write_bytes(content)
    describe(path, sha256=hashlib.sha256(content).hexdigest())
    assert refused(path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '"x"', "[" * 100_000, '{"kind": "pictures"}']
)
def test_a_json_that_describes_no_forests_is_refused(path, text):
    """Cut short, of another kind, or nested without end."""
    path.with_suffix(".json").write_text(text)
    assert refused(path)


def test_a_json_that_is_no_text_is_refused(path):
    """Not UTF-8."""
    path.with_suffix(".json").write_bytes(b"\xff\xfe{}")
    assert "need forests.json beside them" in refused(path)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"kind": "else"}, "does not describe random forests"),
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


def inner_node(arrays, *, last=False):
    """Find a node that has children: the root of the first tree, or the last there is."""
    return np.flatnonzero(arrays["children_left"] != -1)[-1 if last else 0]


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("value", lambda a: None, "its arrays are"),
        ("extra", lambda a: np.zeros(3), "its arrays are"),
        ("value", lambda a: a["value"].astype(np.float32), "value has the wrong type"),
        ("value", lambda a: a["value"][:, :3], "value has the wrong type"),
        ("value", lambda a: a["value"][:-1], "value has the wrong type"),
        ("threshold", lambda a: a["threshold"][:-1], "threshold has the wrong type"),
        ("threshold", lambda a: a["threshold"][:, None], "threshold has the wrong type"),
        ("children_left", lambda a: a["children_left"].astype(np.int64), "children_left has"),
        ("children_right", lambda a: a["children_right"][:-1], "children_right has"),
        ("feature", lambda a: a["feature"][:-1], "has the wrong type"),
        ("roots", lambda a: a["roots"].reshape(2, 8), "roots has the wrong type"),
        ("roots", lambda a: a["roots"][:, :0], "trees do not follow"),
        ("roots", lambda a: a["roots"] + 1, "trees do not follow"),
        ("roots", lambda a: changed(a["roots"], (1, 0), a["roots"][0, 3]), "trees do not follow"),
        ("roots", lambda a: changed(a["roots"], (3, 3), 10**6), "trees do not follow"),
        ("roots", lambda a: changed(a["roots"], (0, 1), 1), "back or out of its tree"),
        (
            "roots",
            lambda a: changed(a["roots"], (3, 3), a["roots"][3, 3] + 1),
            "back or out of its tree",
        ),
        ("importances", lambda a: a["importances"] * np.nan, "importance is no number"),
        ("importances", lambda a: a["importances"][:3], "importances has the wrong type"),
        (
            "children_left",
            lambda a: changed(a["children_left"], inner_node(a), -1),
            "has one child",
        ),
        (
            "children_left",
            lambda a: changed(a["children_left"], inner_node(a, last=True), inner_node(a)),
            "back or out of its tree",
        ),
        (
            "children_right",
            lambda a: changed(a["children_right"], inner_node(a), inner_node(a)),
            "back or out of its tree",
        ),
        (
            "children_right",
            lambda a: changed(a["children_right"], inner_node(a), a["roots"][0, 1]),
            "back or out of its tree",
        ),
        (
            "children_right",
            lambda a: changed(a["children_right"], inner_node(a, last=True), 10**6),
            "back or out of its tree",
        ),
        (
            "children_left",
            lambda a: changed(a["children_left"], inner_node(a), a["children_right"][0]),
            "no parent or several",
        ),
        ("children_left", lambda a: changed(a["children_left"], inner_node(a), -2), "back or out"),
        ("feature", lambda a: changed(a["feature"], 0, 2), "a feature that is not there"),
        ("feature", lambda a: changed(a["feature"], 0, -1), "a feature that is not there"),
        ("threshold", lambda a: changed(a["threshold"], 0, np.nan), "no finite number"),
        ("threshold", lambda a: changed(a["threshold"], 0, np.inf), "no finite number"),
        ("value", lambda a: changed(a["value"], (0, 0), np.nan), "do not add up"),
        ("value", lambda a: changed(a["value"], 0, [1.5, -0.5, 0, 0]), "do not add up"),
        ("value", lambda a: changed(a["value"], 0, [0.5, 0, 0, 0.4]), "do not add up"),
    ],
)
def test_arrays_that_are_no_trees_are_refused(path, name, change, why):
    """A stranger's file, with a JSON that agrees, sends no slide round and round."""
    alter(path, **{name: change(load_file(path))})
    assert why in refused(path)


def test_what_is_altered_into_other_trees_is_read(path):
    """The test's own tool makes files that are taken, so the refusals are for what they say."""
    arrays = load_file(path)
    alter(path, threshold=changed(arrays["threshold"], 0, arrays["threshold"][0] + 1))
    read_forests(path)
