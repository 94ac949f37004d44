"""What Snakemake itself runs again once params are canonical and compared by name."""

import re
import subprocess
from pathlib import Path

import pytest

from conftest import REPOSITORY

SNAKEFILE = """
import sys
from pathlib import Path, PurePath
import numpy as np

sys.path.insert(0, {library!r})
from microtome.planning.params import canonical, compare_by_name

nan, inf = float("nan"), float("inf")
config.update(canonical(eval(Path("config.txt").read_text()), sort_keys=True))
FORMS = eval(Path("forms.txt").read_text())


rule all:
    default_target: True
    input:
        expand("{{name}}.out", name=FORMS),

"""
RULE = """
rule {name}:
    input:
        unpack(lambda wildcards: FORMS["{name}"].get("unpacked", {{}})),
        first=lambda wildcards: FORMS["{name}"].get("first", []),
        second=lambda wildcards: FORMS["{name}"].get("second", []),
    output:
        "{name}.out",
    params:
        static=FORMS["{name}"].get("static"),
        one=lambda wildcards: FORMS["{name}"].get("one"),
        other=lambda wildcards: FORMS["{name}"].get("other"),
        section=config.get("{name}"),
    shell:
        "touch {{output}}"

"""
END = """
for each in workflow.rules:
    compare_by_name(each, is_driver=True)
"""
# What a form is before, and after: as Python text, for sets have another order in each process.
EQUAL = {
    "whole_number": ("dict(one=1.0, static=8)", "dict(one=1, static=8.0)"),
    "zero": ("dict(one=0.0)", "dict(one=-0.0)"),
    "tuple": ("dict(one=(1, 2), static=[3])", "dict(one=[1, 2.0], static=(3,))"),
    "set": ("dict(one={0, 8}, other={'b'})", "dict(one={8, 0}, other=frozenset('b'))"),
    "path": ("dict(one=PurePath('a/b'))", "dict(one='a/b')"),
    "numpy_number": ("dict(one=np.float64(0.5))", "dict(one=0.5)"),
    "nested": ("dict(one={'a': [{'b': 1.0}]})", "dict(one={'a': ({'b': 1},)})"),
    "nan": ("dict(one=nan, other=[inf])", "dict(one=nan, other=[inf])"),
    "files": ("dict(first=['a', 'b'])", "dict(first=['b', 'a'])"),
}
OTHER = {
    "swapped": ("dict(one=1, other=2)", "dict(one=2, other=1)"),
    "doubled": ("dict(one=1, other=2, static=2)", "dict(one=1, other=2, static=1)"),
    "swapped_files": ("dict(first='a', second='b')", "dict(first='b', second='a')"),
    "swapped_in_a_dict": ("dict(unpacked=dict(x='a', y='b'))", "dict(unpacked=dict(x='b', y='a'))"),
    "another_split": (
        "dict(first=['a', 'b'], second=['c'])",
        "dict(first=['a'], second=['b', 'c'])",
    ),
    "path_changed": ("dict(one=PurePath('a'))", "dict(one=PurePath('b'))"),
    "bool": ("dict(one=1)", "dict(one=True)"),
    "none": ("dict(one=None)", "dict(one='None')"),
    "text": ("dict(one=1)", "dict(one='1')"),
    "close": ("dict(one=0.1 + 0.2)", "dict(one=0.3)"),
    "large": ("dict(one=2**53)", "dict(one=2**53 + 1)"),
    "unicode": ("dict(one='\\u00b5m')", "dict(one='\\u03bcm')"),
    "order": ("dict(one=['a', 'b'])", "dict(one=['b', 'a'])"),
    "deeper": ("dict(one={'a': {'b': [1]}})", "dict(one={'a': {'b': [2]}})"),
    "set_changed": ("dict(one={'a', 'b'})", "dict(one={'a', 'c'})"),
    "keys_in_code": ("dict(one={'a': 1, 'b': 2})", "dict(one={'b': 2, 'a': 1})"),
}
CONFIGS = (
    "{'whole_number': {'um': 1.0, 'px': 256, 'names': ['x'], 'of': {'a': 1, 'b': 2}}}",
    "{'whole_number': {'of': {'b': 2.0, 'a': 1}, 'names': ['x'], 'px': 256.0, 'um': 1}}",
)


def write_forms(folder: Path, which: int) -> None:
    """Write what all forms are before (0) or after (1)."""
    forms = {**EQUAL, **OTHER}
    text = ", ".join(f"{name!r}: {form[which]}" for name, form in forms.items())
    (folder / "forms.txt").write_text(f"{{{text}}}")
    (folder / "config.txt").write_text(CONFIGS[which])


@pytest.fixture
def snakemake(preloaded_python, tmp_path):
    """Run Snakemake on some rules, in a folder of their own."""
    for name in "abc":
        (tmp_path / name).touch()
    library = str(REPOSITORY / "workflow_scripts")

    def run(rules: str, *arguments: str) -> str:
        text = SNAKEFILE.format(library=library) + rules + END
        (tmp_path / "Snakefile").write_text(text)
        return subprocess.run(
            [preloaded_python, "-m", "snakemake", "--cores=1", *arguments],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout

    return run


def test_equal_params_rerun_nothing_and_others_do(snakemake, tmp_path):
    """Numbers by value, sets, tuples, paths, keys of the config; names, roles of files, types."""
    forms = {**EQUAL, **OTHER}
    rules = "".join(RULE.format(name=name) for name in forms)
    write_forms(tmp_path, 0)
    for name in forms:
        (tmp_path / f"{name}.out").touch()
    snakemake(rules, "--touch", "--forceall")  # notes the params as if all had run
    write_forms(tmp_path, 1)
    planned = re.findall(r"^rule (\w+):", snakemake(rules, "--dry-run"), re.MULTILINE)
    assert sorted(planned) == sorted(["all", *OTHER])


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("weights=np.zeros(2)", "rule bad: param weights: a ndarray cannot be compared"),
        ("at=lambda wildcards: [{'a': object()}]", "rule bad: param at: a object cannot be"),
        ("5", "rule bad: param without a name"),
    ],
)
def test_what_cannot_be_compared_is_refused(snakemake, tmp_path, param, said):
    """Arrays, objects, a param without a name: one line with the rule's name."""
    write_forms(tmp_path, 0)
    rule = f'rule bad:\n    output:\n        "bad",\n    params:\n        {param},\n'
    text = snakemake(f"{rule}    shell:\n        'touch bad'\n", "--dry-run", "bad")
    assert said in text
