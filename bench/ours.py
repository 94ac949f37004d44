"""Microtome: the patches of a grid from the slide into a store."""

import argparse
import json
import shutil
import time
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import numpy as np
from peers.common import peak_mb

from microtome.patches.grid import Grid
from microtome.patches.pass_through import read_streams
from microtome.patches.reading import read_patches
from microtome.patches.store import write_patches
from microtome.slides.slide import Slide

CODECS = ("raw", "jpeg", "pass-through")
# Of config.yaml.
_STORE = {"jpeg_quality": 90, "white_from": 210, "max_white_fraction": 0.7}


def extract(path: Path, slide_path: str, grid: Grid, *, codec: str, threads: int) -> int:
    """Read and store all patches of a grid, as rule extract_patches does.

    Returns
    -------
    int
        How many were stored: those that are mostly white are read, but left out.
    """
    with Slide(slide_path, name=path.stem) as slide:
        if codec == "pass-through":
            parts = read_streams(slide, grid)
        else:
            parts = read_patches(slide, grid, threads=threads)
        origin = {"slide": path.stem, "path": slide_path, "code": ""}
        # Nothing is decoded where tiles are passed through, not even for the rule about white.
        rule = {"max_white_fraction": 1} if codec == "pass-through" else {}
        return write_patches(
            path, parts, grid, origin=origin, codec=codec, threads=threads, **{**_STORE, **rule}
        )


def main() -> None:
    """Measure, and write what it took as JSON, as the peers' scripts do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide")
    parser.add_argument("places", type=Path, help="the grid is beside it, .npz")
    parser.add_argument("spacing", type=float)
    parser.add_argument("workers", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--codec", choices=CODECS, default="raw")
    parser.add_argument("--began", type=float, required=True, help="time.time() of the runner")
    arguments = parser.parse_args()
    grid = Grid.load(arguments.places.with_suffix(".npz"))
    if grid.spacing_um != arguments.spacing:
        parser.error(f"the grid is of {grid.spacing_um:g} µm/px, not of {arguments.spacing:g}")
    store = arguments.out.with_suffix(".zarr")
    shutil.rmtree(store, ignore_errors=True)
    began = time.perf_counter()
    n_stored = extract(
        store, arguments.slide, grid, codec=arguments.codec, threads=arguments.workers
    )
    loop_s = time.perf_counter() - began
    whole_s = time.time() - arguments.began
    result = {
        "n": len(grid),
        "loop_s": loop_s,
        "whole_s": whole_s,
        "peak_mb": peak_mb(),
        "bytes_per_patch": sum(f.stat().st_size for f in store.rglob("*")) / n_stored,
        "stored": n_stored,
    }
    if arguments.codec == "raw":
        result["mean"] = _mean_of_first(store, np.load(arguments.places))
    shutil.rmtree(store)
    arguments.out.write_text(json.dumps(result))


def _mean_of_first(store: Path, corners: np.ndarray, n: int = 64) -> float:
    """Mean of what the peers look at in the first patches, read back with plain zarr-python."""
    import zarr  # noqa: PLC0415 - after the clock has stopped: the store does without

    group = zarr.open_group(store, mode="r")
    places = zip(group["x_px"][:].astype(int), group["y_px"][:].astype(int), strict=True)
    at = {place: i for i, place in enumerate(places)}
    wanted = [at[x, y] for x, y in corners[:n].tolist() if (x, y) in at]
    return float(np.mean([group["pixels"][i][4::8, 4::8].mean() for i in wanted]))


if __name__ == "__main__":
    main()
