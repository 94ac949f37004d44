"""How fast nuclei are found on a slide: beside the same convolutions alone, and how much it holds.

A drawn slide, a third of it tissue, all of which is searched; crosswise autoencoders, on the CPU.
In each round the ways take turns within one process; what counts is their ratio in the same round.
Weights are random, thresholds such that 1.6 % of locations fire.

    python bench/nuclei.py [--rounds N] [--threads N] [--sides 8192 16384] [--full-side 2688]

The paper's own width is measured on the smaller slide of `--full-side`; peak memory on those of
`--sides`, each in a process of its own. Writes nuclei.json and nuclei.md beside this file.

    python bench/nuclei.py --listed 10000000

writes so many drawn nuclei as a table and as GeoJSON, alone: seconds, MB of files, peak memory;
with --polygons all have an outline.

    python bench/nuclei.py --outlined 8192

outlines 6000 places per mm² of such a slide by a segmenter of random weights and 1/20 of the maps.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import library  # noqa: F401, makes the library importable
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from microtome.io.text_tables import markdown_table
from microtome.networks.crosswise import CrosswiseCAE
from microtome.networks.devices import as_input, use_threads
from microtome.networks.registry import build_model
from microtome.nuclei.finder import Nuclei, NucleusFinder, Window
from microtome.nuclei.geojson import COLUMNS, write_nucleus_geojson
from microtome.nuclei.outlines import NucleusOutliner, outline_nuclei
from microtome.nuclei.peaks import PeakSettings
from microtome.nuclei.table import Form, read_nuclei, write_nuclei
from microtome.nuclei.windows import choose_inner_px, find_nuclei, lay_windows
from microtome.patches.reading import read_patches
from microtome.rasters.label_tiff import Raster, open_raster, write_array
from microtome.slides.slide import Slide
from slides import SPACING_UM, SlideSpec, make_slide
from tiles import Coding

HERE = Path(__file__).resolve().parent
WIDTHS = (0.05, 0.125)
SETTINGS = PeakSettings(min_distance_um=3.0, smoothing_um=1.0, threshold=0.5)
MASK_UM = 8.0


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sides", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--full-side", type=int, default=2688)
    parser.add_argument("--widths", type=float, nargs="*", default=WIDTHS)
    parser.add_argument("--listed", type=int)
    parser.add_argument("--polygons", action="store_true")
    parser.add_argument("--outlined", type=int)
    parser.add_argument("--weigh", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    use_threads(arguments.threads)
    if arguments.listed:
        print(json.dumps(list_drawn(arguments.listed, arguments.polygons)))
        return
    if arguments.outlined:
        print(json.dumps(outline(arguments.outlined, arguments.threads)))
        return
    if arguments.weigh:
        weigh(arguments.weigh, arguments.threads)
        return
    runs = [(width, min(arguments.sides)) for width in arguments.widths]
    if arguments.full_side:
        runs.append((1.0, arguments.full_side))
    speeds = [
        measure(width, side, rounds=arguments.rounds, threads=arguments.threads)
        for width, side in runs
    ]
    memory = [weighed(side, arguments.threads) for side in arguments.sides]
    about = {
        "cpus": os.cpu_count(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "torch": torch.__version__,
        "speed": speeds,
        "memory": memory,
    }
    (HERE / "nuclei.json").write_text(json.dumps(about, indent=1) + "\n")
    text = (
        f"Nuclei on a drawn slide, {SPACING_UM} µm/px, all of it searched, {about['date']},"
        f" {about['threads']} CPU threads, median of {about['rounds']} alternating rounds,"
        " `python bench/nuclei.py`. Width: share of the paper's feature maps. MMAC: million"
        " multiply-adds a px of trunk and detection branch. Computed: px that go through the"
        " network for each px of the slide. Share: speed of it all, from file to table, by that of"
        " the same folded convolutions on one window in memory, px by px, in the same round."
        " Reading, listing: s of reading the windows alone, and of peaks and haematoxylin alone, as"
        " shares of s. bfloat16: s of the convolutions by those in float32; kept: share of nuclei"
        " that are found in both within 1 µm.\n\n"
        f"{markdown_table(speeds)}\n"
        "Peak memory of a process that finds and writes them, at a width of 0.05:\n\n"
        f"{markdown_table(memory)}"
    )
    (HERE / "nuclei.md").write_text(text)
    print(text)


def measure(width: float, side_px: int, *, rounds: int, threads: int) -> dict:
    """Measure one width: a row of the table."""
    with tempfile.TemporaryDirectory() as folder, Slide(_make(side_px), name="a") as slide:
        tissue = _all_tissue(slide, Path(folder))
        network = _settled(width, slide)
        finder = NucleusFinder(network, SETTINGS, spacing_um=SPACING_UM)
        sides = {"margin_px": finder.margin_px, "lattice_px": finder.lattice_px}
        inner_px = choose_inner_px(slide.size_px, finder)
        grid = lay_windows(slide, tissue, scale=1.0, inner_px=inner_px, **sides)
        _, pixels = next(read_patches(slide, grid.subset(np.array([len(grid) // 2]))))
        window = Window(pixels[0].copy(), 0, 0, (inner_px, inner_px))
        found = finder.detect(window)
        times: dict[str, list[float]] = {}
        n_nuclei = 0
        for _ in range(rounds):
            ways: dict[str, Callable[[], object]] = {
                "alone": lambda: finder.detect(window),
                "in bfloat16": lambda: _in_bfloat16(finder, window),
                "listing": lambda: finder.list_nuclei(found),
                "reading": lambda: _read_all(slide, grid, threads),
                "whole": lambda: _find_all(finder, slide, tissue, Path(folder), threads),
            }
            for name, way in ways.items():
                started = time.perf_counter()
                result = way()
                times.setdefault(name, []).append(time.perf_counter() - started)
                n_nuclei = result if name == "whole" else n_nuclei
        half = finder.list_nuclei(_in_bfloat16(finder, window))
        kept = _share_kept(finder.list_nuclei(found), half)
    n_windows = len(grid)
    by_round = {
        "share": [n_windows * a / w for a, w in zip(times["alone"], times["whole"], strict=True)],
        "reading": [r / w for r, w in zip(times["reading"], times["whole"], strict=True)],
        "listing": [
            n_windows * li / w for li, w in zip(times["listing"], times["whole"], strict=True)
        ],
        "bfloat16": [h / a for h, a in zip(times["in bfloat16"], times["alone"], strict=True)],
    }
    seconds = statistics.median(times["whole"])
    row = {
        "width": width,
        "side px": side_px,
        "MMAC": _count_multiply_adds(network) / 1e6,
        "computed": n_windows * grid.patch_px**2 / side_px**2,
        "nuclei": n_nuclei,
        "s": seconds,
        "Mpx/s": side_px**2 / 1e6 / seconds,
        **{name: statistics.median(values) for name, values in by_round.items()},
        "kept": kept,
    }
    print({key: value if isinstance(value, int) else round(value, 4) for key, value in row.items()})
    return row


def weighed(side_px: int, threads: int) -> dict:
    """Peak memory on a slide of a side, in a process of its own."""
    _make(side_px)
    command = [sys.executable, __file__, "--weigh", str(side_px), "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return json.loads(done.stdout.splitlines()[-1])


def weigh(side_px: int, threads: int) -> None:
    """Find and write the nuclei of a slide, and print the memory that this process held at most."""
    with tempfile.TemporaryDirectory() as folder, Slide(_make(side_px), name="a") as slide:
        tissue = _all_tissue(slide, Path(folder))
        finder = NucleusFinder(_settled(WIDTHS[0], slide), SETTINGS, spacing_um=SPACING_UM)
        n = _find_all(finder, slide, tissue, Path(folder), threads)
    print(json.dumps({"side px": side_px, "nuclei": n, "peak MB": _peak_mb()}))


def outline(side_px: int, threads: int) -> dict:
    """Outline places drawn all over a slide."""
    entry = {"kind": "nucleus_segmenter", "network": "plain", "start": None, "reduction": 1}
    network = build_model({**entry, "width": WIDTHS[0], "patch_px": 40}, seed=1).eval()
    n_nuclei = round(6000 * (side_px * SPACING_UM / 1000) ** 2)
    with tempfile.TemporaryDirectory() as folder, Slide(_make(side_px), name="a") as slide:
        table, result = Path(folder, "a.parquet"), Path(folder, "b.parquet")
        write_nuclei(table, _draw(n_nuclei, side_px=side_px), about={})
        started = time.perf_counter()
        outliner = NucleusOutliner(network, spacing_um=SPACING_UM)
        outlined = outline_nuclei(outliner, slide, table, scale=1.0, threads=threads)
        write_nuclei(result, outlined, about={}, form=Form(outlined=True))
        seconds = time.perf_counter() - started
        areas = np.concatenate([part["area_um2"] for part in read_nuclei(result, ["area_um2"])])
    found = {"side px": side_px, "nuclei": n_nuclei, "outlined": int(np.isfinite(areas).sum())}
    return found | {"s": round(seconds), "peak MB": _peak_mb()}


def list_drawn(n_nuclei: int, are_outlined: bool) -> dict:
    """Write drawn nuclei as a table, and it as GeoJSON."""
    found: dict[str, float] = {"nuclei": n_nuclei, "MB before": _peak_mb()}
    with tempfile.TemporaryDirectory() as folder:
        table, geojson = Path(folder, "a.parquet"), Path(folder, "a.geojson")
        started = time.perf_counter()
        write_nuclei(
            table,
            _draw(n_nuclei, are_outlined=are_outlined),
            about={},
            form=Form(outlined=are_outlined),
        )
        found |= {"table s": time.perf_counter() - started, "table MB": table.stat().st_size / 1e6}
        started = time.perf_counter()
        write_nucleus_geojson(geojson, read_nuclei(table, COLUMNS))
        found |= {"GeoJSON s": time.perf_counter() - started}
        found |= {"GeoJSON MB": geojson.stat().st_size / 1e6}
    found["peak MB"] = _peak_mb()
    return {key: round(value) for key, value in found.items()}


def _draw(
    n_nuclei: int, *, side_px: int = 100_000, are_outlined: bool = False
) -> Iterator[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    circle = 8 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for first in range(0, n_nuclei, 5000):
        n = min(5000, n_nuclei - first)
        px = rng.uniform(0, side_px, (n, 2))
        outlines = np.empty(n, object)
        for i in range(n if are_outlined else 0):
            outlines[i] = (px[i] + circle).ravel()
        yield {
            "x_px": px[:, 0],
            "y_px": px[:, 1],
            "x_um": px[:, 0] * SPACING_UM,
            "y_um": px[:, 1] * SPACING_UM,
            "confidence": rng.random(n),
            "haematoxylin": rng.random(n),
            "area_um2": np.full(n, 49.0),
            "outline": outlines,
        }


def _peak_mb() -> int:
    # Of this process alone: `getrusage` would count what its parent held.
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


def _make(side_px: int) -> Path:
    coding = Coding(256, "ycbcr", 85)
    return make_slide(SlideSpec(f"nuclei-{side_px}", side_px, coding, tissue=0.3, levels=2))


def _all_tissue(slide: Slide, folder: Path) -> Raster:
    side = round(slide.size_px[0] * SPACING_UM / MASK_UM)
    write_array(folder / "tissue.tif", np.ones((side, side), bool), spacing_um=MASK_UM)
    return open_raster(folder / "tissue.tif")


def _settled(width: float, slide: Slide) -> CrosswiseCAE:
    """Make an autoencoder with random weights that finds something at 1.6 % of the locations."""
    torch.manual_seed(1)
    network = CrosswiseCAE(
        variant="crosswise", reduction=4, width=width, sparsity_percent=1.6
    ).train()
    tiles = np.load(slide.path.with_suffix(".npy"))
    row, column = np.argwhere(tiles)[np.count_nonzero(tiles) // 2] * 256
    pixels = slide.read(column, row, 400, 400, scale=1.0)
    images = as_input(torch.from_numpy(pixels).movedim(-1, 0)[None])
    with torch.no_grad():
        for _ in range(20 if width < 1 else 5):
            network.encode(images)
        network.eval()
        raw = network.encode(images).raw
        network.part5.threshold.fill_(raw.flatten().quantile(1 - 0.016))
    return network


def _count_multiply_adds(network: CrosswiseCAE) -> float:
    """Multiply-adds a px of trunk and detection branch."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.detect(torch.zeros(1, 3, 100, 100))
    return counter.get_total_flops() / 2 / 100**2


