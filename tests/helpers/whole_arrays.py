"""What the library does in bands, done on whole arrays: what to compare with."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu
from skimage.metrics import structural_similarity
from skimage.morphology import convex_hull_image, disk

from microtome.rasters.bands import ReadRows, bands


def in_bands(rows: ReadRows, height: int, n_rows: int) -> np.ndarray:
    """Put a raster together from bands of `n_rows`."""
    return np.concatenate([rows(*band) for band in bands(height, n_rows)])


def opened(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Open a bool mask with a disc; what touches the border goes on beyond it."""
    return _beyond_border(ndimage.binary_opening, mask, radius_px)


def closed(mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Close a bool mask with a disc; what touches the border goes on beyond it."""
    return _beyond_border(ndimage.binary_closing, mask, radius_px)


def _beyond_border(operation: Callable, mask: np.ndarray, radius_px: int) -> np.ndarray:
    margin = 2 * radius_px
    padded = operation(np.pad(mask, margin, mode="edge"), disk(radius_px))
    return padded[margin : margin + mask.shape[0], margin : margin + mask.shape[1]]


def without_small(mask: np.ndarray, min_px: float) -> np.ndarray:
    """Drop the pieces (4-connected) of fewer than `min_px` pixels from a bool mask."""
    labels, n = ndimage.label(mask)
    keep = np.bincount(labels.ravel(), minlength=n + 1) >= min_px
    keep[0] = False
    return keep[labels]


def tissue_by_otsu(pixels: np.ndarray, *, spacing_um: float, **settings: object) -> np.ndarray:
    """Tell tissue from glass and padding by Otsu's threshold of HSV saturation."""
    black = (pixels < settings["black_below"]).all(axis=2)
    black = ndimage.binary_dilation(black, iterations=2)
    pixels = np.where(black[..., None], np.uint8(255), pixels)
    if settings["variant"] == "camelyon":
        pixels = ndimage.median_filter(pixels, size=(7, 7, 1))
    saturation = rgb2hsv(pixels.astype(np.float32) / 255)[..., 1]
    measured = saturation[~black]
    if measured.size == 0 or measured.max() == measured.min():
        return np.zeros(black.shape, bool)
    mask = saturation > np.clip(threshold_otsu(measured), *settings["saturation_bounds"])
    mask = opened(mask, round(settings["opening_um"] / spacing_um))
    mask = closed(mask, round(settings["closing_um"] / spacing_um))
    mask = without_small(mask, settings["min_area_um2"] / spacing_um**2)
    return ~without_small(~mask, settings["max_hole_um2"] / spacing_um**2)


def viable(
    probability: np.ndarray, tissue_mask: np.ndarray, *, spacing_um: float, **settings: float
) -> np.ndarray:
    """Segment viable tumour."""
    mask = np.nan_to_num(probability, nan=-1.0) >= settings["threshold"]
    mask = opened(mask, round(settings["opening_um"] / spacing_um))
    mask = ~without_small(~mask, settings["max_hole_um2"] / spacing_um**2) & tissue_mask
    return without_small(mask, settings["min_area_um2"] / spacing_um**2)


def tumour_labels(viable_mask: np.ndarray, tissue_mask: np.ndarray) -> np.ndarray:
    """Label whole tumour 1, viable tumour in it 2."""
    labels = np.zeros(viable_mask.shape, np.uint8)
    if viable_mask.any():
        whole = convex_hull_image(viable_mask) & tissue_mask
        labels[whole] = 1
        labels[whole & viable_mask] = 2
    return labels


def ssim_of_scikit_image(images: np.ndarray, others: np.ndarray) -> float:
    """Mean structural similarity of images (n, height, width, 3) in [0, 1], Gaussian window."""
    return np.mean(
        [
            structural_similarity(
                image,
                other,
                channel_axis=2,
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for image, other in zip(images, others, strict=True)
        ]
    )
