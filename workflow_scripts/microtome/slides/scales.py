"""From a spacing in µm/px to a scale: level-0 px per px of a raster or patch."""

from microtome.errors import InputError


def scale_for(
    spacing_um: float,
    *,
    slide_spacing_um: float,
    spacing_tolerance: float,
    upsample: bool = False,
    name: str,
) -> float:
    """Level-0 px per px of a raster or patch at a spacing.

    Times the µm per px of the slide's level 0 it is the spacing really read.

    Parameters
    ----------
    spacing_um, slide_spacing_um : float
        µm per px that is asked for, and of the slide's level 0.
    spacing_tolerance : float
        Relative difference up to which a whole multiple of the slide's own spacing is taken for
        the spacing asked for (0.499 for 0.5), so that nothing has to be resampled.
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
    """
    ratio = spacing_um / slide_spacing_um
    whole = max(1, round(ratio))
    if abs(ratio / whole - 1) <= spacing_tolerance:
        return float(whole)
    if ratio < 1 and not upsample:
        raise InputError(
            f"slide {name}: {spacing_um:g} µm/px is asked for, but the slide has only"
            f" {slide_spacing_um:g} µm/px; choose a coarser spacing, or set slide.upsample"
        )
    return ratio
