#!/usr/bin/env bash
# Snakemake 9.27.1, seen 2026-11-29: what a job reruns for is compared without names.
#
# - Two params that swap their values rerun nothing: each job's params are compared as a set of what
#   they print. So `folds=5, seed=2` becomes `folds=2, seed=5` and the old result stays.
# - A file that moves from one named input to another (from train= to validation=) reruns nothing:
#   inputs are compared as one sorted list.
# - A NumPy array or a pathlib.Path that changes reruns nothing: params that are not of a few builtin
#   types (or pandas') are left out, without a word.
# - 1.0 that becomes 1 reruns the job, since it prints otherwise.
#
# The results stay as they were, and nothing says that they belong to other settings. A remedy: one
# more param that holds the others, and the inputs, by name.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet snakemake==9.27.1 numpy==2.3.5
cd "$folder"
PATH="$folder/venv/bin:$PATH" python - <<'PYTHON'
import re
import subprocess
from pathlib import Path

RULES = """
from pathlib import Path

import numpy as np

AFTER = Path("after").exists()


def now(before, after):
    return after if AFTER else before


rule all:
    input: expand("{name}.out", name=["swapped", "roles", "array", "path", "changed", "printed"])

rule swapped:
    output: "swapped.out"
    params: folds=now(5, 2), seed=now(2, 5)
    shell: "touch {output}"

rule roles:
    input: train=now(["a", "b"], ["a"]), validation=now(["c"], ["b", "c"])
    output: "roles.out"
    shell: "touch {output}"

rule array:
    output: "array.out"
    params: weights=now(np.array([1, 2]), np.array([3, 4]))
    shell: "touch {output}"

rule path:
    output: "path.out"
    params: model=lambda wildcards: now(Path("one"), Path("other"))
    shell: "touch {output}"

rule changed:
    output: "changed.out"
    params: folds=now(5, 2)
    shell: "touch {output}"

rule printed:
    output: "printed.out"
    params: spacing=now(1.0, 1)
    shell: "touch {output}"
"""


def snakemake(*words):
    done = subprocess.run(
        ["snakemake", "--cores", "1", *words], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


Path("Snakefile").write_text(RULES)
for name in "abc":
    Path(name).touch()
snakemake()
assert "Nothing to be done" in snakemake("--dry-run")
Path("after").touch()
planned = set(re.findall(r"^rule (\w+):", snakemake("--dry-run"), re.MULTILINE)) - {"all"}
print("Changed: two swapped params, roles of inputs, an array, a Path, one param, the print of one.")
print("Snakemake", snakemake("--version").strip(), "reruns only:", *sorted(planned))
assert planned == {"changed", "printed"}, planned
PYTHON
