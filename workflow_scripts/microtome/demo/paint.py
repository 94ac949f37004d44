"""The pixels of a demo slide, painted block by block from its plan, nuclei and textures."""

from dataclasses import dataclass

import numpy as np

from microtome.demo.layout import Layout
from microtome.demo.stain import STEPS, TEXTURE_PX, Textures
from microtome.demo.view import View

# A divisor of the textures' side.
BLOCK_PX = TEXTURE_PX // 3


@dataclass(frozen=True)
class Materials:
    """What one slide is painted with.

    Attributes
    ----------
    layout : Layout
        Where things lie.
    nuclei, red_cells : ndarray of shape (height, width)
        uint8, hundredths of haematoxylin in nuclei and of eosin in red cells.
    textures : Textures
        Surfaces.
    colours : ndarray of shape (3, STEPS * STEPS)
        uint8 RGB of column h * STEPS + e: h hundredths of haematoxylin and e of eosin.
    drift : dict of str to ndarray
        Slow changes on the layout's grid: factors 'haematoxylin' and 'eosin' on the stains;
        haematoxylin of cytoplasm 'basophilia' and 'tumour_basophilia'; width of the 'slits'
        between cords of normal cells, and of clefts in the tumour 'openness' (smaller is wider);
        grey levels of 'shade'.
    ink : ndarray of shape (3,)
        What the felt pen lets through in R, G and B.
    pen : ndarray, optional
        Signed distance in px on the layout's grid, positive under the pen's stroke.
    """

    layout: Layout
    nuclei: np.ndarray
    red_cells: np.ndarray
    textures: Textures
    colours: np.ndarray
    drift: dict[str, np.ndarray]
    ink: np.ndarray
    pen: np.ndarray | None = None


