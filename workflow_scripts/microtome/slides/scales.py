"""From a spacing in µm/px to a scale: level-0 px per px of a raster or patch."""

import math
from typing import Literal

from microtome.errors import InputError

# Scanners of one magnification differ by so much: 40x is 0.22 to 0.28 µm per px.
_NATIVE = 0.15


def scale_for(
    spacing_um: float,
    *,
    slide_spacing_um: float,
    spacing_tolerance: float | Literal["native"],
    upsample: bool = False,
    name: str,
) -> float:
    """Level-0 px per px of a raster or patch at a spacing.

    Times the µm per px of the slide's level 0 it is the spacing really read.

    Parameters
    ----------
    spacing_um, slide_spacing_um : float
        µm per px that is asked for, and of the slide's level 0.
    spacing_tolerance : float or 'native'
        Relative difference up to which a whole multiple of the slide's own spacing is taken for
        the spacing asked for (0.499 for 0.5), so that nothing has to be resampled. With 'native'
        it is 15 %, and powers of two come first: what papers call patches of 40x or level 0.
    upsample : bool
        Whether a spacing finer than the slide's own is allowed, by interpolation.

    Raises
    ------
    InputError
        If the spacing is finer than the slide's own and `upsample` is not set.

    Examples
    --------
    >>> scale_for(1.0, slide_spacing_um=0.2527, spacing_tolerance=0.02, name="a")
    4.0
    >>> scale_for(1.0, slide_spacing_um=0.4, spacing_tolerance=0.02, name="a")
    2.5
    >>> scale_for(8.0, slide_spacing_um=0.243, spacing_tolerance="native", name="a")
    32.0
    """
    ratio = spacing_um / slide_spacing_um
    multiples = [max(1, round(ratio))]
    if spacing_tolerance == "native":
        spacing_tolerance = _NATIVE
        multiples.insert(0, 2 ** max(0, round(math.log2(ratio))))
    for multiple in multiples:
        if abs(ratio / multiple - 1) <= spacing_tolerance:
            return float(multiple)
    if ratio < 1 and not upsample:
        raise InputError(
            f"slide {name}: {spacing_um:g} µm/px is asked for, but the slide has only"
            f" {slide_spacing_um:g} µm/px; choose a coarser spacing, or set slide.upsample"
        )
    return ratio
