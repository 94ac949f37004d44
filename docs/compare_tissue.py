"""Compare the variants of the tissue mask on drawn overviews and on real ones.

``python docs/compare_tissue.py [FOLDER]`` prints the tables of docs/slides.md and draws
docs/images/tissue.jpg. FOLDER holds real overviews as PNG or JPEG, taken as 8 µm/px.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow_scripts")]

from helpers.drawn.overviews import OVERVIEWS, SHAPE, find_mask, overlap  # noqa: E402

# The rule before: Otsu's threshold held between two bounds.
VARIANTS = {
    "Otsu in 0.05 to 0.12": {"variant": "otsu", "saturation_bounds": (0.05, 0.12)},
    "otsu": {"variant": "otsu"},
    "camelyon": {"variant": "camelyon"},
    "absorbance": {"variant": "absorbance"},
}
OUTLINES = {"otsu": (0, 0, 0), "absorbance": (0, 200, 0)}
COLUMNS = 6


def main() -> None:
    """Print both tables and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, help="of real overviews")
    folders = parser.parse_args().folders
    height_px, width_px = SHAPE
    rows = -(-len(OVERVIEWS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width_px + 4), rows * (height_px + 18)), "white")
    print_row("overview, Dice with its tissue", *VARIANTS)
    print_row(*["---"] * (1 + len(VARIANTS)))
    scores: dict[str, list] = {}
    for place, (name, draw) in enumerate(OVERVIEWS.items()):
        overview = draw()
        masks = {key: find_mask(overview.pixels, **asked) for key, asked in VARIANTS.items()}
        kind = re.sub(" pen.*", " pen (4)", name)
        scores.setdefault(kind, []).append([overlap(mask, overview) for mask in masks.values()])
        left, top = place % COLUMNS * (width_px + 4), place // COLUMNS * (height_px + 18)
        sheet.paste(Image.fromarray(outlined(overview.pixels, masks)), (left, top + 14))
        ImageDraw.Draw(sheet).text((left, top + 1), name, fill="black")
    for kind, found in scores.items():
        print_row(kind, *(f"{score:.2f}" for score in np.mean(found, axis=0)))
    mean = np.mean([score for found in scores.values() for score in found], axis=0)
    print_row("mean", *(f"{score:.3f}" for score in mean))
    sheet.thumbnail((1150, 1600))
    sheet.save(ROOT / "docs" / "images" / "tissue.jpg", quality=70)
    print()
    print_row("real overview, share that is tissue", *VARIANTS)
    print_row(*["---"] * (1 + len(VARIANTS)))
    for path in sorted(p for folder in folders for p in folder.glob("*.[pj][np]g")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        shares = [find_mask(pixels, **asked).mean() for asked in VARIANTS.values()]
        print_row(path.stem, *(f"{share:.2f}" for share in shares))


def outlined(pixels: np.ndarray, masks: dict[str, np.ndarray]) -> np.ndarray:
    """Draw the borders of masks."""
    pixels = pixels.copy()
    for name, colour in OUTLINES.items():
        pixels[masks[name] ^ ndimage.binary_erosion(masks[name], iterations=2)] = colour
    return pixels


def print_row(*cells: str) -> None:
    """Print a row of a table in Markdown."""
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
