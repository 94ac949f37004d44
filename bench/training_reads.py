"""Patches a second in random order: stores against a memory map, and against decoding alone.

    PYTHONPATH=workflow_scripts python bench/training_reads.py

Four ways are timed in turn, round after round, on patches that are in the system's cache: the raw
store and `np.memmap` under the same loader, the JPEG store and, as its bound, the same JPEGs
decoded from memory with simplejpeg and nothing else, on the same threads. What counts are the
ratios. Prints a table and writes ``bench/training_reads.json``.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg

from microtome.parallel.prefetch import map_ahead
from microtome.patches.grid import Grid
from microtome.patches.store import open_patches, write_patches
from microtome.training.batches import PatchData, Patches
from tiles import draw_tiles

SIDE = 256
RESULT = Path(__file__).with_suffix(".json")


class MemoryMap:
    """Patches in a ``.npy`` file, as a source for the loader."""

    slide = "memmap"

    def __init__(self, path: Path) -> None:
        self._pixels = np.load(path, mmap_mode="r")
        self.label = np.zeros(len(self._pixels), np.int8)
        self.shape = (1, *self._pixels.shape[1:])

    def read(self, row: int, out: np.ndarray) -> None:
        """Copy one patch."""
        out[0] = self._pixels[row]

    def identity(self) -> str:
        """Name it."""
        return self.slide


def blocks_of(tiles: np.ndarray, n: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Make `n` patches out of a few hundred, no two blocks in the same order."""
    rng = np.random.default_rng(0)
    for first in range(0, n, 64):
        size = min(64, n - first)
        yield np.arange(first, first + size), tiles[rng.integers(0, len(tiles), size)]


def write_all(folder: Path, n: int) -> None:
    """Write the same patches as a raw and a JPEG store and as a ``.npy`` file."""
    tiles = np.stack(draw_tiles(SIDE)[0])
    values = np.zeros(n, np.float32)
    grid = Grid(
        row=np.zeros(n, np.int32),
        column=np.arange(n, dtype=np.int32),
        tissue_fraction=values,
        tumour_fraction=values,
        label=np.zeros(n, np.int8),
        scale=1.0,
        spacing_um=0.5,
        patch_px=SIDE,
        stride_px=SIDE,
    )
    for codec in ("raw", "jpeg"):
        write_patches(
            folder / f"{codec}.zarr",
            blocks_of(tiles, n),
            grid,
            origin={"slide": codec},
            codec=codec,
            jpeg_quality=90,
            threads=os.cpu_count() or 1,
            white_from=210,
            max_white_fraction=1.0,
        )
    pixels = np.lib.format.open_memmap(
        folder / "pixels.npy", "w+", np.uint8, shape=(n, SIDE, SIDE, 3)
    )
    for index, block in blocks_of(tiles, n):
        pixels[index] = block
    pixels.flush()


def ways(folder: Path, batch: int) -> dict[str, Callable[[np.ndarray, int], None]]:
    """Make the functions to time: each reads patches in an order, with so many threads."""
    raw, jpeg = (PatchData([folder / f"{c}.zarr"], labelled=False) for c in ("raw", "jpeg"))
    memmap = Patches([MemoryMap(folder / "pixels.npy")], labelled=False)
    array = open_patches(folder / "jpeg.zarr").pixels[0]
    streams = [array.read_bytes(i) for i in range(len(array))]

    def decode(index: np.ndarray) -> np.ndarray:
        pixels = np.empty((len(index), SIDE, SIDE, 3), np.uint8)
        for image, i in zip(pixels, index.tolist(), strict=True):
            simplejpeg.decode_jpeg(streams[i], "RGB", buffer=image)
        return pixels

    def through(load: Callable) -> Callable[[np.ndarray, int], None]:
        def read(order: np.ndarray, workers: int) -> None:
            parts = (order[i : i + batch] for i in range(0, len(order), batch))
            for _ in map_ahead(load, parts, workers=workers):
                pass

        return read

    return {
        "np.memmap": through(memmap.__getitems__),
        "raw store": through(raw.__getitems__),
        "decoding alone": through(decode),
        "JPEG store": through(jpeg.__getitems__),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_all(Path(folder), options.patches)
        functions = ways(Path(folder), options.batch)
        for number in range(-1, options.rounds):  # the first fills the cache
            order = np.random.default_rng(number + 1).permutation(options.patches)
            for workers in options.workers:
                for name, read in functions.items():
                    started = time.perf_counter()
                    read(order, workers)
                    rate = options.patches / (time.perf_counter() - started)
                    if number >= 0:
                        rates.setdefault((name, workers), []).append(rate)
    rows = []
    for workers in options.workers:
        row = {"workers": workers}
        for name, bound in (("raw store", "np.memmap"), ("JPEG store", "decoding alone")):
            mine, other = rates[name, workers], rates[bound, workers]
            row[bound] = round(statistics.median(other))
            row[name] = round(statistics.median(mine))
            ratios = [a / b for a, b in zip(mine, other, strict=True)]  # of the same round
            row[f"{name} / {bound}"] = round(statistics.median(ratios), 2)
        rows.append(row)
    print("| " + " | ".join(rows[0]) + " |")
    print("| --- " * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    settings = {**vars(options), "patch_px": SIDE, "cpus": os.cpu_count()}
    RESULT.write_text(json.dumps({"settings": settings, "patches_per_s": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
