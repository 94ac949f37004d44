"""Microtome: overlapping windows of a slide scored into a store, and stitched into a heatmap."""

import time
from pathlib import Path

import library  # noqa: F401 - makes the library importable
import numpy as np
from windows import STRIDE_PX, WINDOW_PX, Job, bytes_of, main

from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import open_scores, write_scores
from microtome.inference.scoring import score
from microtome.patches.grid import Grid, make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.label_tiff import write_raster
from microtome.slides.slide import Slide


def windows_of(slide: Slide, tissue: np.ndarray, tile_px: int) -> Grid:
    """The windows over a map of tiles, ndarray of shape (rows, columns), bool."""
    return make_grid(
        GridSpec(slide.spacing_um, WINDOW_PX, STRIDE_PX),
        name=slide.name,
        size_px=slide.size_px,
        scale=1.0,
        spacing_um=slide.spacing_um,
        tissue=(lambda first, n: tissue[first : first + n], tissue.shape, tile_px),
        truth=None,
        label_rule="any",
        min_tumour_fraction=0.0,
    )


def stitcher_of(store: Path, size_px: tuple[int, int]) -> Stitcher:
    """The heatmap of a store at the network's own spacing."""
    found = open_scores(store)
    return Stitcher(found.grid, found.probability, size_px=size_px, scale=1.0)


def score_all(job: Job) -> dict:
    """Score and stitch; `way` is which windows: all, or those with tissue."""
    tiles = np.load(job.slide.with_suffix(".npy"))
    store, heatmap = job.folder / "scores.zarr", job.folder / "heatmap.tif"
    with Slide(job.slide, name="slide") as slide:
        tile_px = int(np.ceil(max(slide.size_px) / len(tiles)))
        grid = windows_of(slide, tiles if job.way == "tissue" else np.ones_like(tiles), tile_px)
        parts = score({"m": job.network}, slide, grid, map_um=slide.spacing_um, threads=job.threads)
        write_scores(store, parts, grid, origin={})
        size_px, spacing_um = slide.size_px, slide.spacing_um
    began = time.perf_counter()
    stitcher = stitcher_of(store, size_px)
    write_raster(heatmap, stitcher.encoded_rows, shape=stitcher.shape, spacing_um=spacing_um)
    return {
        "map": "scores.zarr",
        "windows": len(grid),
        "stitch_s": time.perf_counter() - began,
        "map_bytes": bytes_of(heatmap),
        "other_bytes": bytes_of(store),
    }


if __name__ == "__main__":
    main(score_all)
