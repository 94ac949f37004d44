"""Where the tissue is: HSV, Otsu on saturation, morphology, at low resolution.

Generalized framework, section "tissue mask"; its CAMELYON variant turns black background pixels
white and takes a 7 x 7 median first.
"""

import numpy as np
from scipy import ndimage
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from microtome.errors import InputError
from microtome.masks import closed, opened, without_small
from microtome.slides import Slide

_ROWS = 512
# In brightfield even dense tissue has more light than this in its weakest channel (of 255).
_DARK, _LEAST_LIT = 60, 0.02


def read_overview(slide: Slide, *, spacing_um: float) -> tuple[np.ndarray, float]:
    """Read a whole slide at low resolution, in bands.

    Returns
    -------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB.
    scale : float
        Level-0 px per px.
    """
    scale = slide.scale_for(spacing_um)
    width, height = (int(np.ceil(side / scale)) for side in slide.size_px)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _ROWS):
        n_rows = min(_ROWS, height - top)
        pixels[top : top + n_rows] = slide.read(0, top * scale, width, n_rows, scale=scale)
    return pixels, scale


def tissue_mask(
    pixels: np.ndarray,
    *,
    spacing_um: float,
    variant: str,
    black_below: int,
    saturation_bounds: tuple[float, float],
    pen_hues: tuple[float, float],
    pen_saturation: float,
    opening_um: float,
    closing_um: float,
    min_area_um2: float,
    max_hole_um2: float,
) -> np.ndarray:
    """Tell tissue from glass, padding and pen.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, 3), uint8
        RGB at `spacing_um` µm/px.
    variant : {'plain', 'camelyon'}
        'camelyon' smooths with a 7 x 7 median first.
    black_below : int
        Pixels whose R, G and B are all below it are padding: white before anything is measured.
    saturation_bounds : tuple of float
        Otsu's threshold is held between these two (0 to 1): below the first lies the noise of
        white glass, above the second even a slide that is all tissue would lose its pale parts.
    pen_hues : tuple of float
        Hues (0 to 1) between these are felt pen when they are stronger than `pen_saturation`.
    opening_um, closing_um : float
        Radii of the discs that remove specks and close gaps.
    min_area_um2, max_hole_um2 : float
        Smaller pieces are dropped, smaller holes are filled.

    Returns
    -------
    ndarray of shape (height, width), bool
        True on tissue.
    """
    black = (pixels < black_below).all(axis=2)
    # JPEG ringing makes a saturated seam along padding, as wide as the blur of the downsampling.
    black = ndimage.binary_dilation(black, iterations=2)
    pixels = np.where(black[..., None], np.uint8(255), pixels)
    if variant == "camelyon":
        pixels = ndimage.median_filter(pixels, size=(7, 7, 1))
    saturation = np.empty(black.shape, np.float32)
    pen = np.empty(black.shape, bool)
    for top in range(0, len(pixels), _ROWS):  # in bands: HSV takes four times the room of RGB
        rows = slice(top, top + _ROWS)
        hue, saturation[rows], _ = np.moveaxis(rgb2hsv(pixels[rows].astype(np.float32) / 255), 2, 0)
        is_ink = (hue > pen_hues[0]) & (hue < pen_hues[1])
        pen[rows] = is_ink & (saturation[rows] > pen_saturation)
    saturation[pen] = 0
    measured = saturation[~(black | pen)]
    if measured.size == 0 or measured.max() == measured.min():
        return np.zeros(black.shape, bool)
    mask = saturation > np.clip(threshold_otsu(measured), *saturation_bounds)
    mask = opened(mask, round(opening_um / spacing_um))
    mask = closed(mask, round(closing_um / spacing_um))
    mask = without_small(mask, min_area_um2 / spacing_um**2)
    return ~without_small(~mask, max_hole_um2 / spacing_um**2)


def require_brightfield(pixels: np.ndarray, *, name: str) -> None:
    """Raise InputError where nearly nothing of an overview is lit: fluorescence, not H&E."""
    # The last row and column may hang over the slide, and are partly white then.
    lit = (pixels[:-1, :-1].min(axis=2) >= _DARK).mean()
    if lit < _LEAST_LIT:
        raise InputError(
            f"slide {name}: {1 - lit:.1%} of it is dark: fluorescence or an unscanned slide, not"
            " H&E; take it out of the slide sheet"
        )


def require_tissue(mask: np.ndarray, *, name: str) -> None:
    """Raise InputError where the mask of slide `name` is empty."""
    if not mask.any():
        raise InputError(
            f"slide {name}: no tissue found; look at the slide, and at `tissue` in the config"
            " if it has some"
        )
