"""What a slide absorbs, beside its own glass: how coloured each px is, and which are felt pen.

Optical densities (-ln of the light over the light through glass) add up where things lie on each
other. So their shares in R, G and B tell one dye from another however thickly it lies, and what
only darkens, such as dust, a shadow, black pen or the vignette of a lens, has all three alike.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from microtome.rasters.bands import ReadRows, bands, read_window
from microtome.rasters.disk_raster import Spool
from microtome.slides.brightfield import strongest, weakest
from microtome.tissue.pen import EVEN, PEN_REACH_PX, find_even, flag_pen, sum_windows

# Glass is bright, nearly neutral and of one colour: the brightest that nearly the most px have.
_LEAST_LIGHT, _MOST_TINT, _LEAST_SHARE, _LEAST_OF_MOST = 150, 32, 0.01, 0.2
# What is whiter is padding, or glass beyond the camera's range.
_WHITE, _LEAST_OF_WHITE = 254, 0.1
# JPEG ringing makes a coloured seam along padding, as wide as the blur of the downsampling.
_SEAM_PX = 2
_SMOOTH_UM, _AROUND_UM, _BLUR_PX = 8, 36, 2
# Colour counts from six times the median noise of the glass on, that is four times its standard
# deviation, within these bounds.
_NOISE, _LEAST_COLOUR, _MOST_COLOUR = 6, 0.025, 0.05
_FAINT, _GLASS_UNEVEN = 0.01, 0.015
_UNITS = 4096  # of colour in a code
SURELY_COLOURED = 0.1 * _UNITS


def measure_absorbance(
    rows: ReadRows,
    codes: Spool,
    *,
    n_rows: int,
    spacing_um: float,
    black_below: int,
    tell: Callable[[str], None],
) -> int:
    """Measure how coloured each px of a slide is, and give the code from which on it is no glass.

    `rows` gives RGB, uint8. `codes`, (height, width), uint16, is filled with the largest difference
    of the densities of R, G and B, in 1/4096, 0 for padding and for the blur about something
    darker; flags of `microtome.tissue.pen` are added.
    """
    height = codes.shape[0]
    glass = find_glass(rows, codes.shape, n_rows)
    if glass is None:
        tell("no glass seen: tissue is told from white")
        glass = np.full(3, 255.0)
    noise = np.zeros(_UNITS, np.int64)
    for first, n in bands(height, n_rows):
        found, counts = _measure_band(
            rows, height, first, n, glass=glass, spacing_um=spacing_um, black_below=black_below
        )
        codes.write(first, found)
        noise += counts
    least = _NOISE * np.searchsorted(np.cumsum(noise), 0.5 * noise.sum()) / _UNITS
    if least > _MOST_COLOUR:
        tell(f"the colour of the glass varies by {least:.3f}, and {_MOST_COLOUR} counts as tissue")
    return round(_UNITS * float(np.clip(least, _LEAST_COLOUR, _MOST_COLOUR)))


def decode_colour(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read how coloured px are from codes of `measure_absorbance`, of any shape.

    Gives the units that are compared with what it gives, uint16, and the same as a difference of
    optical densities, float32.
    """
    units = codes & (EVEN - 1)
    return units, units.astype(np.float32) / _UNITS


