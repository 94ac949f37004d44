"""Peak memory of each step over the size of the slide: what it takes must not grow with the area.

    python bench/memory.py --sides 8 16 32 64

Runs the workflow's own scripts on sparse slides (15 % tissue in islands all over the slide), each
in a fresh process, and appends tables to results.md and draws memory.png. Scores and heatmaps are
also weighed on the disk.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import matplotlib.pyplot as plt
import numpy as np
from report import MEMORY_TITLE
from steps import ON_DISK, STEPS
from windows import bytes_of

from slides import ABSENT, CACHE, SPARSE, make_slide

HERE = Path(__file__).parent
_TIME_OUT_S = 3600
# Beside the colours, of which there are fewer than steps.
_MARKERS = itertools.cycle("osD^vPX")


def measure(slide: Path) -> tuple[dict[str, dict], dict[str, dict]]:
    """Run all steps on a slide, each in a fresh process, until one fails.

    Returns
    -------
    took : dict of str to dict
        Peak MB and seconds of each step.
    on_disk : dict of str to dict
        Of each model the number of patches, and the bytes of their scores and of the heatmap.
    """
    found, on_disk = {}, {}
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        for step in STEPS:
            command = [sys.executable, str(HERE / "steps.py"), step, str(slide)]
            subprocess.run(command, cwd=folder, check=False, timeout=_TIME_OUT_S)  # noqa: S603
            took = Path(folder) / "took.json"
            if not took.exists():
                log = Path(folder) / "log.txt"
                print(f"{slide.stem}: {step} fails\n{log.read_text() if log.exists() else ''}")
                break
            found[step] = json.loads(took.read_text())
            took.unlink()
            print(f"{slide.stem}: {step} {found[step]['peak_mb']:.0f} MB", flush=True)
        for model, (grid, scores, heatmap) in ON_DISK.items():
            if (Path(folder) / heatmap).exists():
                on_disk[model] = {
                    "patches": len(np.load(Path(folder) / grid)["row"]),
                    "scores": bytes_of(Path(folder) / scores),
                    "heatmap": bytes_of(Path(folder) / heatmap),
                }
    return found, on_disk


def draw(results: dict[int, dict[str, dict]], path: Path) -> None:
    """Draw peak memory over the side of the slide, one line a step."""
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for step in STEPS:
        points = [(side, took[step]["peak_mb"]) for side, took in results.items() if step in took]
        if points:
            axes.plot(*zip(*points, strict=True), marker=next(_MARKERS), label=step)
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
        "Peak MB (seconds) of each step, in a process of its own; 15 % tissue. Patches that are"
        " scored overlap by half: 256 px with one value each, and with maps 512 px, of which a"
        " network of three convolutions gives every px a value, kept at 8 µm.",
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


def disk_table(results: dict[int, dict[str, dict]]) -> list[str]:
    """Bytes of scores and heatmaps for each patch with tissue, as a Markdown table."""
    lines = [
        "Bytes on the disk for each patch with tissue: its scores, and its share of the heatmap."
        " The weights are untrained, so maps (16 384 bytes each) shrink more than trained ones.",
        "",
        "| side, px | network | patches | scores | heatmap |",
        "| ---: | --- | ---: | ---: | ---: |",
    ]
    for side, models in results.items():
        for model, found in models.items():
            n = found["patches"]
            scores, heatmap = found["scores"] / n, found["heatmap"] / n
            lines.append(f"| {side} | {model} | {n} | {scores:.0f} | {heatmap:.0f} |")
    return [*lines, ""]


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
    results, on_disk = {}, {}
    for spec in ABSENT if arguments.absent else SPARSE:
        if spec.side_px // 1024 in arguments.sides:
            results[spec.side_px], on_disk[spec.side_px] = measure(make_slide(spec))
    draw({side: took for side, took in results.items() if took}, HERE / "memory.png")
    report = HERE / "results.md"
    before = report.read_text().split(MEMORY_TITLE)[0].rstrip() if report.exists() else ""
    tables = [*table(results), *disk_table(on_disk)]
    report.write_text(f"{before}\n\n" + "\n".join(tables))


if __name__ == "__main__":
    main()
