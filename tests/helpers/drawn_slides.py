"""What tells tissue, and tumour in it, on slides of the demo cohort."""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from microtome.demo.slide import DemoSlide

PATCH_PX = 128


def saturation(pixels: np.ndarray) -> np.ndarray:
    """HSV saturation of means over 16 x 16 px: stain, without the camera's noise."""
    height, width = (side // 16 for side in pixels.shape[:2])
    squares = pixels[: height * 16, : width * 16].reshape(height, 16, width, 16, 3)
    squares = squares.mean(axis=(1, 3))
    return (squares.max(axis=2) - squares.min(axis=2)) / np.maximum(squares.max(axis=2), 1)


def stained(pixels: np.ndarray) -> np.ndarray:
    """Squares of 16 px whose mean colour is no longer that of glass."""
    return saturation(pixels) > 0.06


def separation(low: np.ndarray, high: np.ndarray) -> float:
    """How surely a value of `high` exceeds one of `low`, 0.5 to 1 (area under the ROC curve)."""
    chance = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    return max(chance, 1 - chance)


def cut_patches(slides: list[DemoSlide]) -> tuple[np.ndarray, np.ndarray]:
    """Patches full of one tissue, (n, side, side, 3), and whether that is viable tumour."""
    found, labels = [], []
    for slide in slides:
        height, width = slide.viable.shape
        for top in range(0, height - PATCH_PX + 1, PATCH_PX // 2):
            for left in range(0, width - PATCH_PX + 1, PATCH_PX // 2):
                window = np.s_[top : top + PATCH_PX, left : left + PATCH_PX]
                share = slide.viable[window].mean()
                if (share == 0 or share > 0.95) and stained(slide.pixels[window]).mean() > 0.8:
                    found.append(slide.pixels[window])
                    labels.append(share > 0)
    return np.array(found), np.array(labels)


def coarseness(patches: np.ndarray) -> np.ndarray:
    """How much coarser than fine structure is, at 1 µm/px: large nuclei against small or none."""
    side = PATCH_PX // 2
    red = -np.log((patches[..., 0].reshape(-1, side, 2, side, 2).mean(axis=(2, 4)) + 1) / 255)
    blurred = [ndimage.gaussian_filter(red, (0, sigma, sigma)) for sigma in (1.5, 3.0, 5.0)]
    middle, coarse = ((a - b).std(axis=(1, 2)) for a, b in pairwise(blurred))
    return coarse / middle
