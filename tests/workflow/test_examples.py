"""The examples in the library's docstrings print what stands below them."""

import doctest
import importlib

import pytest

from conftest import REPOSITORY

SCRIPTS = REPOSITORY / "workflow_scripts"
MODULES = [
    ".".join(path.relative_to(SCRIPTS).with_suffix("").parts)
    for path in sorted((SCRIPTS / "microtome").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    """Every example of a module runs; what differs is shown in the captured output."""
    assert doctest.testmod(importlib.import_module(module)).failed == 0
