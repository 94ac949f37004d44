#!/usr/bin/env bash
# snakemake 9.27.1, seen 2026-11-29: a path that an input function returns has its braces filled in like a pattern. So a file whose name has {sample} in it is
# read as another one where that is there, without a word, and braces of any other name end the run. Doubling them does not help: one pair is filled in, and one stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
cd "$folder"
PATH="$folder/venv/bin:$PATH" venv/bin/python - <<'PYTHON'
import subprocess
from importlib.metadata import version
from pathlib import Path

Path("Snakefile").write_text(
    "NAMES = {'a': '{sample}.txt', 'b': '{other}.txt', 'c': '{{sample}}.txt'}\n"
    "rule copy:\n"
    "    input: lambda wildcards: NAMES[wildcards.sample]\n"
    "    output: 'copies/{sample}.txt'\n"
    "    run: Path(output[0]).write_text(Path(input[0]).read_text())\n"
)
Path("{sample}.txt").write_text("the file that the function names")
Path("a.txt").write_text("another file")
for name in ("{other}.txt", "{{sample}}.txt"):
    Path(name).touch()


def make(sample: str) -> subprocess.CompletedProcess:
    command = ["snakemake", "--cores", "1", "--", f"copies/{sample}.txt"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


done = make("a")
print(f"snakemake {version('snakemake')}: exit {done.returncode}, read: {Path('copies/a.txt').read_text()}")
assert done.returncode == 0
assert Path("copies/a.txt").read_text() == "another file"
done = make("b")
print(f"another name in braces: exit {done.returncode}, {'WildcardError' in done.stderr=}")
assert done.returncode == 1
assert "WildcardError" in done.stderr
done = make("c")
print(f"doubled braces: exit {done.returncode}, looked for {{c}}.txt: {'{c}.txt' in done.stderr}")
assert done.returncode == 1
assert "{c}.txt" in done.stderr
PYTHON
