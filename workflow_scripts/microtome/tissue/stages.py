"""The stages on the way to a tissue mask, on the small picture of a slide."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microtome.rasters.bands import band_rows, rows_of
from microtome.rasters.disk_raster import Spool
from microtome.tissue.absorbance import decode_colour, measure_absorbance
from microtome.tissue.pen import find_pen
from microtome.tissue.saturation import decode_saturation, find_saturated

_BAND_PX = 2**17  # colours take much memory


@dataclass(frozen=True)
class Stages:
    """What a slide's mask comes from.

    Attributes
    ----------
    name : str
        Of what is measured.
    measured : ndarray of shape (height, width), float32
        HSV saturation, or how far the optical densities of R, G and B differ.
    above : ndarray of shape (height, width), bool
        Where that is above the threshold, without felt pen if the variant tells it.
    """

    name: str
    measured: np.ndarray
    above: np.ndarray


def find_stages(
    picture: np.ndarray, *, spacing_um: float, settings: Mapping, beside: str | Path
) -> Stages:
    """Measure a picture of a slide, RGB uint8 of `spacing_um` µm/px, as its mask was measured.

    `settings` are the config's section ``tissue``. On a picture that was reduced, or is a JPEG,
    thresholds are not quite those of the mask; morphology is left out. Temporary files lie in the
    folder of the output `beside`.
    """
    rows, shape = rows_of(picture), picture.shape[:2]
    n_rows = band_rows(shape[1], band_px=_BAND_PX)
    shared = {"n_rows": n_rows, "black_below": settings["black_below"], "tell": lambda _: None}
    with Spool(shape, np.uint16, beside=beside) as codes:
        if settings["variant"] != "absorbance":
            above = find_saturated(
                rows,
                codes,
                is_smoothed=settings["variant"] == "camelyon",
                bounds=settings["saturation_bounds"],
                **shared,
            )
            found = np.zeros(shape, bool) if above is None else above(0, shape[0])
            return Stages("saturation", decode_saturation(codes.rows(0, shape[0])), found)
        least = measure_absorbance(rows, codes, spacing_um=spacing_um, **shared)
        every = codes.rows(0, shape[0])
        with find_pen(
            codes.rows, shape, least, spacing_um=spacing_um, beside=beside, n_rows=n_rows
        ) as pen:
            units, colour = decode_colour(every)
            above = (units > least) & ~pen.rows(0, shape[0])
        return Stages("difference of optical densities", colour, above)
