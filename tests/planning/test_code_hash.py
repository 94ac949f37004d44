"""A rule reruns when the code behind it changes, and only then."""

import shutil

import pytest

from conftest import REPOSITORY
from microtome.networks.registry import _BUILDERS
from microtome.planning.code_hash import _NETWORKS as NETWORKS
from microtome.planning.code_hash import code_hash

SCRIPTS = REPOSITORY / "workflow_scripts"
SCRIPT = '''"""A rule."""

from microtome.first import work
from microtome.third import VALUE

work(VALUE)
'''
LIBRARY = {
    "__init__.py": '"""A library."""\n',
    "first.py": '"""First."""\n\nfrom microtome.second import help_out\n\n\ndef work(value):\n'
    '    """Work."""\n    return help_out(value)\n',
    "second.py": "from microtome import __doc__\nfrom microtome.first import work\n\n\n"
    "def help_out(value):\n    return value, work, __doc__\n",
    "third.py": "VALUE = 1\n",
    "unrelated.py": "import json\n\nVALUE = json\n",
}


@pytest.fixture
def hashed(tmp_path):
    """Give a function that hashes a script beside a small library, a text of it replaced."""
    copies = iter(range(100))

    def hash_with(file: str = "", old: str = "", new: str = "") -> str:
        root = tmp_path / str(next(copies))
        (root / "microtome").mkdir(parents=True)
        files = {"rule.py": SCRIPT, **{f"microtome/{k}": v for k, v in LIBRARY.items()}}
        if file:
            assert old in files[file]
            files[file] = files[file].replace(old, new, 1)
        for name, text in files.items():
            (root / name).write_text(text)
        return code_hash(root / "rule.py", root=root)

    return hash_with


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rule.py", "work(VALUE)", "work(2 * VALUE)"),
        ("microtome/first.py", "help_out(value)", "help_out(-value)"),  # imported by the script
        ("microtome/third.py", "1", "2"),
        ("microtome/second.py", "value, work", "work, value"),  # imported by what it imports
    ],
)
def test_code_that_is_imported_counts(hashed, file, old, new):
    """A change in the script or in what it imports, directly or not, changes the hash."""
    assert hashed(file, old, new) != hashed()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rule.py", '"""A rule."""', '"""Another text."""'),
        ("rule.py", "\nwork", "\n# Why.\nwork"),
        ("rule.py", "work(VALUE)", "work(\n    VALUE,\n)"),
        ("microtome/first.py", '    """Work."""\n', ""),
        ("microtome/first.py", '"""Work."""', '"""Do the work.\n\n    With care.\n    """'),
        ("microtome/third.py", "VALUE = 1", "\n\nVALUE=1  # a value"),
        ("microtome/unrelated.py", "json", "csv"),
        ("microtome/__init__.py", '"""A library."""\n', "__version__ = 1\n"),
    ],
)
def test_what_the_code_does_not_do_does_not_count(hashed, file, old, new):
    """Comments, layout, a file that is not reached, a new version, nor place and date of a copy."""
    assert hashed(file, old, new) == hashed()


def test_a_script_is_not_another():
    """Scripts that do other things have other hashes: all those of the repository."""
    scripts = sorted((SCRIPTS / "jobs").glob("*/*.py"))
    assert scripts
    assert len({code_hash(script, root=SCRIPTS) for script in scripts}) == len(scripts)


@pytest.mark.parametrize(
    ("file", "kinds", "counts"),
    [
        ("networks/refinenet.py", {"segmenter"}, True),
        ("networks/refinenet.py", {"histocae"}, False),
        ("networks/mr_histocae.py", {"histocae"}, False),
        ("networks/histocae.py", {"mr_histocae"}, True),  # three of them are in it
        ("networks/segmenters.py", {"histocae", "segmenter"}, True),  # an ensemble of both
        ("networks/registry.py", {"histocae"}, True),
        ("training/loop.py", {"histocae"}, True),
    ],
)
def test_networks_of_other_kinds_do_not_count(tmp_path, file, kinds, counts):
    """A model is trained again when networks of its own kind change."""
    copy, hashes = tmp_path / "before", []
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("before", "after"):
        copy = copy.rename(tmp_path / name)
        script = copy / "jobs" / "training" / "pretrain_cae.py"
        hashes.append(code_hash(script, root=copy, kinds=kinds))
        with (copy / "microtome" / file).open("a") as library:
            library.write("\nCHANGED = True\n")
    assert (hashes[0] != hashes[1]) is counts


def test_the_networks_of_each_kind_are_known():
    """What does not count is what the registry imports for a kind; each kind is listed."""
    text = (SCRIPTS / "microtome" / "networks" / "registry.py").read_text()
    assert set(_BUILDERS) == set(NETWORKS)
    for module in NETWORKS.values():
        assert f"from microtome.networks.{module} import" in text
