"""The results as Markdown tables and as JSON."""

import datetime
import json
import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

from environments import REQUIREMENTS
from measuring import Case, Measurement

_HEAD = (
    "| what | workers | patches/s, whole process | Microtome (raw) is faster by"
    " | patches/s, loop | of the bound | peak MB | bytes a patch |"
)
# What memory.py appends; it stays when the rest is written anew.
MEMORY_TITLE = "## Peak memory"
_OURS = "Microtome, into a raw store"
# Of 255: resampling other than by box moves the mean a little, another colour space a lot.
_MEAN_TOLERANCE = 2.0
_OWN_PACKAGES = ("numpy", "simplejpeg", "tifffile", "zarr", "imagecodecs")

Results = list[tuple[Case, list[Measurement]]]


def write_report(folder: Path, results: Results, missing: dict[str, str], *, rounds: int) -> None:
    """Write results.md and results.json.

    Parameters
    ----------
    folder : Path
        Where to.
    results : list of (Case, list of Measurement)
        What was measured.
    missing : dict of str to str
        Who could not take part, and why.
    rounds : int
        How many there were.
    """
    lines = ["# Microtome beside its peers", "", _preamble(rounds), ""]
    for case, measurements in results:
        lines += [*_table(case, measurements), ""]
    if missing:
        lines += ["## Not measured", ""]
        lines += [f"- {name}: {why}" for name, why in missing.items()] + [""]
    lines += ["## Versions", ""]
    lines += [f"- {name}: {line}" for name, line in REQUIREMENTS.items()] + [""]
    path = folder / "results.md"
    _, title, memory = (path.read_text() if path.exists() else "").partition(MEMORY_TITLE)
    path.write_text("\n".join(lines) + (f"\n{title}{memory}" if title else ""))
    (folder / "results.json").write_text(json.dumps(_as_json(results, missing), indent=1) + "\n")


def _preamble(rounds: int) -> str:
    own = ", ".join(f"{name} {metadata.version(name)}" for name in _OWN_PACKAGES)
    command = shlex.join(["python", "bench/run.py", *sys.argv[1:]])
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} cores of {_processor()},"
        f" Python {platform.python_version()}, {own}. Medians of {rounds} alternating rounds of"
        f" `{command}`. The slides are in the page cache.\n\n"
        "Patches of 256 px side by side over tissue, of slides of 0.5 µm/px. Bound: each JPEG tile"
        " that holds them decoded once by libjpeg-turbo (at 1 µm/px at half scale in the DCT"
        " domain), from memory, on as many threads; nobody who decodes can pass it. Microtome"
        " stores the patches, the others only read them. Whole process: start-up included; where"
        " the number is marked *, the first patches were read and the rest reckoned at the loop's"
        " rate. Peak MB: of several processes, the first and the largest of the others;"
        " what they share counts in both."
    )


def _table(case: Case, measurements: list[Measurement]) -> list[str]:
    whole_um = f"{case.spacing_um:g} µm/px"
    bounds = {m.workers: m.loop_rate for m in measurements if m.contestant.is_bound}
    ours = {m.workers: m.whole_rate for m in measurements if m.contestant.title == _OURS}
    reference = next((m for m in measurements if m.contestant.name == "openslide"), None)
    lines = [f"## {case.name}: {case.places.n} patches at {whole_um}", ""]
    lines += [_HEAD, "| --- |" + " ---: |" * 7]
    for m in measurements:
        whole, own, bound = m.whole_rate, ours.get(m.workers), bounds.get(m.workers)
        is_peer = m.contestant.name not in ("ours", "bound")
        cells = [
            m.contestant.title + _doubt(m, reference),
            str(m.workers),
            "" if whole is None else f"{whole:.0f}" + ("*" if m.is_limited else ""),
            f"{own / whole:.1f}" if is_peer and own and whole else "",
            f"{m.loop_rate:.0f}",
            f"{m.loop_rate / bound:.2f}" if bound else "",
            _number(m.median("peak_mb")),
            _number(m.median("bytes_per_patch")) if not m.contestant.is_bound else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _doubt(m: Measurement, reference: Measurement | None) -> str:
    """A warning beside whoever gives other pixels than OpenSlide."""
    mean = m.median("mean")
    if mean is None or reference is None:
        return ""
    off = abs(mean - reference.median("mean"))
    return f" (pixels differ: mean off by {off:.1f})" if off > _MEAN_TOLERANCE else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((s.split(": ")[1] for s in lines if s.startswith("model name")), "unknown make")


def _as_json(results: Results, missing: dict[str, str]) -> dict:
    rows = [
        {
            "case": case.name,
            "patches": case.places.n,
            "what": m.contestant.title,
            "workers": m.workers,
            "runs": m.runs,
        }
        for case, measurements in results
        for m in measurements
    ]
    return {"rows": rows, "missing": missing}
