"""One slide of the demo cohort, drawn from nothing: pixels, masks and outlines.

A schematic of H&E: parenchyma with small round nuclei, fibrous bands, vessels, and on most slides
a tumour with large irregular nuclei, partly necrotic. Stain differs between slides and drifts
within each as much as between tissues, so that colour alone does not find the tumour.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from microtome.demo.layout import Layout, plan_slide, smooth_noise
from microtome.demo.nuclei import (
    Nuclei,
    draw_stamps,
    find_nuclei,
    place_nuclei,
    place_red_cells,
)
from microtome.demo.outlines import Outlines, fill, trace
from microtome.demo.paint import Materials, paint
from microtome.demo.stain import draw_glass, draw_textures, tabulate_colours
from microtome.errors import InputError

ARTEFACTS = ("padding", "pen", "pale")

# Smaller slides have no room for cells in the structures of a tumour bed.
SMALLEST_PX = 1000

# Share of width and height that the padding takes.
PADDING = 0.12
# JPEG codes squares of this side together; padding that starts at one stays pure black.
JPEG_SQUARE_PX = 16
# What is left of the stain on a faded slide.
FADED = 0.3
# What felt pens let through in R, G and B.
INKS = {"green": (0.30, 0.72, 0.42), "blue": (0.25, 0.38, 0.85)}


@dataclass(frozen=True)
class DemoSlide:
    """A drawn slide.

    Attributes
    ----------
    pixels : ndarray of shape (height, width, 3)
        uint8 RGB at 0.5 µm/px.
    viable, whole : ndarray of shape (height, width)
        bool, viable tumour and the whole tumour bed.
    outlines : Outlines
        What the masks were filled from.
    nuclei : Nuclei
        Where nuclei are to be seen, and of what.
    """

    pixels: np.ndarray
    viable: np.ndarray
    whole: np.ndarray
    outlines: Outlines
    nuclei: Nuclei


def draw_slide(
    slide: str,
    *,
    seed: int,
    width_px: int,
    height_px: int,
    artefact: str | None = None,
    tumour: bool = True,
) -> DemoSlide:
    """Draw a slide.

    Parameters
    ----------
    slide : str
        Its id; other ids give other slides.
    seed : int
        Of the cohort.
    width_px, height_px : int
        Size of the slide. Smaller slides have a smaller tumour bed but cells of the same size.
    artefact : {'padding', 'pen', 'pale'}, optional
        A fault to add: black strips at the right and below, a stroke of felt pen, faded stain.
    tumour : bool
        False draws normal tissue only.

    Returns
    -------
    DemoSlide
        The same for the same arguments.

    Examples
    --------
    >>> drawn = draw_slide("slide", seed=1, width_px=1000, height_px=1000, tumour=False)
    >>> drawn.pixels.shape, bool(drawn.viable.any())
    ((1000, 1000, 3), False)
    """
    if artefact is not None and artefact not in ARTEFACTS:
        raise ValueError(f"unknown artefact {artefact!r}; known are {', '.join(ARTEFACTS)}")
    if min(width_px, height_px) < SMALLEST_PX:
        raise InputError(
            f"demo: slides of {width_px} x {height_px} px are too small;"
            f" give at least {SMALLEST_PX} px"
        )
    # Not hash(): that one differs from run to run.
    rng = np.random.default_rng([seed, zlib.crc32(slide.encode())])
    size = {"width_px": width_px, "height_px": height_px}
    scanned = width_px, height_px
    if artefact == "padding":
        squares = (int(side * (1 - PADDING)) // JPEG_SQUARE_PX for side in scanned)
        scanned = tuple(n * JPEG_SQUARE_PX for n in squares)
    layout = plan_slide(rng, **size, scanned_px=scanned, tumour=tumour)
    return draw_layout(rng, layout, **size, scanned_px=scanned, artefact=artefact)


def draw_layout(
    rng: np.random.Generator,
    layout: Layout,
    *,
    width_px: int,
    height_px: int,
    scanned_px: tuple[int, int],
    artefact: str | None = None,
    vessels: np.ndarray | None = None,
) -> DemoSlide:
    """Draw a slide that is planned: its outlines, cells, stain and pixels.

    Scanned is a part of width and height `scanned_px`, from the upper left corner; the rest is
    padding. Red cells lie in all lumina of the plan or, where given, in `vessels` alone, a signed
    distance in px.
    """
    size = {"width_px": width_px, "height_px": height_px}
    bleeding = layout if vessels is None else replace(layout, lumen=vessels)
    outlines = trace(layout.whole, layout.viable, step_px=layout.step_px)
    viable, whole = fill(outlines, **size)
    strength = {"normal": rng.uniform(0.65, 1.05), "tumour": rng.uniform(0.55, 1.0)}
    stamps = draw_stamps(rng, strength=strength)
    canvas, stamped = place_nuclei(rng, layout, stamps, **size)
    materials = Materials(
        layout=layout,
        nuclei=canvas,
        red_cells=place_red_cells(rng, bleeding, **size),
        textures=draw_textures(rng),
        colours=tabulate_colours(rng, glass=draw_glass(rng)),
        drift=_draw_drift(rng, layout, width_px=width_px, faded=artefact == "pale"),
        ink=np.array(INKS["green" if rng.random() < 0.6 else "blue"], np.float32),
        pen=_draw_pen_stroke(rng, layout) if artefact == "pen" else None,
    )
    pixels, present = paint(materials, scanned_px=scanned_px)
    return DemoSlide(
        pixels=pixels,
        viable=viable,
        whole=whole,
        outlines=outlines,
        nuclei=find_nuclei(stamped, present),
    )


def _draw_drift(
    rng: np.random.Generator, layout: Layout, *, width_px: int, faded: bool
) -> dict[str, np.ndarray]:
    """Draw stain and brightness that vary slowly over a slide: the `drift` of `Materials`."""
    wide, patchy = 0.12 * width_px, 0.035 * width_px

    def slow(spread: float, reach_px: float) -> np.ndarray:
        noise = smooth_noise(rng, layout.tissue.shape, reach_px / layout.step_px)
        return np.float32(spread) * noise

    thickness = slow(0.10, wide)
    haematoxylin = rng.uniform(0.7, 1.05) * np.exp(
        thickness + slow(0.20, wide) + slow(0.11, patchy)
    )
    eosin = rng.uniform(0.7, 1.2) * np.exp(thickness + slow(0.18, wide) + slow(0.11, patchy))
    left = np.float32(FADED if faded else 1)
    return {
        "haematoxylin": left * np.clip(haematoxylin, 0.45, 1.5),
        "eosin": left * np.clip(eosin, 0.5, 1.7),
        "basophilia": np.clip(rng.uniform(0.08, 0.24) + slow(0.07, patchy), 0.03, 0.45),
        "tumour_basophilia": np.clip(rng.uniform(0.05, 0.15) + slow(0.05, patchy), 0.02, 0.3),
        "openness": np.maximum(rng.uniform(1.2, 1.9) + slow(0.45, patchy), 1.05),
        "slits": rng.uniform(0.08, 0.16) + slow(0.03, patchy),
        "shade": np.clip(slow(1.3, wide), -2.5, 2.5),
    }


def _draw_pen_stroke(rng: np.random.Generator, layout: Layout) -> np.ndarray:
    """Draw a stroke along the edge of the tissue: signed distance in px, positive in the ink."""
    rows, columns = layout.tissue.shape
    tissue = layout.tissue > 0
    first = np.where(tissue.any(axis=1), tissue.argmax(axis=1), columns)
    # Just inside the leftmost tissue, as one marks a region on the glass.
    y = np.arange(0.12 * rows, 0.62 * rows, 2)
    sway = np.sin(7 * y / rows + rng.uniform(0, 2 * np.pi))
    x = np.quantile(first, 0.2) + columns * (0.02 + 0.03 * sway)
    grid_y, grid_x = np.ogrid[:rows, :columns]
    reach = np.full((rows, columns), np.inf)
    for at_y, at_x in zip(y, x, strict=True):
        np.minimum(reach, np.hypot(grid_y - at_y, grid_x - at_x), out=reach)
    return ((0.011 * columns - reach) * layout.step_px).astype(np.float32)
