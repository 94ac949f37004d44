"""Toy workflows on the test cluster, whose jobs note when they begin and end."""

from pathlib import Path

from .runs import Run, until

# Each job notes its begin and its end, with the SLURM job and the node it is in.
_NOTE = "echo $(date +%s.%N) @ {rule}-{wildcards.n} $SLURM_JOB_ID $SLURMD_NODENAME >> notes.txt"
_WORK = f"""
rule all:
    input: expand("out/{{n}}", n=range(<n>))
rule work:
    output: "out/{{n}}"
    resources: mem_mb=<memory>, runtime=1<gpu>
    shell: "{_NOTE.replace("@", "begin")}; <command>; {_NOTE.replace("@", "end")}; touch {{output}}"
"""
# Wait, unless fewer jobs have ended than `let_end` allows: a fault meets a job in its midst.
HELD = "while [ $(ls free | wc -l) -le $(grep -c ' end ' notes.txt) ]; do sleep 0.1; done"
ONE_CORE = "--packed-slurm-pack-cores=1"


def write_workflow(
    folder: Path, command: str, *, n: int, mem_mb: object = 100, gpu: str = ""
) -> Path:
    """Write a workflow of `n` jobs that do `command`."""
    text = _WORK.replace("<n>", str(n)).replace("<command>", command)
    text = text.replace("<memory>", str(mem_mb)).replace("<gpu>", gpu)
    (folder / "Snakefile").write_text(text)
    (folder / "free").mkdir()
    return folder / "Snakefile"


def let_end(run: Run, n: int) -> None:
    """Let so many jobs end that are `HELD`, counted from the first."""
    for number in range(n):
        (run.folder / "free" / str(number)).touch()


def notes(run: Run) -> list[tuple[float, str, str, str, str]]:
    """What the jobs noted: time, begin or end, job, SLURM job, node."""
    path = run.folder / "notes.txt"
    rows = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return [(float(row[0]), *row[1:]) for row in rows]


def times(run: Run, what: str) -> dict[str, int]:
    """How often each job began, or ended."""
    found = [row[2] for row in notes(run) if row[1] == what]
    return {name: found.count(name) for name in sorted(set(found))}


def slurm_job(run: Run) -> str:
    """The first SLURM job of a run, once a member of it has begun."""
    until(lambda: times(run, "begin"), "a job that begins")
    return run.events("pack_submitted")[0]["slurm_id"]


def once(n: int = 4) -> dict[str, int]:
    """Every job once."""
    return {f"work-{number}": 1 for number in range(n)}


def outputs(run: Run) -> list[str]:
    """What is there at the end."""
    return sorted(path.name for path in (run.folder / "out").iterdir())