def _in_bfloat16(finder: NucleusFinder, window: Window) -> tuple:
    has_it = torch.cpu._is_avx512_bf16_supported()
    with torch.autocast("cpu", dtype=torch.bfloat16) if has_it else nullcontext():
        return finder.detect(window)


def _read_all(slide: Slide, grid: object, threads: int) -> int:
    return sum(len(index) for index, _ in read_patches(slide, grid, threads=threads))


def _find_all(
    finder: NucleusFinder, slide: Slide, tissue: Raster, folder: Path, threads: int
) -> int:
    found = find_nuclei(finder, slide, tissue, scale=1.0, threads=threads)
    return write_nuclei(folder / "a.parquet", map(_columns, found), about={})


def _columns(nuclei: Nuclei) -> dict[str, np.ndarray]:
    places = {"x_um": nuclei.x_px * SPACING_UM, "y_um": nuclei.y_px * SPACING_UM}
    return vars(nuclei) | places


def _share_kept(found: Nuclei, other: Nuclei, *, within_px: float = 2.0) -> float:
    """Share of all nuclei of two lists that have one in the other nearby."""
    a, b = (np.stack([n.x_px, n.y_px], axis=1) for n in (found, other))
    return float(np.mean([*_have_near(a, b, within_px), *_have_near(b, a, within_px)]))


def _have_near(a: np.ndarray, b: np.ndarray, within_px: float) -> Sequence[bool]:
    return [bool((np.hypot(*(b - place).T) <= within_px).any()) for place in a]


if __name__ == "__main__":
    main()
