"""Nuclei of images by HistomicsTK's Al-Kofahi detection, with several settings.

Run by the Python of HistomicsTK's environment: an .npz of images at 0.5 µm/px, and a JSON to write:
a list of settings, each with x and y, in px, of the nuclei of every image.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from histomicstk.preprocessing.color_deconvolution import color_deconvolution, stain_color_map
from histomicstk.segmentation.nuclear import detect_nuclei_kofahi
from skimage.measure import regionprops

# The library's own example has 60 and (10, 15), the other two are its.
FOREGROUND_BELOW = (60, 90, 105, 120, 135)
RADII_PX = ((7, 12), (10, 15))
FIXED = {"min_nucleus_area": 80, "local_max_search_radius": 10.0}


def find_nuclei(haematoxylin: np.ndarray, below: float, radii: tuple[int, int]) -> list:
    """Find the centroids of nuclei, x and y in px, in a channel (height, width)."""
    labels = detect_nuclei_kofahi(haematoxylin, haematoxylin < below, *radii, *FIXED.values())
    regions = regionprops(np.asarray(labels).astype(np.int64))
    return [[x + 0.5, y + 0.5] for y, x in (region.centroid for region in regions)]


def separate(pixels: np.ndarray) -> np.ndarray:
    """Light that haematoxylin lets through, (height, width), 0 to 255."""
    stains = np.array([stain_color_map[name] for name in ("hematoxylin", "eosin", "null")]).T
    return color_deconvolution(pixels, stains).Stains[:, :, 0].astype(np.float64)


if __name__ == "__main__":
    given, found = map(Path, sys.argv[1:])
    with np.load(given) as images:
        channels = [separate(images[name]) for name in images.files]
    tried = [
        {
            "foreground_below": below,
            "radii_px": radii,
            "points": [find_nuclei(channel, below, radii) for channel in channels],
        }
        for below, radii in product(FOREGROUND_BELOW, RADII_PX)
    ]
    found.write_text(json.dumps(tried))
