"""Draw the flow of the workflow, a box for each room, from the rules themselves.

Run as ``python docs/draw_flow.py``: writes docs/images/flow.png. Snakemake is asked for the graphs
of the demo with an ensemble, and with all submissions, their scores, the compression, the
comparison and the nuclei, as if every slide were usable.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from graphlib import TopologicalSorter
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "flow.png"
INK, LINE, FILL = "#263238", "#90a4ae", "#eceff1"
WIDTH = 3.0  # of a box, in inches


def rule_files() -> list[Path]:
    """The files of rules, in the Snakefile's order."""
    text = (ROOT / "Snakefile").read_text()
    return [ROOT / file for file in re.findall(r'^include: "(rules/\w+\.smk)"', text, re.M)]


def rooms_of_rules(kinds: str = "rule|checkpoint") -> dict[str, str]:
    """Which room each rule lies in, by the file that has it."""
    return {
        rule: path.stem
        for path in rule_files()
        for rule in re.findall(rf"^(?:{kinds}) (\w+):", path.read_text(), re.M)
    }


def rule_graph(recipe: str, *targets: str) -> set[tuple[str, str]]:
    """Pairs of rules that a recipe leads to: the second takes what the first makes."""
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder, "demo", "slides.tsv")
        sheet.parent.mkdir()
        shutil.copy(ROOT / "demo" / "slides.tsv", sheet)
        slides = [line.split("\t")[0] for line in sheet.read_text().splitlines()[1:]]
        table = "".join(f"{slide}\tok\n" for slide in slides)
        Path(folder, "results").mkdir()
        Path(folder, "results", "cohort.tsv").write_text(f"slide\tstate\n{table}")
        # As in a job, which knows no checkpoint but its table.
        command = [sys.executable, "-m", "snakemake", "--mode", "subprocess", "--rulegraph", "dot"]
        command += ["--snakefile", ROOT / "Snakefile", "--directory", folder]
        command += ["--configfile", ROOT / "recipes" / recipe, "--", *targets]
        dot = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r'(\d+)\[label = "(\w+)', dot))
    return {(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", dot)}


def flow() -> dict[str, set[str]]:
    """For each room the rooms whose files it takes, but for those it has through another."""
    room = rooms_of_rules()
    order = list(dict.fromkeys(room.values()))
    takes: dict[str, set[str]] = {name: set() for name in order}
    pairs = rule_graph("demo_ensemble.yaml", "all")
    on_request = ("score", "compression", "comparison", "nuclei")
    pairs |= rule_graph("demo_submissions.yaml", "all", *on_request)
    for maker, taker in pairs:
        # A submission is scored by its challenge, the demo's truth laid out for that: looking back.
        if taker in room and order.index(room[maker]) < order.index(room[taker]):
            takes[room[taker]].add(room[maker])
    # All that is made later waits for the checkpoint, which says what slides there are.
    (last,) = rooms_of_rules("checkpoint").values()
    for name in order[order.index(last) + 1 :]:
        takes[name].add(last)
    above: dict[str, set[str]] = {}
    for name in TopologicalSorter(takes).static_order():
        above[name] = takes[name].union(*(above[other] for other in takes[name]))
    return {
        name: {one for one in others if not any(one in above[other] for other in others)}
        for name, others in takes.items()
    }


def draw(takes: dict[str, set[str]], path: Path) -> None:
    """Draw rooms as boxes with their rules, from top to bottom."""
    row: dict[str, int] = {}
    for name in TopologicalSorter(takes).static_order():
        row[name] = 1 + max((row[other] for other in takes[name]), default=-1)
    rules: dict[str, list[str]] = {}
    for rule, name in rooms_of_rules().items():
        rules.setdefault(name, []).append(rule)
    height = {name: 0.45 + 0.22 * -(-len(found) // 2) for name, found in rules.items()}
    places, top = {}, 0.0
    for i in range(max(row.values()) + 1):
        names = [name for name in takes if row[name] == i]
        for j, name in enumerate(names):
            places[name] = ((j - len(names) / 2) * (WIDTH + 0.4) + 0.2, top)
        top += max(height[name] for name in names) + 0.45
    left = min(x for x, _ in places.values()) - 0.1
    right = max(x for x, _ in places.values()) + WIDTH + 0.1
    figure = Figure(figsize=(right - left, top - 0.25))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(top - 0.35, -0.1))
    axes.axis("off")
    for name, others in takes.items():
        for other in sorted(others):
            start = places[other][0] + WIDTH / 2, places[other][1] + height[other]
            end = places[name][0] + WIDTH / 2, places[name][1]
            style = {"arrowstyle": "-|>", "color": LINE, "lw": 1.2, "shrinkA": 0, "shrinkB": 1}
            axes.annotate("", end, start, arrowprops=style, zorder=1)
    for name, (x, y) in places.items():
        shape = "round,pad=0,rounding_size=0.08"
        box = FancyBboxPatch((x, y), WIDTH, height[name], boxstyle=shape)
        box.set(facecolor=FILL, edgecolor=LINE, zorder=2)
        axes.add_patch(box)
        text = {"color": INK, "zorder": 3, "va": "center"}
        axes.text(x + 0.1, y + 0.2, name, fontsize=10, fontweight="bold", **text)
        for i, rule in enumerate(rules[name]):
            at = x + 0.1 + i % 2 * WIDTH / 2, y + 0.46 + 0.22 * (i // 2)
            axes.text(*at, rule, fontsize=7.5, **text)
    graph = "; ".join(f"{name}: {' '.join(sorted(takes[name]))}" for name in sorted(takes))
    figure.savefig(path, dpi=110, metadata={"Software": None, "Description": graph})


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    draw(flow(), PICTURE)
