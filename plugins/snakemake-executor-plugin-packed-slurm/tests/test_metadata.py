"""The examples in docstrings print what stands below them, and the metadata name what is there."""

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GIVEN = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(ROOT.glob("snakemake_*/*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    """Every example of a module runs."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_what_is_installed_is_what_snakemake_looks_for():
    """It finds a plugin by the name of its package, in folders of the path."""
    here = sorted(path.parent.name for path in ROOT.glob("snakemake_*/__init__.py"))
    assert sorted(GIVEN["tool"]["setuptools"]["packages"]) == here
    assert GIVEN["tool"]["setuptools"]["package-dir"] == {"": "."}
    assert GIVEN["project"]["name"].replace("-", "_") in here
    importlib.import_module(here[0])
