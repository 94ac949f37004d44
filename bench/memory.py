"""Peak memory of each step over the size of the slide: what it takes must not grow with the area.

    python bench/memory.py --sides 8 16 32 64

Runs the workflow's own scripts on sparse slides (15 % tissue in islands all over the slide), each
in a fresh process, and appends a table to results.md and draws memory.png.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from report import MEMORY_TITLE
from slides import ABSENT, CACHE, SPARSE, make_slide
from steps import STEPS

HERE = Path(__file__).parent
_TIME_OUT_S = 3600


def measure(slide: Path) -> dict[str, dict]:
    """Run all steps on a slide, each in a fresh process: what each took, until one fails."""
    found = {}
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        for step in STEPS:
            command = [sys.executable, str(HERE / "steps.py"), step, str(slide)]
            subprocess.run(command, cwd=folder, check=False, timeout=_TIME_OUT_S)  # noqa: S603
            took = Path(folder) / f"{step}.took.json"
            if not took.exists():
                log = Path(folder) / "log.txt"
                print(f"{slide.stem}: {step} fails\n{log.read_text() if log.exists() else ''}")
                break
            found[step] = json.loads(took.read_text())
            print(f"{slide.stem}: {step} {found[step]['peak_mb']:.0f} MB", flush=True)
    return found


def draw(results: dict[int, dict[str, dict]], path: Path) -> None:
    """Draw peak memory over the side of the slide, one line a step."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for step in STEPS:
        points = [(side, took[step]["peak_mb"]) for side, took in results.items() if step in took]
        axes.plot(*zip(*points, strict=True), marker="o", label=step)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(results), [f"{side:,}".replace(",", " ") for side in results])
    axes.set_ylim(bottom=0)
    axes.set(xlabel="side of the slide, px", ylabel="peak memory, MB")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def table(results: dict[int, dict[str, dict]]) -> list[str]:
    """Peak MB and seconds as a Markdown table, one row a step."""
    lines = [
        MEMORY_TITLE,
        "",
        "Peak MB (seconds) of each step, in a process of its own; 15 % tissue.",
        "",
    ]
    lines.append("| step | " + " | ".join(f"{side} px" for side in results) + " |")
    lines.append("| --- |" + " ---: |" * len(results))
    for step in STEPS:
        cells = [
            f"{took[step]['peak_mb']:.0f} ({took[step]['seconds']:.1f})" if step in took else ""
            for took in results.values()
        ]
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return [*lines, "", "![Peak memory over the side of the slide](memory.png)", ""]


def main() -> None:
    """Measure all slides asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sides = [spec.side_px // 1024 for spec in SPARSE]
    parser.add_argument("--sides", type=int, nargs="+", choices=sides, default=sides, help="k px")
    parser.add_argument(
        "--absent",
        action="store_true",
        help="slides whose file lacks the tiles far from tissue",
    )
    arguments = parser.parse_args()
    results = {
        spec.side_px: measure(make_slide(spec))
        for spec in (ABSENT if arguments.absent else SPARSE)
        if spec.side_px // 1024 in arguments.sides
    }
    draw({side: took for side, took in results.items() if took}, HERE / "memory.png")
    report = HERE / "results.md"
    before = report.read_text().split(MEMORY_TITLE)[0].rstrip() if report.exists() else ""
    report.write_text(f"{before}\n\n" + "\n".join(table(results)))


if __name__ == "__main__":
    main()
