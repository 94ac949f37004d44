"""The environments: exact versions, the same everywhere, enough for what the rules import."""

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from conftest import REPOSITORY

ROOT = REPOSITORY
ENVS = ROOT / "envs"
SCRIPTS = ROOT / "workflow_scripts"
PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9][0-9a-z.]*)")


def lock_lines() -> list[str]:
    """Lines of the lock file that say something."""
    lines = (ENVS / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line.strip()]


def lock() -> dict[str, str]:
    """Name -> version of the lock file."""
    return dict(line.split("==") for line in lock_lines())


def conda_files() -> list[Path]:
    """List the conda files."""
    return sorted(ENVS.glob("*.yaml"))


def pip_pins(path: Path) -> list[str]:
    """List what a conda file has pip install."""
    dependencies = yaml.safe_load(path.read_text())["dependencies"]
    return next(part["pip"] for part in dependencies if isinstance(part, dict))


def test_the_lock_has_exact_versions_only():
    """Every line is name==version: no range, address, option, or file."""
    assert lock_lines()
    for line in lock_lines():
        assert PIN.fullmatch(line), line


def test_the_lock_names_each_package_once():
    """No package has two versions, and the names are in order."""
    names = [line.split("==")[0] for line in lock_lines()]
    assert names == sorted(set(names))


def test_torch_runs_on_a_v100():
    """The newest pair that still has kernels for sm_70, with the libraries of CUDA 12.8."""
    assert lock()["torch"] == "2.10.0"
    assert lock()["torchvision"] == "0.25.0"
    assert lock()["nvidia-cuda-runtime-cu12"].startswith("12.8.")
    assert not [name for name in lock() if name.endswith("-cu13")]


def test_the_lock_has_all_that_is_asked_for():
    """Each package of requirements.in is locked, at the version it asks for."""
    for line in (ENVS / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert lock()[name].startswith(version)


@pytest.mark.parametrize("path", conda_files(), ids=lambda path: path.name)
def test_conda_files_pin_as_the_lock_does(path):
    """Every pin of a conda file is one of the lock's."""
    for pin in pip_pins(path):
        assert pin in lock_lines()


def test_conda_files_have_one_python():
    """All of them have the Python that the container has."""
    pythons = {
        next(part for part in yaml.safe_load(path.read_text())["dependencies"] if "python" in part)
        for path in conda_files()
    }
    image = re.search(r"FROM python:(\d+\.\d+)", (ENVS / "Dockerfile").read_text())[1]
    assert pythons == {f"python={image}"}


@cache
def imports(path: Path) -> set[str]:
    """List the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    plain = (node.names for node in nodes if isinstance(node, ast.Import))
    return names | {alias.name for found in plain for alias in found}


def imported(path: Path, seen: set[Path]) -> set[str]:
    """List the packages that a file imports from outside, and those of library files it reaches."""
    seen.add(path)
    found = set()
    for name in imports(path):
        top, *rest = name.split(".")
        file = SCRIPTS.joinpath(top, *rest).with_suffix(".py")
        if top != "microtome":
            found.add(top)
        elif rest and file not in seen:
            found |= imported(file, seen)
    return found - set(sys.stdlib_module_names)


def rules_with_envs() -> list[tuple[str, str]]:
    """Pairs of script and conda file, from the rules."""
    pairs = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"\n(?=rule |checkpoint )", path.read_text()):
            env = re.search(r'"\.\./envs/(\w+\.yaml)"', rule)
            script = re.search(r'script:\s+"\.\./workflow_scripts/jobs/(\w+/\w+\.py)"', rule)
            if env and script:
                pairs.append((script[1], env[1]))
    return pairs


names_of_packages = cache(packages_distributions)


@pytest.mark.parametrize(("script", "env"), rules_with_envs())
def test_a_rule_has_what_its_script_imports(script, env):
    """Each package that a script and the library behind it import is in the rule's conda file."""
    there = {pin.split("==")[0] for pin in pip_pins(ENVS / env)}
    for module in imported(SCRIPTS / "jobs" / script, set()):
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in names_of_packages()[module]}
        assert names & there, module


def test_every_script_has_a_rule():
    """The pairs above are all scripts of jobs."""
    jobs = SCRIPTS / "jobs"
    assert {script for script, _ in rules_with_envs()} == {
        path.relative_to(jobs).as_posix() for path in jobs.rglob("*.py")
    }