def paint(materials: Materials, *, scanned_px: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Paint a slide: uint8 RGB of shape (height, width, 3).

    Beyond the scanned part, of width and height `scanned_px`, it stays black. Gives how many
    hundredths of each px are tissue, too: uint8 of shape (height, width).
    """
    pixels = np.zeros((*materials.nuclei.shape, 3), np.uint8)
    present = np.zeros(materials.nuclei.shape, np.uint8)
    width, height = scanned_px
    for top in range(0, height, BLOCK_PX):
        rows = slice(top, min(top + BLOCK_PX, height))
        for left in range(0, width, BLOCK_PX):
            columns = slice(left, min(left + BLOCK_PX, width))
            view = View(rows, columns, step_px=materials.layout.step_px)
            _paint_block(pixels[rows, columns], present[rows, columns], materials, view)
    return pixels, present


def _paint_block(pixels: np.ndarray, present: np.ndarray, materials: Materials, view: View) -> None:
    """Fill a block in place: its pixels, and how much of them is tissue."""
    layout, textures = materials.layout, materials.textures
    noise = np.float32(0.8) * view.paper(textures.glass) + view.enlarge(materials.drift["shade"])
    # Added to colours of at most 244, so that nothing overflows.
    grey = np.clip(noise + 4, 0, 8).astype(np.uint8)
    if view.highest(layout.tissue) > -layout.step_px:
        mixture, share = _stain(materials, view)
        np.rint(100 * share, out=present, casting="unsafe")
        # One colour at a time: looking up three bytes at once is several times slower.
        for channel in range(3):
            np.add(materials.colours[channel].take(mixture), grey, out=pixels[..., channel])
    else:
        np.add(materials.colours[:, 0], grey[..., None], out=pixels)
    if materials.pen is not None and view.highest(materials.pen) > -layout.step_px:
        streaks = 0.82 + 0.06 * view.paper(textures.smudge)
        cover = np.clip(np.clip(view.enlarge(materials.pen) / 8 + 0.5, 0, 1) * streaks, 0, 0.95)
        pixels[:] = pixels * (1 - cover[..., None] * (1 - materials.ink))


def _stain(materials: Materials, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Mix the stains of a block: places in the colour table, and the share that is tissue."""
    layout, drift = materials.layout, materials.drift
    here = Textures(*(view.paper(texture) for texture in vars(materials.textures).values()))
    # Borders follow cells, not the plan's smooth lines.
    ragged = 3 * here.cells + here.grain
    present = np.clip((view.enlarge(layout.tissue) + ragged) / 3 + 0.5, 0, 1)
    blue, pink = _stain_parenchyma(here, materials, view)
    for field, surface, gaps in (
        (layout.lymphoid, _stain_lymphoid, None),
        (layout.stroma, _stain_stroma, None),
        (layout.necrosis, _stain_necrosis, None),
        (layout.viable, _stain_tumour, _open_clefts),
        (layout.fat, None, lambda here, *_: here.droplets),
    ):
        if view.highest(field) > -layout.step_px:
            share = np.clip((view.enlarge(field) + ragged) / 6 + 0.5, 0, 1)
            if surface is not None:
                other_blue, other_pink = surface(here, materials, view)
                blue += share * (other_blue - blue)
                pink += share * (other_pink - pink)
            if gaps is not None:
                present *= 1 - share * gaps(here, materials, view)

    nuclei = materials.nuclei[view.rows, view.columns] * np.float32(0.01)
    blue += nuclei
    pink *= 1 - 0.7 * np.minimum(nuclei, 0.6)
    red = None
    if view.highest(layout.lumen) > -3 * layout.step_px:
        lumen = view.enlarge(layout.lumen) + 0.3 * ragged
        pink += 0.35 * np.exp(-(((lumen + 6) / 5) ** 2))  # the vessel's own thin wall
        present *= np.clip(0.5 - lumen / 3, 0, 1)
        red = materials.red_cells[view.rows, view.columns] * np.float32(0.01)
    blue *= present
    pink *= present
    if red is not None:
        pink += red
        blue += 0.1 * red
    blue *= view.enlarge(drift["haematoxylin"])
    pink *= view.enlarge(drift["eosin"])
    return _count_steps(blue) * STEPS + _count_steps(pink), present


def _count_steps(amount: np.ndarray) -> np.ndarray:
    return np.clip(100 * amount, 0, STEPS - 1).astype(np.intp)


# A tissue has haematoxylin and eosin without nuclei; gaps are as empty as they say, 0 to 1.
Pair = tuple[np.ndarray, np.ndarray]


def _stain_parenchyma(here: Textures, materials: Materials, view: View) -> Pair:
    drift = materials.drift
    blue = view.enlarge(drift["basophilia"]) * (1 + 0.16 * here.grain + 0.10 * here.cells)
    pink = 0.62 + 0.085 * here.grain + 0.07 * here.cells
    # Sinusoids: pale slits between the cords of cells.
    slits = np.abs(here.clefts) < view.enlarge(drift["slits"])
    blue[slits] *= 0.3
    pink[slits] *= 0.3
    return blue, pink


def _stain_lymphoid(here: Textures, *_: object) -> Pair:
    return 0.10 + 0.03 * here.grain, 0.42 + 0.08 * here.grain + 0.06 * here.cells


def _stain_stroma(here: Textures, materials: Materials, view: View) -> Pair:
    fibres = view.fibres(materials.textures.cells, materials.textures.smudge)
    return 0.05 + 0.02 * fibres, 0.62 + 0.17 * fibres + 0.04 * here.grain


def _stain_necrosis(here: Textures, *_: object) -> Pair:
    blue = 0.11 + 0.04 * here.smudge + 0.03 * here.cells
    return blue, 0.60 + 0.08 * here.smudge + 0.08 * here.cells + 0.10 * here.grain


def _stain_tumour(here: Textures, materials: Materials, view: View) -> Pair:
    blue = view.enlarge(materials.drift["tumour_basophilia"]) * (1 + 0.15 * here.grain)
    return blue, 0.54 + 0.07 * here.grain + 0.10 * here.cells + 0.10 * here.smudge


def _open_clefts(here: Textures, materials: Materials, view: View) -> np.ndarray:
    """Open clefts between nests of tumour cells."""
    return np.clip(4 * (here.clefts - view.enlarge(materials.drift["openness"])), 0, 0.97)