def find_glass(rows: ReadRows, shape: tuple[int, int], n_rows: int) -> np.ndarray | None:
    """Find R, G and B of a slide's glass, (3,), float64; None if there is too little to tell.

    `rows` gives RGB, uint8, which is read in bands of `n_rows`.
    """
    counts, n_white = np.zeros((64, 64, 64), np.int64), 0
    for band in bands(shape[0], n_rows):
        pixels = rows(*band)
        low, high = weakest(pixels), strongest(pixels)
        n_white += int(np.count_nonzero(low >= _WHITE))
        seen = pixels[(low >= _LEAST_LIGHT) & (low < _WHITE) & (high - low <= _MOST_TINT)]
        red, green, blue = (seen.astype(np.int64) // 2 - 64).T
        counts += np.bincount((red * 64 + green) * 64 + blue, minlength=64**3).reshape(64, 64, 64)
    near = counts
    for axis in range(3):  # the noise of a camera reaches over some bins
        near = ndimage.correlate1d(near, np.ones(5, int), axis=axis, mode="constant")
    if near.max() < max(_LEAST_SHARE * shape[0] * shape[1], _LEAST_OF_WHITE * n_white):
        return None
    light = np.where(near >= _LEAST_OF_MOST * near.max(), np.indices(near.shape).sum(axis=0), -1)
    place = np.array(np.unravel_index(light.argmax(), light.shape))
    first = np.maximum(place - 5, 0)
    about = counts[tuple(slice(a, b + 6) for a, b in zip(first, place, strict=True))]
    return 128.5 + 2 * (first + ndimage.center_of_mass(about))


def _measure_band(
    rows: ReadRows,
    height: int,
    first: int,
    n_rows: int,
    *,
    glass: np.ndarray,
    spacing_um: float,
    black_below: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Give the codes of a band, and how often its glass is off by 0 to 4095 units, int64."""
    reach_px = round(_SMOOTH_UM / spacing_um)
    around_px = round(_AROUND_UM / spacing_um)
    margin = _SEAM_PX + reach_px + max(PEN_REACH_PX, 2 * around_px)
    pixels, above = read_window(rows, height, first, n_rows, margin=margin)
    empty = strongest(pixels) < black_below
    if empty.any():
        empty = ndimage.binary_dilation(empty, iterations=_SEAM_PX)
    empty |= weakest(pixels) >= _WHITE
    light = np.where(empty, np.rint(glass).astype(int)[:, None, None], np.moveaxis(pixels, 2, 0))
    density = _measure_density(light, glass, reach_px)
    total = density.sum(axis=0)
    # Smoothing carries colour to px beside, which have little of it themselves; so does blur.
    sharp = _measure_density(light, glass, 0)
    colour = np.minimum(_measure_colour(density), 2 * _measure_colour(sharp))
    blurred = sharp.sum(axis=0)
    colour[blurred < 0.25 * ndimage.maximum_filter(blurred, 2 * _BLUR_PX + 1)] = 0
    faint = _find_faint(density, light.sum(axis=0), around_px)
    colour[faint] = np.maximum(colour[faint], _MOST_COLOUR + 1 / _UNITS)
    flags = np.where(empty, np.uint16(0), flag_pen(density, light.sum(axis=0), glass))
    codes = np.minimum(colour * _UNITS, EVEN - 1).astype(np.uint16) | flags
    band = slice(above, above + n_rows)
    # Nothing in a section absorbs less green than red and blue: what seems to is noise.
    red, green, blue = density[:, band]
    greenish = (red + blue) / 2 - green
    seen = greenish[(greenish > 0) & (total[band] < 0.5) & ~(empty | (flags != 0))[band]]
    units = (seen * _UNITS).astype(np.int64)
    return codes[band], np.bincount(units, minlength=_UNITS)[:_UNITS]


def _measure_density(light: np.ndarray, glass: np.ndarray, reach_px: int) -> np.ndarray:
    """Optical density of R, G and B of the mean of (2 reach_px + 1)² px, (3, height, width)."""
    side = 2 * reach_px + 1
    # 3 of 255 are added to light: the densities of black would be noise of the camera.
    levels = np.arange(255 * side**2 + 1) / side**2 + 3
    curves = np.log((glass[:, None] + 3) / levels).astype(np.float32)
    return np.stack([c[sum_windows(part, side)] for c, part in zip(curves, light, strict=True)])


def _measure_colour(density: np.ndarray) -> np.ndarray:
    """How far R, G and B differ, less what the noise of dark px makes of it."""
    differ = density.max(axis=0) - density.min(axis=0)
    return (differ - 0.15 * (density.mean(axis=0) - 0.3).clip(0)).clip(0)


def _find_faint(density: np.ndarray, light: np.ndarray, reach_px: int) -> np.ndarray:
    """Find px, (height, width), bool, about which light is uneven and coloured, as in fat.

    Strong colours count no more than sure ones, and only px all of whose neighbours are so are
    found: colour does not reach beyond what has it.
    """
    most = SURELY_COLOURED / _UNITS
    weight = _UNITS * most / np.maximum(_measure_colour(density), most)
    side = 2 * reach_px + 1
    mean = np.stack([sum_windows(np.rint(part * weight).astype(int), side) for part in density])
    coloured = _measure_colour(mean / (side**2 * _UNITS)) > _FAINT
    return ndimage.minimum_filter(coloured & ~find_even(light, side, _GLASS_UNEVEN), side)
