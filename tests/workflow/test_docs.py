"""Every command that the docs name is planned or known here, every picture is drawn by one."""

import re
import shlex
import shutil
import subprocess
from functools import cache

import pytest
from PIL import Image

from conftest import NODE, REPOSITORY, SMALL_COHORT, write_sheet

DOCS = [
    REPOSITORY / "README.md",
    *(REPOSITORY / "docs").glob("*.md"),
    *(REPOSITORY / "bench").glob("*.md"),
    *(REPOSITORY / "profiles").rglob("*.md"),
    *(REPOSITORY / "plugins").glob("*/*.md"),
]
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = ("make", "python", "snakemake")
# Done by other tests or by `make check`, or in a folder outside.
RUN_ELSEWHERE = (
    "--lint",
    "--report",
    "--unlock",
    "--touch",
    "--profile slurm",
    "--directory /scratch",
)
# How each picture is drawn: a command that the docs name, or a result of one.
PICTURES = {
    "docs/images/demo-11.png": "make demo",
    "docs/images/demo-patient.png": "make demo",
    "docs/images/flow.png": "python docs/draw_flow.py",
    "docs/images/run_timeline.png": "python docs/draw_pictures.py timeline",
    "docs/images/demo-latents.jpg": "python docs/draw_pictures.py latents",
    "docs/images/demo-boundary.png": "python docs/draw_pictures.py boundary",
    "docs/images/demo-uncertainty.png": "snakemake --configfile recipes/demo_ensemble.yaml",
    "docs/images/demo-reliability.png": "snakemake --configfile recipes/demo_ensemble.yaml",
    "docs/images/trial-oral.png": "make trial-oral IMAGES=oral_oscc_100x",
    "docs/images/trial-nuclei.png": (
        "make trial-nuclei IMAGES=nuclei_dsb2018 UNLABELLED=lymphocyte_cae_patches"
    ),
    "docs/images/tissue.jpg": "python docs/compare_tissue.py ../shared/data/thumbnails",
    "bench/memory.png": "make bench",
}


@cache
def commands(program: str) -> list[str]:
    """What the docs tell to type of one program, in their fences and between backticks."""
    found = set()
    for path in DOCS:
        text = path.read_text()
        lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
        for line in lines + re.findall(r"`([^`\n]+)`", FENCED.sub("", text)):
            command = line.partition("  #")[0].strip()
            if command.split(" ")[0] == program and command != program:
                found.add(command)
    assert len(found) > 5
    return sorted(found)


@pytest.mark.parametrize("command", commands("make"))
def test_a_target_of_make_exists(command):
    """Make knows what to do for it."""
    done = subprocess.run(
        [*command.split(), "--dry-run"], cwd=REPOSITORY, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", commands("python"))
def test_a_program_has_the_options_that_the_docs_give_it(command, preloaded_python):
    """It starts, and its help names each of them."""
    words = shlex.split(command)[1:]
    n_names = 3 if words[0] == "-m" else 1  # -m MODULE COMMAND
    said = subprocess.run(
        [preloaded_python, *words[:n_names], "--help"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "usage:" in said
    options = [word for word in words if word.startswith("--")]
    assert [option for option in options if option not in said] == []


@pytest.fixture(scope="module")
def checkout(make_workflow):
    """A copy of the workflow as a user has it, and sheets of the names that the docs use."""
    root = make_workflow().source
    for part in ("recipes", "demo"):
        shutil.copytree(REPOSITORY / part, root / part, ignore=shutil.ignore_patterns("cohort"))
    (root / "shifted").mkdir()
    for name in ("my_slides", "paip", "shifted/slides"):
        write_sheet(root / f"{name}.tsv", SMALL_COHORT)
    folded = {
        slide: {**row, "split": row["split"].replace("validation", "train"), "fold": fold}
        for fold, (slide, row) in enumerate(SMALL_COHORT.items(), start=1)
    }
    write_sheet(
        root / "camelyon17.tsv", folded | {s: {**row, "fold": 5} for s, row in NODE.items()}
    )
    held_back = {"demo-04": {"split": "validation", "annotation": "demo/cohort/demo-04_paip.xml"}}
    for name in ("paip", "camelyon16", "digestpath"):
        write_sheet(root / f"{name}.tsv", folded | held_back)
    write_sheet(root / "luad.tsv", SMALL_COHORT)
    for fold in (1, 2):
        (root / f"{fold}.png").touch()
    images = "".join(f"i{fold}\t{fold}.png\t0.5\t{fold}\n" for fold in (1, 2))
    (root / "crc.tsv").write_text(f"image\tpath\tspacing_um\tfold\n{images}")
    (root / "data" / "CAMELYON17").mkdir(parents=True)
    (root / "results" / "models" / "other_organ").mkdir(parents=True)
    for name in ("weights.safetensors", "weights.json"):
        (root / "results" / "models" / "other_organ" / name).touch()
    (root / "mine.zip").touch()
    return root


@pytest.mark.parametrize(
    "command", [line for line in commands("snakemake") if not any(w in line for w in RUN_ELSEWHERE)]
)
def test_a_run_of_the_docs_has_a_plan(command, checkout, preloaded_python):
    """Snakemake takes its arguments and plans jobs."""
    words = shlex.split(command.replace("/data/", "data/"))[1:]
    done = subprocess.run(
        [preloaded_python, "-m", "snakemake", *words, "--dry-run"],
        cwd=checkout,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rule " in done.stdout + done.stderr


def test_every_picture_of_the_docs_is_drawn_by_a_command_they_name():
    """And each picture that is there is shown."""
    shown = {
        (path.parent / name).resolve().relative_to(REPOSITORY).as_posix()
        for path in DOCS
        for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", path.read_text())
    }
    assert shown == set(PICTURES)
    named = {command for program in PROGRAMS for command in commands(program)}
    assert set(PICTURES.values()) <= named
    for picture in PICTURES:
        with Image.open(REPOSITORY / picture) as image:
            assert min(image.size) > 400
