"""Every step between a slide and its burden, on a drawn slide of any size; prints its peak memory.

Run as a program, so that the memory is that of one process and of nothing else.
"""

import sys
from pathlib import Path

import numpy as np
import yaml

from microtome.heatmaps.stitching import Stitcher
from microtome.inference.score_store import open_scores, write_scores
from microtome.patches.grid import make_grid
from microtome.patches.grid_spec import GridSpec
from microtome.rasters.label_tiff import open_raster, write_raster
from microtome.tissue.mask import find_tissue
from microtome.tissue.overview import read_overview, require_brightfield, write_picture
from microtome.tumour.step import map_tumour

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
RASTER_UM = CONFIG["tissue"]["spacing_um"]


class DrawnSlide:
    """A slide of discs of tissue on glass, drawn where it is read."""

    def __init__(self, side_px: int, spacing_um: float) -> None:
        self.size_px = (side_px, side_px)
        self.spacing_um = spacing_um
        self.downsamples = (1.0, 4.0, 16.0)

    def scale_for(self, spacing_um: float) -> float:
        """Level-0 px per px."""
        return spacing_um / self.spacing_um

    def level_for(self, scale: float) -> int:
        """The coarsest level that is fine enough."""
        return max(i for i, d in enumerate(self.downsamples) if d <= scale)

    def read(self, x: float, y: float, width: int, height: int, *, scale: float) -> np.ndarray:
        """RGB, shape (height, width, 3)."""
        columns = (x / scale + np.arange(width)) % 700 - 350
        rows = (y / scale + np.arange(height)) % 700 - 350
        inside = rows[:, None] ** 2 + columns**2 < 300**2
        pixels = np.where(inside[..., None], (205, 120, 170), (242, 242, 240)).astype(np.uint8)
        pixels[::2, ::3] -= 5
        return pixels


def run(folder: Path, side_px: int, spacing_um: float, *, map_side: int) -> dict:
    """All steps; the results are left in `folder`."""
    slide = DrawnSlide(side_px, spacing_um)
    mask, heatmap, tumour = (folder / f"{n}.tif" for n in ("t", "h", "b"))
    pixels, scale = read_overview(slide, spacing_um=RASTER_UM, beside=mask)
    shape = pixels.shape[:2]
    with pixels:
        require_brightfield(pixels.rows, pixels.shape, name="a")
        with find_tissue(pixels.rows, shape, beside=mask, **CONFIG["tissue"]) as found:
            write_raster(mask, found.rows, shape=shape, spacing_um=RASTER_UM)
        write_picture(folder / "o.jpg", pixels.rows, pixels.shape)
    tissue = open_raster(mask)
    grid = make_grid(
        GridSpec(1.0, 256, 128),
        name="a",
        size_px=slide.size_px,
        scale=1 / spacing_um,
        spacing_um=1.0,
        tissue=(tissue.rows, tissue.shape, scale),
        truth=(tissue.rows, tissue.shape, scale),
        label_rule="fraction",
        min_tumour_fraction=0.3,
    )
    index = np.arange(len(grid))
    parts = (
        (part, {"probability": np.full((len(part), map_side, map_side), 0.9, np.float32)})
        for part in np.array_split(index, max(1, len(index) // 16))
    )
    write_scores(folder / "s.zarr", parts, grid, origin={})
    scores = open_scores(folder / "s.zarr")
    stitcher = Stitcher(scores.grid, scores.probability, size_px=slide.size_px, scale=scale)
    write_raster(heatmap, stitcher.encoded_rows, shape=stitcher.shape, spacing_um=RASTER_UM)
    return map_tumour(tumour, heatmap=heatmap, tissue=mask, segmentation=CONFIG["segmentation"])


def peak_mb() -> float:
    """Most memory this process ever held; what its parent held before does not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    result = run(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), map_side=int(sys.argv[4]))
    print(f"{peak_mb():.0f} {result['burden']:.3f}")
