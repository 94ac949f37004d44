"""The rooms of the library: what they are, and that arrows between them run one way."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from conftest import REPOSITORY
from snakemake_logger_plugin_progress.stages import read_stages

SCRIPTS = REPOSITORY / "workflow_scripts"
LIBRARY = SCRIPTS / "microtome"
PACKAGES = sorted(path.parent for path in LIBRARY.glob("*/__init__.py"))
NAMES = [package.name for package in PACKAGES]


def microtome_imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Every import of the library, or of a place beside the file."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return [
        node
        for node in nodes
        if (
            isinstance(node, ast.ImportFrom)
            and (node.level or node.module.split(".")[0] == "microtome")
        )
        or (
            isinstance(node, ast.Import)
            and any(alias.name.split(".")[0] == "microtome" for alias in node.names)
        )
    ]


def used_by(package: Path) -> set[str]:
    """The packages, and the modules beside them, that a package imports from."""
    modules = {node.module for path in package.glob("*.py") for node in microtome_imports(path)}
    return {module.split(".")[1] for module in modules - {"microtome"}} - {package.name}


def test_packages_build_on_each_other_as_the_docs_list_them():
    """Each imports from those above it in docs/architecture.md alone: so there is no circle."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == NAMES
    for name in NAMES:
        assert used_by(LIBRARY / name) & {*NAMES} <= {*listed[: listed.index(name)]}, name


@pytest.mark.parametrize("name", NAMES)
def test_a_package_needs_no_module_that_stays_outside(name):
    """Of what lies beside the packages they use `errors` and `logs` alone."""
    assert used_by(LIBRARY / name) <= {*NAMES, "errors", "logs"}


@cache
def defined_names(path: Path) -> set[str]:
    """What a module defines or imports outside its functions."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = [*getattr(node, "targets", ()), *filter(None, [getattr(node, "target", None)])]
        found |= {name.id for to in targets for name in ast.walk(to) if isinstance(name, ast.Name)}
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        elif hasattr(node, "name"):
            found.add(node.name)
    return found


def test_the_plugins_know_nothing_of_the_library():
    """They are installed elsewhere too: neither imports it, nor does one import the other."""
    plugins = {path.name.replace("-", "_") for path in (REPOSITORY / "plugins").iterdir()}
    for path in (REPOSITORY / "plugins").glob("*/snakemake_*/*.py"):
        text = path.read_text(encoding="utf-8")
        assert "microtome" not in text.lower(), path
        others = plugins - {path.parent.name}
        assert not [name for name in others if f"import {name}" in text or f"from {name}" in text]


@pytest.mark.parametrize("folder", ["workflow_scripts", "trials", "bench", "docs"])
def test_what_is_imported_from_the_library_is_there(folder):
    """A name that moved is found even where no test runs the file."""
    for path in (REPOSITORY / folder).rglob("*.py"):
        if ".cache" in path.parts:  # environments of peers
            continue
        for node in microtome_imports(path):
            if not isinstance(node, ast.ImportFrom) or node.level or node.module == "microtome":
                continue
            place = SCRIPTS.joinpath(*node.module.split("."))
            file = place.with_suffix(".py")
            there = defined_names(file) if file.is_file() else {p.stem for p in place.glob("*.py")}
            assert {alias.name for alias in node.names} <= there, path


@pytest.mark.parametrize("folder", ["workflow_scripts/microtome", "workflow_scripts/jobs"])
def test_the_library_is_imported_in_one_form(folder):
    """``from microtome.x.y import z``: what the hash of a rule's code follows."""
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in microtome_imports(path):
            assert isinstance(node, ast.ImportFrom), path
            assert node.level == 0, path
            if node.module == "microtome":
                assert [alias.name for alias in node.names] == ["__version__"], path
                continue
            file = SCRIPTS.joinpath(*node.module.split(".")).with_suffix(".py")
            assert file.is_file(), f"{path}: {node.module} is no file"


@pytest.mark.parametrize("name", NAMES)
def test_a_package_says_what_it_is_for_and_no_more(name):
    """Its __init__ holds one docstring with what comes in and what goes out."""
    body = ast.parse((LIBRARY / name / "__init__.py").read_text(encoding="utf-8")).body
    assert len(body) == 1
    assert re.search(r"\bIn: .* Out: ", " ".join(body[0].value.value.split()))


def test_rules_scripts_and_tests_lie_in_rooms_of_the_same_names():
    """A folder of scripts is a package, a file of rules and, but for cohort's tables, tests."""
    jobs = {path.name for path in (SCRIPTS / "jobs").iterdir() if path.is_dir()}
    rules = {path.stem for path in (REPOSITORY / "rules").glob("*.smk")}
    assert jobs <= set(NAMES)
    assert jobs <= rules
    folders = {path.name for path in (REPOSITORY / "tests").iterdir() if path.is_dir()}
    assert jobs <= folders


def test_no_room_is_crowded():
    """No package, no folder of scripts or tests has more than 20 Python files."""
    tops = (SCRIPTS, REPOSITORY / "tests", REPOSITORY / "plugins")
    for folder in {path.parent for top in tops for path in top.rglob("*.py")}:
        assert len(list(folder.glob("*.py"))) <= 20, folder


def test_the_snakefile_needs_no_pytorch():
    """Each job of a cluster reads the Snakefile anew: what it imports does not bring PyTorch."""
    text = "\n".join(path.read_text() for path in sorted((REPOSITORY / "rules").glob("*.smk")))
    modules = sorted(set(re.findall(r"from (microtome\.[\w.]+) import", text)))
    assert len(modules) > 5
    program = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(SCRIPTS)}, check=False
    )
    assert done.returncode == 0


def test_each_rule_of_the_workflow_has_a_stage():
    """No rule is forgotten but targets, which run nothing; no stage names a rule that is gone."""
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.MULTILINE))
    staged = {rule for of in read_stages(REPOSITORY).stages.values() for rule in of}
    assert rules - staged <= {"score", "comparison", "compression", "nuclei"}
    assert staged <= rules


def test_the_params_of_every_rule_are_compared_by_name():
    """The Snakefile ends with what sees to it, behind all rules."""
    text = (REPOSITORY / "Snakefile").read_text()
    end = "for each in workflow.rules:\n    compare_by_name(each, is_driver=IS_DRIVER)\n"
    assert text.endswith(end)
    rules = "\n".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    assert "compare_by_name(" not in rules
