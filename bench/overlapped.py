"""Overlapping windows of a slide to one map at full resolution: Microtome beside its peers.

Windows of 512 px, half overlapping, of a slide of 0.5 µm/px; the same network with the same
weights, float32, on the CPU; the map is the mean of all windows over a px, at the slide's own
spacing. Each run is a process of its own, and all take turns. The map of each peer is laid over
Microtome's, px by px.

    python bench/overlapped.py [--rounds N] [--threads N] [--only NAME ...]

Writes overlapped.json and overlapped.md beside this file.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import numpy as np
import zarr
from environments import REQUIREMENTS, NotInstallableError, python_of
from overlapped_ours import stitcher_of
from windows import NETWORKS, STRIDE_PX, WINDOW_PX, save_weights

from microtome.heatmaps.codes import decode
from microtome.io.text_tables import markdown_table
from microtome.rasters.bands import bands
from microtome.rasters.label_tiff import open_raster
from slides import CACHE, SPACING_UM, SlideSpec, make_slide
from tiles import Coding

HERE = Path(__file__).resolve().parent
# No multiple of the stride: the last windows hang over the edge.
SLIDE = SlideSpec("windows-6k", 6000, Coding(256, "ycbcr", 85), levels=2)
# A px of the slide that is nearer to its edge may see what is made up beyond.
_EDGE_PX = 8
_BAND_PX = 512
_TIME_OUT_S = 1800


@dataclass(frozen=True)
class Way:
    """One way to get the map.

    Attributes
    ----------
    name : str
        For ``--only``.
    title : str
        For the table.
    script : str
        Beside this file.
    way : str
        For the script.
    environment : str, optional
        Where the script runs; None: where this runs.
    """

    name: str
    title: str
    script: str
    way: str
    environment: str | None = None


WAYS = (
    Way("ours", "Microtome", "overlapped_ours.py", "all"),
    Way("ours-tissue", "Microtome, windows with tissue", "overlapped_ours.py", "tissue"),
    *(
        Way(
            f"monai-{way}",
            f"MONAI PatchInferer, {title}",
            "peers/monai_sliding.py",
            way,
            environment="monai",
        )
        for way, title in (
            ("OpenSlide-zarr", "OpenSlide, ZarrAvgMerger"),
            ("cuCIM-zarr", "cuCIM, ZarrAvgMerger"),
            ("cuCIM-memory", "cuCIM, AvgMerger (in memory)"),
        )
    ),
    Way(
        "tiatoolbox",
        "TIAToolbox SemanticSegmentor",
        "peers/tiatoolbox_segmentor.py",
        "all",
        environment="tiatoolbox",
    ),
)
REFERENCE = WAYS[0]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [way.name for way in WAYS]
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if way.name in arguments.only or way is REFERENCE]
    slide = make_slide(SLIDE)
    about = {
        "cpus": os.cpu_count(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "versions": {
            way.environment: REQUIREMENTS[way.environment] for way in ways if way.environment
        },
        "missing": {},
        "rows": [],
    }
    for network in NETWORKS:
        about["rows"] += _measured(
            network,
            slide,
            ways,
            about["missing"],
            rounds=arguments.rounds,
            threads=arguments.threads,
        )
        # After each network: what was measured must not be lost with the next one.
        (HERE / "overlapped.json").write_text(json.dumps(about, indent=1) + "\n")
        (HERE / "overlapped.md").write_text(_text(about))
    print(_text(about))


def _measured(
    network: str,
    slide: Path,
    ways: list[Way],
    missing: dict[str, str],
    *,
    rounds: int,
    threads: int,
) -> list[dict]:
    """Rows of the table, of one network."""
    runs: dict[Way, list[dict]] = {}
    differences: dict[Way, dict] = {}
    # On the same disk as the slides: memory would flatter who writes.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        weights = Path(folder) / "weights.npz"
        save_weights(weights, network)
        for number in range(rounds):
            for way in ways:
                out = Path(folder) / f"{way.name}-{number}"
                try:
                    run = _run(way, slide, network, weights, out, threads=threads)
                except (NotInstallableError, RuntimeError) as error:
                    if way is REFERENCE:
                        raise
                    missing[f"{way.title} ({network})"] = str(error)
                    continue
                print(f"{network}, {way.title}: {run['whole_s']:.1f} s", flush=True)
                runs.setdefault(way, []).append(run)
                if not number:
                    reference = Path(folder) / f"{REFERENCE.name}-0"
                    differences[way] = _difference(reference, way, out / run["map"])
    first = runs[REFERENCE]
    return [
        {
            "network": network,
            "what": way.title,
            **{key: statistics.median(run[key] for run in found) for key in _FIGURES},
            **{
                f"times {key}": statistics.median(
                    run[key] / ours[key] for run, ours in zip(found, first, strict=True)
                )
                for key in ("whole_s", "cpu_s")
            },
            **differences[way],
        }
        for way, found in runs.items()
    ]


_FIGURES = ("whole_s", "work_s", "cpu_s", "peak_mb", "map_bytes", "other_bytes")


def _run(way: Way, slide: Path, network: str, weights: Path, folder: Path, *, threads: int) -> dict:
    """Run a way once: what its script reports.

    Raises
    ------
    NotInstallableError
        If its environment cannot be made.
    RuntimeError
        If it fails; the message is the last line it printed.
    """
    folder.mkdir()
    python = python_of(way.environment) if way.environment else sys.executable
    # In the page cache for all alike.
    slide.read_bytes()
    command = [python, HERE / way.script, way.way, slide, network, weights, folder]
    began = time.time()
    done = subprocess.run(  # noqa: S603
        [*map(str, command), str(threads), repr(began)],
        check=False,
        capture_output=True,
        text=True,
        timeout=_TIME_OUT_S,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
    )
    took = folder / "took.json"
    if not took.exists():
        lines = done.stderr.strip().splitlines() or [f"ends with {done.returncode}"]
        raise RuntimeError(lines[-1])
    return json.loads(took.read_text())


def _difference(reference: Path, way: Way, path: Path) -> dict:
    """How far a map is from Microtome's before that is rounded to 8 bits, where both have one.

    Parameters
    ----------
    reference : Path
        Folder of a run of `REFERENCE`.
    path : Path
        A store of scores, or the array of a peer's map.
    """
    side = SLIDE.side_px
    ours = stitcher_of(reference / "scores.zarr", (side, side))
    if way.script == REFERENCE.script:
        # Its own heatmap: how much the rounding takes away, and of the tissue alone the mask.
        raster = open_raster(path.with_name("heatmap.tif"))
        theirs = lambda first, n: decode(raster.rows(first, n))  # noqa: E731
    else:
        array = zarr.open_array(path, mode="r")
        theirs = lambda first, n: _plane(array, first, n)  # noqa: E731
    largest, edge, total, count = 0.0, 0.0, 0.0, 0
    for first, n in bands(side, _BAND_PX):
        off = np.abs(theirs(first, n)[:, :side] - ours.float_rows(first, n))
        inside = off[: max(0, side - _EDGE_PX - first), : side - _EDGE_PX]
        largest = max(largest, float(np.nanmax(inside)))
        edge = max(edge, float(np.nanmax(off)))
        total += float(np.nansum(inside, dtype=float))
        count += int(np.count_nonzero(~np.isnan(inside)))
    return {
        "largest difference": largest,
        "mean difference": total / count,
        "largest at the edge": edge,
        "compared_px": count,
    }


def _plane(array: zarr.Array, first: int, n: int) -> np.ndarray:
    """Rows of the probability of tumour: (1, 1, H, W) of MONAI, (H, W, 2) of TIAToolbox."""
    if array.ndim == 4:
        return array[0, 0, first : first + n]
    return array[first : first + n, :, 1]


def _text(about: dict) -> str:
    rows = [
        {
            "network": row["network"],
            "what": row["what"],
            "s": f"{row['whole_s']:.1f}",
            "times": f"{row['times whole_s']:.2f}",
            "CPU s": f"{row['cpu_s']:.1f}",
            "CPU times": f"{row['times cpu_s']:.2f}",
            "peak MB": f"{row['peak_mb']:.0f}",
            "map MB": f"{row['map_bytes'] / 1e6:.1f}",
            "beside it MB": f"{row['other_bytes'] / 1e6:.1f}",
            "largest difference": f"{row['largest difference']:.1e}",
            "mean": f"{row['mean difference']:.1e}",
            "largest at the edge": f"{row['largest at the edge']:.1e}",
        }
        for row in about["rows"]
    ]
    side = SLIDE.side_px
    lines = [
        f"A slide of {side} x {side} px at {SPACING_UM:g} µm, {SLIDE.tissue:.0%} tissue, windows of"
        f" {WINDOW_PX} px every {STRIDE_PX} px, mean of the windows over a px, float32,"
        f" {about['threads']} CPU threads, median of {about['rounds']} alternating rounds,"
        f" {about['date']}, `python bench/overlapped.py`.",
        "",
        "`fcn`: three convolutions; `trivial`: one of 1 x 1, so that what is measured is reading,"
        " merging and writing. s: the whole process, start-up too; times: beside Microtome with all"
        " windows, in the same round; CPU s: of all its processes and threads, which a busy machine"
        " does not change. Map: MONAI's and TIAToolbox's float32, Microtome's 8 bit with a pyramid."
        " Beside it: Microtome's store of scores, MONAI's sums and counts. Differences are to"
        " Microtome's map before it is rounded to 8 bits, and its own rows show that rounding;"
        f" at the edge: within {_EDGE_PX} px of the right and lower edges, where windows hang over"
        " and each makes up other pixels. TIAToolbox has further windows there, which begin in the"
        " last half window; and a px near tissue has fewer windows where those of glass are left"
        " out, and a window's own border counts for more.",
        "",
        markdown_table(rows),
    ]
    lines += [f"- {name}: {why}" for name, why in about["missing"].items()]
    lines += [f"- {name}: {line}" for name, line in about["versions"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
