"""What a submission was made from, and what differs between two."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY
from microtome import __version__
from microtome.errors import InputError
from microtome.io.atomic import write_json
from microtome.submission import provenance as module
from microtome.submission.provenance import compare_records, describe_submission

CONFIG = {
    "slides": "slides.tsv",
    "models": {"b": {"weights": "weights/b.safetensors", "seed": 1}, "a": {"scales": (1, 2.5)}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with two files and an archive."""
    monkeypatch.chdir(tmp_path)
    for name in ("slides.tsv", "weights.safetensors", "a.zip"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def record(**changes: object) -> dict:
    """Make a record of what lies in the working directory."""
    given = {
        "challenge": "paip2019",
        "config": CONFIG,
        "code": {"b": "2", "a": "1"},
        "files": ["weights.safetensors", Path("slides.tsv")],
        "archive": "a.zip",
        "cases": {"a": (700, 600)},
    }
    return describe_submission(**given | changes)


def test_a_record(folder, monkeypatch):
    """Versions, hashes and the whole configuration, as other means give them."""
    monkeypatch.setattr(module, "PACKAGES", ("numpy", "no-such-package"))
    entries = {
        name: {"path": name, "sha256": hashlib.sha256(name.encode()).hexdigest()}
        for name in ("slides.tsv", "weights.safetensors", "a.zip")
    }
    assert record() == {
        "challenge": "paip2019",
        "microtome": __version__,
        "python": platform.python_version(),
        "code": {"a": "1", "b": "2"},
        "packages": {"no-such-package": None, "numpy": version("numpy")},
        "archive": entries.pop("a.zip"),
        "files": entries,
        "cases": {"a": [700, 600]},
        "config": {**CONFIG, "models": {**CONFIG["models"], "a": {"scales": [1, 2.5]}}},
    }


def test_the_version_is_that_of_the_citation():
    """One version of Microtome, whoever asks for it."""
    citation = REPOSITORY / "CITATION.cff"
    assert yaml.safe_load(citation.read_text())["version"] == __version__


def test_same_bytes_whatever_the_order(folder):
    """The order of keys, scripts and files does not matter to the JSON."""
    turned = {key: CONFIG[key] for key in reversed(CONFIG)}
    turned["models"] = dict(reversed(CONFIG["models"].items()))
    files = ["slides.tsv", "weights.safetensors"]
    write_json("one.json", record())
    write_json("two.json", record(code={"a": "1", "b": "2"}, config=turned, files=files))
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


def test_nothing_tells_of_the_machine(folder):
    """Of absolute paths there is the last part, wherever they stand and of whatever system."""
    config = {
        "a": str(folder / "data" / "slides.tsv"),
        "b": [{"c": "C:\\Users\\someone\\net.pt"}, "\\\\server\\share\\someone\\x.tif"],
        "d": folder / "deep.txt",
        "e": "~someone/z.txt",
        str(folder / "key.tif"): "../data/x.tif",
    }
    places = {"files": [folder / "slides.tsv"], "archive": folder / "a.zip"}
    found = record(config=config, cases=config, **places)
    assert found["config"] == {
        "a": "slides.tsv",
        "b": [{"c": "net.pt"}, "x.tif"],
        "d": "deep.txt",
        "e": "z.txt",
        "key.tif": "../data/x.tif",
    }
    assert found["cases"] == found["config"]
    assert found["files"]["slides.tsv"]["path"] == "slides.tsv"
    assert found["archive"]["path"] == "a.zip"


def test_other_values_are_left_alone(folder):
    """What is no absolute path stays as it is; keys become text, as in JSON."""
    config = {"a": [1, 1.5, True, None], 2: {}, "c": ["W: width", "https://x.org/a", "", "C:a"]}
    found = json.dumps(record(config=config)["config"])
    expected = '["W: width", "https://x.org/a", "", "C:a"]'
    assert found == f'{{"2": {{}}, "a": [1, 1.5, true, null], "c": {expected}}}'


def test_files_by_path(folder):
    """A list names files by their paths; what ends alike is numbered, what is the same is not."""
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "net.pt").write_text(name)
    paths = [folder / "one" / "net.pt", "slides.tsv", folder / "two" / "net.pt", "slides.tsv"]
    found = record(files=paths)["files"]
    assert list(found) == ["net.pt", "net.pt (2)", "slides.tsv"]
    assert [entry["path"] for entry in found.values()] == ["net.pt", "net.pt", "slides.tsv"]
    assert found["net.pt (2)"]["sha256"] == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("name", ["gone", "."])
def test_a_missing_file(folder, name):
    """One line names it."""
    with pytest.raises(InputError, match=rf"^{name}: is no file; a submission cannot be traced"):
        record(files=[name])
    with pytest.raises(InputError, match=rf"^{name}: is no file"):
        record(archive=name)


def test_differences(folder):
    """None from a record read back from JSON, else one line each: where, and both values."""
    first, second = record(), json.loads(json.dumps(record()))
    assert compare_records(first, second) == []
    second["config"]["models"]["a"]["scales"] = [1, 3, 4]
    del second["config"]["models"]["b"]["weights"]
    second["code"] = "1"
    assert compare_records(first, second) == [
        'code: nothing, and "1"',
        'code.a: "1", and nothing',
        'code.b: "2", and nothing',
        "config.models.a.scales[1]: 2.5, and 3",
        "config.models.a.scales[2]: nothing, and 4",
        'config.models.b.weights: "weights/b.safetensors", and nothing',
    ]


@pytest.mark.parametrize(
    ("one", "other", "lines"),
    [
        ({"a": 1}, {"a": True}, ["a: 1, and true"]),
        ({"a": None}, {}, ["a: null, and nothing"]),
        ({"a": {}}, {"a": {"b": 1}}, ["a: {}, and nothing", "a.b: nothing, and 1"]),
        ({"a": []}, {"a": {}}, ["a: [], and {}"]),
        ({"a": "µ\u2028y"}, {"a\n": 1}, ['a: "µ y", and nothing', "a : nothing, and 1"]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ],
)
def test_differences_that_are_easily_missed(one, other, lines):
    """Kinds count as values do; what is empty is not what is absent; lines stay lines."""
    assert compare_records(one, other) == lines
