"""How fast a HistoCAE scores overlapping windows: one by one, or encoding what they share once.

256 px windows, half overlapping, on the CPU. The ways take turns within one process; what counts
is each one's ratio to window by window in the same round. Weights are random; they do not matter
for speed.

    python bench/overlap.py [--rounds N] [--threads N]

Writes overlap.json and overlap.md beside this file.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import library  # noqa: F401, makes the library importable
import numpy as np
import torch

from microtome.inference import shared_encoding as encode_once
from microtome.inference.posteriors import posteriors
from microtome.inference.scoring import score
from microtome.inference.shared_encoding import score_shared
from microtome.io.text_tables import markdown_table
from microtome.networks.devices import as_input, use_threads
from microtome.networks.registry import build_model
from microtome.patches.grid import Grid, make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.patches.reading import read_patches
from microtome.slides.slide import Slide
from slides import SlideSpec, make_slide
from tiles import Coding

HERE = Path(__file__).resolve().parent
PATCH_PX, STRIDE_PX, BATCH = 256, 128, 8
REGIONS_PX = (512, 704, 1024, 2048)
SLIDE = SlideSpec("overlap-4k", 4096, Coding(256, "ycbcr", 85), tissue=0.5, levels=2)
MODEL = {
    "kind": "histocae",
    "patch_px": PATCH_PX,
    "head": "light",
    "border_latents": 2,
    "dropout": 0.7,
    "downsampling": "stride",
}
_Parts = Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder, Slide(make_slide(SLIDE), name="a") as slide:
        # Nothing compiled is left from an earlier run, so the first start-up is a real one.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        rows = _measured(slide, _grid(slide), rounds=arguments.rounds, threads=arguments.threads)
    about = {
        "cpus": os.cpu_count(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "torch": torch.__version__,
        "rows": rows,
    }
    (HERE / "overlap.json").write_text(json.dumps(about, indent=1) + "\n")
    text = (
        f"Windows/s of {PATCH_PX} px every {STRIDE_PX} px, HistoCAE with `head: light` and"
        f" `border_latents: 2`, median of {about['rounds']} alternating rounds, {about['date']},"
        f" {about['threads']} CPU threads, `python bench/overlap.py`. Ratio: to the first row, in"
        " the same round. Start-up: the first compilation, the further ones (median), not in"
        " windows/s. Difference: the largest of any probability to the first row's.\n\n"
        f"{markdown_table(rows)}"
    )
    (HERE / "overlap.md").write_text(text)
    print(text)


def _grid(slide: Slide) -> Grid:
    """Windows over the slide's tissue."""
    tissue = SLIDE.tissue_tiles()
    return make_grid(
        GridSpec(slide.spacing_um, PATCH_PX, STRIDE_PX),
        name=slide.name,
        size_px=slide.size_px,
        scale=1.0,
        spacing_um=slide.spacing_um,
        tissue=(lambda first, n: tissue[first : first + n], tissue.shape, SLIDE.coding.tile_px),
        truth=None,
        label_rule="any",
        min_tumour_fraction=0.0,
    )


def _settled(pixels: np.ndarray) -> torch.nn.Module:
    """Make a classifier with random weights, its batch norms settled on some windows."""
    model = build_model(MODEL).train()
    with torch.no_grad():
        for part in np.array_split(pixels[:: max(1, len(pixels) // 64)], 8):
            model(as_input(torch.from_numpy(part).movedim(-1, -3)))
    return model.eval()


def _ways(
    slide: Slide, grid: Grid, threads: int
) -> dict[tuple[str, object, str], Callable[[], _Parts]]:
    """What is compared, by way, region and whether it is compiled; window by window comes first."""
    windows = np.empty((len(grid), PATCH_PX, PATCH_PX, 3), np.uint8)
    for index, pixels in read_patches(slide, grid, threads=threads):
        windows[index] = pixels
    model = _settled(windows)

    def plain() -> _Parts:
        # Wrapped, it is no HistoCAE as far as the scoring can see.
        by_window = {"m": torch.nn.Sequential(model)}
        return score(by_window, slide, grid, batch=BATCH, map_um=8.0, threads=threads)

    def unread() -> _Parts:
        for first in range(0, len(windows), BATCH):
            part = windows[first : first + BATCH]
            with torch.inference_mode():
                maps = posteriors({"m": model}, as_input(torch.from_numpy(part).movedim(-1, -3)))
            yield np.arange(first, first + len(part)), {k: v.numpy() for k, v in maps.items()}

    def once(region_px: int, compiled: bool) -> _Parts:
        torch.compiler.reset()
        return score_shared(
            model, slide, grid, region_px=region_px, threads=threads, compiled=compiled
        )

    return {
        (f"window by window, batch of {BATCH}", "", "no"): plain,
        ("the same, windows in memory", "", "no"): unread,
    } | {
        ("encode once", region_px, "yes" if compiled else "no"): partial(once, region_px, compiled)
        for compiled in (False, True)
        for region_px in REGIONS_PX
    }


def _measured(slide: Slide, grid: Grid, *, rounds: int, threads: int) -> list[dict]:
    """Rows of the table."""
    ways = _ways(slide, grid, threads)
    compilations = _timed_compilations()
    first = next(iter(ways))
    speeds, start_ups, differences = ({way: [] for way in ways} for _ in range(3))
    for _ in range(rounds):
        for about, way in ways.items():
            compilations.clear()
            probability, seconds = _run(way(), len(grid))
            if about == first:
                reference = probability
            speeds[about].append(len(grid) / (seconds - sum(compilations)))
            start_ups[about] += compilations
            differences[about].append(float(np.abs(probability - reference).max()))
    ratios = {way: [a / b for a, b in zip(speeds[way], speeds[first], strict=True)] for way in ways}
    cold = max(start_ups[next(way for way in ways if way[2] == "yes")])
    return [
        {
            "way": way[0],
            "region_px": way[1],
            "compiled": way[2],
            "windows": len(grid),
            "windows/s": statistics.median(speeds[way]),
            "ratio": statistics.median(ratios[way]),
            "first start-up s": cold if way[2] == "yes" else "",
            "further s": statistics.median(start_ups[way]) if way[2] == "yes" else "",
            "difference": f"{max(differences[way]):.1e}",
        }
        for way in ways
    ]


def _run(parts: _Parts, n: int) -> tuple[np.ndarray, float]:
    """Probabilities of all windows, and the seconds that they took."""
    probability = np.full(n, np.nan)
    started = time.perf_counter()
    for index, maps in parts:
        probability[index] = maps["probability"][:, 0, 0]
    seconds = time.perf_counter() - started
    if np.isnan(probability).any():
        raise RuntimeError("not every window was scored")
    return probability, seconds


def _timed_compilations() -> list[float]:
    """Give the list to which the seconds of each compilation are added from now on."""
    seconds: list[float] = []
    compile_for = encode_once.compile_for

    def timed(network: torch.nn.Module, images: torch.Tensor) -> Callable:
        started = time.perf_counter()
        found = compile_for(network, images)
        seconds.append(time.perf_counter() - started)
        return found

    encode_once.compile_for = timed
    return seconds


if __name__ == "__main__":
    main()
