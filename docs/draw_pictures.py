"""Draw the pictures of the docs that no rule makes by itself.

``python docs/draw_pictures.py boundary`` after ``snakemake --configfile
recipes/demo_boundary.yaml``: one slide by two models. ``latents`` after ``snakemake compression``:
a slide beside what its latents give back. ``timeline``: the report of a simulated run.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from snakemake_logger_plugin_progress.run_report import make_run_report

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "plugins" / "snakemake-logger-plugin-progress"
sys.path[:0] = [str(ROOT / "workflow_scripts"), str(PLUGIN / "tests")]

from microtome.slides.slide import Slide  # noqa: E402
from simulated_runs import simulate  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIDE_PX = 440  # of each of the two pictures of latents
GAP_PX = 30


def draw_boundary(root: Path, target: Path, *, slide: str = "demo-10") -> None:
    """Put the figures of HistoCAE1 and MR-HistoCAE of a slide one above the other."""
    names = ("histocae1", "mr_histocae")
    parts = [Image.open(root / f"results/figures/{name}/{slide}.png") for name in names]
    width_px, height_px = (max(part.size[axis] for part in parts) for axis in (0, 1))
    pair = Image.new("RGB", (width_px, 2 * height_px + GAP_PX), "white")
    for row, part in enumerate(parts):
        pair.paste(part, (0, row * (height_px + GAP_PX)))
    pair.thumbnail((1400, 1400))
    pair.save(target / "demo-boundary.png")


def draw_latents(root: Path, target: Path, *, slide: str = "demo-11") -> None:
    """Put the middle of a slide's tissue, decoded from its latents, beside the slide itself."""
    path = root / f"results/reconstructions/histocae1/{slide}.tif"
    decoded = tifffile.imread(path)
    rows, columns = np.nonzero(tifffile.imread(root / f"results/tissue/{slide}.tif"))
    with Slide(root / f"demo/cohort/{slide}.svs", name=slide) as original:
        scale = original.levels[0][0] / decoded.shape[1]
        to_px = 8.0 / original.spacing_um / scale  # tissue is masked at 8 µm/px
        middle = [int(np.median(places) * to_px) - SIDE_PX // 2 for places in (rows, columns)]
        top, left = np.clip(middle, 0, np.subtract(decoded.shape[:2], SIDE_PX)).tolist()
        seen = original.read(left * scale, top * scale, SIDE_PX, SIDE_PX, scale=scale)
    gap = np.full((SIDE_PX, GAP_PX, 3), 255, np.uint8)
    pair = [decoded[top : top + SIDE_PX, left : left + SIDE_PX], gap, seen]
    Image.fromarray(np.hstack(pair)).save(target / "demo-latents.jpg", quality=85)


def draw_timeline(_: Path, target: Path) -> None:
    """Draw which jobs run when in a cohort of 800 slides, two models, with faults."""
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), n_slides=800, killed_at_h=3)
        make_run_report(folder)
        shutil.copy(Path(folder, "results/run_report/timeline.png"), target / "run_timeline.png")


PICTURES = {"boundary": draw_boundary, "latents": draw_latents, "timeline": draw_timeline}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", choices=PICTURES)
    parser.add_argument("--run", type=Path, default=Path(), help="folder of the demo's results")
    arguments = parser.parse_args()
    PICTURES[arguments.picture](arguments.run, IMAGES)
